package simulate

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tom-worker/credential-provider/shared/guard"
)

// Checker watches all requests and reports of a fleet on their way to a ledger, and looks for broken promises. It knows the
// promises and not the rules, so it allows more than they do.
type Checker struct {
	// Jumps and losses of the ledger void what was promised before; call Reset after one.
	mu         sync.Mutex
	materials  map[guard.Digest]*history
	devices    map[[2]guard.Digest]word
	open       map[guard.Permit]grant
	violations []string
	// Grants and Requests are counted for tests that need to have seen some.
	Grants, Requests int
}

// history is what is known of one material.
type history struct {
	failed  int // logins in a row that failed
	last    time.Time
	version map[guard.Digest]bool
}

// word is a device's last refusal of a material.
type word struct{ refused time.Time }

type grant struct {
	request guard.Request
	order   []guard.Digest
	started time.Time
	worker  int
}

// NewChecker makes a checker.
func NewChecker() *Checker {
	c := &Checker{}
	c.Reset()
	return c
}

// Reset forgets everything: the ledger has lost its data, or was told to forget.
func (c *Checker) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.materials, c.devices, c.open = make(map[guard.Digest]*history), make(map[[2]guard.Digest]word), make(map[guard.Permit]grant)
}

// Violations are the promises broken.
func (c *Checker) Violations() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.violations
}

// Watch wraps one worker's ledger.
func (c *Checker) Watch(l guard.Ledger, worker int) guard.Ledger {
	return &checked{Ledger: l, checker: c, worker: worker}
}

type checked struct {
	guard.Ledger
	checker *Checker
	worker  int
}

func (l *checked) Begin(ctx context.Context, q guard.Request) (guard.Decision, error) {
	d, err := l.Ledger.Begin(ctx, q)
	if err == nil {
		l.checker.granted(q, d, l.worker)
	}
	return d, err
}

func (l *checked) End(ctx context.Context, r guard.Report) error {
	l.checker.ended(r) // before, so that a success counts when the next request may see it
	return l.Ledger.End(ctx, r)
}

func (l *checked) Forget(ctx context.Context, materials ...guard.Digest) error {
	err := l.Ledger.Forget(ctx, materials...)
	l.checker.Reset()
	return err
}

func (c *Checker) material(m guard.Digest) *history {
	h := c.materials[m]
	if h == nil {
		h = &history{version: make(map[guard.Digest]bool)}
		c.materials[m] = h
	}
	return h
}

func (c *Checker) violated(format string, args ...any) {
	if len(c.violations) < 20 {
		c.violations = append(c.violations, fmt.Sprintf(format, args...))
	}
}

// granted checks what was granted.
func (c *Checker) granted(q guard.Request, d guard.Decision, worker int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Requests++
	if _, again := c.open[q.Permit]; d.Verdict != guard.Granted || again {
		return
	}
	c.Grants++
	now := time.Now()
	order := []guard.Digest{q.Current}
	switch d.Order {
	case guard.PreviousOnly:
		order = []guard.Digest{q.Previous}
	case guard.CurrentPrevious:
		order = append(order, q.Previous)
	case guard.PreviousCurrent:
		order = []guard.Digest{q.Previous, q.Current}
	}
	for i, m := range order {
		// G2: a device that has refused it doesn't get it within the pause, but after the previous one.
		if w, ok := c.devices[[2]guard.Digest{q.Device, m}]; ok && now.Sub(w.refused) < q.Pause-time.Second && i == 0 {
			c.violated("G2: a device gets a material %v after it has refused it", now.Sub(w.refused))
		}
		if q.Budget <= 0 {
			continue
		}
		h := c.material(m)
		inFlight := 0
		for _, g := range c.open {
			if now.Sub(g.started) >= g.request.Life-10*time.Millisecond {
				continue // its time is over, and it counts as failed when the ledger next looks
			}
			for _, x := range g.order {
				if x == m {
					inFlight++
				}
			}
		}
		// G1: what is in flight counts, one more once refusals have proved to be the devices' own.
		if inFlight > 0 && h.failed+inFlight >= q.Budget+1 {
			c.violated("G1: %d failed in a row and %d in flight, and one more is granted", h.failed, inFlight)
		}
		// G4: a closed material is shown to one login at most within its shortest closure, but for another version.
		if h.failed >= q.Budget+1 && now.Sub(h.last) < 2*time.Minute-time.Second && h.version[q.Version] {
			c.violated("G4: a material that has failed %d times in a row is shown %v after the last time", h.failed, now.Sub(h.last))
		}
	}
	c.open[q.Permit] = grant{q, order, now, worker}
}

// ended takes what became of a grant.
func (c *Checker) ended(r guard.Report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	g, ok := c.open[r.Permit]
	var result guard.Answer
	for _, s := range r.Shown {
		result = s.Answer
		key := [2]guard.Digest{r.Device, s.Material}
		switch {
		case s.Answer == guard.Refused && ok:
			if _, known := c.devices[key]; !known || !r.Open {
				c.devices[key] = word{now}
			}
		case s.Answer == guard.Accepted:
			delete(c.devices, key)
		}
	}
	if r.Open || !ok {
		return
	}
	delete(c.open, r.Permit)
	switch result {
	case guard.Accepted:
		for _, m := range append(g.order, r.Current) {
			if h := c.material(m); !g.started.Before(h.last) {
				h.failed = 0
				clear(h.version)
			}
		}
	case guard.Refused:
		for _, s := range r.Shown {
			h := c.material(s.Material)
			h.failed++
			h.last = now
			h.version[r.Version] = true
		}
	}
}
