package store

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

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

// Material that worked once, and was replaced, has to prove itself again if it comes back.
func TestCanaryAgainForOlderMaterial(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("one")
		for _, password := range []string{"one", "two"} {
			n.accepts[""] = password
			b.set("a", password)
			s.Reload(true)
			n.wantLogin(t, s, "a", "sw0", "done")
		}
		b.set("a", "one")
		s.Reload(true)
		n.latency, n.most = time.Second, 0
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() { n.login(t, s, "a", fmt.Sprint("sw", i)) })
		}
		all.Wait()
		if n.most != 1 {
			t.Errorf("%d logins at once", n.most)
		}
	})
}
