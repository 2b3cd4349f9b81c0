package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// These are about a backend that changes while the provider runs.
var eventChecks = []check{
	{Info: Info{"CP-CHANGE-001", Must, "a credential that has changed reads as it is now",
		"GetCredential: the provider keeps no cache: that is the host's"},
		after: "CP-GET-001", run: afterEvent(func(e Event) bool { return len(e.Credentials) > 0 }, "changes a credential", checkChanged)},
	{Info: Info{"CP-CHANGE-002", Must, "a credential that is gone or deleted isn't found any more",
		"Errors: CREDENTIAL_NOT_FOUND, CREDENTIAL_DELETED; the provider keeps no cache"},
		after: "CP-GET-001", run: afterEvent(func(e Event) bool { return len(e.Missing)+len(e.Deleted) > 0 }, "deletes a credential", checkGone)},
	{Info: Info{"CP-CHANGE-003", Must, "a credential that the backend denies is ACCESS_DENIED",
		"Errors: ACCESS_DENIED, PERMISSION_DENIED: the backend refuses"},
		after: "CP-GET-001", run: afterEvent(func(e Event) bool { return len(e.Denied) > 0 }, "denies a credential", checkDenied)},
	{Info: Info{"CP-CHANGE-004", Must, "a backend that doesn't answer any more is answered for before the deadline",
		"Duties: it answers before the deadline, with an error if need be"},
		after: "CP-GET-001", run: afterEvent(func(e Event) bool { return len(e.Slow) > 0 }, "makes a credential slow", checkSlowed)},
	{Info: Info{"CP-SESSION-001", Must, "when the backend has ended its session, every caller gets an answer",
		"BACKEND_UNAUTHENTICATED is for credentials that the backend refuses: a provider that can sign in again does"},
		after: "CP-GET-001", run: afterEvent(func(e Event) bool { return e.SessionEnded }, "ends the provider's session", checkSession)},
}

// afterEvent makes a check of an event: once for each of the fixtures' that it is about.
func afterEvent(about func(Event) bool, what string, judge func(context.Context, *exam, *instance, Event) error) func(context.Context, *exam) error {
	return func(ctx context.Context, e *exam) error {
		made := false
		for n, event := range e.options.Fixtures.Events {
			if !about(event) {
				continue
			}
			if err := e.happen(ctx, n, event, judge); err != nil {
				return err
			}
			made = true
		}
		if !made {
			return skipf("the fixtures have no event that %s", what)
		}
		return nil
	}
}

// commandTime is how long a command of the fixtures may take.
const commandTime = time.Minute

// happen lets a provider read everything, then the event happen, and judges what the same process answers after it.
func (e *exam) happen(ctx context.Context, n int, event Event, judge func(context.Context, *exam, *instance, Event) error) (err error) {
	i, err := e.freshReady(ctx, hosted())
	if err != nil {
		return err
	}
	e.use(ctx, i)
	for _, id := range slices.Concat(slices.Collect(maps.Keys(event.Credentials)), event.Missing, event.Deleted, event.Denied) {
		_, _ = i.get(ctx, id)
		_, _ = i.validate(ctx, &id)
	}
	if able, _ := e.can(ctx, credential.CapabilityBatch); able {
		_ = withTime(ctx, func(ctx context.Context) error {
			ids := e.ids()
			_, err := i.provider.BatchGetCredentials(ctx, batchOf(ids[:min(len(ids), credential.MaxBatch)]...))
			return err
		})
	}
	if err := e.command(ctx, event.Command); err != nil {
		return skipf("event %d of the fixtures: %v", n+1, err)
	}
	undone := len(event.Undo) == 0
	defer func() {
		if undone {
			return
		}
		if failed := e.command(context.WithoutCancel(ctx), event.Undo); failed != nil && err == nil {
			err = skipf("event %d of the fixtures, undo: %v", n+1, failed)
		}
	}()
	if err := judge(ctx, e, i, event); err != nil {
		return fmt.Errorf("after event %d of the fixtures: %w", n+1, err)
	}
	if undone {
		return nil
	}
	undone = true
	if err := e.command(ctx, event.Undo); err != nil {
		return skipf("event %d of the fixtures, undo: %v", n+1, err)
	}
	if err := e.recovered(ctx, i, len(event.Slow) > 0); err != nil {
		return fmt.Errorf("after event %d of the fixtures was undone: %w", n+1, err)
	}
	return nil
}

// recovery is how long after an outage a provider may go on to say that the backend is gone.
const recovery = 15 * time.Second

// recovered reads everything again as it was before an event. After an outage it may take some time.
func (e *exam) recovered(ctx context.Context, i *instance, outage bool) error {
	start := time.Now()
	for {
		err := each(e.ids(), func(id string) error {
			got, err := i.get(ctx, id)
			if err == nil {
				err = compare(got, e.options.Fixtures.Credentials[id])
			}
			return succeed(fmt.Sprintf("GetCredential of %q", id), err)
		})
		if err == nil || !outage || time.Since(start) > recovery+e.pace.margin(start) || !sleep(ctx, 500*time.Millisecond) {
			return err
		}
	}
}

