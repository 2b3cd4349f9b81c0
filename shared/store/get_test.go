package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

func TestTTL(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		wantGet(t, s, "a", "fresh one")
		b.set("a", "two")
		wantGet(t, s, "a", "cached one")
		pass(4*time.Minute - time.Nanosecond)
		wantGet(t, s, "a", "cached one")
		wantCalls(t, b, 1)
		pass(time.Minute + time.Nanosecond)
		wantGet(t, s, "a", "fresh two")
		wantCalls(t, b, 2)
	})
}

func TestLeaseTellsWhereItComesFrom(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		b.latency = 2 * time.Second
		for _, want := range []Result{{Freshness: Fresh, Age: 2 * time.Second}, {Freshness: Cached, Age: 2 * time.Second}} {
			got, err := s.Get(t.Context(), "a")
			if err != nil || got.Freshness != want.Freshness || got.Age != want.Age || got.VersionID != "v-one" || got.BackendRequestID != "request of one" {
				t.Errorf("%+v, %v, want %+v", got, err, want)
			}
		}
	})
}

func TestRefreshedAheadOfExpiryWhenInUse(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("used", "one")
		b.set("unused", "one")
		wantGet(t, s, "used", "fresh one")
		wantGet(t, s, "unused", "fresh one")
		b.set("used", "two")
		pass(4 * time.Minute)
		b.update(func() { b.latency = 3 * time.Second })
		for range 10 { // one refresh, however many uses
			start := time.Now()
			if got := told(s.Get(t.Context(), "used")); got != "cached one" || time.Since(start) != 0 {
				t.Errorf("%s after %v, want cached one at once", got, time.Since(start))
			}
		}
		pass(3 * time.Second)
		wantGet(t, s, "used", "cached two")
		wantCalls(t, b, 3)
		if n := s.Snapshot().Refreshes; n != 1 {
			t.Errorf("%d refreshes", n)
		}
		pass(10 * time.Minute)
		wantCalls(t, b, 3)
	})
}

func TestJitterOnlyShortens(t *testing.T) {
	o := options()
	o.Jitter = 0.5
	bubble(t, o, func(t *testing.T, b *backend, s *Store) {
		for name, test := range map[string]struct {
			most   time.Duration
			change []func(*credential.Credential)
		}{
			"ttl":           {o.TTL, nil},
			"max_cache_age": {time.Minute, []func(*credential.Credential){maxAge(time.Minute)}},
		} {
			var times []time.Duration
			for i := range 200 {
				id := fmt.Sprint(name, i)
				b.set(id, "one", test.change...)
				_, err := s.Get(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				times = append(times, s.cache.load(id).fresh)
			}
			slices.Sort(times)
			if least, most := times[0], times[199]; least < test.most/2 || most > test.most || least > test.most*6/10 || most < test.most*9/10 {
				t.Errorf("%s: kept for %v to %v, want all of %v to %v", name, least, most, test.most/2, test.most)
			}
		}
	})
}

func TestMaxCacheAge(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("short", "one", maxAge(30*time.Second))
		b.set("long", "one", maxAge(time.Hour))
		wantGet(t, s, "short", "fresh one")
		wantGet(t, s, "long", "fresh one")
		pass(20 * time.Second)
		wantGet(t, s, "short", "cached one")
		pass(10 * time.Second)
		wantGet(t, s, "short", "fresh one")
		pass(5*time.Minute - 30*time.Second)
		wantGet(t, s, "long", "fresh one")
	})
}

func TestMaxCacheAgeZeroIsNeitherKeptNorServedStale(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		wantGet(t, s, "a", "fresh one")
		pass(5 * time.Minute)
		b.set("a", "two", maxAge(0))
		wantGet(t, s, "a", "fresh two")
		wantGet(t, s, "a", "fresh two")
		wantCalls(t, b, 3)
		b.fail(oops(credential.BackendUnavailable))
		wantGet(t, s, "a", "error BACKEND_UNAVAILABLE") // and what was kept before isn't served either
	})
}

func TestTTLZeroKeepsNothingButSharesFlights(t *testing.T) {
	o := options()
	o.TTL = -1
	bubble(t, o, func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		wantGet(t, s, "a", "fresh one")
		wantGet(t, s, "a", "fresh one")
		wantCalls(t, b, 2)
		b.update(func() { b.latency = time.Second })
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if got := told(s.Get(t.Context(), "a")); got != "fresh one" {
					t.Error(got)
				}
			})
		}
		all.Wait()
		wantCalls(t, b, 3)
		b.fail(oops(credential.Throttled))
		wantGet(t, s, "a", "error THROTTLED")
		if n := s.Snapshot().Size; n != 0 {
			t.Errorf("%d kept", n)
		}
	})
}

