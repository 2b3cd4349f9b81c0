package store

import (
	"context"
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
		s.Reload(false)
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
		s.Reload(true)
		b.fail(oops(credential.BackendUnavailable))
		wantGet(t, s, "a", "error BACKEND_UNAVAILABLE")
	})
}

// Nor does an answer to a refusal hold that was asked for with other settings.
func TestReloadWithOtherSettingsAsksAgainAfterARefusal(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("two")
		b.set("a", "one")
		wantGet(t, s, "a", "fresh one")
		b.fail(oops(credential.AccessDenied))
		n.wantLogin(t, s, "a", "sw1", "CREDENTIAL_REJECTED")
		b.fail(nil)
		s.Reload(true)
		wantGet(t, s, "a", "fresh one")
		b.set("a", "two")
		n.wantLogin(t, s, "a", "sw2", "done")
		n.wantSent(t, "sw1 one", "sw2 one", "sw2 two")
	})
}

func TestOlderFlightsAreDiscarded(t *testing.T) {
	for name, drop := range map[string]func(*Store){
		"reload": func(s *Store) { s.Reload(true) },
		"forget": func(s *Store) { s.Forget("a") },
		"clear":  func(s *Store) { s.Clear() },
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
		s.Clear()
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
		begin := time.Now()
		s.Close()
		s.Close()
		if got := <-got; got != "error CANCELLED" || time.Since(begin) != 0 {
			t.Errorf("%s after %v", got, time.Since(begin))
		}
		wantGet(t, s, "a", "error CANCELLED")
		wantReason(t, s.Login(t.Context(), "a", "sw1", nil), credential.Cancelled)
		if got := s.Warm(t.Context(), []string{"a"}); credential.ReasonOf(got[0].Err) != credential.Cancelled {
			t.Error(got)
		}
		s.Reload(true)
		s.Forget("a")
	})
}

// TestDroppedEntriesAreReleased: nothing in the store keeps a password in memory that can't be served any more, and none is
// overwritten, for somebody may be using it.
func TestDroppedEntriesAreReleased(t *testing.T) {
	for name, drop := range map[string]func(*testing.T, *backend, *Store){
		"forget":  func(_ *testing.T, _ *backend, s *Store) { s.Forget("a") },
		"clear":   func(_ *testing.T, _ *backend, s *Store) { s.Clear() },
		"reload":  func(_ *testing.T, _ *backend, s *Store) { s.Reload(true) },
		"too old": func(*testing.T, *backend, *Store) { pass(62 * time.Minute) },
		"definite answer": func(t *testing.T, _ *backend, s *Store) {
			pass(5 * time.Minute)
			wantGet(t, s, "a", "error CREDENTIAL_NOT_FOUND")
		},
		"asked after a refusal": func(t *testing.T, _ *backend, s *Store) { pass(62 * time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
				b.set("a", "one")
				lease, err := s.Get(t.Context(), "a")
				if err != nil {
					t.Fatal(err)
				}
				if name == "asked after a refusal" {
					_ = s.Login(t.Context(), "a", "sw1", refuse)
				}
				gone := weak.Make(b.creds["a"])
				delete(b.creds, "a")
				drop(t, b, s)
				if text(lease.Credential) != "one" {
					t.Error("a credential in use was changed")
				}
				lease = Lease{}
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
				lease, err := s.Get(t.Context(), name(i))
				if err != nil || lease.ID != name(i) {
					t.Errorf("%s: %s", name(i), told(lease, err))
					return
				}
				if got, _ := strconv.ParseInt(text(lease.Credential), 10, 64); got < before {
					t.Errorf("%s: %s %d after %d", name(i), lease.Outcome, got, before)
					return
				}
				if lease.Outcome == Cached {
					cached.Add(1)
				}
			}
		})
	}
	for round := 1; round <= rounds; round++ {
		i := rand.IntN(ids)
		b.set(name(i), strconv.Itoa(round))
		switch rand.IntN(10) {
		case 0:
			s.Clear()
		case 1:
			s.Reload(true)
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
			_ = s.Login(t.Context(), fmt.Sprint("made up ", i), fmt.Sprint(i), refuse)
		}
		wantGet(t, s, "a", "cached one")
		failures, guards := remembered(s)
		if failures != 125 || guards != 0 {
			t.Errorf("%d failures and %d guards are remembered", failures, guards)
		}
		pass(2 * time.Minute)
		if failures, _ := remembered(s); failures != 0 {
			t.Errorf("%d failures are still remembered", failures)
		}
	})
}

// remembered counts what the store remembers besides credentials.
func remembered(s *Store) (failures, guards int) {
	s.mu.Lock()
	defer s.unlock()
	return s.failures.Len(), len(s.guards.all)
}

// refuse is a device that refuses everything.
func refuse(context.Context, Lease) error { return ErrRefused }

// accept is a device that accepts everything.
func accept(context.Context, Lease) error { return nil }
