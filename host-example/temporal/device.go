package main

import (
	"context"
	"errors"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"
)

// look is how often a device's workflow looks whether the job that has the device is still there: one that was terminated
// doesn't say so.
const look = time.Minute

// deviceID is the workflow id of a device: there is at most one of that name, which makes it the lock.
func deviceID(device string) string { return deviceWorkflow + "/" + device }

// ticket is a job in a device's queue.
type ticket struct {
	WorkflowID, RunID string
	Priority          int // as Temporal's: from 1, the smallest first; 0 is its default
}

// line is who has a device and who waits for it.
type line struct {
	Holder *ticket
	Queue  []ticket
}

// arrive adds a job, once.
func (l *line) arrive(t ticket) {
	if t.Priority == 0 {
		t.Priority = 3
	}
	if l.Holder != nil && l.Holder.RunID == t.RunID || slices.ContainsFunc(l.Queue, func(q ticket) bool { return q.RunID == t.RunID }) {
		return
	}
	at := slices.IndexFunc(l.Queue, func(q ticket) bool { return q.Priority > t.Priority })
	if at < 0 {
		at = len(l.Queue)
	}
	l.Queue = slices.Insert(l.Queue, at, t)
}

// leave takes a job out, wherever it is.
func (l *line) leave(t ticket) {
	if l.Holder != nil && l.Holder.RunID == t.RunID {
		l.Holder = nil
	}
	l.Queue = slices.DeleteFunc(l.Queue, func(q ticket) bool { return q.RunID == t.RunID })
}

// Device is the workflow of a device: it gives the device to one job at a time, by priority, then in order of arrival. It ends
// when no job is there, and starts with the next one.
//
// It can't be cancelled. To terminate it while a job has the device lets the next job go to it at once.
func (f *fleet) Device(ctx workflow.Context, l line) error {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	arrivals, departures := workflow.GetSignalChannel(ctx, acquireName), workflow.GetSignalChannel(ctx, releaseName)
	for {
		for t := (ticket{}); arrivals.ReceiveAsync(&t); t = (ticket{}) {
			l.arrive(t)
		}
		for t := (ticket{}); departures.ReceiveAsync(&t); t = (ticket{}) {
			l.leave(t)
		}
		switch {
		case l.Holder == nil && len(l.Queue) > 0:
			next := l.Queue[0]
			l.Holder, l.Queue = &next, l.Queue[1:]
			if workflow.SignalExternalWorkflow(ctx, next.WorkflowID, next.RunID, grantedName, nil).Get(ctx, nil) != nil {
				l.leave(next) // it is gone
			}
		case l.Holder == nil:
			return nil
		case workflow.GetInfo(ctx).GetContinueAsNewSuggested():
			return workflow.NewContinueAsNewError(ctx, deviceWorkflow, l)
		default:
			f.await(ctx, &l, arrivals, departures)
		}
	}
}

// await returns when there is a signal, or when the job that has the device was found to be gone.
func (f *fleet) await(ctx workflow.Context, l *line, signals ...workflow.ReceiveChannel) {
	waiting, cancel := workflow.WithCancel(ctx)
	defer cancel()
	late := false
	selector := workflow.NewSelector(ctx).AddFuture(workflow.NewTimer(waiting, look), func(workflow.Future) { late = true })
	for _, c := range signals {
		selector.AddReceive(c, func(workflow.ReceiveChannel, bool) {}) // it is received above
	}
	selector.Select(ctx)
	if !late {
		return
	}
	gone, holder := false, *l.Holder
	if ask(ctx, closedName, holder).Get(ctx, &gone) == nil && gone {
		// Its worker, if it still has one, notices within the lease.
		_ = workflow.Sleep(ctx, f.lease)
		l.leave(holder)
	}
}

// locks are the local activities of the workflows.
type locks struct {
	client client.Client
	queue  string
}

// Acquire puts a job into its device's queue. It may be called again for the same one.
func (l *locks) Acquire(ctx context.Context, device string, t ticket) error {
	options := client.StartWorkflowOptions{TaskQueue: l.queue}
	_, err := l.client.SignalWithStartWorkflow(ctx, deviceID(device), acquireName, t, options, deviceWorkflow, line{})
	return err
}

// Closed reports whether a job's workflow has ended.
func (l *locks) Closed(ctx context.Context, t ticket) (bool, error) {
	described, err := l.client.DescribeWorkflowExecution(ctx, t.WorkflowID, t.RunID)
	if errors.As(err, new(*serviceerror.NotFound)) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return described.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, nil
}
