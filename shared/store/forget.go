package store

// Reload is to be called after the provider has been reloaded. If its settings have changed, everything that was kept
// is dropped, and answers to questions that were asked before are thrown away: who waits for one gets that to a new
// question. If not, what was kept is served from now on only while the backend is out. Either way what is remembered of
// failures is dropped. What is remembered of refused logins stays: the devices remember too.
func (s *Store) Reload(changed bool) {
	s.mu.Lock()
	defer s.unlock()
	s.failures.Purge()
	s.outage = nil
	if !changed {
		s.cells.outdate(s.clock())
		return
	}
	s.discardAll()
	s.cells.order.Purge()
	s.guards.unask()
}

// Forget drops everything about an id, in all its versions, including that devices have refused it: a quarantine is
// lifted. Reads of it that are under way begin again.
func (s *Store) Forget(id string) {
	s.mu.Lock()
	defer s.unlock()
	for k, f := range s.flights {
		if k.id == id {
			s.discard(f)
		}
	}
	for _, k := range s.cells.order.Keys() {
		if k.id == id {
			s.cells.order.Remove(k)
		}
	}
	for _, k := range s.failures.Keys() {
		if k.id == id {
			s.failures.Remove(k)
		}
	}
	s.guards.forget(id)
}

// Clear is [Store.Forget] for every id.
func (s *Store) Clear() {
	s.mu.Lock()
	defer s.unlock()
	s.forgetEverything()
}

func (s *Store) forgetEverything() {
	s.discardAll()
	s.cells.order.Purge()
	s.failures.Purge()
	s.outage = nil
	s.guards.clear()
}

func (s *Store) discardAll() {
	for _, f := range s.flights {
		s.discard(f)
	}
}
