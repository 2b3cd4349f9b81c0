package simulate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
)

// Config is a fleet, and what happens to it. Zero values are those of the figures in the guard's README.
type Config struct {
	Seed                          uint64
	Workers, Concurrency, Devices int
	Rate                          float64 // jobs a second
	Duration, Deadline, CacheTTL  time.Duration
	Lag                           time.Duration // how old the backend's copies may be
	Budget                        int           // as guard.Budget.Failures
	IDs                           int           // credential ids with the same material
	Drift                         float64       // devices with their own password
	DriftedHaveOld                bool          // which is the one before the first
	Local                         bool          // accounts live on the devices
	Label                         bool          // the backend gives the version before
	Cold                          bool          // the ledger starts empty
	Separate                      bool          // each worker has its own ledger
	LostAnswers, NeverAnswers     float64       // answers that never come, at once and after the login's time
	HangUp                        float64       // devices that hang up on a wrong password
	Crashes                       float64       // workers that die in a login
	// Ledgers makes a worker's way to the shared ledger. nil: memory.
	Ledgers func(worker int) guard.Ledger
	// Script is started with the jobs.
	Script func(f *Fleet)
}

func (c Config) resolved() Config {
	c.Workers, c.Concurrency, c.Devices = cmp.Or(c.Workers, 10), cmp.Or(c.Concurrency, 10), cmp.Or(c.Devices, 300)
	c.Rate, c.Duration, c.Deadline = cmp.Or(c.Rate, 0.7), cmp.Or(c.Duration, time.Hour), cmp.Or(c.Deadline, 2*time.Minute)
	c.CacheTTL, c.Lag, c.Budget, c.IDs = cmp.Or(c.CacheTTL, 4*time.Minute), cmp.Or(c.Lag, 3*time.Second), cmp.Or(c.Budget, 2), cmp.Or(c.IDs, 1)
	return c
}

func (c *Config) id(device int) string { return fmt.Sprint("netops-", device%c.IDs) }

// pause is the guard's default.
func (c *Config) pause() time.Duration { return 15 * time.Minute }

// Fleet is what a script may change.
type Fleet struct {
	*World
	workers []*worker
}

// Cut cuts the first n workers from their ledger, and joins the others to it.
func (f *Fleet) Cut(n int) {
	for i, k := range f.workers {
		k.line.mu.Lock()
		k.line.cut = i < n
		k.line.mu.Unlock()
	}
}

// Forget is an operator who lifts the quarantine.
func (f *Fleet) Forget() {
	for i := range f.config.IDs {
		_ = f.workers[0].guard.Forget(context.Background(), f.config.id(i))
	}
}

// Result is what became of a fleet's jobs.
type Result struct {
	// Jobs are all, Done those that logged in. Good are those whose device would have accepted a version at the job's end, and
	// Rejected, TimedOut and Failed those of them that didn't log in.
	Jobs, Done, Good, Rejected, TimedOut, Failed int
	// Held are jobs that took longer than 10 s; Longest is the longest job.
	Held    int
	Longest time.Duration
	// Wrong are passwords refused, Streak the most in a row at the account, AtDevice the most at one device in 10 minutes,
	// Repeats those that a device got again within the pause. Locks are accounts locked.
	Wrong, Streak, AtDevice, Repeats, Locks int
	// PerSecond are passwords shown a second.
	PerSecond float64
	// Minutes are good jobs and those of them that were done, by minute.
	Minutes [][2]int
}

// Lost are the good jobs that weren't done.
func (r Result) Lost() int { return r.Rejected + r.TimedOut + r.Failed }

