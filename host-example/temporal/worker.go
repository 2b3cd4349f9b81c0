package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	agent "github.com/tom-worker/credential-provider/host-example/agent/client"
	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/host-example/worker/device"
	"github.com/tom-worker/credential-provider/host-example/worker/device/platform"
	"github.com/tom-worker/credential-provider/host-example/worker/hostrules"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// work does jobs until it is told to end.
func work(drain, abort context.Context, o *options, stderr io.Writer) error {
	log := o.logger(stderr)
	a, err := o.attempts(log)
	if err != nil {
		return err
	}
	if a.agent, err = agent.New(o.socket); err != nil {
		return usagef("agent at %s: %v", o.socket, err)
	}
	defer func() { _ = a.agent.Close() }()
	o.temporal.Logger = log
	if a.client, err = client.DialContext(drain, o.temporal); err != nil {
		if drain.Err() != nil { // it was told to end before it had done anything
			return nil
		}
		return o.unreachable(err)
	}
	defer a.client.Close()
	now, interrupt := context.WithCancel(abort)
	defer interrupt()
	a.abort = now

	fatal := make(chan error, 1)
	w := worker.New(a.client, o.queue, worker.Options{
		MaxConcurrentActivityExecutionSize: o.config.Concurrency,
		WorkerStopTimeout:                  o.config.ShutdownGrace + time.Minute, // jobs end before
		DisableEagerActivities:             true,                                 // they would go ahead of others in the queue
		OnFatalError:                       func(err error) { fatal <- err },
	})
	register(w, &fleet{timeout: o.config.JobTimeout, lease: o.lease}, &locks{a.client, o.queue}, a)
	if err := w.Start(); err != nil {
		return o.unreachable(err)
	}
	log.Info("the worker takes jobs", "address", o.temporal.HostPort, "namespace", o.temporal.Namespace, "task_queue", o.queue)
	select {
	case <-drain.Done():
		log.Info("the worker ends: jobs whose commands have started may go on", "shutdown_grace", o.config.ShutdownGrace.String())
		grace := time.AfterFunc(o.config.ShutdownGrace, interrupt)
		defer grace.Stop()
	case err = <-fatal:
		interrupt()
		err = fmt.Errorf("the Temporal server doesn't take this worker any more: %w", err)
	}
	w.Stop()
	return err
}

// register says which workflows and activities there are. w is a worker's registry.
func register(w worker.Registry, f *fleet, l *locks, a *attempts) {
	w.RegisterWorkflowWithOptions(f.Job, workflow.RegisterOptions{Name: jobWorkflow})
	w.RegisterWorkflowWithOptions(f.Device, workflow.RegisterOptions{Name: deviceWorkflow})
	w.RegisterActivityWithOptions(l.Acquire, activity.RegisterOptions{Name: acquireName})
	w.RegisterActivityWithOptions(l.Closed, activity.RegisterOptions{Name: closedName})
	w.RegisterActivityWithOptions(a.Attempt, activity.RegisterOptions{Name: attemptName})
}

// unreachable is the error of a server that doesn't take the worker.
func (o *options) unreachable(err error) error {
	if errors.As(err, new(*serviceerror.NamespaceNotFound)) {
		return credential.Errorf(credential.SettingsInvalid, "the Temporal server at %s has no namespace %q", o.temporal.HostPort, o.temporal.Namespace).
			WithHelp("temporal operator namespace create --namespace %s", o.temporal.Namespace).
			WithHelp("or name another one: --namespace, TEMPORAL_NAMESPACE")
	}
	return credential.Errorf(credential.BackendUnavailable, "the Temporal server at %s is unreachable: %v", o.temporal.HostPort, err).
		WithHelp("name another one: --address, TEMPORAL_ADDRESS").
		WithHelp("or start one on this machine: temporal server start-dev")
}

// attempts has what the settings say of devices.
func (o *options) attempts(log hclog.Logger) (*attempts, error) {
	refuse := func(key string, err error) error {
		return &config.Error{Problems: []config.Problem{{Place: o.config.Place(key), Key: key, Text: err.Error()}}}
	}
	rules, err := hostrules.Parse(o.config.SSHCredentialHosts)
	if err != nil {
		return nil, refuse("ssh_credential_hosts", err)
	}
	known, err := config.AtHome(o.config.SSHKnownHosts)
	if err != nil {
		return nil, refuse("ssh_known_hosts", err)
	}
	hostKeys, err := device.OpenHostKeys(known, o.config.SSHHostKeys == config.HostKeysAcceptNew)
	if err != nil {
		return nil, refuse("ssh_known_hosts", err)
	}
	own, err := config.AtHome(o.config.DevicePlatforms)
	if err != nil {
		return nil, refuse("device_platforms", err)
	}
	platforms, err := platform.Load(own)
	if err != nil {
		return nil, refuse("device_platforms", err)
	}
	if o.config.SSHLegacyAlgorithms {
		device.AllowShortKeys()
	}
	return &attempts{
		rules: rules, platforms: platforms, log: log,
		dialer: device.Dialer{HostKeys: hostKeys, LegacyAlgorithms: o.config.SSHLegacyAlgorithms, LoginTimeout: o.config.SSHLoginTimeout},
	}, nil
}
