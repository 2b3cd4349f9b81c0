package store

import (
	"context"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Get returns the current version of a credential. Errors are [*credential.Error] values. ctx bounds the wait of this caller
// alone, and isn't looked at where a credential is cached.
func (s *Store) Get(ctx context.Context, id string) (Result, error) {
	now := s.clock()
	if e := s.cache.load(id); e != nil {
		age := now.since(e.asked)
		if age < e.refresh && now.wall < e.expires && int64(now.mono)-e.touched.Load() < int64(touchEvery) {
			s.hits.add(now)
			return Result{Credential: e.credential, Freshness: Cached, Age: max(age, 0)}, nil
		}
	}
	return s.GetVersion(ctx, credential.Request{ID: id})
}

// GetVersion returns one version of a credential, as [Store.Get] does with the current one. The request's version may
// be an id, a label or empty.
func (s *Store) GetVersion(ctx context.Context, request credential.Request) (Result, error) {
	if err := check(request); err != nil {
		return Result{}, err
	}
	for {
		s.mu.Lock()
		result, known, err := s.look(ctx, request)
		var f *flight
		if !known {
			f = s.flightFor(ctx, request)
		}
		s.unlock()
		if known {
			return result, err
		}
		result, again, err := s.await(ctx, f)
		if !again {
			return result, err
		}
	}
}

// look answers from what is known, if that is possible, and has it read again where it should be. The caller holds the lock.
func (s *Store) look(ctx context.Context, r credential.Request) (result Result, known bool, err error) {
	if s.closed {
		return Result{}, true, closedError()
	}
	now := s.clock()
	kept := s.cache.use(r, now)
	last, _ := s.failures.Get(r)
	leftAlone := last.pausing(now) || s.outage.pausing(now)
	if kept != nil && kept.isFresh(now) {
		if now.since(kept.asked) >= kept.refresh && !leftAlone {
			s.refresh(ctx, r)
		}
		s.hits.add(now)
		return kept.result(Cached, now), true, nil
	}
	if kept != nil && (last.isOutage(now) || s.outage.isOutage(now)) && kept.isStale(now) {
		// The backend is known to be unavailable: no caller has to wait for it to fail once more.
		if !leftAlone {
			s.probe(ctx, r)
		}
		s.counters.stale++
		return kept.result(Stale, now), true, nil
	}
	if err := s.recall(last, now); err != nil {
		s.counters.remembered++
		return Result{}, true, err
	}
	return Result{}, false, nil
}

// probe reads from a backend that was unavailable, one read at a time, to learn whether it still is.
func (s *Store) probe(ctx context.Context, r credential.Request) {
	s.refresh(ctx, r)
	if s.outage != nil {
		s.outage.probe = s.flights[r]
	}
}

// await waits for a flight that the caller has joined. If the flight was discarded, the caller has to read again.
func (s *Store) await(ctx context.Context, f *flight) (result Result, again bool, err error) {
	if err := s.wait(ctx, f); err != nil {
		result, err = s.staleInstead(f.request, err)
		return result, false, err
	}
	switch {
	case f.discarded:
		return Result{}, true, nil
	case f.err != nil:
		result, err = s.staleInstead(f.request, f.err)
		return result, false, err
	}
	return f.entry.result(Fresh, s.clock()), false, nil
}

// staleInstead returns what is kept for r, if that is allowed in place of err and there is something; else err.
func (s *Store) staleInstead(r credential.Request, err error) (Result, error) {
	if classOf(credential.ReasonOf(err)) != outage {
		return Result{}, err
	}
	s.mu.Lock()
	defer s.unlock()
	now := s.clock()
	kept := s.cache.use(r, now)
	if kept == nil || !kept.isStale(now) {
		return Result{}, err
	}
	s.counters.stale++
	return kept.result(Stale, now), nil
}
