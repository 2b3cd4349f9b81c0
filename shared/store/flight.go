package store

import (
	"context"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// maxUnattended is how many reads may go on without anybody waiting for them: those in the background, and those whose
// callers have given up. All others are bounded by their callers.
const maxUnattended = 32

// flight is one read of one key. Whoever wants the same key meanwhile waits for it.
type flight struct {
	key    key
	asked  instant
	cancel context.CancelFunc
	// waiters is how many wait for it; the store's lock guards it.
	waiters int
	// done is closed when the fields below are set: answer or err, or discarded, after which one must ask again.
	done      chan struct{}
	answer    *answer
	err       *credential.Error
	landed    instant
	discarded bool
}

// underWay says whether it hasn't ended; nil has.
func (f *flight) underWay() bool { return f != nil && f.landed == (instant{}) && !f.discarded }

// depart begins a read. ctx lends it its values but neither its end nor its deadline: others may join. The caller holds
// the lock, and the flight has no waiters yet.
func (s *Store) depart(ctx context.Context, k key) *flight {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.CallTimeout)
	f := s.addFlight(k, cancel)
	s.counters.backendCalls++
	s.running.Go(func() {
		defer cancel()
		growStack()
		cred, err := s.provider.Get(ctx, k.request())
		s.mu.Lock()
		defer s.unlock()
		s.land(ctx, f, cred, err)
	})
	return f
}

func (s *Store) addFlight(k key, cancel context.CancelFunc) *flight {
	f := &flight{key: k, asked: s.clock(), cancel: cancel, done: make(chan struct{})}
	s.flights[k] = f
	s.unattended++
	return f
}

// land ends a flight with what the provider said. A discarded one has ended already. The caller holds the lock.
func (s *Store) land(ctx context.Context, f *flight, cred *credential.Credential, err error) {
	if f.discarded {
		return
	}
	f.landed = s.clock()
	f.answer, f.err = s.settle(ctx, f, cred, err)
	s.answerAsk(f)
	s.end(f)
}

// discard ends a flight whose answer nobody shall see.
func (s *Store) discard(f *flight) {
	f.discarded = true
	f.cancel()
	s.end(f)
}

func (s *Store) end(f *flight) {
	delete(s.flights, f.key)
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

// leave takes a waiter away that gives up. The read goes on, since its answer is worth keeping, unless too many do.
func (s *Store) leave(f *flight) {
	s.mu.Lock()
	defer s.unlock()
	if s.flights[f.key] != f {
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

// flightFor returns the flight that is under way for k, or begins one, and joins it. The caller holds the lock.
func (s *Store) flightFor(ctx context.Context, k key) *flight {
	s.counters.misses++
	f, under := s.flights[k]
	if under {
		s.counters.shared++
	} else {
		f = s.depart(ctx, k)
	}
	s.join(f)
	return f
}

// refresh reads k in the background, unless that is being done or too much is. The caller holds the lock.
func (s *Store) refresh(ctx context.Context, k key) {
	if _, under := s.flights[k]; under || s.unattended >= maxUnattended {
		return
	}
	s.counters.refreshes++
	s.depart(ctx, k)
}
