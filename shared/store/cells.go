package store

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// touchEvery is how often a use of a credential is noted for the order in which they are dropped. A read that notes
// nothing takes no lock.
const touchEvery = time.Second

// cell holds the last answer for one key. But for touched it isn't changed: another answer gets another cell. So a cached
// read finds all that it looks at, the text of a short id included, in two neighbouring lines of a processor's cache, and
// they can be fetched at the same time. With many ids it is waiting for memory that takes long.
type cell struct {
	id      string
	touched atomic.Int64 // instant.mono of the last use that was noted

	// These are the answer's.

	credential       *credential.Credential
	asked            instant
	refresh, expires time.Duration

	// The second line begins here.

	answer *answer
	text   [56]byte // begins with the id's bytes, or has the first of them
}

func newCell(id string, a *answer, now instant) *cell {
	c := &cell{id: id, credential: a.credential, asked: a.asked, refresh: a.refresh, expires: a.expires, answer: a}
	c.touched.Store(int64(now.mono))
	copy(c.text[:], id)
	return c
}

// is says whether the cell is that of id.
func (c *cell) is(id string) bool {
	if len(id) > len(c.text) {
		return c.id == id
	}
	return len(c.id) == len(id) && string(c.text[:len(id)]) == id
}

// cells are what is kept, bound by count, the least recently used out first. Its methods need the store's lock, except
// for load.
type cells struct {
	order *simplelru.LRU[key, *cell]
	// current has the cells of current versions once more, by id, for reads without a lock.
	current *table
	seed    maphash.Seed
}

func newCells(size int) *cells {
	c := &cells{current: newTable(), seed: maphash.MakeSeed()}
	c.order = newLRU(size, func(k key, _ *cell) {
		if k.isCurrent() {
			c.current.remove(c.hash(k.id), k.id)
		}
	})
	return c
}

func newLRU[K comparable, V any](size int, dropped func(K, V)) *simplelru.LRU[K, V] {
	lru, err := simplelru.NewLRU(size, dropped)
	if err != nil {
		panic(err) // it refuses sizes below 1, and resolved sees to that
	}
	return lru
}

func (c *cells) hash(id string) uint64 { return maphash.String(c.seed, id) }

// load finds the cell of a current version, nil if it doesn't. It needs no lock.
func (c *cells) load(id string) *cell { return c.current.find(c.hash(id), id) }

// use returns the answer that is kept for k, nil if there is none, and notes the use.
func (c *cells) use(k key, now instant) *answer {
	found, ok := c.order.Get(k)
	if !ok {
		return nil
	}
	found.touched.Store(int64(now.mono))
	return found.answer
}

// put keeps an answer and says whether another one had to go.
func (c *cells) put(k key, a *answer, now instant) (evicted bool) {
	if old, ok := c.order.Peek(k); ok {
		k.id = old.id
	} else {
		// They may be pieces of something large.
		k.id, k.versionID, k.versionLabel = strings.Clone(k.id), strings.Clone(k.versionID), strings.Clone(k.versionLabel)
	}
	fresh := newCell(k.id, a, now)
	evicted = c.order.Add(k, fresh)
	if k.isCurrent() {
		c.current.put(c.hash(k.id), fresh)
	}
	return evicted
}

// outdate lets every answer be served only while the backend is out.
func (c *cells) outdate(now instant) {
	for _, k := range c.order.Keys() { // the least recently used first, so that their order stays
		kept, _ := c.order.Peek(k)
		c.put(k, kept.answer.outdated(), now)
	}
}

// sweep drops what can't be served again.
func (c *cells) sweep(now instant) {
	for _, k := range c.order.Keys() {
		if kept, _ := c.order.Peek(k); kept.answer.dead(now) {
			c.order.Remove(k)
		}
	}
}
