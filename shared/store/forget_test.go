package store

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/tom-worker/credential-provider/shared/credential"
)

func TestReloadWithTheSameSettingsKeepsEntriesAsStale(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		b.set("b", "one")
		wantGet(t, s, "a", "fresh one")
		wantGet(t, s, "b", "fresh one")
		wantGet(t, s, "c", "error CREDENTIAL_NOT_FOUND")
		pass(time.Minute)
		s.MarkStale()
		b.set("a", "two")
		b.set("c", "two")
		wantGet(t, s, "a", "fresh two")
		wantGet(t, s, "c", "fresh two")
		b.fail(oops(credential.ProviderCrashed))
		wantGet(t, s, "b", "stale one 1m0s")
	})
}

func TestReloadWithOtherSettingsDropsEverything(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		wantGet(t, s, "a", "fresh one")
		s.Invalidate()
		b.fail(oops(credential.BackendUnavailable))
		wantGet(t, s, "a", "error BACKEND_UNAVAILABLE")
	})
}

func TestOlderFlightsAreDiscarded(t *testing.T) {
	for name, drop := range map[string]func(*Store){
		"reload": func(s *Store) { s.Invalidate() },
		"forget": func(s *Store) { s.Forget("a") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
				b.set("a", "one")
				b.latency = 2 * time.Second
				got := make(chan string)
				go func() { got <- told(s.Get(t.Context(), "a")) }()
				pass(time.Second)
				b.set("a", "two")
				drop(s)
				if got := <-got; got != "fresh two" {
					t.Errorf("who waited got %s", got)
				}
				pass(10 * time.Second)
				wantGet(t, s, "a", "cached two")
				wantCalls(t, b, 2)
			})
		})
	}
}

func TestForgetIsForOneID(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		b.set("b", "one")
		wantGet(t, s, "a", "fresh one")
		wantGet(t, s, "b", "fresh one")
		wantGet(t, s, "c", "error CREDENTIAL_NOT_FOUND")
		version := credential.Request{ID: "a", VersionID: "x"}
		_, _ = s.GetVersion(t.Context(), version)
		b.set("c", "one")
		s.Forget("a")
		s.Forget("c")
		wantGet(t, s, "a", "fresh one")
		wantGet(t, s, "b", "cached one")
		wantGet(t, s, "c", "fresh one")
		if got := told(s.GetVersion(t.Context(), version)); got != "fresh one" {
			t.Errorf("the version: %s", got)
		}
		s.Invalidate()
		wantGet(t, s, "b", "fresh one")
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		s := New(b, options())
		b.set("a", "one")
		wantGet(t, s, "a", "fresh one")
		b.stall = true
		got := make(chan string)
		go func() { got <- told(s.Get(t.Context(), "b")) }()
		synctest.Wait()
		start := time.Now()
		s.Close()
		s.Close()
		if got := <-got; got != "error CANCELLED" || time.Since(start) != 0 {
			t.Errorf("%s after %v", got, time.Since(start))
		}
		wantGet(t, s, "a", "error CANCELLED")
		if got := s.Warm(t.Context(), []string{"a"}); credential.ReasonOf(got[0].Err) != credential.Cancelled {
			t.Error(got)
		}
		s.Invalidate()
		s.Forget("a")
	})
}

