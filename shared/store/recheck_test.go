package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

func wantRecheck(t *testing.T, s *Store, id string, notBefore time.Time, want string) {
	t.Helper()
	if got := told(s.Recheck(t.Context(), id, notBefore)); got != want {
		t.Errorf("recheck %q: %s, want %s", id, got, want)
	}
}

func TestRecheckReadsAnew(t *testing.T) {
	for name, o := range map[string]Options{"kept": options(), "nothing is kept": {TTL: -1, Jitter: -1}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, o, func(t *testing.T, b *backend, s *Store) {
				b.set("a", "one")
				wantGet(t, s, "a", "fresh one")
				b.set("a", "two")
				pass(time.Millisecond)
				wantRecheck(t, s, "a", time.Now(), "fresh two")
				wantCalls(t, b, 2)
				b.set("a", "three")
				pass(recheckShared)
				wantRecheck(t, s, "a", time.Now(), "fresh two") // shared, up to that age
				pass(time.Nanosecond)
				wantRecheck(t, s, "a", time.Now(), "fresh three")
				wantCalls(t, b, 3)
			})
		})
	}
}

// A read that was not made for a Recheck answers one only if it is as young as asked for.
func TestRecheckIsAnsweredByAYoungCopy(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		read := time.Now()
		wantGet(t, s, "a", "fresh one")
		b.set("a", "two")
		pass(time.Minute)
		wantRecheck(t, s, "a", read, "cached one")
		wantCalls(t, b, 1)
		wantRecheck(t, s, "a", read.Add(time.Nanosecond), "fresh two")
		wantGet(t, s, "a", "cached two")
		wantCalls(t, b, 2)
		b.set("a", "three")
		pass(time.Minute)
		wantRecheck(t, s, "a", time.Now().Add(time.Hour), "fresh three") // the future is now
	})
}

// A read that is under way may have looked before the change: the Recheck waits for it, and then reads.
func TestRecheckDoesNotTakeAnOlderRead(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		b.latency = 4 * time.Second
		var all sync.WaitGroup
		all.Go(func() { wantGet(t, s, "a", "fresh one") })
		pass(time.Second)
		b.set("a", "two")
		start := time.Now()
		for range 50 {
			all.Go(func() { wantRecheck(t, s, "a", start, "fresh two") })
		}
		all.Wait()
		if took := time.Since(start); took != 7*time.Second {
			t.Errorf("it took %v", took)
		}
		wantCalls(t, b, 2)
	})
}

// All who ask within 2 seconds share a read, also one that takes longer or fails.
func TestRecheckIsShared(t *testing.T) {
	for _, fault := range []error{nil, oops(credential.AccessDenied), oops(credential.Throttled)} {
		for _, latency := range []time.Duration{0, time.Second, 5 * time.Second} {
			t.Run(fmt.Sprint(fault, latency), func(t *testing.T) {
				bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
					want := "fresh one"
					if fault != nil {
						want = "error " + string(credential.ReasonOf(fault))
					}
					b.set("a", "one", maxAge(0)) // so that no kept copy answers
					b.fail(fault)
					b.latency = latency
					var all sync.WaitGroup
					for range 40 {
						for range 25 {
							now := time.Now()
							all.Go(func() { wantRecheck(t, s, "a", now, want) })
						}
						pass(50 * time.Millisecond)
					}
					all.Wait()
					wantCalls(t, b, 1)
				})
			})
		}
	}
}

func TestRecheckNeverReturnsAReplicaOrAStaleCopy(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one", replica)
		wantGet(t, s, "a", "fresh one")
		wantRecheck(t, s, "a", time.Now().Add(-time.Hour), "error BACKEND_UNAVAILABLE")
		wantGet(t, s, "a", "cached one")
		b.set("a", "two")
		pass(3 * time.Second)
		wantRecheck(t, s, "a", time.Now(), "fresh two")
		b.fail(oops(credential.BackendUnavailable))
		pass(6 * time.Minute)
		wantRecheck(t, s, "a", time.Now().Add(-time.Hour), "error BACKEND_UNAVAILABLE")
		wantGet(t, s, "a", "stale two 6m0s")
	})
}

// Each version has its own reads.
func TestRecheckVersion(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		previous := credential.Request{ID: "a", VersionLabel: "AWSPREVIOUS"}
		for _, want := range []string{"fresh one", "cached one", "cached one"} {
			wantRecheck(t, s, "a", time.Now(), want)
			if got := told(s.RecheckVersion(t.Context(), previous, time.Now())); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		wantCalls(t, b, 2)
		if b.calls[1] != previous {
			t.Errorf("%+v was asked for", b.calls[1])
		}
	})
}

