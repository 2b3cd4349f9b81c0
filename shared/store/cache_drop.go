package store

import (
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Invalidate drops everything that was kept, and what is remembered of failures. Call it after the source's settings have
// changed: reads that are under way are discarded, and their callers get the answer to a new one.
func (s *Store) Invalidate() { s.Clear() }

// MarkStale has what is kept served only while the backend is unavailable, and drops what is remembered of failures. Call it
// after the source was restarted with the same settings.
func (s *Store) MarkStale() {
	s.mu.Lock()
	defer s.unlock()
	s.failures.Purge()
	s.outage = nil
	s.cache.markStale(s.clock())
}

// Forget drops everything about an id, in all its versions. Reads of it that are under way are made again.
func (s *Store) Forget(id string) {
	s.mu.Lock()
	defer s.unlock()
	for r, f := range s.flights {
		if r.ID == id {
			s.discard(f)
		}
	}
	forget(s.cache.order, id)
	forget(s.failures, id)
	forget(s.rechecks, id)
}

func forget[V any](lru *simplelru.LRU[credential.Request, V], id string) {
	for _, r := range lru.Keys() {
		if r.ID == id {
			lru.Remove(r)
		}
	}
}

// Clear is [Store.Forget] for every id.
func (s *Store) Clear() {
	s.mu.Lock()
	defer s.unlock()
	s.clear()
}

func (s *Store) clear() {
	for _, f := range s.flights {
		s.discard(f)
	}
	s.cache.order.Purge()
	s.failures.Purge()
	s.rechecks.Purge()
	s.outage = nil
}

// sweepEvery is how often what can't be served again is dropped, so that passwords out of use don't stay in memory until
// others push them out.
const sweepEvery = time.Minute

// sweepLater schedules a sweep. The caller holds the lock.
func (s *Store) sweepLater() {
	if s.sweeper == nil && !s.closed {
		s.sweeper = time.AfterFunc(sweepEvery, s.sweep)
	}
}

func (s *Store) sweep() {
	s.mu.Lock()
	defer s.unlock()
	s.sweeper = nil
	now := s.clock()
	s.cache.sweep(now)
	for _, r := range s.failures.Keys() {
		if f, _ := s.failures.Peek(r); !f.known(now) && s.recall(f, now) == nil {
			s.failures.Remove(r)
		}
	}
	for _, r := range s.rechecks.Keys() {
		if f, _ := s.rechecks.Peek(r); !f.underWay() {
			s.rechecks.Remove(r)
		}
	}
	if s.cache.order.Len()+s.failures.Len()+s.rechecks.Len() > 0 {
		s.sweepLater()
	}
}