// TestDroppedEntriesAreReleased: nothing in the store keeps a password in memory that can't be served any more, and none is
// overwritten, since it may be in use.
func TestDroppedEntriesAreReleased(t *testing.T) {
	for name, drop := range map[string]func(*testing.T, *backend, *Store){
		"forget":  func(_ *testing.T, _ *backend, s *Store) { s.Forget("a") },
		"reload":  func(_ *testing.T, _ *backend, s *Store) { s.Invalidate() },
		"too old": func(*testing.T, *backend, *Store) { pass(62 * time.Minute) },
		"definite answer": func(t *testing.T, _ *backend, s *Store) {
			pass(5 * time.Minute)
			wantGet(t, s, "a", "error CREDENTIAL_NOT_FOUND")
		},
		"read by Recheck": func(t *testing.T, _ *backend, s *Store) { pass(62 * time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
				b.set("a", "one")
				result, err := s.Get(t.Context(), "a")
				if err != nil {
					t.Fatal(err)
				}
				if name == "read by Recheck" {
					_, _ = s.Recheck(t.Context(), "a", time.Now())
				}
				gone := weak.Make(b.creds["a"])
				delete(b.creds, "a")
				drop(t, b, s)
				if text(result.Credential) != "one" {
					t.Error("a credential in use was changed")
				}
				result = Result{}
				b.calls = nil
				for range 5 {
					runtime.GC()
				}
				if gone.Value() != nil {
					t.Error("it is still in memory")
				}
			})
		})
	}
}

// TestNothingForgottenComesBack reads without pause, with all cores, what is being forgotten, cleared, dropped for other
// settings, and pushed out. What was in the backend before that is the oldest that may be seen after it.
func TestNothingForgottenComesBack(t *testing.T) {
	const ids, rounds = 20, 2000
	name := func(i int) string { return fmt.Sprint("id", i) }
	o := options()
	o.Size = ids / 2
	b := newBackend()
	for i := range ids {
		b.set(name(i), "0")
	}
	s := New(b, o)
	defer s.Close()
	var least [ids]atomic.Int64
	var done atomic.Bool
	var cached atomic.Int64
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for !done.Load() {
				i := rand.IntN(ids)
				before := least[i].Load()
				result, err := s.Get(t.Context(), name(i))
				if err != nil || result.ID != name(i) {
					t.Errorf("%s: %s", name(i), told(result, err))
					return
				}
				if got, _ := strconv.ParseInt(text(result.Credential), 10, 64); got < before {
					t.Errorf("%s: %s %d after %d", name(i), result.Freshness, got, before)
					return
				}
				if result.Freshness == Cached {
					cached.Add(1)
				}
			}
		})
	}
	for round := 1; round <= rounds; round++ {
		i := rand.IntN(ids)
		b.set(name(i), strconv.Itoa(round))
		switch rand.IntN(10) {
		case 0, 1:
			s.Invalidate()
		default:
			s.Forget(name(i))
		}
		least[i].Store(int64(round))
		runtime.Gosched()
	}
	done.Store(true)
	readers.Wait()
	if cached.Load() == 0 {
		t.Error("nothing was read from memory")
	}
}

func TestLeastRecentlyUsedGoesFirst(t *testing.T) {
	o := options()
	o.Size = 3
	bubble(t, o, func(t *testing.T, b *backend, s *Store) {
		for _, id := range []string{"a", "b", "c", "d"} {
			b.set(id, "one")
		}
		for _, id := range []string{"a", "b", "c"} {
			wantGet(t, s, id, "fresh one")
		}
		pass(time.Second)
		wantGet(t, s, "a", "cached one")
		wantGet(t, s, "d", "fresh one")
		wantGet(t, s, "a", "cached one")
		wantGet(t, s, "c", "cached one")
		wantGet(t, s, "b", "fresh one")
		if n := s.Snapshot(); n.Size != 3 || n.Evictions != 2 {
			t.Errorf("%+v", n)
		}
	})
}

func TestMadeUpIDsPushNothingOut(t *testing.T) {
	o := options()
	o.Size = 500
	bubble(t, o, func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		wantGet(t, s, "a", "fresh one")
		for i := range 5000 {
			_, _ = s.Get(t.Context(), fmt.Sprint("made up ", i))
		}
		wantGet(t, s, "a", "cached one")
		s.mu.Lock()
		failures := s.failures.Len()
		s.mu.Unlock()
		if failures != 125 {
			t.Errorf("%d failures are remembered", failures)
		}
		pass(2 * time.Minute)
		s.mu.Lock()
		failures = s.failures.Len()
		s.mu.Unlock()
		if failures != 0 {
			t.Errorf("%d failures are still remembered", failures)
		}
	})
}
