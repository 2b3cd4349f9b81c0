package main

import (
	"context"

	"github.com/tom-worker/credential-provider/host-example/observe"
	"github.com/tom-worker/credential-provider/host-example/observe/audit"
	"github.com/tom-worker/credential-provider/host-example/observe/trace"
	"github.com/tom-worker/credential-provider/host-example/worker"
	"github.com/tom-worker/credential-provider/host-example/worker/device"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/store"
)

// handler does jobs: it gets the credential, logs in, and runs the commands. It implements job.Worker.
type handler struct {
	credentials observe.Credentials
	store       *store.Store // what credentials are from
	devices     *worker.Devices
	audit       *audit.Log
}

// Prepare implements job.Worker: it has the credentials read before the job takes its turn at the device, so that others
// don't wait for the backend too. The login finds them in the store.
func (h *handler) Prepare(ctx context.Context, j *job.Job) error {
	if jump := j.Jump; jump != nil {
		if err := h.prepare(ctx, recipientOfJump(j), jump.CredentialID, jump.Host); err != nil {
			return err
		}
	}
	return h.prepare(ctx, recipient(j), j.CredentialID, j.Host)
}

func (h *handler) prepare(ctx context.Context, to audit.Recipient, credentialID, host string) error {
	err := h.devices.Rules.Check(credentialID, host)
	if err == nil {
		_, err = h.credentials.Get(ctx, credentialID)
	}
	if err != nil {
		h.audit.Withheld(ctx, to, credentialID, err)
	}
	return err
}

// Do implements job.Worker.
func (h *handler) Do(ctx context.Context, j *job.Job) (outcome job.Outcome) {
	target := device.Target{Address: j.Device(), Answers: j.Answers}
	if j.Jump != nil {
		var unused job.Outcome
		through, err := h.login(ctx, recipientOfJump(j), j.Jump.CredentialID, device.Target{Address: j.Jump.Address()}, &unused)
		if err != nil {
			outcome.Err = err
			return outcome
		}
		defer through.Close()
		target.Through = through
	}
	session, err := h.login(ctx, recipient(j), j.CredentialID, target, &outcome)
	if err != nil {
		outcome.Err = err
		return outcome
	}
	defer session.Close()
	script, err := h.devices.Script(j)
	if err != nil {
		outcome.Err = err
		return outcome
	}
	outcome.Outputs, outcome.Err = session.Run(ctx, script)
	return outcome
}

// login logs in to a device.
func (h *handler) login(ctx context.Context, to audit.Recipient, credentialID string, target device.Target, outcome *job.Outcome) (session *device.Session, err error) {
	err = h.credentials.Login(ctx, credentialID, target.Address, func(ctx context.Context, present observe.Present) error {
		// For the user name, which the device hears before it asks for anything.
		expected, err := h.store.Get(ctx, credentialID)
		if err != nil {
			return err
		}
		target.Expected = expected.Credential
		session, err = h.devices.Dialer.Login(ctx, target, func(ctx context.Context) (*credential.Credential, error) {
			result, err := present(ctx)
			if err != nil {
				return nil, err
			}
			to.Attempt++
			if err := h.audit.HandedOut(ctx, to, result); err != nil {
				return nil, err
			}
			outcome.Attempts++
			outcome.CredentialVersion = result.VersionID
			return result.Credential, nil
		})
		return err
	})
	if err != nil && to.Attempt == 0 {
		h.audit.Withheld(ctx, to, credentialID, err)
	}
	return session, err
}

// handler makes the handler of the jobs.
func (s *serving) handler() (*handler, error) {
	devices, err := worker.Open(s.config)
	if err != nil {
		return nil, err
	}
	devices.Dialer.ObserveCommands = trace.Command
	return &handler{
		devices:     devices,
		credentials: s.observers.metrics.Credentials(s.traces.Credentials(observe.Guarded(s.store, s.guard))),
		store:       s.store,
		audit:       s.audit,
	}, nil
}
