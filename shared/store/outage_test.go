package store

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// TestReasons holds the store to the contract's table: what each reason does to a credential whose time is up.
func TestReasons(t *testing.T) {
	type effect struct{ stale, evicts, remembered bool }
	var (
		definite  = effect{evicts: true, remembered: true}
		unsettled = effect{}
		outage    = effect{stale: true}
	)
	for reason, want := range map[credential.Reason]effect{
		credential.CredentialNotFound: definite, credential.VersionNotFound: definite, credential.CredentialDeleted: definite,
		credential.CredentialMalformed: definite, credential.DecryptionFailed: definite, credential.AccessDenied: definite,
		credential.CredentialIDInvalid: unsettled, credential.SettingsInvalid: unsettled, credential.PageTokenInvalid: unsettled,
		credential.RequestInvalid: unsettled, credential.NotConfigured: unsettled, credential.AlreadyConfigured: unsettled,
		credential.BackendUnauthenticated: unsettled, credential.BackendMisconfigured: unsettled,
		credential.ProviderNotFound: unsettled, credential.ProviderRefused: unsettled, credential.ProviderStartFailed: unsettled,
		credential.ProviderIncompatible: unsettled, credential.ProviderMisbehaved: unsettled, credential.Internal: unsettled,
		credential.Unsupported: unsettled, credential.Cancelled: unsettled,
		credential.Throttled: outage, credential.BackendUnavailable: outage, credential.DeadlineExceeded: outage,
		credential.ProviderCrashed: outage, credential.ProviderUnresponsive: outage,
	} {
		t.Run(string(reason), func(t *testing.T) {
			bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
				b.set("a", "one")
				wantGet(t, s, "a", "fresh one")
				pass(6 * time.Minute)
				b.fail(oops(reason))
				failed := "error " + string(reason)
				if want.stale {
					failed = "stale one 6m0s"
				}
				wantGet(t, s, "a", failed)
				calls := b.count()
				wantGet(t, s, "a", failed)
				if again := b.count() > calls; again == (want.remembered || want.stale) {
					t.Errorf("asked again: %v", again)
				}
				pass(5 * time.Second)
				b.fail(oops(credential.BackendUnavailable))
				kept := "stale one 6m5s"
				if want.evicts {
					kept = "error BACKEND_UNAVAILABLE"
				}
				wantGet(t, s, "a", kept)
				if s.Snapshot().Errors[reason] == 0 {
					t.Errorf("not counted: %v", s.Snapshot().Errors)
				}
			})
		})
	}
}

func TestDefiniteAnswerInTheBackgroundEvictsAtOnce(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		wantGet(t, s, "a", "fresh one")
		pass(4 * time.Minute)
		b.fail(oops(credential.CredentialDeleted))
		wantGet(t, s, "a", "cached one")
		wantGet(t, s, "a", "error CREDENTIAL_DELETED")
	})
}

func TestDefiniteAnswersAreRememberedBriefly(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		wantGet(t, s, "a", "error CREDENTIAL_NOT_FOUND")
		b.set("a", "one")
		pass(5*time.Second - time.Nanosecond)
		wantGet(t, s, "a", "error CREDENTIAL_NOT_FOUND")
		wantCalls(t, b, 1)
		pass(time.Nanosecond)
		wantGet(t, s, "a", "fresh one")
	})
}

func TestNothingIsRememberedWithoutNegativeTTL(t *testing.T) {
	o := options()
	o.NegativeTTL = -1
	bubble(t, o, func(t *testing.T, b *backend, s *Store) {
		wantGet(t, s, "a", "error CREDENTIAL_NOT_FOUND")
		b.set("a", "one")
		wantGet(t, s, "a", "fresh one")
	})
}

func TestEachCallerHasItsOwnError(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		for range 2 {
			_, err := s.Get(t.Context(), "a")
			if e := wantError(t, err, credential.CredentialNotFound).WithHelp("mine").With("mine", "x"); len(e.Help) != 1 || len(e.Metadata) != 1 {
				t.Errorf("%+v", e)
			}
		}
	})
}

func TestStaleUntilMaxStaleAfterTheLastSuccessfulRead(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		wantGet(t, s, "a", "fresh one")
		pass(10 * time.Minute)
		wantGet(t, s, "a", "fresh one") // it counts from this one
		b.fail(oops(credential.BackendUnavailable))
		pass(time.Hour - time.Nanosecond)
		wantGet(t, s, "a", "stale one 59m59.999999999s")
		pass(time.Nanosecond)
		wantGet(t, s, "a", "error BACKEND_UNAVAILABLE")
		if n := s.Snapshot(); n.Stale != 1 || !n.Outage || time.Since(n.LastRead) != time.Hour {
			t.Errorf("%+v", n)
		}
	})
}

func TestNothingIsStaleWithoutMaxStale(t *testing.T) {
	o := options()
	o.MaxStale = -1
	bubble(t, o, func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		wantGet(t, s, "a", "fresh one")
		b.fail(oops(credential.BackendUnavailable))
		pass(5*time.Minute - time.Nanosecond)
		wantGet(t, s, "a", "cached one")
		pass(time.Nanosecond)
		wantGet(t, s, "a", "error BACKEND_UNAVAILABLE")
	})
}