// TestExpiredInTheVeryMoment: also where a use needn't be noted again.
func TestExpiredInTheVeryMoment(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one", expires(time.Now().Add(touchEvery/2)))
		wantGet(t, s, "a", "fresh one")
		pass(touchEvery/2 - time.Nanosecond)
		wantGet(t, s, "a", "cached one")
		pass(time.Nanosecond)
		wantGet(t, s, "a", "error CREDENTIAL_MALFORMED")
	})
}

func TestNeverServedAfterExpireTime(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one", expires(time.Now().Add(time.Minute)))
		b.set("b", "one", expires(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)))
		wantGet(t, s, "a", "fresh one")
		wantGet(t, s, "b", "fresh one")
		pass(time.Minute - time.Nanosecond)
		wantGet(t, s, "a", "cached one")
		pass(time.Nanosecond)
		wantGet(t, s, "a", "error CREDENTIAL_MALFORMED")
		wantGet(t, s, "b", "cached one")
		b.set("a", "two", expires(time.Now().Add(10*time.Minute)))
		pass(5 * time.Second)
		wantGet(t, s, "a", "fresh two")
		b.fail(oops(credential.BackendUnavailable))
		pass(10*time.Minute - 5*time.Second - time.Nanosecond)
		wantGet(t, s, "a", "stale two 9m54.999999999s")
		pass(time.Nanosecond)
		wantGet(t, s, "a", "error BACKEND_UNAVAILABLE")
	})
}

func TestAgeIsTheLargerOfBothClocks(t *testing.T) {
	for name, test := range map[string]struct {
		wall time.Duration // what the wall clock jumps by
		pass time.Duration
		want string
	}{
		"nothing happened":              {0, time.Minute, "cached one"},
		"the machine slept":             {10 * time.Minute, time.Second, "fresh two"},
		"the wall clock was put back":   {-time.Hour, 5 * time.Minute, "fresh two"},
		"put back, but not long passed": {-time.Hour, time.Minute, "cached one"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
				b.set("a", "one")
				wantGet(t, s, "a", "fresh one")
				b.set("a", "two")
				pass(test.pass)
				clock := s.clock
				s.clock = func() instant {
					now := clock()
					now.wall += test.wall
					return now
				}
				wantGet(t, s, "a", test.want)
			})
		})
	}
}

func TestOneFlight(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		b.latency = 10 * time.Millisecond
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				if got := told(s.Get(t.Context(), "a")); got != "fresh one" {
					t.Error(got)
				}
			})
		}
		all.Wait()
		wantCalls(t, b, 1)
		if n := s.Snapshot(); n.BackendCalls != 1 || n.SharedFlights != 999 || n.Misses != 1000 || n.Hits != 0 {
			t.Errorf("%+v", n)
		}
	})
}

func TestEachVersionHasItsFlightAndItsPlace(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		requests := []credential.Request{{ID: "a"}, {ID: "a", VersionID: "x"}, {ID: "a", VersionLabel: "x"}, {ID: "a", VersionID: "y"}}
		b.latency = time.Second
		var all sync.WaitGroup
		for _, r := range slices.Concat(requests, requests) {
			all.Go(func() {
				if got := told(s.GetVersion(t.Context(), r)); got != "fresh one" {
					t.Error(got)
				}
			})
		}
		all.Wait()
		for _, r := range requests {
			if got := told(s.GetVersion(t.Context(), r)); got != "cached one" {
				t.Error(got)
			}
			if !slices.Contains(b.calls, r) {
				t.Errorf("%+v was not asked for", r)
			}
		}
		wantGet(t, s, "a", "cached one")
		wantCalls(t, b, 4)
	})
}

func TestCancelledCallerLeavesTheFlightToOthers(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		b.latency = 10 * time.Second
		first, cancel := context.WithCancel(t.Context())
		short, cancelShort := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancelShort()
		results := make(chan string, 3)
		get := func(ctx context.Context) {
			start := time.Now()
			got := told(s.Get(ctx, "a"))
			results <- fmt.Sprintf("%s after %v", got, time.Since(start))
		}
		go get(first)
		synctest.Wait()
		go get(short)
		go get(t.Context())
		pass(time.Second)
		cancel()
		for _, want := range []string{"error CANCELLED after 1s", "error DEADLINE_EXCEEDED after 2s", "fresh one after 10s"} {
			if got := <-results; got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		wantCalls(t, b, 1)
	})
}

func TestFlightGoesOnWithoutAnybody(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		b.latency = 6 * time.Second
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := s.Get(ctx, "a")
		if e := wantError(t, err, credential.DeadlineExceeded); !errors.Is(e, context.DeadlineExceeded) {
			t.Error("the cause is lost")
		}
		pass(time.Second)
		wantGet(t, s, "a", "cached one")
		wantCalls(t, b, 1)
	})
}

