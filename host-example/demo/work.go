package main

import (
	"context"
	"fmt"
	"time"

	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
)

// work has one worker do two jobs. Between them the devices' password is rotated, and the provider killed.
func work(ctx context.Context, shell *shell, backend *awssmtest.Server, devices devices) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // a worker that hangs is ended, and the demonstration with it
	defer cancel()
	shell.say("A worker gets jobs on stdin, one JSON line each. A job names a device (here: in memory too) and the id of a credential.")
	worker, err := shell.start(ctx, logFile, "run", "--log-level", "warning")
	if err != nil {
		return err
	}
	defer worker.close()
	if err := worker.do(ctx, jobAt("1", devices[0]), 1); err != nil {
		return err
	}

	// The devices first: who is refused in between asks Secrets Manager again.
	shell.say("While it runs, the password is rotated, at the devices and in Secrets Manager, and the provider's process is killed.")
	devices[:2].setPassword(nextPassword)
	if err := put(ctx, backend, rotated); err != nil {
		return err
	}
	if err := worker.killProvider(); err != nil {
		return err
	}
	if err := worker.log.await(ctx, "provider is replaced"); err != nil {
		return err
	}

	shell.say("The next job on stdin is done with the new version of the credential.")
	if err := worker.do(ctx, jobAt("2", devices[1]), 2); err != nil {
		return err
	}
	if err := worker.end(ctx); err != nil {
		return err
	}
	shell.say("What the worker has noticed of all that:")
	return shell.show(logFile)
}

func jobAt(id string, device *devicetest.Device) string {
	return fmt.Sprintf(`{"id":%q,"host":"127.0.0.1","port":%d,"credential_id":"lab_creds","commands":["show version"]}`, id, device.Port())
}

// configure has a worker configure a router.
func configure(ctx context.Context, shell *shell, router *devicetest.Device) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	shell.say("A router with an enable password and a pager is configured; nothing has to be said about what its prompts look like.")
	worker, err := shell.start(ctx, logFile, "run", "--log-level", "warning")
	if err != nil {
		return err
	}
	defer worker.close()
	if err := worker.do(ctx, configurationOf("3", router), 1); err != nil {
		return err
	}
	return worker.end(ctx)
}

func configurationOf(id string, device *devicetest.Device) string {
	return fmt.Sprintf(`{"id":%q,"host":"127.0.0.1","port":%d,"credential_id":"core_routers","enable":true,"config":["interface Gi0/1","description uplink"],"commands":["show interfaces description"]}`, id, device.Port())
}
