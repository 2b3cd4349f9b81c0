package store

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A rotation under load: more than one device refuses the old password before the backend has said that there is a new
// one. That is no reason to turn away whoever comes meanwhile.
func TestRotationUnderLoad(t *testing.T) {
	for _, test := range []struct {
		name    string
		latency time.Duration // of the backend
		lag     time.Duration // of the backend behind the devices
	}{
		{"an answer that takes its time", time.Second, 0},
		{"a backend that lags behind", 0, 2500 * time.Millisecond},
		{"both", time.Second, 2500 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
				n := newNetwork("one")
				b.set("a", "one")
				n.wantLogin(t, s, "a", "sw0", "done")
				n.latency = time.Second
				b.update(func() { b.latency = test.latency })
				var all sync.WaitGroup
				for i := range 60 { // the first ten are at their devices when the password changes, the others come then
					all.Go(func() {
						time.Sleep(time.Duration(i) * 95 * time.Millisecond)
						n.wantLoginDone(t, s, "a", fmt.Sprint("sw", i%40))
					})
				}
				time.Sleep(time.Second - time.Nanosecond)
				n.mu.Lock()
				n.accepts[""] = "two"
				n.mu.Unlock()
				time.Sleep(test.lag)
				b.set("a", "two")
				all.Wait()
				for i := range 40 {
					if count := countOf(n.sent, fmt.Sprintf("sw%d one", i)); count > 1 && i > 0 {
						t.Errorf("sw%d got the old password %d times", i, count)
					}
				}
				wantQuarantined(t, s)
			})
		})
	}
}

// Logins take three seconds, so that one is refused, and asks, two seconds after another: that one has its own second question
// no sooner than three seconds after its refusal all the same.
func TestRotationUnderSlowLogins(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("one")
		b.set("a", "one")
		n.wantLogin(t, s, "a", "sw0", "done")
		n.latency = 3 * time.Second
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 500 * time.Millisecond)
				n.wantLoginDone(t, s, "a", fmt.Sprint("sw", 1+i))
			})
		}
		time.Sleep(3*time.Second - time.Nanosecond)
		n.mu.Lock()
		n.accepts[""] = "two"
		n.mu.Unlock()
		time.Sleep(2900 * time.Millisecond)
		b.set("a", "two")
		all.Wait()
		wantCalls(t, b, 4) // at first, then 0, 2 and 4 seconds after the first refusal
	})
}

// A read that was begun before the refusal doesn't tell whether the password has changed.
func TestAnOlderReadIsNoAnswerToARefusal(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("one")
		b.set("a", "one")
		n.wantLogin(t, s, "a", "sw1", "done")
		pass(4 * time.Minute)
		b.update(func() { b.latency = time.Second })
		wantGet(t, s, "a", "cached one") // and has it read again
		pass(time.Second / 2)
		n.accepts[""] = "two"
		b.set("a", "two")
		n.wantLogin(t, s, "a", "sw1", "done after 1.5s")
		wantCalls(t, b, 3)
	})
}

// If it has other material nevertheless, that is an answer, and nobody asks again.
func TestAnOlderReadMayKnowMoreThanTheRefusal(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("one")
		b.set("a", "one")
		n.wantLogin(t, s, "a", "sw1", "done")
		pass(4 * time.Minute)
		n.accepts[""] = "two"
		b.set("a", "two")
		b.update(func() { b.latency = time.Second })
		wantGet(t, s, "a", "cached one") // and has it read again
		pass(time.Second / 2)
		n.wantLogin(t, s, "a", "sw1", "done after 500ms")
		wantCalls(t, b, 2)
	})
}

// The order of a rotation. Devices first and the backend within three seconds loses nothing; AWS's rotation is like that.
// In the other order devices refuse the new password, and they never get it again by themselves.
func TestRotationInEitherOrder(t *testing.T) {
	for _, test := range []struct {
		name             string
		devices, backend time.Duration // when they change
		meanwhile, later string        // what becomes of a login then, and of one a minute after it
	}{
		{"devices first", 0, 2900 * time.Millisecond, "done after 3s", "done"},
		{"devices long before the backend", 0, 10 * time.Second, "CREDENTIAL_REJECTED after 3s", "done"},
		{"backend first", time.Second, 0, "CREDENTIAL_REJECTED after 3s", "CREDENTIAL_REJECTED"},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
				n := newNetwork("one")
				b.set("a", "one")
				n.wantLogin(t, s, "a", "sw1", "done")
				pass(5 * time.Minute)
				begin := time.Now()
				change := func(at time.Duration, f func()) { time.AfterFunc(time.Until(begin.Add(at)), f) }
				change(test.devices, func() { n.mu.Lock(); n.accepts[""] = "two"; n.mu.Unlock() })
				change(test.backend, func() { b.set("a", "two") })
				synctest.Wait()
				n.wantLogin(t, s, "a", "sw1", test.meanwhile)
				pass(time.Minute)
				_ = n.login(t, s, "a", "sw1") // has the backend asked, if that is due
				synctest.Wait()
				n.wantLogin(t, s, "a", "sw1", test.later)
			})
		})
	}
}

// A login that got its credential just before another one's refusal brought the new one isn't turned away for the old one.
func TestALeaseThatIsOutdated(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("two")
		b.set("a", "one")
		old, err := s.Get(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		n.wantLogin(t, s, "a", "sw1", "CREDENTIAL_REJECTED after 3s")
		n.wantLogin(t, s, "a", "sw2", "CREDENTIAL_REJECTED after 3s")
		b.set("a", "two")
		pass(5 * time.Minute)
		wantGet(t, s, "a", "fresh two")
		v, err := s.enter("a", s.digester.device("sw3"), "sw3", old)
		if err != nil {
			t.Fatal(err)
		}
		defer v.leave()
		if err := v.login(t.Context(), old, n.device("sw3")); err != nil {
			t.Error(err)
		}
		n.wantSent(t, "sw1 one", "sw2 one", "sw3 two")
	})
}
