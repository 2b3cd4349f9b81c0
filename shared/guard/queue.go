package guard

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// queues are the logins of this process that want a permit, by material. In each, one login asks the ledger at a time, in
// order of arrival. Devices that aren't known to accept a material have their own lane once the ledger has let others
// go first: they hold up no login that may go.
type queues struct {
	mu        sync.Mutex
	arrivals  int64
	materials map[Digest]*queue
}

// queue is the logins that want one material.
type queue struct {
	known, unknown lane
	// connecting are the logins that have been let through to connect and haven't got their permit; gate are those that
	// haven't been let through, in order of arrival.
	connecting int
	gate       []*place
	// pace is the mean time between permits while logins wait; granted is when the last one was.
	pace     time.Duration
	granted  time.Time
	reported time.Time // when a progress line was written
}

type lane []*place

// place is one login's place in a queue.
type place struct {
	arrival int64
	since   time.Time
	turn    chan struct{} // gets a value when the place has become the first
}

// arrive makes a place. It is in no queue yet.
func (q *queues) arrive() *place {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.arrivals++
	return &place{arrival: q.arrivals, since: time.Now(), turn: make(chan struct{}, 1)}
}

// of returns a material's queue, a new one if need be. The caller holds the lock.
func (q *queues) of(m Digest) *queue {
	s := q.materials[m]
	if s == nil {
		s = &queue{}
		q.materials[m] = s
	}
	return s
}

// join puts a place into a lane, by its arrival.
func (q *queues) join(m Digest, p *place, unknown bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.of(m)
	l := s.lane(unknown)
	before := l.first()
	at, _ := slices.BinarySearchFunc(*l, p, func(a, b *place) int { return cmp.Compare(a.arrival, b.arrival) })
	*l = slices.Insert(*l, at, p)
	if l.first() != before {
		l.first().wake()
	}
}

// leave takes a place out of a lane, and wakes who is first then.
func (q *queues) leave(m Digest, p *place, unknown, granted bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.of(m)
	l := s.lane(unknown)
	first := l.first() == p
	if at := slices.Index(*l, p); at >= 0 {
		*l = slices.Delete(*l, at, at+1)
	}
	select {
	case <-p.turn:
	default:
	}
	if granted {
		s.tick(time.Now())
	}
	if first && len(*l) > 0 {
		l.first().wake()
	}
	q.drop(m, s)
}

// drop forgets a queue that is empty. The caller holds the lock.
func (q *queues) drop(m Digest, s *queue) {
	if len(s.known)+len(s.unknown)+len(s.gate)+s.connecting == 0 {
		delete(q.materials, m)
	}
}

func (s *queue) lane(unknown bool) *lane {
	if unknown {
		return &s.unknown
	}
	return &s.known
}

func (l *lane) first() *place {
	if len(*l) == 0 {
		return nil
	}
	return (*l)[0]
}

func (p *place) wake() {
	select {
	case p.turn <- struct{}{}:
	default:
	}
}

// isFirst reports whether a place is the first of its lane.
func (q *queues) isFirst(m Digest, p *place, unknown bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.of(m).lane(unknown).first() == p
}

// tick notes that a permit was granted while others wait. The caller holds the lock.
func (s *queue) tick(now time.Time) {
	if !s.granted.IsZero() && len(s.known)+len(s.unknown) > 0 {
		const weight = 8
		if s.pace == 0 {
			s.pace = now.Sub(s.granted)
		}
		s.pace += (now.Sub(s.granted) - s.pace) / weight
	}
	s.granted = now
}

// room reports whether one more login may connect: whether its wait for a permit is likely to be shorter than within.
func (s *queue) room(within time.Duration) bool {
	const unmeasured = time.Second
	pace := s.pace
	if pace == 0 {
		pace = unmeasured
	}
	return time.Duration(s.connecting)*pace < within
}

// enter lets a login through to connect, or puts it at the gate.
func (q *queues) enter(m Digest, p *place, within time.Duration) (through bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.of(m)
	if len(s.gate) == 0 && s.room(within) {
		s.connecting++
		return true
	}
	if !slices.Contains(s.gate, p) {
		s.gate = append(s.gate, p)
	}
	return false
}

// pass lets those at the gate through that are likely to get their permit in time, and reports whether p has been.
func (q *queues) pass(m Digest, p *place, within time.Duration) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.of(m)
	if at := slices.Index(s.gate, p); at == 0 && s.room(within) {
		s.gate = s.gate[1:]
		s.connecting++
		s.open(within)
		return true
	}
	return false
}

// open wakes the first at the gate if it may go. The caller holds the lock.
func (s *queue) open(within time.Duration) {
	if len(s.gate) > 0 && s.room(within) {
		s.gate[0].wake()
	}
}

// turnAway takes a login from the gate.
func (q *queues) turnAway(m Digest, p *place, within time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.of(m)
	if at := slices.Index(s.gate, p); at >= 0 {
		s.gate = slices.Delete(s.gate, at, at+1)
	}
	s.open(within)
	q.drop(m, s)
}

// connected notes that a login that was let through has its permit, or wants none any more.
func (q *queues) connected(m Digest, within time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.of(m)
	s.connecting--
	s.open(within)
	q.drop(m, s)
}

// progress reports how many logins wait for a material and for how long the first of them has, if a line is due: one has
// waited for more than 10 s, and the last line is as old.
func (q *queues) progress(m Digest, now time.Time) (waiting int, longest time.Duration, due bool) {
	const every = 10 * time.Second
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.of(m)
	for _, places := range [][]*place{s.known, s.unknown, s.gate} {
		waiting += len(places)
		for _, p := range places {
			longest = max(longest, now.Sub(p.since))
		}
	}
	if longest < every || now.Sub(s.reported) < every {
		return waiting, longest, false
	}
	s.reported = now
	return waiting, longest, true
}
