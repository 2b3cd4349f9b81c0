package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	agent "github.com/tom-worker/credential-provider/host-example/agent/client"
	hostworker "github.com/tom-worker/credential-provider/host-example/worker"
	"github.com/tom-worker/credential-provider/host-example/worker/device"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/text"
)

// maxResult bounds a result, in bytes: Temporal takes payloads of 2 MiB.
const maxResult = 1900 << 10

// attempts makes attempts at jobs: the activity of the job's workflow.
type attempts struct {
	client  client.Client
	agent   *agent.Client
	devices *hostworker.Devices
	log     hclog.Logger
	abort   context.Context //nolint:containedctx // it is the worker's: no job goes on after it
}

// Attempt does a job, up to its end or to the end of what this worker can do for it.
func (a *attempts) Attempt(ctx context.Context, input attemptInput) (attemptOutput, error) {
	held, lease, release, err := hold(ctx, a.client)
	if err != nil {
		return attemptOutput{}, err // it is too late: the server has given the attempt up
	}
	defer release()
	defer context.AfterFunc(a.abort, func() { lease.end(errStopped) })()
	t := &attempt{attempts: a, number: input.Number, held: held, lease: lease, stopping: activity.GetWorkerStopChannel(ctx)}
	result := answer(input.Job, job.Queue{Worker: t, Logger: a.log.With("workflow", activity.GetInfo(ctx).WorkflowExecution.ID), Check: a.devices.Check})
	if errors.Is(context.Cause(held), errLost) {
		return attemptOutput{}, errLost
	}
	return attemptOutput{Again: t.again, Delay: t.delay, Result: result}, nil
}

// attempt is one attempt at a job. It implements job.Worker.
type attempt struct {
	*attempts
	number   int
	held     context.Context //nolint:containedctx // it ends with the lease
	lease    *lease
	stopping <-chan struct{} // closed when the worker takes no more jobs
	again    bool            // another attempt may do better, and no command was sent
	delay    time.Duration   // before that
}

// Prepare implements job.Worker. There is nothing to prepare: it is the job's turn already.
func (*attempt) Prepare(context.Context, *job.Job) error { return nil }

// Do implements job.Worker.
func (t *attempt) Do(ctx context.Context, j *job.Job) job.Outcome {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(t.held, func() { cancel(context.Cause(t.held)) })()
	var outcome job.Outcome
	outcome.Err = t.do(ctx, j, &outcome)
	if cause := context.Cause(t.held); cause != nil && outcome.Err != nil {
		outcome.Err = cause
	}
	return outcome
}

// do logs in, has the workflow record that the commands begin, and runs them.
func (t *attempt) do(ctx context.Context, j *job.Job, outcome *job.Outcome) error {
	var through, session *device.Session
	defer func() {
		for _, s := range []*device.Session{session, through} {
			if s != nil {
				s.Close()
			}
		}
	}()
	err := t.before(ctx, func(ctx context.Context) (err error) {
		target := device.Target{Address: j.Device(), Answers: j.Answers}
		if jump := j.Jump; jump != nil {
			if through, err = t.login(ctx, jump.CredentialID, jump.Host, device.Target{Address: jump.Address()}, &job.Outcome{}); err != nil {
				return err
			}
			target.Through = through
		}
		if session, err = t.login(ctx, j.CredentialID, j.Host, target, outcome); err != nil {
			return err
		}
		return t.begin(ctx)
	})
	if err != nil {
		return err
	}
	script, err := t.devices.Script(j)
	if err != nil {
		return err
	}
	outcome.Outputs, err = session.Run(ctx, script)
	return err
}

// errLeaving gives a job back.
var errLeaving = credential.Errorf(job.NotStarted, "the worker was told to end before the job's first command")

// before calls do, which ends before the job's first command: when the worker is told to end, the job is another worker's.
func (t *attempt) before(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-t.stopping:
			cancel(errLeaving)
		case <-ctx.Done():
		}
	}()
	err := do(ctx)
	if errors.Is(context.Cause(ctx), errLeaving) && err != nil {
		err = errLeaving
	}
	cancel(nil)
	<-done
	t.again, t.delay = t.helps(err)
	return err
}

