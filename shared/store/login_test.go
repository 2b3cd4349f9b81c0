package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// network is devices that accept some passwords, and remember what they were sent.
type network struct {
	mu        sync.Mutex
	accepts   map[string]string // by device; "" is for all others
	latency   time.Duration
	sent      []string // "sw1 one"
	running   int
	most      int
	unplugged bool
}

var errUnplugged = errors.New("no route to host")

func newNetwork(password string) *network {
	return &network{accepts: map[string]string{"": password}}
}

func (n *network) device(name string) func(context.Context, Lease) error {
	return func(_ context.Context, lease Lease) error {
		n.mu.Lock()
		n.sent = append(n.sent, name+" "+text(lease.Credential))
		n.running++
		n.most = max(n.most, n.running)
		latency := n.latency
		n.mu.Unlock()
		time.Sleep(latency)
		n.mu.Lock()
		defer n.mu.Unlock()
		n.running--
		if n.unplugged {
			return errUnplugged
		}
		want, ok := n.accepts[name]
		if !ok {
			want = n.accepts[""]
		}
		if text(lease.Credential) != want {
			return fmt.Errorf("ssh: %w", ErrRefused)
		}
		return nil
	}
}

func (n *network) login(t *testing.T, s *Store, id, device string) string {
	t.Helper()
	begin := time.Now()
	err := s.Login(t.Context(), id, device, n.device(device))
	took := ""
	if d := time.Since(begin); d > 0 {
		took = fmt.Sprint(" after ", d)
	}
	var e *credential.Error
	switch {
	case errors.As(err, &e):
		return string(e.Reason) + took
	case err != nil:
		return err.Error() + took
	}
	return "done" + took
}

func (n *network) wantLogin(t *testing.T, s *Store, id, device, want string) {
	t.Helper()
	if got := n.login(t, s, id, device); got != want {
		t.Errorf("login at %s: %s, want %s", device, got, want)
	}
	synctest.Wait()
}

func (n *network) wantSent(t *testing.T, want ...string) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.Equal(n.sent, want) {
		t.Errorf("sent %q, want %q", n.sent, want)
	}
}

func wantQuarantined(t *testing.T, s *Store, want ...string) {
	t.Helper()
	if got := s.Snapshot().Quarantined; !slices.Equal(got, want) {
		t.Errorf("in quarantine: %q, want %q", got, want)
	}
}

func TestLoginRetriesOnceWithChangedMaterial(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("one")
		b.set("a", "one")
		n.wantLogin(t, s, "a", "sw1", "done")
		b.set("a", "two")
		n.accepts[""] = "two"
		n.wantLogin(t, s, "a", "sw1", "done")
		n.wantSent(t, "sw1 one", "sw1 one", "sw1 two")
		wantCalls(t, b, 2)
		if c := s.Snapshot(); c.Logins != 3 || c.Refusals != 1 || c.Prevented != 0 {
			t.Errorf("%+v", c)
		}
	})
}

func TestLoginAsksUnchangedBackendOnceMore(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("two")
		b.set("a", "one")
		go func() { time.Sleep(2900 * time.Millisecond); b.set("a", "two") }()
		n.wantLogin(t, s, "a", "sw1", "done after 3s")
		n.wantSent(t, "sw1 one", "sw1 two")
		wantCalls(t, b, 3)
	})
}

func TestLoginIsRejectedWhenNothingChanges(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("other")
		b.set("a", "one")
		err := s.Login(t.Context(), "a", "sw1", n.device("sw1"))
		e := wantError(t, err, credential.CredentialRejected)
		if !errors.Is(err, ErrRefused) || e.RetryDelay <= 0 || len(e.Help) == 0 || !strings.Contains(e.Message, "sw1") {
			t.Errorf("%+v", e)
		}
		n.wantSent(t, "sw1 one")
		wantCalls(t, b, 3)
	})
}

