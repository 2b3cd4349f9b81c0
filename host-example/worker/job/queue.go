package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/host-example/worker/device"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
)

const (
	// ahead is how many jobs are read for each that may run, so that those that wait for a busy device don't keep others
	// from theirs.
	ahead = 16
	// quiet is how long, after the last job of a worker that was told to end, the input has to give nothing before the
	// worker takes it that no line was on its way.
	quiet = 200 * time.Millisecond
	// drainTime is how long it answers an input that never is quiet.
	drainTime = 5 * time.Second
)

// Worker does jobs. Its methods are called concurrently, for different jobs, and return soon after ctx ends, or, if they
// wait for a device's answer, soon after the context does that [device.AwaitAnswers] was given.
type Worker interface {
	// Prepare does what can be done before it is the job's turn at its device. An error ends the job.
	Prepare(ctx context.Context, job *Job) error
	// Do does the job. No other job is at its device at that time.
	Do(ctx context.Context, job *Job) Outcome
}

// Outcome is what became of a job that was started.
type Outcome struct {
	// Outputs are those of the commands that ended.
	Outputs []device.Output
	// CredentialVersion is the version of the credential that was used last; empty if none was.
	CredentialVersion string
	// Attempts is how many logins were tried.
	Attempts int
	// Err is nil if all went well; else a *credential.Error where possible.
	Err error
}

// Observer is told what becomes of lines, for counting them. Its methods are called concurrently, and return at once.
type Observer interface {
	// Read is called when a line has been read that isn't blank.
	Read()
	// Answered is called with the line's one result, just before that is written.
	Answered(Result)
}

// Queue reads jobs, has them done, and writes their results. The zero value of each field but Worker is documented.
type Queue struct {
	Worker Worker
	// Concurrency is how many jobs run at a time; 0 is 1. Sixteen times as many may wait for their device. A job whose login waits for
	// a permit lends its place to one with another credential, and gets it back at once: for a time more may run then.
	Concurrency int
	// Timeout bounds a job that doesn't say so itself. 0: a minute.
	Timeout time.Duration
	// Grace is how long jobs may go on when stop is done. 0: not at all.
	Grace time.Duration
	// Logger gets panics of the worker. nil: they are dropped.
	Logger hclog.Logger
	// Observer is told of each line. nil: nothing is called.
	Observer Observer
	// Code gives the results' errors the gRPC code that belongs to their reason. nil: [Code].
	Code func(credential.Reason) string
	// Check refuses jobs that can't be done, with what is wrong with a member. nil: none is refused.
	Check func(*Job) error
	// Watch is called for each job that is taken up, with the time at which it was read. nil: nothing is called.
	Watch func(*Job, time.Time) Watch
}

// unobserved is the observer of a queue that has none.
type unobserved struct{}

func (unobserved) Read()           {}
func (unobserved) Answered(Result) {}

// Run works until the input ends and every job has its result. When stop is done, jobs that run have Grace to end, and all
// others are answered as not started: those that wait, and those that are still in the input. When abort is done, nothing
// has any time left. Either way every line that was read gets its one result.
//
// It returns the error of reading or writing, nil if there was none. If results can't be written, it stops. After a stop a
// goroutine may stay that waits for in, until that gives it something or ends.
func (q Queue) Run(stop, abort context.Context, in io.Reader, out io.Writer) error {
	stop, stopNow := context.WithCancel(stop)
	defer stopNow()
	defer context.AfterFunc(abort, stopNow)()
	r := &run{Queue: q.resolved(), stop: stop, results: results{w: out, failed: stopNow}}
	r.turns, r.places = newSchedule(r.Concurrency), make(chan struct{}, r.Concurrency*ahead)

	work, interrupt := context.WithCancelCause(context.WithoutCancel(abort))
	defer interrupt(nil)
	r.work = work
	defer context.AfterFunc(abort, func() { interrupt(errInterrupted) })()
	defer context.AfterFunc(stop, func() {
		grace := time.NewTimer(r.Grace)
		defer grace.Stop()
		select {
		case <-grace.C:
			interrupt(errInterrupted)
		case <-work.Done():
		}
	})()

	gone, leave := context.WithCancel(context.Background())
	defer leave()
	input := read(gone, in)
	ended := r.accept(input)
	if !ended {
		ended = r.drain(input)
	}
	r.jobs.Wait()
	if err := r.results.err; err != nil {
		return fmt.Errorf("write a result: %w", err)
	}
	if ended && input.err != nil {
		return fmt.Errorf("read jobs: %w", input.err)
	}
	return nil
}

func (q Queue) resolved() Queue {
	q.Concurrency = max(q.Concurrency, 1)
	if q.Timeout <= 0 {
		q.Timeout = time.Minute
	}
	if q.Logger == nil {
		q.Logger = hclog.NewNullLogger()
	}
	if q.Observer == nil {
		q.Observer = unobserved{}
	}
	if q.Code == nil {
		q.Code = Code
	}
	if q.Watch == nil {
		q.Watch = func(*Job, time.Time) Watch { return unwatched{} }
	}
	return q
}

// run is one Run of a queue.
type run struct {
	Queue
	results results
	stop    context.Context // no job starts after it
	work    context.Context // no job goes on after it
	turns   *schedule
	places  chan struct{} // for jobs that were read
	jobs    sync.WaitGroup
}

// accept starts a job for each line, until the input's end or until all have been told to stop.
func (r *run) accept(in *input) (ended bool) {
	for {
		select {
		case next, ok := <-in.lines:
			if !ok {
				return true
			}
			r.Observer.Read()
			r.begin(next)
		case <-r.stop.Done():
			return false
		}
	}
}

