package main

import (
	"encoding/json"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/tom-worker/credential-provider/host-example/worker/device"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// Names that are seen in Temporal: of workflows, activities, signals and updates.
const (
	jobWorkflow    = "job"
	deviceWorkflow = "device"
	attemptName    = "attempt"
	acquireName    = "acquire" // a local activity, and the signal that it sends
	closedName     = "closed"
	grantedName    = "granted"
	releaseName    = "release"
	beginName      = "begin"
)

const (
	// maxAttempts bounds how often a job is started anew: one that ends its worker doesn't end them all.
	maxAttempts = 10
	// askAgain is how long a job waits for its device before it asks for it anew: an operator may have terminated the device's
	// workflow.
	askAgain = 5 * time.Minute
	// spare is what an attempt may take besides the job's time: the device's answer to a login is waited for.
	spare = 2 * time.Minute
)

// fleet has the workflows. Its fields are settings of this worker; what must not change while a workflow runs is recorded.
type fleet struct {
	timeout time.Duration // of jobs that have none
	lease   time.Duration // how long a worker may be silent before its attempt is given up
}

// plan is what a workflow needs to know of its job.
type plan struct {
	Device     string
	ID         string
	Timeout    time.Duration
	Repeatable bool
	Result     json.RawMessage `json:",omitempty"` // of what is no job
}

// attemptInput is one attempt at a job.
type attemptInput struct {
	Number int
	Job    json.RawMessage
}

// attemptOutput is what came of an attempt.
type attemptOutput struct {
	// Again is set where no command was sent, and another attempt may do better, after Delay.
	Again bool
	Delay time.Duration
	// Result is the job's, unless it is tried again.
	Result json.RawMessage
}

// execution is one job under way.
type execution struct {
	plan
	lease   time.Duration
	input   json.RawMessage
	attempt int  // its number, from 1; 0 while there is none
	started bool // the attempt may have sent a command
	ran     bool // one of the attempts may have
}

// Job is the workflow of a job: its input is the job, its result is the job's result, both in the JSON of "host-example run".
func (f *fleet) Job(ctx workflow.Context, input json.RawMessage) (json.RawMessage, error) {
	e := &execution{lease: f.lease, input: input}
	if err := workflow.SideEffect(ctx, func(workflow.Context) any { return f.planOf(input) }).Get(&e.plan); err != nil {
		return nil, err
	}
	if e.Result != nil {
		return e.Result, nil
	}
	if err := workflow.SetUpdateHandler(ctx, beginName, func(_ workflow.Context, number int) error { return e.begin(ctx, number) }); err != nil {
		return nil, err
	}
	e.acquire(ctx)
	result := e.run(ctx)
	e.attempt = 0 // nothing may begin from here on
	e.release(ctx)
	return result, nil
}

// planOf reads a job.
func (f *fleet) planOf(input json.RawMessage) plan {
	j, err := job.Parse(input)
	if err != nil {
		return plan{Result: answer(input, job.Queue{})}
	}
	p := plan{Device: j.Device(), ID: j.ID, Timeout: j.Timeout, Repeatable: j.Repeatable}
	if p.Timeout == 0 {
		p.Timeout = f.timeout
	}
	return p
}

// begin records that an attempt is about to send its first command. Once that is in the workflow's history, and not before, the
// attempt's worker sends it. An attempt that was given up doesn't begin any more.
func (e *execution) begin(ctx workflow.Context, number int) error {
	if number != e.attempt || ctx.Err() != nil {
		return temporal.NewApplicationError("the attempt was given up", "SUPERSEDED")
	}
	e.started, e.ran = true, true
	return nil
}

// acquire returns when it is the job's turn at its device, or when the job was cancelled.
func (e *execution) acquire(ctx workflow.Context) {
	granted := workflow.GetSignalChannel(ctx, grantedName)
	for got := false; !got && ctx.Err() == nil; {
		again := askAgain
		if err := ask(ctx, acquireName, e.Device, e.ticket(ctx)).Get(ctx, nil); err != nil { // the server is away, or has too much to do
			again = time.Second
		}
		waiting, cancel := workflow.WithCancel(ctx)
		workflow.NewSelector(ctx).
			AddReceive(granted, func(c workflow.ReceiveChannel, _ bool) { got = c.Receive(ctx, nil) }).
			AddReceive(ctx.Done(), func(workflow.ReceiveChannel, bool) {}).
			AddFuture(workflow.NewTimer(waiting, again), func(workflow.Future) {}).
			Select(ctx)
		cancel()
	}
}

// ask calls a local activity, which waits for no worker.
func ask(ctx workflow.Context, activity string, args ...any) workflow.Future {
	return workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: 10 * time.Second}), activity, args...)
}

// ticket is the job in its device's queue.
func (e *execution) ticket(ctx workflow.Context) ticket {
	info := workflow.GetInfo(ctx)
	return ticket{WorkflowID: info.WorkflowExecution.ID, RunID: info.WorkflowExecution.RunID, Priority: info.Priority.PriorityKey}
}

// release gives the device to the next job, whatever has become of this one.
func (e *execution) release(ctx workflow.Context) {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	if err := workflow.SignalExternalWorkflow(ctx, deviceID(e.Device), "", releaseName, e.ticket(ctx)).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Warn("the device's workflow is gone", "device", e.Device, "error", err)
	}
}

// run makes attempts until one has ended that counts. It is the one place that knows what is repeated: everything before the
// first command, and commands of jobs that allow it.
func (e *execution) run(ctx workflow.Context) json.RawMessage {
	options := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout:   e.Timeout + spare,
		HeartbeatTimeout:      e.lease,
		RetryPolicy:           &temporal.RetryPolicy{MaximumAttempts: 1}, // it is repeated here
		WaitForCancellation:   true,
		DisableEagerExecution: true, // eager ones would go ahead of others in the queue
	})
	for number := 1; number <= maxAttempts && ctx.Err() == nil; number++ {
		e.attempt, e.started = number, false
		var output attemptOutput
		err := workflow.ExecuteActivity(options, attemptName, attemptInput{Number: number, Job: e.input}).Get(ctx, &output)
		switch {
		case err == nil && (!output.Again || number == maxAttempts):
			return output.Result
		case err != nil && e.started && !e.Repeatable:
			return e.interrupted()
		}
		_ = workflow.Sleep(ctx, output.Delay+time.Duration(number-1)*time.Second)
	}
	switch {
	case ctx.Err() != nil && e.ran:
		return e.failed(job.StatusFailed, credential.Cancelled, "the job was cancelled: all, some or none of its commands ran")
	case ctx.Err() != nil:
		return e.failed(job.StatusNotStarted, credential.Cancelled, "the job was cancelled before its first command")
	case e.ran:
		return e.interrupted()
	}
	return e.failed(job.StatusNotStarted, job.NotStarted, fmt.Sprintf("%d workers were lost before the job's first command", maxAttempts))
}

func (e *execution) interrupted() json.RawMessage {
	return e.failed(job.StatusFailed, job.Interrupted, "the worker was lost after the job's first command: all, some or none of its commands ran",
		"look at the device before the job is given again")
}

// failed is a result that no worker gave.
func (e *execution) failed(status job.Status, reason credential.Reason, message string, help ...string) json.RawMessage {
	line, err := json.Marshal(job.Result{
		ID: e.ID, Line: 1, Status: status, Outputs: []device.Output{},
		Error: &job.Failure{Code: job.Code(reason), Reason: reason, Message: message, Help: help},
	})
	if err != nil {
		panic(err) // strings and numbers only
	}
	return line
}
