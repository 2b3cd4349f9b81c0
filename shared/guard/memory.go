package guard

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Memory is a [Ledger] in this process. It may be used concurrently.
type Memory struct {
	now func() int64

	mu       sync.Mutex
	records  map[Digest]*record
	watchers map[Digest]chan struct{}
	swept    int64
	members  map[string]heard
}

// NewMemory makes a ledger that lives as long as the process. Its clock is the monotonic one, so setting the machine's time
// moves nothing. Records are dropped 30 days after their last use.
func NewMemory() *Memory {
	start := time.Now()
	return NewMemoryAt(func() time.Time { return start.Add(time.Since(start)) })
}

// NewMemoryAt is NewMemory with a clock of the caller's, for tests and simulations. It may be set back.
func NewMemoryAt(clock func() time.Time) *Memory {
	return &Memory{
		now:      func() int64 { return clock().UnixMicro() },
		records:  make(map[Digest]*record),
		watchers: make(map[Digest]chan struct{}),
		members:  make(map[string]heard),
	}
}

// sweepEvery is how often unused records are looked for.
const sweepEvery = time.Hour

// record returns a material's record, a new one if need be. The caller holds the lock.
func (m *Memory) record(x Digest, now int64) *record {
	r := m.records[x]
	if r == nil {
		r = &record{}
		m.records[x] = r
	}
	r.used = now
	return r
}

// Begin implements [Ledger].
func (m *Memory) Begin(_ context.Context, q Request) (Decision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	m.sweep(now)
	cur := m.peek(q.Current)
	if i := slices.IndexFunc(cur.open, func(p openPermit) bool { return p.permit == q.Permit && p.expires > now }); i >= 0 {
		return Decision{Verdict: Granted, Order: cur.open[i].order, Failing: cur.failed > 0, Proven: cur.proven}, nil
	}
	var prev *record
	if q.PreviousKnown && q.Previous != (Digest{}) && q.Previous != q.Current {
		prev = m.peek(q.Previous)
	}
	if replaced := m.records[q.Replaced]; replaced != nil && q.Replaced != q.Current {
		replaced.suspect = now
		m.announce(q.Replaced)
	}
	cur.settleClock(now, q.Pause)
	prev.settleClock(now, q.Pause)
	if cur.expire(prev, now, q.Limits) {
		m.announce(q.Current)
	}
	if prev.expire(cur, now, q.Limits) {
		m.announce(q.Previous)
	}
	d := decide(cur, prev, &q, now)
	cur.used = now
	if d.Verdict == Granted {
		m.records[q.Current] = cur
		if d.Order != CurrentOnly {
			m.records[q.Previous], prev.used = prev, now
		}
		admit(cur, prev, &q, d.Order, now)
	}
	return d, nil
}

// peek returns a material's record, or one that isn't kept yet: nothing is remembered of what is only asked about.
func (m *Memory) peek(x Digest) *record {
	if r := m.records[x]; r != nil {
		return r
	}
	return &record{}
}

// Look implements [Ledger].
func (m *Memory) Look(q Request) Decision {
	m.mu.Lock()
	defer m.mu.Unlock()
	cur := m.peek(q.Current)
	var prev *record
	if q.PreviousKnown && q.Previous != q.Current {
		prev = m.records[q.Previous]
	}
	return decide(cur, prev, &q, m.now())
}

// End implements [Ledger].
func (m *Memory) End(_ context.Context, report Report) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	var result Answer
	for _, s := range report.Shown {
		other := report.Current
		if s.Material == report.Current {
			other = report.Previous
		}
		var after int64
		if o := m.records[other].device(report.Device); o != nil {
			after = o.accepted
		}
		m.record(s.Material, now).answered(report.Device, report.ID, s.Answer, report.Permit, now, report.Pause, after)
		result = s.Answer
	}
	cur, prev := m.records[report.Current], m.records[report.Previous]
	if report.Previous == report.Current {
		prev = nil
	}
	cur.settleClock(now, report.Pause)
	prev.settleClock(now, report.Pause)
	for i, r := range [...]*record{cur, prev} {
		x, other := report.Current, prev
		if i == 1 {
			x, other = report.Previous, cur
		}
		if r == nil {
			continue
		}
		if !report.Open {
			var own Answer
			for _, s := range report.Shown {
				if s.Material == x {
					own = s.Answer
				}
			}
			if found := r.finish(report.Permit, result, own, other, now, report.Limits); found && own != 0 && result != Accepted && i == 0 {
				r.failedUnder(report.ID, report.Version)
			}
		}
		m.announce(x)
	}
	return nil
}

// Forget implements [Ledger].
func (m *Memory) Forget(_ context.Context, materials ...Digest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range materials {
		if r := m.records[x]; r != nil {
			r.forget()
		}
		m.announce(x)
	}
	return nil
}

// Snapshot implements [Ledger].
func (m *Memory) Snapshot(context.Context) ([]Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	records := make([]Record, 0, len(m.records))
	for x, r := range m.records {
		records = append(records, r.describe(x, now))
	}
	return records, nil
}

// Watch implements [Ledger].
func (m *Memory) Watch(x Digest) <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.watchers[x]
	if c == nil {
		c = make(chan struct{})
		m.watchers[x] = c
	}
	return c
}

// announce wakes those who watch a material. The caller holds the lock.
func (m *Memory) announce(x Digest) {
	if c := m.watchers[x]; c != nil {
		delete(m.watchers, x)
		close(c)
	}
}

// sweep drops records that nothing has used for long. The caller holds the lock.
func (m *Memory) sweep(now int64) {
	if now-m.swept < micro(sweepEvery) {
		return
	}
	m.swept = now
	for x, r := range m.records {
		if now-r.used > micro(keepUnused) {
			delete(m.records, x)
		}
	}
}

// Close implements [Ledger].
func (m *Memory) Close() error { return nil }