// begin answers a line that is no job at once, and has a job done once there is a place for it.
func (r *run) begin(next line) {
	j, err := r.parse(next)
	if err != nil {
		r.answer(next, j.ID, StatusInvalid, Outcome{}, err)
		return
	}
	select {
	case r.places <- struct{}{}:
	case <-r.stop.Done():
		r.notStarted(next, j)
		return
	}
	place, ok := r.turns.arrive(j, len(next.text), r.stop.Done())
	if !ok {
		<-r.places
		r.notStarted(next, j)
		return
	}
	next.text = nil
	r.jobs.Go(func() {
		defer func() { <-r.places }()
		defer r.turns.leave(place)
		r.one(next, j, place)
	})
}

// drain answers what the input still has after a stop, until it ends, or until all jobs have ended and it gives nothing for
// a while.
func (r *run) drain(in *input) (ended bool) {
	idle := make(chan struct{})
	go func() {
		defer close(idle)
		r.jobs.Wait()
	}()
	var wait, limit <-chan time.Time
	for {
		select {
		case next, ok := <-in.lines:
			if !ok {
				return true
			}
			r.Observer.Read()
			if j, err := r.parse(next); err != nil {
				r.answer(next, j.ID, StatusInvalid, Outcome{}, err)
			} else {
				r.notStarted(next, j)
			}
			if wait != nil {
				wait = time.After(quiet)
			}
		case <-idle:
			idle = nil
			wait, limit = time.After(quiet), time.After(drainTime)
		case <-wait:
			return false
		case <-limit:
			return false
		}
	}
}

func (r *run) parse(next line) (*Job, error) {
	if next.tooLong {
		return &Job{}, credential.Errorf(Invalid, "the line is no job: it has more than %d bytes", maxLine)
	}
	j, err := Parse(next.text)
	if err == nil && r.Check != nil {
		if err = r.Check(j); err != nil {
			err = credential.Errorf(Invalid, "the line is no job: %w", err)
		}
	}
	return j, err
}

// one takes a job through its steps and answers it.
func (r *run) one(next line, j *Job, place *ticket) {
	watch, log := r.Watch(j, next.read), r.Logger.With("job", j.ID)
	jobContext := func(ctx context.Context) context.Context { return watch.Context(hclog.WithContext(ctx, log)) }
	answered := false
	answer := func(status Status, outcome Outcome, err error) {
		answered = true
		watch.End(r.answer(next, j.ID, status, outcome, err))
	}
	notStarted := func() { answer(StatusNotStarted, Outcome{}, errNotStarted()) }
	defer func() {
		if cause := recover(); cause != nil {
			hclog.FromContext(jobContext(r.work)).Error("a job made the worker panic", "line", next.number, "stack", string(debug.Stack()))
			if !answered {
				answer(StatusFailed, Outcome{}, credential.Errorf(credential.Internal, "the worker made a mistake; its log says where"))
			}
		}
	}()

	timeout := j.Timeout
	if timeout <= 0 {
		timeout = r.Timeout
	}
	spent, err := r.prepare(jobContext(r.stop), j, timeout)
	if r.stop.Err() != nil {
		notStarted()
		return
	}
	if err != nil {
		answer(StatusFailed, Outcome{}, err)
		return
	}
	if !r.turns.take(place, r.stop.Done()) {
		notStarted()
		return
	}
	if r.stop.Err() != nil { // select takes either if both are there
		notStarted()
		return
	}
	ctx, cancel := Limit(guard.WithWaiting(jobContext(r.work), r.turns.wait), timeout-spent)
	defer cancel()
	outcome := r.Worker.Do(ctx, j)
	status, err := StatusOK, ended(ctx, outcome.Err)
	if err != nil {
		status = StatusFailed
	}
	answer(status, outcome, err)
}

// prepare returns how much of its time the job has spent.
func (r *run) prepare(ctx context.Context, j *Job, timeout time.Duration) (time.Duration, error) {
	start := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimedOut)
	defer cancel()
	err := r.Worker.Prepare(ctx, j)
	return time.Since(start), ended(ctx, err)
}

// The causes for which a job's context ends.
var (
	errTimedOut    = credential.Errorf(TimedOut, "the job's time was up")
	errInterrupted = credential.Errorf(Interrupted, "the worker had to end before the job did")
)

// ended says why a job failed: if its context has ended, and the worker only ran into that, then that is why.
func ended(ctx context.Context, err error) error {
	var cause *credential.Error
	if err == nil || ctx.Err() == nil || !errors.As(context.Cause(ctx), &cause) {
		return err
	}
	switch credential.ReasonOf(err) {
	case credential.DeadlineExceeded, credential.Cancelled, credential.Internal, device.Unreachable, device.ConnectionLost, device.PromptNotFound:
		return credential.Errorf(cause.Reason, "%s: %w", cause.Message, err)
	}
	return err
}

func (r *run) notStarted(next line, j *Job) {
	r.answer(next, j.ID, StatusNotStarted, Outcome{}, errNotStarted())
}

func errNotStarted() error {
	return credential.Errorf(NotStarted, "the worker was told to end before it started the job")
}

func (r *run) answer(next line, id string, status Status, outcome Outcome, err error) Result {
	result := newResult(id, next.number, status, outcome, failureOf(err, r.Code), time.Since(next.read))
	r.Observer.Answered(result)
	r.results.write(result)
	return result
}
