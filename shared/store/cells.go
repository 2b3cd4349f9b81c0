package store

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// touchEvery is how often a use of a credential is noted for the order in which they are dropped. A read that notes
// nothing takes no lock.
const touchEvery = time.Second

// cell holds the last answer for one key.
type cell struct {
	answer  atomic.Pointer[answer]
	touched atomic.Int64 // instant.mono of the last use that was noted
}

// cells are what is kept, bound by count, the least recently used out first. Its methods need the store's lock, except
// for load.
type cells struct {
	order *simplelru.LRU[key, *cell]
	// current has the cells of current versions once more, by id, for reads without a lock.
	current sync.Map
}

func newCells(size int) *cells {
	c := &cells{}
	c.order = newLRU(size, func(k key, _ *cell) {
		if k.isCurrent() {
			c.current.Delete(k.id)
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

// load finds the cell of a current version. It needs no lock.
func (c *cells) load(id string) (*cell, bool) {
	found, ok := c.current.Load(id)
	if !ok {
		return nil, false
	}
	return found.(*cell), true
}

// use returns the answer that is kept for k, nil if there is none, and notes the use.
func (c *cells) use(k key, now instant) *answer {
	found, ok := c.order.Get(k)
	if !ok {
		return nil
	}
	found.touched.Store(int64(now.mono))
	return found.answer.Load()
}

// put keeps an answer and says whether another one had to go.
func (c *cells) put(k key, a *answer, now instant) (evicted bool) {
	if old, ok := c.order.Get(k); ok {
		old.answer.Store(a)
		old.touched.Store(int64(now.mono))
		return false
	}
	// They may be pieces of something large.
	k.id, k.versionID, k.versionLabel = strings.Clone(k.id), strings.Clone(k.versionID), strings.Clone(k.versionLabel)
	fresh := &cell{}
	fresh.answer.Store(a)
	fresh.touched.Store(int64(now.mono))
	evicted = c.order.Add(k, fresh)
	if k.isCurrent() {
		c.current.Store(k.id, fresh)
	}
	return evicted
}

// outdate lets every answer be served only while the backend is out.
func (c *cells) outdate() {
	for _, kept := range c.order.Values() {
		kept.answer.Store(kept.answer.Load().outdated())
	}
}

// sweep drops what can't be served again.
func (c *cells) sweep(now instant) {
	for _, k := range c.order.Keys() {
		if kept, _ := c.order.Peek(k); kept.answer.Load().dead(now) {
			c.order.Remove(k)
		}
	}
}