func TestFlightHasItsOwnDeadline(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.stall = true
		start := time.Now()
		wantGet(t, s, "a", "error DEADLINE_EXCEEDED")
		if took := time.Since(start); took != 15*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestFlightsThatNobodyWaitsForAreFew(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.stall = true
		for i := range 100 {
			ctx, cancel := context.WithCancel(t.Context())
			go func() { _, _ = s.Get(ctx, fmt.Sprint(i)) }()
			synctest.Wait()
			cancel()
			synctest.Wait()
		}
		if b.running != maxUnattended {
			t.Errorf("%d calls go on, want %d", b.running, maxUnattended)
		}
		b.update(func() { b.stall = false })
		pass(15 * time.Second)
		if b.running != 0 || s.unattended != 0 || len(s.flights) != 0 {
			t.Errorf("%d running, %d unattended, %d flights", b.running, s.unattended, len(s.flights))
		}
	})
}

func TestRefreshesAreFewAtOnce(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		for i := range 100 {
			b.set(fmt.Sprint(i), "one")
			wantGet(t, s, fmt.Sprint(i), "fresh one")
		}
		b.update(func() { b.latency, b.most = time.Second, 0 })
		pass(4 * time.Minute)
		for i := range 100 {
			wantGet(t, s, fmt.Sprint(i), "cached one")
		}
		if b.most != maxUnattended {
			t.Errorf("%d calls at once, want %d", b.most, maxUnattended)
		}
	})
}

func TestAnswersAreChecked(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one", func(c *credential.Credential) { c.ID = "b" })
		wantGet(t, s, "a", "error PROVIDER_MISBEHAVED")
		b.fail(errors.New("no reason"))
		wantGet(t, s, "c", "error INTERNAL")
		b.fail(credential.AccessDenied)
		wantGet(t, s, "d", "error ACCESS_DENIED")
		b.fail(oops("MADE_UP"))
		wantGet(t, s, "e", "error MADE_UP")
		if errs := s.Snapshot().Errors; errs[credential.Internal] != 2 || len(errs) != 3 { // there may be any number of such
			t.Errorf("errors %v", errs)
		}
		for _, r := range []credential.Request{{}, {ID: string(make([]byte, 513))}} {
			_, err := s.GetVersion(t.Context(), r)
			wantReason(t, err, credential.CredentialIDInvalid)
		}
		for _, r := range []credential.Request{{ID: "a", VersionID: "x", VersionLabel: "y"}, {ID: "a", VersionID: string(make([]byte, 513))}} {
			_, err := s.GetVersion(t.Context(), r)
			wantReason(t, err, credential.RequestInvalid)
		}
		wantCalls(t, b, 4)
	})
}

func TestVersionOfABackendWithoutVersions(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		version := func(s *Store, password string) string {
			s.Invalidate()
			b.set("a", password, func(c *credential.Credential) { c.VersionID = "" })
			result, err := s.Get(t.Context(), "a")
			if err != nil || result.VersionID == "" {
				t.Fatalf("%+v, %v", result, err)
			}
			return result.VersionID
		}
		one, two, oneAgain := version(s, "one"), version(s, "two"), version(s, "one")
		other := New(b, options())
		defer other.Close()
		if one == two || one != oneAgain || one == version(other, "one") {
			t.Errorf("%s, %s, %s, %s in another store", one, two, oneAgain, version(other, "one"))
		}
		if b.creds["a"].VersionID != "" {
			t.Error("the provider's own credential was changed")
		}
	})
}

func TestMaterialDiffersWhereDevicesWould(t *testing.T) {
	d := newDigester()
	base := func() *credential.Credential {
		return &credential.Credential{ID: "a", Username: "u", Password: credential.Some(credential.NewRedacted("p")), Extra: map[string]credential.Redacted{"private_key": credential.NewRedacted("k")}}
	}
	for name, change := range map[string]func(*credential.Credential){
		"nothing":    func(*credential.Credential) {},
		"version":    func(c *credential.Credential) { c.VersionID = "2" },
		"enable":     func(c *credential.Credential) { c.Extra["enable_password"] = credential.NewRedacted("x") },
		"username":   func(c *credential.Credential) { c.Username = "v" },
		"password":   func(c *credential.Credential) { c.Password = credential.Some(credential.NewRedacted("q")) },
		"absent":     func(c *credential.Credential) { c.Password = credential.Optional{} },
		"empty":      func(c *credential.Credential) { c.Password = credential.Some(credential.Redacted{}) },
		"key":        func(c *credential.Credential) { c.Extra["private_key"] = credential.NewRedacted("l") },
		"moved text": func(c *credential.Credential) { c.Username, c.Password = "up", credential.Some(credential.Redacted{}) },
	} {
		other := base()
		change(other)
		if got, want := d.material(base()).same(d.material(other)), base().SameMaterial(other); got != want {
			t.Errorf("%s: same %v, want %v", name, got, want)
		}
	}
	absent, empty := base(), base()
	absent.Password, empty.Password = credential.Optional{}, credential.Some(credential.Redacted{})
	if d.material(absent).same(d.material(empty)) {
		t.Error("an absent password is the same as an empty one")
	}
}
