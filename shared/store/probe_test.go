package store

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

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

// While a refused probe has the backend asked, others are refused at once: it was asked before, when the quarantine began.
func TestNobodyWaitsForWhatAProbeAsks(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("right")
		b.set("a", "wrong")
		n.login(t, s, "a", "sw1")
		n.login(t, s, "a", "sw2")
		pass(15 * time.Minute)
		go n.login(t, s, "a", "sw3")
		synctest.Wait()
		n.wantSent(t, "sw1 wrong", "sw2 wrong", "sw3 wrong")
		n.wantLogin(t, s, "a", "sw4", "CREDENTIAL_REJECTED")
		pass(askAgain)
	})
}

// A probe at a device that can't be reached says nothing, and the next one is 15 minutes later all the same.
func TestAProbeThatReachesNoDevice(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("right")
		b.set("a", "wrong")
		n.login(t, s, "a", "sw1")
		n.login(t, s, "a", "sw2")
		pass(15 * time.Minute)
		n.unplugged = true
		n.wantLogin(t, s, "a", "sw3", "no route to host")
		n.unplugged = false
		n.wantLogin(t, s, "a", "sw3", "CREDENTIAL_REJECTED")
		wantQuarantined(t, s, "a")
		n.accepts[""] = "wrong"
		pass(15 * time.Minute)
		n.wantLogin(t, s, "a", "sw3", "done")
		wantQuarantined(t, s)
	})
}
