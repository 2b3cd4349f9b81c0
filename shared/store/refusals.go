package store

import (
	"cmp"
	"slices"
	"time"
)

// Refusal is a credential id whose login material devices refuse, as far as this store has seen.
type Refusal struct {
	ID string
	// Devices is how many have refused it. They don't get it again until it changes or [Store.Forget].
	Devices int
	// Quarantined says that no device gets it.
	Quarantined bool
	// Retry is the time until one login is tried nevertheless; 0 if the id isn't quarantined.
	Retry time.Duration
}

// Refusals returns every id whose material of now devices have refused, sorted.
func (s *Store) Refusals() []Refusal {
	s.mu.Lock()
	defer s.unlock()
	now := s.clock()
	var all []Refusal
	for g := range s.guards.marked { // of all guards, those that remember a refusal
		refusal := Refusal{ID: g.id, Devices: len(g.of(g.current).refusedBy)}
		if r := g.quarantine(); r != nil {
			refusal.Quarantined, refusal.Retry = true, untilProbe(r, now)
		}
		all = append(all, refusal)
	}
	slices.SortFunc(all, func(a, b Refusal) int { return cmp.Compare(a.ID, b.ID) })
	return all
}
