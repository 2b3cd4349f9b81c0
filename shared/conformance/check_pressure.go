package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
)

var pressureChecks = []check{
	{Info: Info{"CP-CONCURRENT-001", Must, "64 callers at once each get their own answer",
		"Duties: calls arrive concurrently"},
		after: "CP-GET-001", run: checkConcurrent},
	{Info: Info{"CP-DEADLINE-001", Must, "it answers before the deadline, with an error, when the backend doesn't",
		"Duties: it answers before the deadline, with an error if need be"},
		run: checkDeadline},
	{Info: Info{"CP-CANCEL-001", Must, "cancelled calls don't stand in the way of later ones",
		"Duties: it stops its own work when the call is cancelled"},
		after: "CP-GET-001", run: checkCancel},
}

const (
	callers      = 64
	shortTime    = 2 * time.Second        // a deadline that a slow backend doesn't meet
	cancelAfter  = 100 * time.Millisecond // long enough for calls to arrive
	patientAfter = 5 * time.Second        // for a call after many were cancelled
)

func checkConcurrent(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	ids := e.ids()
	problems := make(chan error, callers)
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for round := range 3 {
				id := ids[(caller+round)%len(ids)]
				got, err := i.get(ctx, id)
				if err != nil {
					problems <- succeed(fmt.Sprintf("GetCredential of %q beside others", id), err)
					return
				}
				if compare(got, e.options.Fixtures.Credentials[id]) != nil {
					problems <- fmt.Errorf("credential %q beside others: the answer is another", id)
					return
				}
			}
		})
	}
	all.Wait()
	close(problems)
	return <-problems // nil when there are none
}

func checkDeadline(ctx context.Context, e *exam) error {
	if len(e.options.Fixtures.Slow) == 0 {
		return skipf("the fixtures name no slow id")
	}
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, shortTime)
	defer cancel()
	_, err = i.provider.GetCredential(ctx, &credentialv1.GetCredentialRequest{CredentialId: e.options.Fixtures.Slow[0]})
	if err != nil && !hasInfo(err) && ctx.Err() != nil {
		return fmt.Errorf("it said nothing within the deadline of %v", shortTime)
	}
	return expect(fmt.Sprintf("GetCredential of a slow id with a deadline of %v", shortTime), err,
		credential.DeadlineExceeded, credential.BackendUnavailable, credential.Throttled)
}

func checkCancel(ctx context.Context, e *exam) error {
	id := e.anyID()
	if slow := e.options.Fixtures.Slow; len(slow) > 0 {
		id = slow[0]
	}
	i, err := e.freshReady(ctx, hosted())
	if err != nil {
		return err
	}
	given, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	for range 2 * callers {
		all.Go(func() {
			_, _ = i.provider.GetCredential(given, &credentialv1.GetCredentialRequest{CredentialId: id})
		})
	}
	time.AfterFunc(cancelAfter, cancel)
	all.Wait()
	ctx, stop := context.WithTimeout(ctx, patientAfter)
	defer stop()
	_, err = i.provider.GetCredential(ctx, &credentialv1.GetCredentialRequest{CredentialId: e.anyID()})
	if ctx.Err() != nil {
		return errors.New("after many cancelled calls it doesn't answer the next one")
	}
	return succeed("GetCredential after many cancelled calls", err)
}
