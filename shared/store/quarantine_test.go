package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// A hundred jobs with a wrong password: two devices see it.
func TestWrongPasswordMeetsTwoDevices(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("right")
		n.latency = time.Second
		b.set("a", "wrong")
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				if got := n.login(t, s, "a", fmt.Sprint("sw", i)); !strings.HasPrefix(got, "CREDENTIAL_REJECTED") {
					t.Error(got)
				}
			})
		}
		all.Wait()
		if len(n.sent) != 2 || n.most != 1 {
			t.Errorf("%d devices were sent it, %d at once: %q", len(n.sent), n.most, n.sent)
		}
		wantQuarantined(t, s, "a")
	})
}

func TestQuarantine(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("right")
		b.set("a", "wrong")
		n.wantLogin(t, s, "a", "sw1", "CREDENTIAL_REJECTED after 3s")
		wantQuarantined(t, s)
		n.wantLogin(t, s, "a", "sw2", "CREDENTIAL_REJECTED after 3s")
		wantQuarantined(t, s, "a")
		for i := range 10 {
			n.wantLogin(t, s, "a", fmt.Sprint("more", i), "CREDENTIAL_REJECTED")
		}
		pass(time.Minute)
		e := wantError(t, s.Login(t.Context(), "a", "sw3", n.device("sw3")), credential.CredentialRejected)
		if want := 11*time.Minute + 3*time.Second; e.RetryDelay < want {
			t.Errorf("retry after %v, want at least %v", e.RetryDelay, want)
		}
		n.wantSent(t, "sw1 wrong", "sw2 wrong")
		synctest.Wait()
		b.set("a", "right")
		pass(noticeAfter)
		n.wantLogin(t, s, "a", "sw3", "CREDENTIAL_REJECTED") // and has it looked up
		n.wantLogin(t, s, "a", "sw3", "done")
		wantQuarantined(t, s)
		wantLogins(t, s, 3, 2, 12)
	})
}

func TestASuccessInBetweenPreventsQuarantine(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("one")
		n.accepts["odd1"], n.accepts["odd2"], n.accepts["odd3"] = "x", "x", "x"
		b.set("a", "one")
		n.wantLogin(t, s, "a", "odd1", "CREDENTIAL_REJECTED after 3s")
		n.wantLogin(t, s, "a", "sw1", "done")
		n.wantLogin(t, s, "a", "odd2", "CREDENTIAL_REJECTED after 3s")
		wantQuarantined(t, s)
		n.wantLogin(t, s, "a", "sw1", "done")
		n.wantLogin(t, s, "a", "odd3", "CREDENTIAL_REJECTED after 3s")
		wantQuarantined(t, s)
	})
}

func TestQuarantineFailsAtOnceWhileTheBackendStalls(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("right")
		b.set("a", "wrong")
		n.login(t, s, "a", "sw1")
		n.login(t, s, "a", "sw2")
		b.update(func() { b.stall = true })
		pass(10 * time.Minute)
		n.wantLogin(t, s, "a", "sw3", "CREDENTIAL_REJECTED")
	})
}

// However many logins are refused in a quarantine, the backend is asked every 30 seconds, also if nothing is kept.
func TestQuarantineAsksTheBackendSeldom(t *testing.T) {
	for _, ttl := range []time.Duration{0, 5 * time.Minute} {
		t.Run(ttl.String(), func(t *testing.T) {
			o := options()
			o.TTL = ttl
			bubble(t, o, func(t *testing.T, b *backend, s *Store) {
				n := newNetwork("right")
				b.set("a", "wrong")
				n.login(t, s, "a", "sw1")
				n.login(t, s, "a", "sw2")
				calls := b.count()
				for range 300 {
					n.wantLogin(t, s, "a", "sw3", "CREDENTIAL_REJECTED")
					pass(time.Second)
				}
				if asked := b.count() - calls; asked < 9 || asked > 10 {
					t.Errorf("asked %d times in five minutes", asked)
				}
			})
		})
	}
}

func TestForgetLiftsQuarantine(t *testing.T) {
	for name, lift := range map[string]func(*Store){
		"forget": func(s *Store) { s.Forget("a") },
		"clear":  func(s *Store) { s.Clear() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
				n := newNetwork("right")
				b.set("a", "one")
				n.login(t, s, "a", "sw1")
				n.login(t, s, "a", "sw2")
				s.Reload(true) // doesn't: the devices are the same
				n.wantLogin(t, s, "a", "sw3", "CREDENTIAL_REJECTED")
				wantQuarantined(t, s, "a")
				lift(s)
				wantQuarantined(t, s)
				n.accepts[""] = "one"
				n.wantLogin(t, s, "a", "sw1", "done")
			})
		})
	}
}

