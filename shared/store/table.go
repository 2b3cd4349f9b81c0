package store

import "sync/atomic"

// table finds cells by the hash of their id and the id. Any number of goroutines may look something up without a lock
// while one changes it. Slots are tried from the one that the hash says until an empty one comes; cells that follow one
// that is removed move up, so that nothing remains of it.
//
// What is being moved just then may be missed, so that find's nil means: look where the lock is. It never finds what had
// been removed before it was called.
type table struct {
	slots atomic.Pointer[[]slot] // a power of two of them, and always empty ones among them
	used  int
}

// slot holds the hash beside the cell, so that hardly ever a cell is looked at but the one that is sought.
type slot struct {
	hash atomic.Uint64
	cell atomic.Pointer[cell]
}

func (s *slot) set(hash uint64, c *cell) {
	s.hash.Store(hash)
	s.cell.Store(c)
}

// smallest is how many slots a table begins with.
const smallest = 16

func newTable() *table {
	t := &table{}
	slots := make([]slot, smallest)
	t.slots.Store(&slots)
	return t
}

// find returns an id's cell, nil if it isn't there.
func (t *table) find(hash uint64, id string) *cell {
	slots := *t.slots.Load()
	for i := range uint64(len(slots)) {
		s := &slots[(hash+i)&uint64(len(slots)-1)]
		c := s.cell.Load()
		if c == nil {
			break
		}
		if s.hash.Load() == hash && c.is(id) {
			return c
		}
	}
	return nil
}

// put adds a cell, or puts it in the place of the one with its id.
func (t *table) put(hash uint64, c *cell) {
	slots := *t.slots.Load()
	at := place(slots, hash, c.id)
	if slots[at].cell.Load() == nil {
		t.used++
		if t.used > len(slots)/4*3 {
			slots = t.grow(slots)
			at = place(slots, hash, c.id)
		}
	}
	slots[at].set(hash, c)
}

// place is where a cell is, or the empty slot where it would have to be.
func place(slots []slot, hash uint64, id string) uint64 {
	mask := uint64(len(slots) - 1)
	for at := hash & mask; ; at = (at + 1) & mask {
		s := &slots[at]
		if c := s.cell.Load(); c == nil || s.hash.Load() == hash && c.is(id) {
			return at
		}
	}
}

// grow makes twice as many slots. Who is still looking in the old ones began before.
func (t *table) grow(old []slot) []slot {
	slots := make([]slot, 2*len(old))
	for i := range old {
		if c := old[i].cell.Load(); c != nil {
			hash := old[i].hash.Load()
			slots[place(slots, hash, c.id)].set(hash, c)
		}
	}
	t.slots.Store(&slots)
	return slots
}

// remove takes an id's cell out, if it is there.
func (t *table) remove(hash uint64, id string) {
	slots := *t.slots.Load()
	mask := uint64(len(slots) - 1)
	gap := place(slots, hash, id)
	if slots[gap].cell.Load() == nil {
		return
	}
	t.used--
	for at := (gap + 1) & mask; ; at = (at + 1) & mask {
		c, hash := slots[at].cell.Load(), slots[at].hash.Load()
		if c == nil {
			break
		}
		// It moves up unless the gap lies before the slot where the search for it begins.
		if (at-hash)&mask >= (at-gap)&mask {
			slots[gap].set(hash, c)
			gap = at
		}
	}
	slots[gap].set(0, nil)
}