func TestOutageIsRiddenOutWithFewCalls(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		for i := range 50 {
			b.set(fmt.Sprint(i), "one")
			wantGet(t, s, fmt.Sprint(i), "fresh one")
		}
		pass(5 * time.Minute)
		b.update(func() { b.stall, b.calls, b.most = true, nil, 0 })
		wantGet(t, s, "0", "stale one 5m15s") // the first one finds out
		for range 595 {
			pass(time.Second)
			for i := range 50 {
				start := time.Now()
				result, err := s.Get(t.Context(), fmt.Sprint(i))
				if err != nil || result.Freshness != Stale || time.Since(start) != 0 {
					t.Fatalf("%s after %v", told(result, err), time.Since(start))
				}
			}
		}
		// 15 s for each call, and pauses of 0.5, 1, 2, 4, 8, 16, 30, 30... s.
		if n := b.count(); n < 12 || n > 20 || b.most != 1 {
			t.Errorf("%d calls in ten minutes, %d at once", n, b.most)
		}
		b.update(func() { b.stall = false })
		pass(time.Minute)
		wantGet(t, s, "0", "fresh one")
		wantGet(t, s, "1", "fresh one")
	})
}

// While a slow probe is under way, no caller waits for the backend, and the pause after it is the longer one.
func TestOutageIsKnownAsLongAsItIsLookedInto(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		b.set("b", "one")
		wantGet(t, s, "a", "fresh one")
		wantGet(t, s, "b", "fresh one")
		pass(5 * time.Minute)
		b.fail(oops(credential.Throttled))
		wantGet(t, s, "a", "stale one 5m0s")
		pass(30 * time.Second)
		b.update(func() { b.stall = true })
		wantGet(t, s, "a", "stale one 5m30s") // and has it looked into
		pass(time.Second)
		wantGet(t, s, "b", "stale one 5m31s")
		wantCalls(t, b, 4)
		pass(14 * time.Second)
		if s.outage == nil || s.outage.count != 2 {
			t.Errorf("%+v, want a second failure in a row", s.outage)
		}
	})
}

// Where only an id is asked for that fails, and that there is nothing of, it keeps the outage known to others.
func TestOutageIsKnownFromOneID(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.fail(oops(credential.BackendUnavailable))
		known := 0
		for range 60 {
			wantGet(t, s, "a", "error BACKEND_UNAVAILABLE")
			if s.outage.isOutage(s.clock()) {
				known++
			}
			pass(5 * time.Second)
		}
		if known < 50 {
			t.Errorf("known at %d of 60 times", known)
		}
	})
}

func TestBackendNamesItsPause(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		wantGet(t, s, "a", "fresh one")
		pass(5 * time.Minute)
		b.fail(&credential.Error{Reason: credential.Throttled, RetryDelay: 20 * time.Second})
		wantGet(t, s, "a", "stale one 5m0s")
		b.fail(nil)
		b.set("a", "two")
		pass(20*time.Second - time.Nanosecond)
		wantGet(t, s, "a", "stale one 5m19.999999999s")
		wantCalls(t, b, 2)
		pass(time.Nanosecond)
		wantGet(t, s, "a", "stale one 5m20s") // this one has it looked into
		wantGet(t, s, "a", "cached two")
		wantCalls(t, b, 3)
	})
}

// Jitter shortens what the store has chosen, and never what the backend has named.
func TestJitterDoesNotShortenTheBackendsPause(t *testing.T) {
	o := options()
	o.Jitter = 0.5
	bubble(t, o, func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		for range 20 {
			s.Invalidate()
			wantGet(t, s, "a", "fresh one")
			pass(5 * time.Minute)
			b.fail(&credential.Error{Reason: credential.Throttled, RetryDelay: 20 * time.Second})
			wantGet(t, s, "a", "stale one 5m0s")
			b.fail(nil)
			calls := b.count()
			pass(20*time.Second - time.Nanosecond)
			wantGet(t, s, "a", "stale one 5m19.999999999s")
			wantCalls(t, b, calls)
		}
	})
}

func TestOldNewsOfAnOutageIsNoNews(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		wantGet(t, s, "a", "fresh one")
		pass(5 * time.Minute)
		b.fail(oops(credential.Throttled))
		wantGet(t, s, "a", "stale one 5m0s")
		b.fail(nil)
		pass(10 * time.Minute)
		wantGet(t, s, "a", "fresh one")
	})
}

// And a read that has succeeded since makes old news of it at once, also if its answer is a short-lived one.
func TestASuccessfulReadEndsTheOutageOfItsID(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one", maxAge(5*time.Second))
		b.fail(oops(credential.Throttled))
		wantGet(t, s, "a", "error THROTTLED")
		b.fail(nil)
		pass(firstPause)
		for range 3 {
			wantGet(t, s, "a", "fresh one")
			pass(5 * time.Second)
		}
	})
}