func TestForgetWhileLoginsAreUnderWay(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("right")
		n.latency = 10 * time.Second
		b.set("a", "wrong")
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() { n.login(t, s, "a", fmt.Sprint("sw", i)) })
		}
		pass(time.Second)
		s.Forget("a")
		all.Wait()
		if n.most != 1 || len(n.sent) != 2 {
			t.Errorf("%q, %d at once", n.sent, n.most)
		}
		wantQuarantined(t, s, "a")
	})
}

func TestRefusedMaterialIsNotServedStale(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("one")
		n.accepts["odd"] = "x"
		b.set("a", "one")
		n.wantLogin(t, s, "a", "odd", "CREDENTIAL_REJECTED after 3s")
		pass(6 * time.Minute)
		b.fail(oops(credential.BackendUnavailable))
		wantGet(t, s, "a", "error BACKEND_UNAVAILABLE")
		n.wantLogin(t, s, "a", "sw1", "BACKEND_UNAVAILABLE")
		b.fail(nil)
		pass(time.Minute)
		n.wantLogin(t, s, "a", "sw1", "done") // it works: one odd device must not make an outage worse
		pass(6 * time.Minute)
		b.fail(oops(credential.BackendUnavailable))
		wantGet(t, s, "a", "stale one 6m0s")
		n.wantLogin(t, s, "a", "sw1", "done")
		n.wantLogin(t, s, "a", "odd", "CREDENTIAL_REJECTED")
	})
}

func TestACopyNeverTellsWhetherThePasswordHasChanged(t *testing.T) {
	t.Run("the answer to a refusal", func(t *testing.T) {
		bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
			n := newNetwork("one")
			b.set("a", "one")
			n.wantLogin(t, s, "a", "sw1", "done")
			n.accepts[""] = "new"
			b.set("a", "older", replica, maxAge(30*time.Second))
			n.wantLogin(t, s, "a", "sw1", "CREDENTIAL_REJECTED")
			n.wantLogin(t, s, "a", "sw2", "CREDENTIAL_REJECTED") // "older" isn't tried while "one" is in doubt
			n.wantSent(t, "sw1 one", "sw1 one")
			wantLogins(t, s, 2, 1, 1)
		})
	})
	t.Run("quarantine", func(t *testing.T) {
		bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
			n := newNetwork("new")
			b.set("a", "one")
			n.login(t, s, "a", "sw1")
			n.login(t, s, "a", "sw2")
			b.set("a", "older", replica, maxAge(30*time.Second))
			for range 5 {
				pass(time.Minute)
				n.wantLogin(t, s, "a", "sw3", "CREDENTIAL_REJECTED")
			}
			wantQuarantined(t, s, "a")
			b.set("a", "new")
			pass(time.Minute)
			n.wantLogin(t, s, "a", "sw3", "CREDENTIAL_REJECTED")
			n.wantLogin(t, s, "a", "sw3", "done")
		})
	})
	t.Run("nor whether another copy's is right", func(t *testing.T) {
		bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
			n := newNetwork("one")
			b.set("a", "one")
			n.wantLogin(t, s, "a", "sw1", "done")
			s.Reload(true)
			b.set("a", "older", replica)
			n.latency = time.Second
			go func() { time.Sleep(time.Second / 2); b.set("a", "oldest", replica) }()
			n.wantLogin(t, s, "a", "sw2", "CREDENTIAL_REJECTED after 1s")
			n.wantSent(t, "sw1 one", "sw2 older")
		})
	})
	t.Run("but what isn't in doubt may be used", func(t *testing.T) {
		bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
			n := newNetwork("one")
			b.set("a", "one", replica)
			n.wantLogin(t, s, "a", "sw1", "done")
		})
	})
}

func TestRefusedWhileTheBackendIsOut(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("one")
		b.set("a", "one")
		n.wantLogin(t, s, "a", "sw1", "done")
		n.accepts[""] = "two"
		b.fail(oops(credential.BackendUnavailable))
		err := s.Login(t.Context(), "a", "sw1", n.device("sw1"))
		if e := wantError(t, err, credential.CredentialRejected); !strings.Contains(e.Message, "injected") || !errors.Is(err, ErrRefused) {
			t.Errorf("%+v", e)
		}
	})
}