// A new version with the same password is no reason to send it again.
func TestLoginComparesMaterialAndNotVersions(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("other")
		version := 0
		newVersion := func() {
			version++
			b.set("a", "one", func(c *credential.Credential) { c.VersionID = fmt.Sprint(version) })
		}
		newVersion()
		go func() {
			for range 12 {
				time.Sleep(time.Second / 2)
				newVersion()
			}
		}()
		n.wantLogin(t, s, "a", "sw1", "CREDENTIAL_REJECTED after 3s")
		n.wantLogin(t, s, "a", "sw2", "CREDENTIAL_REJECTED after 3s")
		n.wantLogin(t, s, "a", "sw3", "CREDENTIAL_REJECTED")
		n.wantSent(t, "sw1 one", "sw2 one")
		pass(time.Second)
	})
}

// And the same version with another password, which no backend should have, is.
func TestLoginTriesOtherMaterialOfTheSameVersion(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("one")
		same := func(c *credential.Credential) { c.VersionID = "1" }
		b.set("a", "one", same)
		n.wantLogin(t, s, "a", "sw1", "done")
		b.set("a", "two", same)
		n.accepts[""] = "two"
		n.wantLogin(t, s, "a", "sw1", "done")
	})
}

func TestLoginStopsAfterTheSecondMaterial(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("three")
		b.set("a", "one")
		wantGet(t, s, "a", "fresh one")
		b.set("a", "two")
		go func() { time.Sleep(3 * time.Second); b.set("a", "three") }()
		n.latency = 2 * time.Second
		n.wantLogin(t, s, "a", "sw1", "CREDENTIAL_REJECTED after 4s")
		n.wantSent(t, "sw1 one", "sw1 two")
	})
}

func TestOtherErrorsSayNothingAboutTheCredential(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("one")
		b.set("a", "one")
		n.unplugged = true
		for range 3 {
			n.wantLogin(t, s, "a", "sw1", "no route to host")
		}
		n.unplugged = false
		n.wantLogin(t, s, "a", "sw1", "done")
		wantCalls(t, b, 1)
		b.fail(oops(credential.AccessDenied))
		n.wantLogin(t, s, "b", "sw1", "ACCESS_DENIED")
	})
}

func TestCanary(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("one")
		n.latency = time.Second
		b.set("a", "one")
		b.set("b", "one")
		rush := func(id string) {
			var all sync.WaitGroup
			for i := range 100 {
				all.Go(func() { n.wantLoginDone(t, s, id, fmt.Sprint("sw", i)) })
			}
			all.Wait()
		}
		begin := time.Now()
		rush("a")
		if took := time.Since(begin); took != 2*time.Second || n.most != 99 {
			t.Errorf("100 logins took %v, %d at once, want one first and 99 then", took, n.most)
		}
		begin = time.Now()
		rush("a")
		if took := time.Since(begin); took != time.Second {
			t.Errorf("100 more took %v", took)
		}
		n.unplugged = true // nothing works, so nothing is proven
		n.most = 0
		var all sync.WaitGroup
		for i := range 5 {
			all.Go(func() { n.login(t, s, "b", fmt.Sprint("sw", i)) })
		}
		all.Wait()
		if n.most != 1 {
			t.Errorf("%d logins at once with material that hasn't worked", n.most)
		}
	})
}

func (n *network) wantLoginDone(t *testing.T, s *Store, id, device string) {
	t.Helper()
	if got := n.login(t, s, id, device); !strings.HasPrefix(got, "done") {
		t.Errorf("login at %s: %s", device, got)
	}
}

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

// New material is a canary's again, although the one before had worked.
func TestCanaryAgainAfterARotation(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("one")
		b.set("a", "one")
		n.wantLogin(t, s, "a", "sw0", "done")
		b.set("a", "wrong")
		pass(5 * time.Minute)
		n.latency = time.Second
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() { n.login(t, s, "a", fmt.Sprint("sw", i)) })
		}
		all.Wait()
		if wrong := len(n.sent) - 1; wrong != 2 || n.most != 1 {
			t.Errorf("%d devices got the wrong one, %d at once", wrong, n.most)
		}
	})
}