// command runs a command of the fixtures. What it prints isn't shown: it may have secrets.
func (e *exam) command(ctx context.Context, command []string) error {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // the fixtures' own
	cmd.Env = slices.Clone(e.options.Environ)
	for name, value := range e.options.Fixtures.Environment {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	for name, value := range e.options.Settings {
		text, isText := value.(string)
		if !isText {
			encoded, _ := json.Marshal(value)
			text = string(encoded)
		}
		cmd.Env = append(cmd.Env, "SETTING_"+strings.ToUpper(name)+"="+text)
	}
	cmd.WaitDelay = pipeGrace
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("its command %s doesn't work: %w", command[0], err)
	}
	return nil
}

func checkChanged(ctx context.Context, e *exam, i *instance, event Event) error {
	ids := slices.Sorted(maps.Keys(event.Credentials))
	for _, id := range ids {
		got, err := i.get(ctx, id)
		if err == nil {
			err = compare(got, event.Credentials[id])
		}
		if err != nil {
			return succeed(fmt.Sprintf("GetCredential of %q", id), err)
		}
	}
	if able, _ := e.can(ctx, credential.CapabilityBatch); able {
		err := withTime(ctx, func(ctx context.Context) error {
			response, err := i.provider.BatchGetCredentials(ctx, batchOf(ids...))
			if err != nil || len(response.GetResults()) != len(ids) {
				return succeed("BatchGetCredentials", err)
			}
			for n, id := range ids {
				if err := compare(response.GetResults()[n].GetCredential(), event.Credentials[id]); err != nil {
					return fmt.Errorf("credential %q in a batch: %w", id, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if able, _ := e.can(ctx, credential.CapabilityList); able {
		listed, err := i.listedBy(ctx)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if !listed[id] {
				return fmt.Errorf("%q is not in the listing", id)
			}
		}
	}
	return nil
}

// listedBy are the ids that a process lists.
func (i *instance) listedBy(ctx context.Context) (map[string]bool, error) {
	_, pages, err := i.walk(ctx, 0)
	if err != nil {
		return nil, err
	}
	all := map[string]bool{}
	for _, page := range pages {
		for _, summary := range page.GetCredentials() {
			all[summary.GetCredentialId()] = true
		}
	}
	return all, nil
}

func checkGone(ctx context.Context, e *exam, i *instance, event Event) error {
	for _, id := range slices.Concat(event.Missing, event.Deleted) {
		reasons := []credential.Reason{credential.CredentialNotFound}
		if slices.Contains(event.Deleted, id) {
			reasons = append(reasons, credential.CredentialDeleted)
		}
		if err := e.refusedBy(ctx, i, id, reasons...); err != nil {
			return err
		}
		if report, err := i.validate(ctx, &id); err == nil && len(report.GetChecks()) > 0 {
			if err := i.doubts(ctx, id); err != nil {
				return err
			}
		}
	}
	if able, _ := e.can(ctx, credential.CapabilityList); able && len(event.Missing) > 0 {
		listed, err := i.listedBy(ctx)
		if err != nil {
			return err
		}
		for _, id := range event.Missing {
			if listed[id] {
				return fmt.Errorf("%q is still in the listing", id)
			}
		}
	}
	return nil
}

// refusedBy reports whether a read of an id is refused for one of these reasons, alone and in a batch.
func (e *exam) refusedBy(ctx context.Context, i *instance, id string, reasons ...credential.Reason) error {
	_, err := i.get(ctx, id)
	if err := expect(fmt.Sprintf("GetCredential of %q", id), err, reasons...); err != nil {
		return err
	}
	if able, _ := e.can(ctx, credential.CapabilityBatch); !able {
		return nil
	}
	return withTime(ctx, func(ctx context.Context) error {
		response, err := i.provider.BatchGetCredentials(ctx, batchOf(id))
		if err != nil || len(response.GetResults()) != 1 {
			return succeed("BatchGetCredentials", errors.Join(err, fmt.Errorf("%d answers to one request", len(response.GetResults()))))
		}
		return expectItem(fmt.Sprintf("the answer to %q in a batch", id), response.GetResults()[0], reasons...)
	})
}

func checkDenied(ctx context.Context, e *exam, i *instance, event Event) error {
	for _, id := range event.Denied {
		if err := e.refusedBy(ctx, i, id, credential.AccessDenied); err != nil {
			return err
		}
	}
	return nil
}

func checkSlowed(ctx context.Context, e *exam, i *instance, event Event) error {
	return e.patiently(func(times time.Duration) error {
		return each(event.Slow, func(id string) error { return e.punctual(ctx, i, id, times*shortTime) })
	})
}

// checkSession reads from many callers at once: each of them may find the session ended, and one login is to do for all.
func checkSession(ctx context.Context, e *exam, i *instance, _ Event) error {
	problems := make(chan error, callers)
	var all sync.WaitGroup
	ids := e.ids()
	for caller := range callers {
		all.Go(func() {
			id := ids[caller%len(ids)]
			got, err := i.get(ctx, id)
			if err == nil {
				err = compare(got, e.options.Fixtures.Credentials[id])
			}
			if err != nil {
				problems <- succeed(fmt.Sprintf("GetCredential of %q", id), err)
			}
		})
	}
	all.Wait()
	close(problems)
	if err := <-problems; err != nil {
		return err
	}
	if able, _ := e.can(ctx, credential.CapabilityBatch); able {
		return withTime(ctx, func(ctx context.Context) error {
			_, err := i.provider.BatchGetCredentials(ctx, batchOf(e.anyID()))
			return succeed("BatchGetCredentials", err)
		})
	}
	return nil
}
