package store

import (
	"context"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Get returns the current version of a credential. Errors are [*credential.Error] values. Of a cached credential it
// doesn't look at ctx; of one that has to be read, ctx bounds this caller's waiting and nobody else's.
func (s *Store) Get(ctx context.Context, id string) (Lease, error) {
	now := s.clock() // first: while it is being read, a processor begins with what follows
	if c := s.cells.load(id); c != nil {
		age := now.since(c.asked)
		if age < c.refresh && now.wall < c.expires && int64(now.mono)-c.touched.Load() < int64(touchEvery) {
			s.hits.add(now)
			return Lease{Credential: c.credential, Outcome: Cached, Age: max(age, 0), answer: c.answer}, nil
		}
	}
	return s.get(ctx, key{id: id})
}

// GetVersion returns one version of a credential, as [Store.Get] does with the current one. The request's version may
// be an id, a label or empty.
func (s *Store) GetVersion(ctx context.Context, request credential.Request) (Lease, error) {
	return s.get(ctx, keyOf(request))
}

func (s *Store) get(ctx context.Context, k key) (Lease, error) {
	if err := k.check(); err != nil {
		return Lease{}, err
	}
	for {
		s.mu.Lock()
		lease, err := s.look(ctx, k)
		var f *flight
		if lease.answer == nil && err == nil {
			f = s.flightFor(ctx, k)
		}
		s.unlock()
		if f == nil {
			return lease, plain(err)
		}
		lease, err, again := s.await(ctx, f)
		if !again {
			return lease, plain(err)
		}
	}
}

// look answers from what is known, if that is possible, and sees to it that it is read again where it should be. The
// caller holds the lock.
func (s *Store) look(ctx context.Context, k key) (Lease, *credential.Error) {
	if s.closed {
		return Lease{}, closedError()
	}
	now := s.clock()
	kept := s.cells.use(k, now)
	last, _ := s.failures.Get(k)
	leftAlone := last.pausing(now) || s.outage.pausing(now)
	if kept != nil && kept.isFresh(now) {
		if now.since(kept.asked) >= kept.refresh && !leftAlone {
			s.refresh(ctx, k)
		}
		s.hits.add(now)
		return kept.lease(Cached, now), nil
	}
	if kept != nil && (last.isOutage(now) || s.outage.isOutage(now)) && s.mayServeStale(k, kept, now) {
		// It is known that the backend is out: nobody has to wait for it to fail once more.
		if !leftAlone {
			s.probe(ctx, k)
		}
		s.counters.stale++
		return kept.lease(Stale, now), nil
	}
	if err := s.recall(last, now); err != nil {
		s.counters.remembered++
		return Lease{}, err
	}
	return Lease{}, nil
}

// probe asks a backend that was out whether it still is, with one read at a time.
func (s *Store) probe(ctx context.Context, k key) {
	s.refresh(ctx, k)
	if s.outage != nil {
		s.outage.probe = s.flights[k]
	}
}

// await waits for a flight that the caller has joined. If the flight was discarded, the caller has to ask again.
func (s *Store) await(ctx context.Context, f *flight) (lease Lease, err *credential.Error, again bool) {
	select {
	case <-f.done:
	default:
		select {
		case <-f.done:
		case <-ctx.Done():
			s.leave(f)
			return s.staleInstead(f.key, callerError(ctx, f.key))
		}
	}
	switch {
	case f.discarded:
		return Lease{}, nil, true
	case f.err != nil:
		return s.staleInstead(f.key, private(f.err))
	}
	return f.answer.lease(Fresh, s.clock()), nil, false
}

// staleInstead returns what is kept for k, if that is allowed in place of err and there is something; else err.
func (s *Store) staleInstead(k key, err *credential.Error) (Lease, *credential.Error, bool) {
	if classOf(err.Reason) != outage {
		return Lease{}, err, false
	}
	s.mu.Lock()
	defer s.unlock()
	now := s.clock()
	kept := s.cells.use(k, now)
	if kept == nil || !s.mayServeStale(k, kept, now) {
		return Lease{}, err, false
	}
	s.counters.stale++
	return kept.lease(Stale, now), nil, false
}

// mayServeStale says whether an old answer is good enough in an outage. Material that a device has refused, and that has
// not worked since, isn't: the password has probably changed.
func (s *Store) mayServeStale(k key, kept *answer, now instant) bool {
	if !kept.isStale(now) {
		return false
	}
	g, ok := s.guards.all[k.id]
	return !ok || !g.suspects(kept.material)
}

// plain keeps a nil *credential.Error from becoming an error that isn't nil.
func plain(err *credential.Error) error {
	if err == nil {
		return nil
	}
	return err
}
