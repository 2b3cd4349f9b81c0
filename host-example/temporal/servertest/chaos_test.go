package servertest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
	"github.com/tom-worker/credential-provider/shared/credential"
)

var jobs = flag.Int("jobs", 200, "how many jobs the fleet of TestChaos does")

const (
	commandsOfJob = 3
	workersAtOnce = 4
	each          = 6 // jobs a worker does at a time
)

// chaos ends and stops the processes of a fleet at random.
type chaos struct {
	*fleet
	random  *rand.Rand
	workers []*process
	stopped *process
	drained []*process
	counts  map[string]int
	stops   []time.Duration
	since   time.Time
}

// act does one thing to the fleet. There are always workers that are left alone.
func (c *chaos) act() {
	n := c.random.IntN(len(c.workers))
	victim := c.workers[n]
	replace := func(what string) {
		c.counts[what]++
		c.workers[n] = c.worker(each)
	}
	switch c.random.IntN(10) {
	case 0, 1, 2:
		if victim == c.stopped { // it never knows
			c.stopped = nil
		}
		victim.kill()
		replace("workers killed")
	case 3, 4, 5, 6:
		if c.resume(); c.random.IntN(4) > 0 {
			c.counts["workers stopped"]++
			victim.signal(syscall.SIGSTOP)
			c.stopped, c.since = victim, time.Now()
		}
	case 7:
		if victim == c.stopped {
			c.resume()
		}
		victim.signal(syscall.SIGTERM)
		c.drained = append(c.drained, victim)
		replace("workers told to end")
	case 8:
		c.agent.kill()
		c.startAgent()
		c.counts["agents killed"]++
	}
}

// resume lets the worker go on that is stopped.
func (c *chaos) resume() {
	if c.stopped != nil {
		c.stopped.signal(syscall.SIGCONT)
		c.stops = append(c.stops, time.Since(c.since))
		c.stopped = nil
	}
}

// TestChaos ends workers and the agent at random while jobs run. Each job has one result, no command runs twice unless the job
// allows it, no two jobs are at one device at a time, and the errors are right.
func TestChaos(t *testing.T) {
	devices := min(max(*jobs/10, 10), 60)
	f := newFleet(t, devices, func(_ int, o *devicetest.Options) { o.Delay = 40 * time.Millisecond })
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := &chaos{fleet: f, random: rand.New(rand.NewPCG(seed, 0)), counts: map[string]int{}}
	f.startAgent()
	for range workersAtOnce {
		c.workers = append(c.workers, f.worker(each))
	}
	started := time.Now()
	type submitted struct {
		id         string
		at         int
		repeatable bool
		run        client.WorkflowRun
		result     job.Result
	}
	all := make([]submitted, *jobs)
	for i := range all {
		all[i] = submitted{id: fmt.Sprint("j", i), at: c.random.IntN(devices), repeatable: c.random.IntN(4) == 0}
	}
	var done atomic.Int64
	var waiting sync.WaitGroup
	waiting.Go(func() {
		for i := range all {
			s := &all[i]
			s.run = f.submit(f.document(s.id, s.at, commandsOfJob, fmt.Sprintf(`,"repeatable":%v`, s.repeatable)))
		}
		for i := range all {
			all[i].result = f.result(all[i].run)
			done.Add(1)
		}
	})
	seen := func() (n int) {
		for _, d := range f.devices {
			n += len(d.Commands())
		}
		return n
	}
	for next := 0; int(done.Load()) < *jobs; time.Sleep(5 * time.Millisecond) {
		if t.Failed() {
			break
		}
		// The devices are the clock: so much work after the last one, or a while without any.
		if n := seen(); n >= next {
			c.act()
			next = n + 12 + c.random.IntN(16)
		}
	}
	c.resume()
	waiting.Wait()
	took := time.Since(started)
	if t.Failed() {
		t.FailNow()
	}

	reasons := map[credential.Reason]int{}
	lostAt := map[int]bool{} // devices where a worker was lost
	runs, lost := make([]int, *jobs), map[string]bool{}
	for i := range all {
		var accepted, gone int
		for _, event := range f.history(all[i].run) {
			switch event.GetEventType() {
			case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
				accepted++
			case enumspb.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT, enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED:
				gone++
				lostAt[all[i].at], lost[all[i].id] = true, true
			}
		}
		runs[i] = accepted
		reason := reasonOf(all[i].result)
		if reasons[reason]++; reason == job.Interrupted && (accepted == 0 || gone == 0) {
			t.Errorf("job %s is %s, with %d updates and %d lost attempts", all[i].id, reason, accepted, gone)
		}
	}
	late := 0
	at := make([]map[string]int, devices) // how often each command was seen
	for d, device := range f.devices {
		at[d] = map[string]int{}
		var last string
		for _, command := range device.Commands() {
			at[d][command]++
			id, _, _ := strings.Cut(strings.TrimPrefix(command, "show "), ".")
			if id != last && last != "" && at[d]["left "+id] > 0 {
				if late++; !lost[id] {
					t.Errorf("device %d got %q after another job's, and its worker was not lost: %q", d, command, device.Commands())
				}
			}
			if id != last {
				at[d]["left "+last]++
			}
			last = id
		}
	}
	again := 0
	for i := range all {
		s := &all[i]
		counts := make([]int, commandsOfJob)
		for n := range counts {
			counts[n] = at[s.at][fmt.Sprintf("show %s.%d", s.id, n+1)]
		}
		for n, count := range counts {
			if count > 1 && s.repeatable {
				again++
			}
			switch {
			case count > 1 && (!s.repeatable || count > runs[i]):
				t.Errorf("job %s: command %d ran %d times, with %d updates; repeatable: %v; %s", s.id, n+1, count, runs[i], s.repeatable, shown(s.result))
			case count == 0 && s.result.Status == job.StatusOK, n > 0 && count > counts[n-1]:
				t.Errorf("job %s: the commands ran %v times; %s", s.id, counts, shown(s.result))
			case count > 0 && s.result.Status == job.StatusNotStarted:
				t.Errorf("job %s has not started, and its commands ran %v times", s.id, counts)
			}
		}
		switch reason := reasonOf(s.result); {
		case s.result.ID != s.id:
			t.Errorf("job %s has the result of another one: %s", s.id, shown(s.result))
		case s.result.Status == job.StatusOK && len(s.result.Outputs) == commandsOfJob:
		case reason == job.Interrupted && !s.repeatable:
		case reason == credential.CredentialRejected && lostAt[s.at]: // a worker was lost in its login: the guard pauses the device
		default:
			t.Errorf("job %s: %s", s.id, shown(s.result))
		}
	}
	if late > len(c.stops) {
		t.Errorf("%d commands came when another job was at the device; %d workers were stopped, each of which may send one", late, len(c.stops))
	}
	for _, p := range c.drained {
		// One that had just been started may not have listened yet, and is ended by the signal then.
		if status := p.ends(); status != 0 && p.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
			t.Errorf("a worker that was told to end has the status %d: %s", status, p.said.String())
		}
	}
	t.Logf("%d jobs at %d devices in %s: %v; %d stops of up to %s; results by reason: %v; commands that ran again: %d; late: %d",
		*jobs, devices, took.Round(time.Second), c.counts, len(c.stops), longest(c.stops), reasons, again, late)
}

func longest(all []time.Duration) (most time.Duration) {
	for _, d := range all {
		most = max(most, d)
	}
	return most.Round(time.Millisecond)
}