func TestWaitingLoginHonoursItsContext(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("one")
		n.latency = time.Minute
		b.set("a", "one")
		go n.login(t, s, "a", "sw1")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantReason(t, s.Login(ctx, "a", "sw2", n.device("sw2")), credential.DeadlineExceeded)
		n.wantSent(t, "sw1 one")
		pass(time.Minute)
		n.latency = 0
		n.accepts[""] = "two"
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		wantReason(t, s.Login(ctx, "a", "sw2", n.device("sw2")), credential.CredentialRejected)
		if took := time.Since(begin); took != time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestPanickingLoginLetsOthersThrough(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("one")
		b.set("a", "one")
		func() {
			defer func() { _ = recover() }()
			_ = s.Login(t.Context(), "a", "sw1", func(context.Context, Lease) error { panic("oops") })
		}()
		n.wantLogin(t, s, "a", "sw1", "done")
		s.Forget("a")
		go func() {
			defer func() { _ = recover() }()
			_ = s.Login(t.Context(), "a", "sw1", func(context.Context, Lease) error { time.Sleep(time.Second); panic("oops") })
		}()
		synctest.Wait()
		n.wantLogin(t, s, "a", "sw2", "done after 1s")
	})
}

func TestLoginsWithoutCaching(t *testing.T) {
	o := options()
	o.TTL = 0
	bubble(t, o, func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("one")
		b.set("a", "one")
		n.wantLogin(t, s, "a", "sw1", "done")
		wantCalls(t, b, 1)
		// 99 logins wait for a canary: they don't all ask each time it is somebody else's turn.
		b.set("a", "two")
		n.unplugged, n.latency = true, time.Second
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() { n.login(t, s, "a", fmt.Sprint("sw", i)) })
		}
		all.Wait()
		if calls := b.count(); calls > 250 {
			t.Errorf("%d calls for 101 logins", calls)
		}
		n.unplugged, n.latency = false, 0
		calls := b.count()
		n.accepts[""] = "three"
		go func() { time.Sleep(time.Second); b.set("a", "three") }()
		n.wantLogin(t, s, "a", "sw1", "done after 3s")
		wantCalls(t, b, calls+3)
		b.set("a", "wrong")
		n.login(t, s, "a", "sw1")
		n.login(t, s, "a", "sw2")
		wantQuarantined(t, s, "a")
		n.wantLogin(t, s, "a", "sw3", "CREDENTIAL_REJECTED")
	})
}

func TestRefusedWithoutTimeToAsk(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		wantGet(t, s, "a", "fresh one")
		b.stall = true
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := s.Login(ctx, "a", "sw1", refuse)
		if e := wantError(t, err, credential.CredentialRejected); !strings.Contains(e.Message, "no time") {
			t.Error(e)
		}
		wantReason(t, s.Login(t.Context(), "a", "sw1", accept), credential.CredentialRejected)
	})
}

func TestCloseEndsLogins(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		ended := make(chan error, 2)
		go func() {
			ended <- s.Login(t.Context(), "a", "sw1", func(context.Context, Lease) error { time.Sleep(time.Second); return ErrRefused })
		}()
		synctest.Wait()
		go func() { ended <- s.Login(t.Context(), "a", "sw2", accept) }()
		synctest.Wait()
		s.Close()
		wantReason(t, <-ended, credential.Cancelled) // it waited for the other one
		wantReason(t, <-ended, credential.CredentialRejected)
	})
}

func TestLogOfTheGuard(t *testing.T) {
	const secret = "hunter2-and-more"
	var log bytes.Buffer
	o := options()
	o.Logger = jsonLogger(&log)
	bubble(t, o, func(t *testing.T, b *backend, s *Store) {
		b.set("a", secret, func(c *credential.Credential) { c.VersionID = "" })
		for _, device := range []string{"sw1", "sw2", "sw3"} {
			if err := s.Login(t.Context(), "a", device, refuse); strings.Contains(fmt.Sprintf("%+v", err), secret) {
				t.Error(err)
			}
		}
		pass(15 * time.Minute)
		_ = s.Login(t.Context(), "a", "sw3", accept)
		s.Clear()
		for _, device := range []string{"sw1", "sw2"} {
			_ = s.Login(t.Context(), "a", device, refuse)
		}
		b.set("a", "other")
		pass(time.Minute)
		_ = s.Login(t.Context(), "a", "sw3", accept)
		synctest.Wait()
	})
	for message, want := range map[string]int{
		"a device refuses the credential": 4, "no logins are tried with it until it changes": 2,
		"a device accepts the credential: logins are allowed again": 1, "the credential has changed: logins are allowed again": 1,
		secret: 0,
	} {
		if got := strings.Count(log.String(), message); got != want {
			t.Errorf("%q is %d times in the log, want %d:\n%s", message, got, want, log.String())
		}
	}
}
