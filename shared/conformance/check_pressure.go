package conformance

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/health/grpc_health_v1"

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
	{Info: Info{"CP-CONCURRENT-002", Must, "health, metadata and a quick read are answered while 64 slow calls wait",
		"Duties: calls arrive concurrently; hosts kill a provider whose health isn't answered"},
		after: "CP-GET-001", run: checkBesideSlow},
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
				if other := e.besides(caller + round); other != nil {
					if err := other(ctx, i); err != nil {
						problems <- fmt.Errorf("beside others: %w", err)
						return
					}
				}
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

// besides are the calls of which each caller makes one besides its own: some fail, and some ask for a version.
func (e *exam) besides(n int) func(context.Context, *instance) error {
	f := e.options.Fixtures
	switch n % 8 {
	case 3:
		return func(ctx context.Context, i *instance) error {
			_, err := i.get(ctx, f.Missing[0])
			return expect("GetCredential of a missing id", err, credential.CredentialNotFound)
		}
	case 5:
		if able, _ := e.can(context.Background(), credential.CapabilityVersion); !able || len(f.Versions) == 0 {
			return nil
		}
		version := f.Versions[n%len(f.Versions)]
		return func(ctx context.Context, i *instance) error {
			return withTime(ctx, func(ctx context.Context) error {
				response, err := i.provider.GetCredential(ctx, version.request())
				if err == nil {
					err = compare(response.GetCredential(), version.Credential)
				}
				return succeed("GetCredential of a version", err)
			})
		}
	}
	return nil
}

func checkDeadline(ctx context.Context, e *exam) error {
	if len(e.options.Fixtures.Slow) == 0 {
		return skipf("the fixtures name no slow id")
	}
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	return e.patiently(func(times time.Duration) error {
		limit := times * shortTime
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		_, err := i.provider.GetCredential(ctx, &credentialv1.GetCredentialRequest{CredentialId: e.options.Fixtures.Slow[0]})
		if err != nil && !hasInfo(err) && ctx.Err() != nil {
			return latef("it said nothing within the deadline of %v", limit)
		}
		return expect(fmt.Sprintf("GetCredential of a slow id with a deadline of %v", limit), err,
			credential.DeadlineExceeded, credential.BackendUnavailable, credential.Throttled)
	})
}

// quickTime is how long a call may take that has nothing to wait for.
const quickTime = 2 * time.Second

func checkBesideSlow(ctx context.Context, e *exam) error {
	if len(e.options.Fixtures.Slow) == 0 {
		return skipf("the fixtures name no slow id")
	}
	slow := e.options.Fixtures.Slow[0]
	return e.patiently(func(times time.Duration) error {
		i, err := e.freshReady(ctx, hosted())
		if err != nil {
			return err
		}
		waiting, giveUp := context.WithTimeout(ctx, times*10*quickTime)
		var all sync.WaitGroup
		defer all.Wait()
		defer giveUp()
		for range callers {
			all.Go(func() {
				_, _ = i.provider.GetCredential(waiting, &credentialv1.GetCredentialRequest{CredentialId: slow})
			})
		}
		if !sleep(ctx, times*cancelAfter) { // they are to have arrived
			return ctx.Err()
		}
		id := e.anyID()
		for _, quick := range []struct {
			what string
			call func(context.Context) error
		}{
			{"Check of the health service", func(ctx context.Context) error {
				_, err := i.health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: healthService})
				return err
			}},
			{"GetMetadata", func(ctx context.Context) error {
				_, err := i.provider.GetMetadata(ctx, &credentialv1.GetMetadataRequest{})
				return err
			}},
			{fmt.Sprintf("GetCredential of %q", id), func(ctx context.Context) error {
				response, err := i.provider.GetCredential(ctx, &credentialv1.GetCredentialRequest{CredentialId: id})
				if err == nil {
					err = compare(response.GetCredential(), e.options.Fixtures.Credentials[id])
				}
				return err
			}},
		} {
			start := time.Now()
			ctx, cancel := context.WithTimeout(ctx, times*quickTime+e.pace.margin(start.Add(-time.Second)))
			err := quick.call(ctx)
			cancel()
			if err != nil && ctx.Err() != nil {
				return latef("%s beside %d slow calls: it isn't answered within %v", quick.what, callers, times*quickTime)
			}
			if err != nil {
				return succeed(quick.what+" beside slow calls", err)
			}
		}
		return nil
	})
}

func checkCancel(ctx context.Context, e *exam) error {
	id := e.anyID()
	if slow := e.options.Fixtures.Slow; len(slow) > 0 {
		id = slow[0]
	}
	return e.patiently(func(times time.Duration) error {
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
		time.AfterFunc(times*cancelAfter+5*e.pace.worst(time.Now().Add(-time.Second)), cancel) // they are to have arrived
		all.Wait()
		ctx, stop := context.WithTimeout(ctx, times*patientAfter)
		defer stop()
		_, err = i.provider.GetCredential(ctx, &credentialv1.GetCredentialRequest{CredentialId: e.anyID()})
		if ctx.Err() != nil {
			return latef("after many cancelled calls it doesn't answer the next one")
		}
		return succeed("GetCredential after many cancelled calls", err)
	})
}