func TestRecheckEndsWithItsCaller(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		b.latency = 5 * time.Second
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			_, err := s.Recheck(ctx, "a", time.Now())
			wantReason(t, err, credential.DeadlineExceeded)
		})
		all.Go(func() { wantRecheck(t, s, "a", time.Now(), "fresh one") })
		all.Wait()
		_, err := s.Recheck(t.Context(), "", time.Now())
		wantReason(t, err, credential.CredentialIDInvalid)
		s.Close()
		wantRecheck(t, s, "a", time.Now(), "error CANCELLED")
	})
}

// What Forget, Clear and Invalidate drop, a Recheck doesn't get either.
func TestRecheckDoesNotGetWhatWasDropped(t *testing.T) {
	for name, drop := range map[string]func(*Store){
		"Forget": func(s *Store) { s.Forget("a") }, "Invalidate": (*Store).Invalidate,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
				b.set("a", "one")
				wantRecheck(t, s, "a", time.Now(), "fresh one")
				b.set("a", "two")
				drop(s)
				wantRecheck(t, s, "a", time.Now(), "fresh two")
				b.update(func() { b.latency = time.Second })
				pass(time.Minute)
				go wantRecheck(t, s, "a", time.Now(), "fresh three") // discarded under way
				synctest.Wait()
				b.set("a", "three")
				drop(s)
				pass(2 * time.Second)
			})
		})
	}
}

func TestRechecksAreDroppedInTime(t *testing.T) {
	o := options()
	o.TTL = -1
	bubble(t, o, func(t *testing.T, b *backend, s *Store) {
		for i := range 10 {
			b.set(strconv.Itoa(i), "one")
			wantRecheck(t, s, strconv.Itoa(i), time.Now(), "fresh one")
		}
		pass(2 * sweepEvery)
		if n := s.rechecks.Len(); n != 0 {
			t.Errorf("%d are still kept", n)
		}
	})
}

func TestChanges(t *testing.T) {
	changed := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	for name, o := range map[string]Options{"kept": options(), "nothing is kept": {TTL: -1, Jitter: -1}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, o, func(t *testing.T, b *backend, s *Store) {
				for _, step := range []struct {
					what   string
					id     string
					set    string
					change func(*credential.Credential)
					want   bool
				}{
					{"the first read", "a", "one", nil, false},
					{"the same again", "a", "one", nil, false},
					{"another version with the same password", "a", "one", func(c *credential.Credential) { c.VersionID = "v2" }, false},
					{"another password in a copy that may lag behind", "a", "two", replica, false},
					{"another password", "a", "two", nil, true},
					{"the first read of another id", "b", "one", nil, false},
					{"another user name", "b", "one", func(c *credential.Credential) { c.Username = "other" }, true},
				} {
					changes := s.Changes()
					pass(10 * time.Second)
					if step.change == nil {
						step.change = func(*credential.Credential) {}
					}
					b.set(step.id, step.set, step.change)
					_, _ = s.Recheck(t.Context(), step.id, time.Now())
					if got := changed(changes); got != step.want {
						t.Errorf("%s: told of a change: %v, want %v", step.what, got, step.want)
					}
					if changed(s.Changes()) {
						t.Errorf("%s: the next channel is closed already", step.what)
					}
				}
				changes := s.Changes()
				s.Forget("a") // what is forgotten may come back changed
				b.set("a", "three")
				_, _ = s.Get(t.Context(), "a")
				if !changed(changes) {
					t.Error("not told of a change after Forget")
				}
			})
		})
	}
}

// TestRecheckUnderLoad has many callers read, recheck and drop while passwords change: a Recheck never returns what was
// replaced more than 2 seconds before the time it asks for.
func TestRecheckUnderLoad(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, b *backend, s *Store) {
		var mu sync.Mutex
		var since []time.Time // when each password was set
		set := func() {
			mu.Lock()
			defer mu.Unlock()
			b.set("a", strconv.Itoa(len(since)))
			since = append(since, time.Now())
		}
		set()
		b.latency = 300 * time.Millisecond
		steps := map[string]func(){
			"set":    set,
			"drop":   func() { s.Forget("a") },
			"reload": s.Invalidate,
			"get":    func() { _, _ = s.Get(t.Context(), "a") },
			"recheck": func() {
				asked := time.Now()
				result, err := s.Recheck(t.Context(), "a", asked)
				if err != nil {
					t.Error(err)
					return
				}
				got, _ := strconv.Atoi(text(result.Credential))
				mu.Lock()
				defer mu.Unlock()
				if got+1 < len(since) && since[got+1].Before(asked.Add(-recheckShared)) {
					t.Errorf("asked at %v: got what was replaced at %v", asked, since[got+1])
				}
			},
		}
		var all sync.WaitGroup
		for caller, most := range map[string]time.Duration{"set": 3 * time.Second, "drop": time.Minute, "reload": time.Minute, "get": time.Second, "recheck": time.Second} {
			for range 5 {
				all.Go(func() {
					for end := time.Now().Add(10 * time.Minute); time.Now().Before(end); {
						time.Sleep(time.Duration(rand.Int64N(int64(most))))
						steps[caller]()
					}
				})
			}
		}
		all.Wait()
	})
}
