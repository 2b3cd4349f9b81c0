package store

import (
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// touchEvery is how often a use of a credential is noted for the order in which they are dropped. A read that notes
// nothing takes no lock.
const touchEvery = time.Second

// cache has what is kept, bounded by count, the least recently used out first. Its methods need the store's lock, except for
// load.
type cache struct {
	order *simplelru.LRU[credential.Request, *entry]
	// current has the entries of current versions once more, by id, for reads without a lock.
	current sync.Map
}

func newCache(size int) *cache {
	c := &cache{}
	c.order = newLRU(size, func(r credential.Request, _ *entry) {
		if isCurrent(r) {
			c.current.Delete(r.ID)
		}
	})
	return c
}

func newLRU[K comparable, V any](size int, dropped func(K, V)) *simplelru.LRU[K, V] {
	lru, err := simplelru.NewLRU(size, dropped)
	if err != nil {
		panic(err) // it refuses sizes below 1, and resolved gives none
	}
	return lru
}

// load returns the entry of a current version, nil if there is none. It needs no lock.
func (c *cache) load(id string) *entry {
	if e, ok := c.current.Load(id); ok {
		return e.(*entry)
	}
	return nil
}

// use returns the entry for r, nil if there is none, and notes the use.
func (c *cache) use(r credential.Request, now instant) *entry {
	e, ok := c.order.Get(r)
	if !ok {
		return nil
	}
	e.touched.Store(int64(now.mono))
	return e
}

// put keeps an entry, and reports whether another one had to go.
func (c *cache) put(r credential.Request, e *entry, now instant) (evicted bool) {
	if !c.order.Contains(r) {
		// The strings may be pieces of something large.
		r.ID, r.VersionID, r.VersionLabel = strings.Clone(r.ID), strings.Clone(r.VersionID), strings.Clone(r.VersionLabel)
	}
	e.touched.Store(int64(now.mono))
	evicted = c.order.Add(r, e)
	if isCurrent(r) {
		c.current.Store(r.ID, e)
	}
	return evicted
}

// markStale has every entry served only while the backend is unavailable.
func (c *cache) markStale(now instant) {
	for _, r := range c.order.Keys() { // the least recently used first, so that their order stays
		e, _ := c.order.Peek(r)
		c.put(r, e.markStale(), now)
	}
}

// sweep drops what can't be served again.
func (c *cache) sweep(now instant) {
	for _, r := range c.order.Keys() {
		if e, _ := c.order.Peek(r); !e.isFresh(now) && !e.isStale(now) {
			c.order.Remove(r)
		}
	}
}
