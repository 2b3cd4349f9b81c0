package main

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/goleak"

	"github.com/tom-worker/credential-provider/host-example/worker/device"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
	"github.com/tom-worker/credential-provider/shared/credential"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const oneJob = `{"id":"1","host":"sw1","credential_id":"lab","commands":["show version"]}`

// try is what an attempt at a job does in a test.
type try struct {
	begin  int  // with this number; 0: it doesn't ask
	cancel bool // then the job is cancelled
	output attemptOutput
	err    error
}

var lost = temporal.NewHeartbeatTimeoutError()

func ok(outputs ...string) attemptOutput {
	r := job.Result{ID: "1", Line: 1, Status: job.StatusOK}
	for _, o := range outputs {
		r.Outputs = append(r.Outputs, device.Output{Output: o})
	}
	line, _ := json.Marshal(r)
	return attemptOutput{Result: line}
}

// trial is the workflow of a job in Temporal's test environment, where time is skipped.
type trial struct {
	*testsuite.TestWorkflowEnvironment
	t        *testing.T
	tries    []try
	made     int
	answers  []string // to the updates
	asked    int      // for the device
	released int
	grant    bool
	away     int // how often the server doesn't answer
}

func newTrial(t *testing.T, tries ...try) *trial {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	r := &trial{TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment(), t: t, tries: tries, grant: true}
	f := &fleet{timeout: time.Minute, lease: time.Second}
	r.RegisterWorkflowWithOptions(f.Job, workflow.RegisterOptions{Name: jobWorkflow})
	r.RegisterActivityWithOptions(r.attempt, activity.RegisterOptions{Name: attemptName})
	r.RegisterActivityWithOptions(r.acquire, activity.RegisterOptions{Name: acquireName})
	r.OnSignalExternalWorkflow(mock.Anything, "device/sw1:22", "", releaseName, mock.Anything).Return(func(_, _, _, _ string, _ any) error {
		r.released++
		return nil
	})
	return r
}

// quiet is a log that isn't read.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

func (r *trial) acquire(context.Context, string, ticket) error {
	if r.asked++; r.asked <= r.away {
		return temporal.NewNonRetryableApplicationError("the server is away", "Unavailable", nil)
	}
	if r.grant {
		r.SignalWorkflow(grantedName, nil)
	}
	return nil
}

func (r *trial) attempt(_ context.Context, input attemptInput) (attemptOutput, error) {
	if r.made++; input.Number != r.made {
		r.t.Errorf("attempt %d has the number %d", r.made, input.Number)
	}
	n := r.tries[min(r.made, len(r.tries))-1]
	if n.begin > 0 {
		done := make(chan error, 1)
		r.UpdateWorkflow(beginName, fmt.Sprint(r.made), &testsuite.TestUpdateCallback{
			OnReject: func(err error) { done <- err }, OnComplete: func(_ any, err error) { done <- err },
		}, n.begin)
		r.answers = append(r.answers, fmt.Sprint(<-done))
	}
	if n.cancel {
		r.CancelWorkflow()
	}
	return n.output, n.err
}

// result runs the workflow.
func (r *trial) result(input string) (got job.Result) {
	r.t.Helper()
	r.ExecuteWorkflow(jobWorkflow, json.RawMessage(input))
	var line json.RawMessage
	if err := r.GetWorkflowResult(&line); err != nil {
		r.t.Fatal(err)
	}
	if err := json.Unmarshal(line, &got); err != nil {
		r.t.Fatal(err)
	}
	return got
}