// maxDelay is the longest pause of a device that the attempt after a lost one waits for.
const maxDelay = 2 * time.Minute

// helps reports whether another attempt may do better than one that ended with err, and when.
func (t *attempt) helps(err error) (bool, time.Duration) {
	var known *credential.Error
	switch {
	case errors.Is(err, errLeaving), credential.ReasonOf(err) == credential.ProviderUnresponsive:
		return true, 0
	case t.number > 1 && errors.As(err, &known) && known.Reason == credential.CredentialRejected && known.RetryDelay <= maxDelay:
		// A worker that was lost in its login has left the device's answer open, and the guard pauses the device for that.
		return true, known.RetryDelay
	}
	return false, 0
}

// login logs in to a device, with what the agent gives for it.
func (t *attempt) login(ctx context.Context, credentialID, host string, target device.Target, outcome *job.Outcome) (session *device.Session, err error) {
	if err := t.devices.Rules.Check(credentialID, host); err != nil {
		return nil, err
	}
	// For the user name, which the device hears before it asks for anything.
	if target.Expected, err = t.agent.Get(ctx, credentialID); err != nil {
		return nil, err
	}
	dialer := t.devices.Dialer
	dialer.ObserveCommands = t.command
	err = t.agent.Login(ctx, credentialID, target.Address, func(ctx context.Context, present agent.Present) error {
		session, err = dialer.Login(ctx, target, func(ctx context.Context) (*credential.Credential, error) {
			cred, err := present(ctx)
			if err == nil {
				outcome.Attempts++
				outcome.CredentialVersion = cred.VersionID
			}
			return cred, err
		})
		return err
	})
	return session, err
}

// begin returns when the workflow has recorded that this attempt's commands begin. With an error none may be sent.
func (t *attempt) begin(ctx context.Context) error {
	of := activity.GetInfo(t.held).WorkflowExecution
	for {
		handle, err := t.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
			WorkflowID: of.ID, RunID: of.RunID, UpdateName: beginName, UpdateID: fmt.Sprint(beginName, "-", t.number), Args: []any{t.number},
			WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		if err == nil {
			err = handle.Get(ctx, nil)
		}
		switch {
		case err == nil && t.lease.valid():
			return nil
		case err == nil, errors.As(err, new(*temporal.ApplicationError)), errors.As(err, new(*serviceerror.NotFound)):
			t.lease.end(errLost) // the workflow has given the attempt up
			return errLost
		}
		select { // the server is away: the same update again
		case <-ctx.Done():
			return credential.Errorf(credential.Cancelled, "the workflow hasn't recorded the job's begin in time")
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// command is called before each command: without the lease it isn't sent.
func (t *attempt) command(ctx context.Context, _, _ int) (context.Context, func(*int, error)) {
	if !t.lease.valid() {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		ctx = ended
	}
	return ctx, func(*int, error) {}
}

// answer has a queue do one job, and returns its result.
func answer(input json.RawMessage, queue job.Queue) json.RawMessage {
	var line, result bytes.Buffer
	if json.Compact(&line, input) != nil { // there is no input
		line.WriteString("null")
	}
	if err := queue.Run(context.Background(), context.Background(), &line, &result); err != nil {
		panic(err) // it reads and writes memory
	}
	return fit(bytes.TrimSpace(result.Bytes()))
}

// fit cuts the longest outputs of a result that Temporal would refuse.
func fit(line json.RawMessage) json.RawMessage {
	for most := maxResult / 2; len(line) > maxResult && most > 0; most /= 2 {
		var r job.Result
		if err := json.Unmarshal(line, &r); err != nil {
			panic(err) // it was made here
		}
		for i := range r.Outputs {
			if o := &r.Outputs[i]; len(o.Output) > most {
				o.Output, o.Truncated = text.Truncate(o.Output, most), true
			}
		}
		line, _ = json.Marshal(r)
	}
	return line
}
