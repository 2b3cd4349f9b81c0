package main

import (
	"context"

	"github.com/tom-worker/credential-provider/host-example/access"
	"github.com/tom-worker/credential-provider/host-example/audit"
	"github.com/tom-worker/credential-provider/host-example/device"
	"github.com/tom-worker/credential-provider/host-example/grant"
	"github.com/tom-worker/credential-provider/host-example/job"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/store"
)

// crew does jobs: it gets the credential, logs in, and runs the commands. It implements job.Worker.
type crew struct {
	credentials access.Credentials
	grants      grant.Rules
	dialer      *device.Dialer
	audit       *audit.Log
}

// Prepare implements job.Worker: it has the credential read, so that nobody waits for the backend while the device is kept
// from others. The login finds it in the store.
func (c *crew) Prepare(ctx context.Context, j *job.Job) error {
	err := c.allowed(j)
	if err == nil {
		_, err = c.credentials.Get(ctx, j.CredentialID)
	}
	if err != nil {
		c.audit.Withheld(ctx, recipient(j), j.CredentialID, err)
	}
	return err
}

func (c *crew) allowed(j *job.Job) error {
	if !c.grants.Allow(j.CredentialID, j.Host) {
		return credential.Errorf(job.HostNotAllowed, "ssh_credential_hosts doesn't allow credential %q to be sent to host %q", j.CredentialID, j.Host)
	}
	return nil
}

// Do implements job.Worker.
func (c *crew) Do(ctx context.Context, j *job.Job) (outcome job.Outcome) {
	var session *device.Session
	to := recipient(j)
	outcome.Err = c.credentials.Login(ctx, j.CredentialID, j.Device(), func(ctx context.Context, lease store.Lease) (err error) {
		to.Attempt++
		if err := c.audit.HandedOut(ctx, to, lease); err != nil {
			return err
		}
		outcome.Attempts++
		outcome.CredentialVersion = lease.VersionID
		session, err = c.dialer.Login(ctx, j.Device(), lease.Credential)
		return err
	})
	if outcome.Err != nil {
		if to.Attempt == 0 {
			c.audit.Withheld(ctx, to, j.CredentialID, outcome.Err)
		}
		return outcome
	}
	defer session.Close()
	outcome.Outputs, outcome.Err = session.Run(ctx, j.Commands, j.Shell)
	return outcome
}
