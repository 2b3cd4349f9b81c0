package store

import (
	"context"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// maxUnattended is how many reads may go on that no caller waits for: those in the background, and those whose callers have
// given up. All others are bounded by their callers.
const maxUnattended = 32

// flight is one read. Callers that want the same while it is under way wait for it.
type flight struct {
	request credential.Request
	asked   instant
	cancel  context.CancelFunc
	// waiters is how many wait for it; the store's lock guards it.
	waiters int
	// done is closed when the fields below are set: entry or err, or discarded, after which one must read again.
	done      chan struct{}
	entry     *entry
	err       error
	landed    instant
	discarded bool
	// recheck reports that a Recheck waits for it, or has.
	recheck bool
}

// underWay reports whether it hasn't ended; nil has.
func (f *flight) underWay() bool { return f != nil && f.landed == (instant{}) && !f.discarded }

// depart starts a read. The caller holds the lock, and the flight has no waiters yet.
func (s *Store) depart(ctx context.Context, r credential.Request) *flight {
	ctx, cancel := s.readContext(ctx)
	f := s.addFlight(r, cancel)
	s.counters.backendCalls++
	s.running.Go(func() {
		defer cancel()
		cred, err := s.source.Get(ctx, f.request)
		s.mu.Lock()
		defer s.unlock()
		s.land(ctx, f, cred, err)
	})
	return f
}

// readContext returns the context of a read: it has the values of its caller's context, but neither its end nor its
// deadline, since others may join.
func (s *Store) readContext(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx = context.WithoutCancel(ctx)
	if s.options.CallTimeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, s.options.CallTimeout)
}

func (s *Store) addFlight(r credential.Request, cancel context.CancelFunc) *flight {
	f := &flight{request: r, asked: s.clock(), cancel: cancel, done: make(chan struct{})}
	s.flights[r] = f
	s.unattended++
	return f
}

// land ends a flight with what the source answered. A discarded one has ended already. The caller holds the lock.
func (s *Store) land(ctx context.Context, f *flight, cred *credential.Credential, err error) {
	if f.discarded {
		return
	}
	f.landed = s.clock()
	f.entry, f.err = s.settle(ctx, f, cred, err)
	s.end(f)
}

// discard ends a flight whose answer must not be used.
func (s *Store) discard(f *flight) {
	f.discarded = true
	f.cancel()
	s.end(f)
}

func (s *Store) end(f *flight) {
	delete(s.flights, f.request)
	if f.waiters == 0 {
		s.unattended--
	}
	close(f.done)
}

// join adds a waiter; the caller holds the lock.
func (s *Store) join(f *flight) {
	if f.waiters == 0 {
		s.unattended--
	}
	f.waiters++
}

// wait returns when a flight that the caller has joined, or that has ended, has ended; or the error of ctx.
func (s *Store) wait(ctx context.Context, f *flight) error {
	select {
	case <-f.done:
		return nil
	default:
	}
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		s.leave(f)
		return callerError(ctx, f.request)
	}
}

// leave takes a waiter away that gives up. The read goes on, since its answer is worth keeping, unless too many do.
func (s *Store) leave(f *flight) {
	s.mu.Lock()
	defer s.unlock()
	if s.flights[f.request] != f {
		return
	}
	f.waiters--
	switch {
	case f.waiters > 0:
	case s.unattended >= maxUnattended:
		s.unattended++ // for end to take back
		s.discard(f)
	default:
		s.unattended++
	}
}

// flightFor returns the flight that is under way for r, or starts one, and joins it. The caller holds the lock.
func (s *Store) flightFor(ctx context.Context, r credential.Request) *flight {
	s.counters.misses++
	f, under := s.flights[r]
	if under {
		s.counters.shared++
	} else {
		f = s.depart(ctx, r)
	}
	s.join(f)
	return f
}

// refresh reads r in the background, unless that is being done or too much is. The caller holds the lock.
func (s *Store) refresh(ctx context.Context, r credential.Request) {
	if _, under := s.flights[r]; under || s.unattended >= maxUnattended {
		return
	}
	s.counters.refreshes++
	s.depart(ctx, r)
}