// What is repeated, and what is not.
func TestAttempts(t *testing.T) {
	const gaveUp = "the attempt was given up (type: SUPERSEDED, retryable: true)"
	unreachable := attemptOutput{Again: true, Result: ok("unreachable").Result}
	repeatable := strings.Replace(oneJob, "{", `{"repeatable":true,`, 1)
	for _, test := range []struct {
		name    string
		job     string
		tries   []try
		made    int
		status  job.Status
		reason  credential.Reason
		answers []string
		output  string
	}{
		{name: "at once", tries: []try{{begin: 1, output: ok("a")}}, made: 1, status: job.StatusOK, answers: []string{"<nil>"}, output: "a"},
		{name: "lost in the login", tries: []try{{err: lost}, {begin: 2, output: ok("b")}}, made: 2, status: job.StatusOK, answers: []string{"<nil>"}, output: "b"},
		{name: "given back", tries: []try{{output: attemptOutput{Again: true, Delay: time.Minute}}, {begin: 2, output: ok("b")}}, made: 2, status: job.StatusOK, answers: []string{"<nil>"}, output: "b"},
		{name: "given back after all", tries: []try{{begin: 1, output: attemptOutput{Again: true}}, {begin: 2, output: ok("b")}}, made: 2, status: job.StatusOK, answers: []string{"<nil>", "<nil>"}, output: "b"},
		{name: "lost with a command", tries: []try{{begin: 1, err: lost}}, made: 1, status: job.StatusFailed, reason: job.Interrupted, answers: []string{"<nil>"}},
		{name: "lost with a command that may run again", job: repeatable, tries: []try{{begin: 1, err: lost}, {begin: 2, err: lost}, {begin: 3, output: ok("c")}}, made: 3, status: job.StatusOK, answers: []string{"<nil>", "<nil>", "<nil>"}, output: "c"},
		{name: "an attempt that was given up", tries: []try{{err: lost}, {begin: 1, err: errLost}, {begin: 3, output: ok("c")}}, made: 3, status: job.StatusOK, answers: []string{gaveUp, "<nil>"}, output: "c"},
		{name: "always lost in the login", tries: []try{{err: lost}}, made: maxAttempts, status: job.StatusNotStarted, reason: job.NotStarted},
		{name: "always lost", job: repeatable, tries: []try{{begin: 1, err: lost}, {err: lost}}, made: maxAttempts, status: job.StatusFailed, reason: job.Interrupted, answers: []string{"<nil>"}},
		{name: "no agent anywhere", tries: []try{{output: unreachable}}, made: maxAttempts, status: job.StatusOK, output: "unreachable"},
		{name: "cancelled in the login", tries: []try{{cancel: true, err: lost}}, made: 1, status: job.StatusNotStarted, reason: credential.Cancelled},
		{name: "cancelled, and lost", tries: []try{{begin: 1, cancel: true, err: lost}}, made: 1, status: job.StatusFailed, reason: job.Interrupted, answers: []string{"<nil>"}},
		{name: "cancelled after a command that may run again", job: repeatable, tries: []try{{begin: 1, err: lost}, {cancel: true, err: lost}}, made: 2, status: job.StatusFailed, reason: credential.Cancelled, answers: []string{"<nil>"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newTrial(t, test.tries...)
			if test.job == "" {
				test.job = oneJob
			}
			got := r.result(test.job)
			if got.ID != "1" || got.Line != 1 || got.Status != test.status || r.made != test.made || r.released != 1 || !reflect.DeepEqual(r.answers, test.answers) {
				t.Errorf("after %d attempts, which asked to begin (%q), and %d releases: %+v", r.made, r.answers, r.released, got)
			}
			if failed := got.Error != nil; failed != (test.reason != "") || failed && (got.Error.Reason != test.reason || got.Error.Code != job.Code(test.reason)) {
				t.Errorf("the error is %+v", got.Error)
			}
			if test.output != "" && (len(got.Outputs) != 1 || got.Outputs[0].Output != test.output) {
				t.Errorf("the outputs are %v", got.Outputs)
			}
		})
	}
}

func TestNoJob(t *testing.T) {
	for input, message := range map[string]string{
		`{"id":"1","host":"sw1"}`: "commands must have", `null`: "must be a JSON object", `[1]`: "must be a JSON object", `{"id":"1","hosts":"x"}`: "did you mean host",
		"{\"id\":\"1\",\n \"host\":\"sw1:22\",\n \"credential_id\":\"lab\",\"commands\":[\"x\"]}": "separate member",
	} {
		r := newTrial(t)
		got := r.result(input)
		if got.Status != job.StatusInvalid || got.Error == nil || got.Error.Reason != job.Invalid || !strings.Contains(got.Error.Message, message) || r.asked+r.made != 0 {
			t.Errorf("%s: %+v, %+v", input, got, got.Error)
		}
	}
}

// A job that waits for its device asks again at times, and leaves the queue when it is cancelled.
func TestWaiting(t *testing.T) {
	r := newTrial(t)
	r.grant = false
	r.RegisterDelayedCallback(r.CancelWorkflow, 2*askAgain+time.Second)
	if got := r.result(oneJob); got.Status != job.StatusNotStarted || got.Error.Reason != credential.Cancelled || r.made != 0 || r.asked != 3 || r.released != 1 {
		t.Errorf("asked %d times, released %d times: %+v", r.asked, r.released, got)
	}
}

// A result that Temporal would refuse is cut where it is longest.
func TestFit(t *testing.T) {
	r := job.Result{ID: "1", Line: 1, Status: job.StatusOK, Outputs: []device.Output{{Output: "short"}, {Output: strings.Repeat("long \u00e9\n", 1<<19)}}}
	whole, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	cut := fit(whole)
	var got job.Result
	if err := json.Unmarshal(cut, &got); err != nil || len(cut) > maxResult || len(cut) < maxResult/4 || !got.Outputs[1].Truncated || got.Outputs[0] != r.Outputs[0] {
		t.Errorf("%d bytes of %d: %v", len(cut), len(whole), err)
	}
	if small := fit([]byte(oneJob)); string(small) != oneJob {
		t.Errorf("got %s", small)
	}
}

// A server that is away when the job asks for its device is asked again.
func TestServerAway(t *testing.T) {
	r := newTrial(t, try{begin: 1, output: ok("a")})
	r.away = 3
	if got := r.result(oneJob); got.Status != job.StatusOK || r.asked != 4 || r.released != 1 {
		t.Errorf("asked %d times, released %d times: %+v", r.asked, r.released, got)
	}
}
