package store

import (
	"maps"
	"sync/atomic"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Snapshot is what a store has done since it was made, and what it holds.
type Snapshot struct {
	// Hits are credentials served from memory within their time, Misses those that a caller had to wait for, and Stale
	// those served while the backend was unavailable. Remembered are failures served from memory.
	Hits, Misses, Stale, Remembered int64
	// SharedFlights are the misses that found a read of the same credential under way.
	SharedFlights int64
	// Refreshes are reads started in the background.
	Refreshes int64
	// BackendCalls are calls to the source, a batch being one.
	BackendCalls int64
	// Evictions are credentials dropped to keep within Options.Size.
	Evictions int64
	// Errors are failed reads by reason, one for each credential of a batch.
	Errors map[credential.Reason]int64
	// LastRead is when the backend last gave a credential; zero if it hasn't yet.
	LastRead time.Time

	// Size is how many credentials are kept.
	Size int
	// Outage reports that the backend is unavailable, as far as is known.
	Outage bool
}

// Snapshot returns the counters. It is not meant for every read: it takes the store's lock.
func (s *Store) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.unlock()
	c := &s.counters
	snapshot := Snapshot{
		Hits: s.hits.sum(), Misses: c.misses, Stale: c.stale, Remembered: c.remembered,
		SharedFlights: c.shared, Refreshes: c.refreshes, BackendCalls: c.backendCalls, Evictions: c.evictions,
		Errors: maps.Clone(c.errors),
		Size:   s.cache.order.Len(), Outage: s.outage != nil,
	}
	if c.lastRead != (instant{}) {
		snapshot.LastRead = time.Unix(0, int64(c.lastRead.wall))
	}
	return snapshot
}

// counters are guarded by the store's lock.
type counters struct {
	misses, stale, remembered, shared, refreshes, backendCalls, evictions int64
	errors                                                                map[credential.Reason]int64
	lastRead                                                              instant
}

func (c *counters) fail(reason credential.Reason) {
	if c.errors == nil {
		c.errors = make(map[credential.Reason]int64)
	}
	// A reason that isn't of the contract comes from a provider that was not checked; there may be any number of them.
	if reason.Code() == credential.Internal.Code() && reason != credential.ProviderMisbehaved {
		reason = credential.Internal
	}
	c.errors[reason]++
}

// striped is a counter that many cores add to at once without waiting for each other's cache line.
type striped [8]struct {
	n atomic.Int64
	_ [56]byte
}

// add counts one. The clock's last bits choose the stripe: they are at hand, and differ from core to core.
func (c *striped) add(now instant) { c[uint(now.mono>>4)%uint(len(c))].n.Add(1) }

func (c *striped) sum() (n int64) {
	for i := range c {
		n += c[i].n.Load()
	}
	return n
}
