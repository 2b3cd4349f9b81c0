package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	agent "github.com/tom-worker/credential-provider/host-example/agent/client"
	hostworker "github.com/tom-worker/credential-provider/host-example/worker"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// work does jobs until it is told to end.
func work(drain, abort context.Context, o *options, stderr io.Writer) error {
	log := o.logger(stderr)
	devices, err := hostworker.Open(o.config)
	if err != nil {
		return err
	}
	a := &attempts{devices: devices, log: log}
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