// Run plays a fleet.
func Run(c Config) Result {
	c = c.resolved()
	w := newWorld(&c)
	f := &Fleet{World: w}
	shared := c.Ledgers
	if shared == nil {
		memory := guard.NewMemory()
		shared = func(int) guard.Ledger { return memory }
	}
	for i := range c.Workers {
		ledger := shared(i)
		if c.Separate {
			ledger = guard.NewMemory()
		}
		f.workers = append(f.workers, newWorker(w, ledger))
	}
	f.warm()
	start := time.Now()
	w.mu.Lock()
	w.shown, w.wrong, w.locks = 0, 0, 0
	w.mu.Unlock()
	var running sync.WaitGroup
	if c.Script != nil {
		running.Go(func() { c.Script(f) })
	}
	var mu sync.Mutex
	r := Result{Minutes: make([][2]int, int(c.Duration/time.Minute)+1)}
	for time.Since(start) < c.Duration {
		w.mu.Lock()
		pause := time.Duration(w.random.ExpFloat64() / c.Rate * float64(time.Second))
		device, k := w.random.IntN(c.Devices), f.workers[w.random.IntN(c.Workers)]
		w.mu.Unlock()
		time.Sleep(pause)
		running.Go(func() {
			k.slots <- struct{}{}
			defer func() { <-k.slots }()
			offered := time.Now()
			ctx, cancel := context.WithTimeout(context.Background(), c.Deadline)
			defer cancel()
			crashed, err := k.login(ctx, device, false)
			good := !crashed && w.wouldAccept(device)
			mu.Lock()
			defer mu.Unlock()
			r.count(err, good, time.Since(offered), int(offered.Sub(start)/time.Minute))
		})
	}
	running.Wait()
	for _, k := range f.workers {
		_ = k.guard.Close()
	}
	r.Wrong, r.Streak, r.AtDevice, r.Repeats, r.Locks = w.wrong, w.longestStreak, w.mostAtDevice, w.repeats, w.locks
	r.PerSecond = float64(w.shown) / time.Since(start).Seconds()
	return r
}

func (r *Result) count(err error, good bool, took time.Duration, minute int) {
	r.Jobs++
	if took > 10*time.Second {
		r.Held++
	}
	if err == nil {
		r.Done++
		r.Longest = max(r.Longest, took)
	}
	if good {
		r.Good++
	}
	if minute < len(r.Minutes) && (good || err == nil) {
		r.Minutes[minute][0]++
		if err == nil {
			r.Minutes[minute][1]++
		}
	}
	var e *credential.Error
	switch {
	case err == nil || !good:
	case errors.As(err, &e) && e.Reason == credential.CredentialRejected:
		r.Rejected++
	case errors.Is(err, context.DeadlineExceeded):
		r.TimedOut++
	default:
		r.Failed++
	}
}

// warm gives the ledger a history: every device has accepted Z and then A, but for drifted ones. Z is what they may still have.
func (f *Fleet) warm() {
	w := f.World
	w.Store("Z")
	if f.config.Cold {
		w.Store("A")
		w.drift()
		time.Sleep(f.config.Lag)
		return
	}
	w.Move("Z")
	f.visit(nil)
	w.Move("A")
	w.Store("A")
	time.Sleep(f.config.CacheTTL + f.config.Lag)
	w.drift()
	f.visit(w.drifted)
	time.Sleep(time.Hour)
}

// visit logs in to all devices, but for some.
func (f *Fleet) visit(but map[int]bool) {
	workers := f.workers[:1]
	if f.config.Separate {
		workers = f.workers
	}
	for _, k := range workers {
		for i := range f.config.Devices {
			if but[i] {
				continue
			}
			if _, err := k.login(context.Background(), i, true); err != nil {
				panic(fmt.Sprintf("a fleet without faults can't log in: %v", err))
			}
		}
	}
}

// Heading is the heading of a table of rows.
const Heading = "| situation | jobs | done | good ones lost | held > 10 s | longest (s) | wrong | in a row | at a device | repeats | locks | logins/s |\n" +
	"| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"

// Row is a line of a table in Markdown.
func (r Result) Row(name string) string {
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %.0f | %d | %d | %d | %d | %d | %.2f |", name, r.Jobs, r.Done, r.Lost(), r.Held,
		r.Longest.Seconds(), r.Wrong, r.Streak, r.AtDevice, r.Repeats, r.Locks, r.PerSecond)
}
