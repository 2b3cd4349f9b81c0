package store

import "time"

// sweepEvery is how often what can't be served again is dropped, so that passwords that nobody uses any more don't stay in
// memory until others push them out.
const sweepEvery = time.Minute

// sweeper is a timer that runs while there is something to drop.
type sweeper struct{ timer *time.Timer }

func (w *sweeper) stop() {
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
}

// sweepLater sees to it that a sweep will come. The caller holds the lock.
func (s *Store) sweepLater() {
	if s.sweeper.timer == nil && !s.closed {
		s.sweeper.timer = time.AfterFunc(sweepEvery, s.sweep)
	}
}

func (s *Store) sweep() {
	s.mu.Lock()
	defer s.unlock()
	s.sweeper.timer = nil
	now := s.clock()
	s.cells.sweep(now)
	for _, k := range s.failures.Keys() {
		if f, _ := s.failures.Peek(k); !f.known(now) && s.recall(f, now) == nil {
			s.failures.Remove(k)
		}
	}
	if s.cells.order.Len()+s.failures.Len() > 0 {
		s.sweepLater()
	}
}
