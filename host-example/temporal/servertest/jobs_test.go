package servertest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	sdktemporal "go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"

	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// history returns the events of a workflow.
func (f *fleet) history(run client.WorkflowRun) (events []*historypb.HistoryEvent) {
	f.Helper()
	all := temporalClient.GetWorkflowHistory(f.Context(), run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for all.HasNext() {
		event, err := all.Next()
		if err != nil {
			f.Fatal(err)
		}
		events = append(events, event)
	}
	return events
}

// reasonOf is the reason of a result's error; empty if there is none.
func reasonOf(r job.Result) credential.Reason {
	if r.Error == nil {
		return ""
	}
	return r.Error.Reason
}

// The result is that of "host-example run", and the history has no secret.
func TestJob(t *testing.T) {
	f := newFleet(t, 1, nil)
	f.startAgent()
	f.worker(2)
	run := f.submit(f.document("one", 0, 2, ""))
	got := f.result(run)
	if got.ID != "one" || got.Line != 1 || got.Status != job.StatusOK || got.Attempts != 1 || got.Duration <= 0 || len(got.Outputs) != 2 || got.Outputs[1].Command != "show one.2" || got.Outputs[1].Output != "one.2 of sw0\n" {
		t.Errorf("got %s", shown(got))
	}
	if commands := f.devices[0].Commands(); !slices.Equal(commands, []string{"show one.1", "show one.2"}) {
		t.Errorf("the device got %q", commands)
	}
	found := false
	for _, event := range f.history(run) {
		raw, err := proto.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(raw, []byte(password)) {
			t.Errorf("the history has the password: %s", event.GetEventType())
		}
		found = found || bytes.Contains(raw, []byte("show one.1"))
	}
	if !found {
		t.Error("the search finds nothing in the history, not even the job")
	}
	for document, message := range map[string]string{
		strings.Replace(f.document("two", 0, 1, ""), "commands", "comands", 1):    "did you mean commands",
		f.document("three", 0, 1, `,"device_type":"cisco_iso"`):                   "device_type",
		strings.Replace(f.document("four", 0, 1, ""), `"id":"four"`, `"id":4`, 1): "id must be a string",
	} {
		if got := f.result(f.submit(document)); got.Status != job.StatusInvalid || reasonOf(got) != job.Invalid || !strings.Contains(got.Error.Message, message) {
			t.Errorf("%s: %s", document, shown(got))
		}
	}
	if got := f.result(f.submit(strings.Replace(f.document("five", 0, 1, ""), "device-0", "none", 1))); got.Status != job.StatusFailed || reasonOf(got) != credential.CredentialNotFound {
		t.Errorf("got %s", shown(got))
	}
}

// held is a fleet whose devices carry commands out when they are told to.
func held(t *testing.T, devices int) (*fleet, <-chan func()) {
	hold := make(chan func(), 1000)
	f := newFleet(t, devices, func(_ int, o *devicetest.Options) { o.Held = hold })
	f.startAgent()
	return f, hold
}

// received waits for a command at a device.
func (f *fleet) received(hold <-chan func()) (release func()) {
	f.Helper()
	select {
	case release = <-hold:
	case <-time.After(2 * time.Minute):
		f.Fatal("no command comes")
	}
	return release
}

func TestCancel(t *testing.T) {
	f, hold := held(t, 1)
	f.worker(2)
	first, second := f.submit(f.document("first", 0, 2, "")), func() client.WorkflowRun {
		return f.submit(f.document("second", 0, 1, ""))
	}
	release := f.received(hold)
	waiting := second()
	for _, run := range []client.WorkflowRun{waiting, first} {
		if err := temporalClient.CancelWorkflow(t.Context(), run.GetID(), ""); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.result(waiting); got.Status != job.StatusNotStarted || reasonOf(got) != credential.Cancelled {
		t.Errorf("a job that waits: %s", shown(got))
	}
	if got := f.result(first); got.Status != job.StatusFailed || reasonOf(got) != credential.Cancelled {
		t.Errorf("a job under way: %s", shown(got))
	}
	release()
	third := second()
	f.received(hold)()
	if got := f.result(third); got.Status != job.StatusOK {
		t.Errorf("the next one: %s", shown(got))
	}
	if got := f.devices[0].Commands(); !slices.Equal(got, []string{"show first.1", "show second.1"}) {
		t.Errorf("the device got %q", got)
	}
}

func TestDeadline(t *testing.T) {
	f, hold := held(t, 1)
	f.worker(2)
	run := f.submit(f.document("slow", 0, 2, `,"timeout":"3s"`))
	release := f.received(hold)
	if got := f.result(run); got.Status != job.StatusFailed || reasonOf(got) != job.TimedOut {
		t.Errorf("got %s", shown(got))
	}
	release()
}

func TestNotBefore(t *testing.T) {
	const delay = 2 * time.Second
	f := newFleet(t, 1, nil)
	f.startAgent()
	f.worker(2)
	run := f.submit(f.document("later", 0, 1, ""), func(o *client.StartWorkflowOptions) { o.StartDelay = delay })
	if got := f.result(run); got.Status != job.StatusOK {
		t.Errorf("got %s", shown(got))
	}
	events := f.history(run)
	if took := events[1].GetEventTime().AsTime().Sub(events[0].GetEventTime().AsTime()); took < delay {
		t.Errorf("it started after %s", took)
	}
}

// order has a worker for one job at a time busy, submits jobs, and returns the order in which they are done.
func (f *fleet) order(hold <-chan func(), submit func() []client.WorkflowRun) (ids []string) {
	f.Helper()
	busy := f.submit(f.document("busy", 0, 1, ""))
	release := f.received(hold)
	runs := submit()
	f.offered(runs...)
	release()
	f.result(busy)
	for range runs {
		f.received(hold)()
	}
	done := map[string]time.Time{}
	for _, run := range runs {
		got := f.result(run)
		if got.Status != job.StatusOK {
			f.Errorf("got %s", shown(got))
		}
		for _, event := range f.history(run) {
			if event.GetEventType() == enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED {
				ids = append(ids, got.ID)
				done[got.ID] = event.GetEventTime().AsTime()
			}
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return done[a].Compare(done[b]) })
	return ids
}

func TestPriority(t *testing.T) {
	f, hold := held(t, 7)
	f.worker(1)
	got := f.order(hold, func() (runs []client.WorkflowRun) {
		for i, priority := range []int{5, 5, 3, 0, 1, 1} {
			runs = append(runs, f.submit(f.document(fmt.Sprint(i), i+1, 1, ""), func(o *client.StartWorkflowOptions) { o.Priority = sdktemporal.Priority{PriorityKey: priority} }))
		}
		return runs
	})
	for i, of := range [][]string{{"4", "5"}, {"4", "5"}, {"2", "3"}, {"2", "3"}, {"0", "1"}, {"0", "1"}} {
		if len(got) != 6 || !slices.Contains(of, got[i]) {
			t.Fatalf("the order is %q", got)
		}
	}
}

// A submitter of many jobs doesn't hold up one of few.
func TestFairness(t *testing.T) {
	const many, few = 20, 4
	f, hold := held(t, 1+many+few)
	f.worker(1)
	got := f.order(hold, func() (runs []client.WorkflowRun) {
		for i := range many + few {
			by := "many"
			if i >= many {
				by = "few"
			}
			runs = append(runs, f.submit(f.document(fmt.Sprint(by, i), i+1, 1, ""), func(o *client.StartWorkflowOptions) { o.Priority = sdktemporal.Priority{FairnessKey: by} }))
		}
		return runs
	})
	last := 0
	for i, id := range got {
		if strings.HasPrefix(id, "few") {
			last = i
		}
	}
	if len(got) != many+few || last >= many/2+few {
		t.Errorf("the order is %q", got)
	}
}

// A worker that is told to end finishes what it has started, and takes nothing else.
func TestDrain(t *testing.T) {
	f, hold := held(t, 2)
	first := f.worker(2)
	under := f.submit(f.document("under", 0, 2, ""))
	release := f.received(hold)
	first.signal(syscall.SIGTERM)
	second := f.worker(2)
	next := f.submit(f.document("next", 1, 1, ""))
	f.received(hold)() // it is the other worker's: this one polls no more, or it is told so before the first command
	if got := f.result(next); got.Status != job.StatusOK {
		t.Errorf("the next job: %s", shown(got))
	}
	release()
	f.received(hold)()
	if got := f.result(under); got.Status != job.StatusOK {
		t.Errorf("the job under way: %s", shown(got))
	}
	if status := first.ends(); status != 0 {
		t.Errorf("exit status %d: %s", status, first.said.String())
	}
	second.signal(syscall.SIGTERM)
	if status := second.ends(); status != 0 {
		t.Errorf("exit status %d: %s", status, second.said.String())
	}
}

// A job whose agent is away waits for it.
func TestAgentAway(t *testing.T) {
	f := newFleet(t, 1, nil)
	f.worker(2)
	run := f.submit(f.document("patient", 0, 1, ""))
	f.offered(run)
	f.startAgent()
	if got := f.result(run); got.Status != job.StatusOK {
		t.Errorf("got %s", shown(got))
	}
	f.agent.kill()
	run = f.submit(f.document("again", 0, 1, ""))
	f.offered(run)
	f.startAgent()
	if got := f.result(run); got.Status != job.StatusOK {
		t.Errorf("got %s", shown(got))
	}
}

// What stands in the way of a start is said.
func TestStart(t *testing.T) {
	f := newFleet(t, 1, nil)
	for _, test := range []struct {
		args   []string
		env    string
		status int
		says   string
	}{
		{args: []string{"--address", "127.0.0.1:1"}, status: 1, says: "the Temporal server at 127.0.0.1:1 is unreachable"},
		{args: []string{"--namespace", "none"}, status: 2, says: `no namespace "none"`},
		{env: "TEMPORAL_PROFILE=none", status: 2, says: "Temporal's settings"},
		{env: "TOM_WORKER_CONCURRENCY=x", status: 2, says: "TOM_WORKER_CONCURRENCY"},
		{args: []string{"--lease", "1ms"}, status: 2, says: "--lease must be at least 1s"},
	} {
		p := f.start("temporal-worker", []string{test.env}, test.args...)
		if status := p.ends(); status != test.status || !strings.Contains(p.said.String(), test.says) {
			t.Errorf("%q: exit status %d: %s", test.args, status, p.said.String())
		}
	}
}

// A job that is terminated sends no further command, and nothing is wrong with one that is there twice.
func TestTerminate(t *testing.T) {
	f, hold := held(t, 1)
	f.worker(2)
	run := f.submit(f.document("gone", 0, 2, ""), func(o *client.StartWorkflowOptions) {
		o.ID = "backup-17"
	})
	release := f.received(hold)
	_, err := temporalClient.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: run.GetID(), TaskQueue: f.queue, WorkflowExecutionErrorWhenAlreadyStarted: true}, "job", nil)
	if !errors.As(err, new(*serviceerror.WorkflowExecutionAlreadyStarted)) {
		t.Errorf("the same job again: %v", err)
	}
	if err := temporalClient.TerminateWorkflow(t.Context(), run.GetID(), run.GetRunID(), "a test"); err != nil {
		t.Fatal(err)
	}
	f.until("the worker has hung up", func() bool { return f.devices[0].Sessions() == 0 })
	release()
	if got := f.devices[0].Commands(); !slices.Equal(got, []string{"show gone.1"}) {
		t.Errorf("the device got %q", got)
	}
}
