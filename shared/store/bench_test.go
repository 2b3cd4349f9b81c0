package store

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// BenchmarkCachedGet reads what is kept: one id, and 10,000 ids with Zipf access, by one goroutine and by one a core.
func BenchmarkCachedGet(b *testing.B) {
	s, ids := benchmarkStore(b)
	order := zipf(ids)
	get := func(b *testing.B, id string) {
		if result, err := s.Get(b.Context(), id); err != nil || result.Freshness != Cached {
			b.Fatal(told(result, err))
		}
	}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			get(b, ids[0])
		}
	})
	b.Run("one/all-cores", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				get(b, ids[0])
			}
		})
	})
	b.Run("zipf", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			get(b, order[i%len(order)])
		}
	})
	b.Run("zipf/all-cores", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := rand.IntN(len(order)); pb.Next(); i++ {
				get(b, order[i%len(order)])
			}
		})
	})
}

// BenchmarkClock is what reading the clock costs, and so the least that a cached read can take.
func BenchmarkClock(b *testing.B) {
	clock := newClock()
	for b.Loop() {
		_ = clock()
	}
}

// BenchmarkUncachedGet is what the store adds to a read that takes no time.
func BenchmarkUncachedGet(b *testing.B) {
	backend := newBackend()
	backend.set("a", "one")
	s := New(backend, Options{TTL: -1})
	b.Cleanup(s.Close)
	b.ReportAllocs()
	for b.Loop() {
		backend.calls = backend.calls[:0]
		if _, err := s.Get(b.Context(), "a"); err != nil {
			b.Fatal(err)
		}
	}
}

// TestCachedGetAllocatesNothing: garbage on the way of every login would be paid for in pauses.
func TestCachedGetAllocatesNothing(t *testing.T) {
	s, ids := benchmarkStore(t)
	if n := testing.AllocsPerRun(1000, func() { _, _ = s.Get(t.Context(), ids[0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestCachedGetTakesNoLock: it would make cores wait for each other.
func TestCachedGetTakesNoLock(t *testing.T) {
	s, ids := benchmarkStore(t)
	s.cache.load(ids[0]).touched.Store(-int64(time.Hour)) // the next use has to be noted, and those after it don't
	_, _ = s.Get(t.Context(), ids[0])
	s.mu.Lock()
	got := make(chan string)
	go func() { got <- told(s.Get(t.Context(), ids[0])) }()
	select {
	case got := <-got:
		if got != "cached password" {
			t.Error(got)
		}
		s.mu.Unlock()
	case <-time.After(10 * time.Second):
		t.Error("it waits for the lock")
		s.mu.Unlock()
		<-got
	}
}

func benchmarkStore(t testing.TB) (*Store, []string) {
	t.Helper()
	b := newBackend()
	ids := make([]string, 10000)
	for i := range ids {
		ids[i] = "site/rack/credential-" + strconv.Itoa(i)
		b.set(ids[i], "password", func(c *credential.Credential) { c.VersionID = "1" })
	}
	s := New(b, Options{TTL: time.Hour, MaxStale: time.Hour})
	t.Cleanup(s.Close)
	for _, r := range s.Warm(t.Context(), ids) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	return s, ids
}

func zipf(ids []string) []string {
	random := rand.New(rand.NewPCG(1, 2))
	next := rand.NewZipf(random, 1.1, 1, uint64(len(ids)-1))
	order := make([]string, 1<<16)
	for i := range order {
		order[i] = ids[next.Uint64()]
	}
	return order
}