func TestWithNothingToServeAnOutageIsToldAtOnceForAMoment(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.fail(oops(credential.Throttled))
		wantGet(t, s, "a", "error THROTTLED")
		_, err := s.Get(t.Context(), "a")
		if e := wantError(t, err, credential.Throttled); e.RetryDelay != firstPause {
			t.Errorf("retry after %v", e.RetryDelay)
		}
		wantCalls(t, b, 1)
		b.set("b", "one")
		b.fail(nil)
		wantGet(t, s, "b", "fresh one") // others are not kept from trying
		b.set("a", "one")
		pass(firstPause)
		wantGet(t, s, "a", "fresh one")
	})
}

func TestOneIDFailingDoesNotMakeOthersStale(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("good", "one")
		b.set("bad", "one")
		wantGet(t, s, "good", "fresh one")
		wantGet(t, s, "bad", "fresh one")
		pass(5 * time.Minute)
		b.update(func() { b.faults["bad"] = oops(credential.BackendUnavailable) })
		wantGet(t, s, "bad", "stale one 5m0s")
		pass(time.Second)
		wantGet(t, s, "good", "stale one 5m1s") // for all that is known the backend is unavailable: a probe is under way
		wantGet(t, s, "good", "cached one")
		wantGet(t, s, "bad", "stale one 5m1s")
		pass(5 * time.Minute)
		wantGet(t, s, "good", "fresh one")
	})
}

// An id that never works, and is asked for all the time, doesn't keep others from being read.
func TestOneIDThatNeverWorksDoesNotKeepOthersStale(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("good", "one")
		b.update(func() { b.faults["bad"] = oops(credential.BackendUnavailable) })
		for range 3600 {
			_, _ = s.Get(t.Context(), "bad")
			result, err := s.Get(t.Context(), "good")
			if err != nil || result.Freshness == Stale {
				t.Fatal(told(result, err))
			}
			pass(time.Second)
		}
	})
}

// Reads that fail together are one failure, however many: the pause after it is that after a first one.
func TestReadsThatFailTogetherAreOneFailure(t *testing.T) {
	for name, read := range map[string]func(*testing.T, *Store, []string){
		"singly": func(t *testing.T, s *Store, ids []string) {
			var all sync.WaitGroup
			for _, id := range ids {
				all.Go(func() { _, _ = s.Get(t.Context(), id) })
			}
			all.Wait()
		},
		"in a batch": func(t *testing.T, s *Store, ids []string) { s.Warm(t.Context(), ids) },
	} {
		t.Run(name, func(t *testing.T) {
			batchBubble(t, options(), func(t *testing.T, b *batchBackend, s *Store) {
				b.set("a", "one")
				wantGet(t, s, "a", "fresh one")
				ids := manyIDs(b.backend, 50)
				pass(5 * time.Minute)
				b.update(func() { b.latency = 10 * time.Millisecond })
				b.fail(oops(credential.Throttled))
				read(t, s, ids)
				b.fail(nil)
				pass(firstPause)
				if result, err := s.Get(t.Context(), "a"); err != nil || result.Freshness != Stale { // this one has it looked into
					t.Error(told(result, err))
				}
				pass(10 * time.Millisecond)
				wantGet(t, s, "a", "cached one")
			})
		})
	}
}

func TestCallersDeadlineIsAnOutageForIt(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		wantGet(t, s, "a", "fresh one")
		pass(5 * time.Minute)
		b.stall = true
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got := told(s.Get(ctx, "a")); got != "stale one 5m1s" {
			t.Error(got)
		}
		ctx, cancel = context.WithCancel(t.Context())
		go func() { time.Sleep(time.Second); cancel() }()
		if got := told(s.Get(ctx, "a")); got != "error CANCELLED" {
			t.Error(got)
		}
	})
}

func TestFailedRefreshIsRepeatedWithPauses(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		wantGet(t, s, "a", "fresh one")
		pass(4 * time.Minute)
		b.fail(oops(credential.BackendUnauthenticated))
		for range 59 {
			wantGet(t, s, "a", "cached one")
			pass(time.Second)
		}
		if n := b.count() - 1; n < 3 || n > 7 {
			t.Errorf("%d refreshes in a minute", n)
		}
	})
}

func TestOutagesAreLoggedOnceEach(t *testing.T) {
	var log bytes.Buffer
	o := options()
	o.Logger = jsonLogger(&log)
	bubble(t, o, func(t *testing.T, b *backend, s *Store) {
		for range 2 {
			b.fail(oops(credential.Throttled))
			for range 3 {
				wantGet(t, s, "a", "error THROTTLED")
				pass(10 * time.Second)
			}
			b.fail(nil)
			wantGet(t, s, "b", "error CREDENTIAL_NOT_FOUND")
			pass(10 * time.Second)
		}
		synctest.Wait()
	})
	if out, back := strings.Count(log.String(), "the backend is unavailable"), strings.Count(log.String(), "answers again"); out != 2 || back != 2 {
		t.Errorf("%d times out, %d times back:\n%s", out, back, log.String())
	}
}