// Proven material that a device refuses is a canary's again too, until it works.
func TestCanaryAgainAfterARefusal(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("one")
		b.set("a", "one")
		n.wantLogin(t, s, "a", "sw0", "done")
		n.accepts["odd"] = "special"
		n.wantLogin(t, s, "a", "odd", "CREDENTIAL_REJECTED after 3s")
		n.latency, n.most = time.Second, 0
		begin := time.Now()
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() { n.wantLoginDone(t, s, "a", fmt.Sprint("sw", i)) })
		}
		all.Wait()
		if took := time.Since(begin); took != 2*time.Second || n.most != 49 {
			t.Errorf("took %v, %d at once, want one first", took, n.most)
		}
	})
}

// When a password is rotated under logins that are under way, each device gets the old one once and the new one next,
// and the backend is asked once.
func TestRotationUnderway(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("one")
		b.set("a", "one")
		n.wantLogin(t, s, "a", "sw", "done")
		n.latency = time.Second
		calls := b.count()
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() { n.wantLoginDone(t, s, "a", fmt.Sprint("sw", i)) })
		}
		time.Sleep(time.Second / 2)
		n.mu.Lock()
		n.accepts[""] = "two"
		n.mu.Unlock()
		b.set("a", "two")
		all.Wait()
		wantCalls(t, b, calls+1)
		for i := range 50 {
			for _, password := range []string{"one", "two"} {
				sent := fmt.Sprintf("sw%d %s", i, password)
				if count := countOf(n.sent, sent); count != 1 {
					t.Errorf("%q was sent %d times", sent, count)
				}
			}
		}
		wantQuarantined(t, s)
	})
}

func countOf(all []string, one string) (n int) {
	for _, s := range all {
		if s == one {
			n++
		}
	}
	return n
}

func TestRefusedMaterialIsNeverSentToTheSameDeviceAgain(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("one")
		n.accepts["odd"] = "special"
		b.set("a", "one")
		n.wantLogin(t, s, "a", "odd", "CREDENTIAL_REJECTED after 3s")
		for range 200 { // hours, with successes and reads in between
			pass(time.Minute)
			n.wantLogin(t, s, "a", "odd", "CREDENTIAL_REJECTED")
			n.wantLogin(t, s, "a", "sw1", "done")
		}
		b.set("a", "two") // it may change, and change back
		n.accepts[""] = "two"
		n.wantLogin(t, s, "a", "odd", "CREDENTIAL_REJECTED")
		b.set("a", "one")
		pass(5 * time.Minute)
		n.wantLogin(t, s, "a", "odd", "CREDENTIAL_REJECTED")
		if once := countOf(n.sent, "odd one"); once != 1 {
			t.Errorf("sent %d times", once)
		}
		b.set("a", "special")
		n.wantLogin(t, s, "a", "odd", "CREDENTIAL_REJECTED") // it was asked a moment ago
		pass(askApart)
		n.wantLogin(t, s, "a", "odd", "done")
	})
}

func TestOneLoginAtATimeAtOneDevice(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("one")
		b.set("a", "one")
		n.wantLogin(t, s, "a", "sw", "done")
		n.accepts[""] = "two"
		n.latency = time.Second
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { n.login(t, s, "a", "sw") })
		}
		all.Wait()
		if sent := countOf(n.sent, "sw one"); sent != 2 { // it worked once
			t.Errorf("the wrong password was sent %d times", sent-1)
		}
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

func TestOneProbeEvery15Minutes(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("right")
		b.set("a", "wrong")
		n.login(t, s, "a", "sw1")
		n.login(t, s, "a", "sw2")
		n.wantSent(t, "sw1 wrong", "sw2 wrong")
		n.sent = nil
		for i := range 60 {
			pass(time.Minute)
			n.login(t, s, "a", "sw1") // devices that have refused it don't count as probes
			n.login(t, s, "a", fmt.Sprint("new", i))
		}
		if len(n.sent) != 3 && len(n.sent) != 4 {
			t.Errorf("%d probes in an hour: %q", len(n.sent), n.sent)
		}
		if slices.Contains(n.sent, "sw1 wrong") {
			t.Error("a device got it twice")
		}
		n.accepts[""] = "wrong" // the devices are put right
		pass(15 * time.Minute)
		n.latency = time.Second
		var all sync.WaitGroup
		outcomes := make([]string, 10)
		for i := range outcomes {
			all.Go(func() { outcomes[i] = n.login(t, s, "a", fmt.Sprint("last", i)) })
		}
		all.Wait()
		if done := countOf(outcomes, "done after 1s"); done != 1 || countOf(outcomes, "CREDENTIAL_REJECTED") != 9 {
			t.Errorf("%q, want one probe and the others refused at once", outcomes)
		}
		wantQuarantined(t, s)
		n.wantLogin(t, s, "a", "sw3", "done after 1s")
		n.wantLogin(t, s, "a", "sw1", "CREDENTIAL_REJECTED") // has refused it, and isn't asked again
	})
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
	t.Run("but what isn't in doubt may be used", func(t *testing.T) {
		bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
			n := newNetwork("one")
			b.set("a", "one", replica)
			n.wantLogin(t, s, "a", "sw1", "done")
		})
	})
}

// However many logins are refused: one question, and one more after three seconds.
func TestQuestionsAreShared(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("one")
		b.set("a", "one")
		n.wantLogin(t, s, "a", "sw", "done")
		n.accepts[""] = "two"
		n.latency = time.Second
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)
				n.login(t, s, "a", fmt.Sprint("sw", i))
			})
		}
		all.Wait()
		wantCalls(t, b, 3)
	})
}

func TestQuestionsAreApart(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("one")
		for i := range 100 {
			n.accepts[fmt.Sprint("odd", i)] = "x"
		}
		b.set("a", "one")
		end := time.Now().Add(time.Minute)
		var all sync.WaitGroup
		for i := range 100 { // each is refused, and asks again and again
			all.Go(func() {
				for time.Now().Before(end) {
					n.login(t, s, "a", fmt.Sprint("odd", i))
					n.login(t, s, "a", "sw")
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		time.Sleep(time.Until(end))
		if most := 60/2 + 2; b.count() > most {
			t.Errorf("%d calls in a minute, want at most %d", b.count(), most)
		}
		all.Wait()
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

// After the first refusal nobody sets out with the same material until the backend has been asked whether it has another.
func TestOthersWaitForTheQuestion(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("one")
		b.set("a", "one")
		n.wantLogin(t, s, "a", "sw0", "done")
		n.accepts[""] = "two"
		b.set("a", "two")
		b.latency = time.Second
		go n.login(t, s, "a", "sw1")
		synctest.Wait()
		n.wantLogin(t, s, "a", "sw2", "done after 1s")
		n.wantSent(t, "sw0 one", "sw1 one", "sw1 two", "sw2 two")
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

// stuck is a log that nobody reads.
type stuck chan struct{}

func (w stuck) Write(b []byte) (int, error) { <-w; return len(b), nil }

func TestSlowLogHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		log := make(stuck)
		o.Logger = jsonLogger(log)
		b := newBackend()
		s := New(b, o)
		defer s.Close()
		defer close(log)
		b.set("a", "one")
		go func() { _ = s.Login(t.Context(), "a", "sw1", refuse) }()
		synctest.Wait()
		b.set("b", "one")
		wantGet(t, s, "b", "fresh one")
	})
}
