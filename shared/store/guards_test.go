package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

func TestGuardsAreBounded(t *testing.T) {
	o := options()
	o.Size = 1 // there are smallestGuards of them nevertheless
	bubble(t, o, func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("right")
		b.set("bad", "wrong")
		n.login(t, s, "bad", "sw1")
		n.login(t, s, "bad", "sw2")
		b.set("odd", "wrong")
		n.login(t, s, "odd", "sw1")
		for i := range 3 * smallestGuards {
			id := fmt.Sprint("good", i)
			b.set(id, "right")
			n.wantLogin(t, s, id, "sw3", "done")
		}
		if _, guards := remembered(s); guards != smallestGuards {
			t.Errorf("%d guards", guards)
		}
		wantQuarantined(t, s, "bad")
		n.sent = nil
		n.wantLogin(t, s, "bad", "sw3", "CREDENTIAL_REJECTED")
		n.wantLogin(t, s, "odd", "sw1", "CREDENTIAL_REJECTED")
		n.wantSent(t)
	})
}

// More ids are refused than there is room for: nothing is forgotten, further ids aren't tried, and those that are known
// go on.
func TestRefusalsAreNotForgottenForWantOfRoom(t *testing.T) {
	bubble(t, Options{TTL: time.Hour, Size: 1}, func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("right")
		for i := range smallestGuards {
			id := fmt.Sprint("bad", i)
			b.set(id, "wrong")
			n.login(t, s, id, "sw1")
		}
		b.set("good", "right")
		n.sent = nil
		n.wantLogin(t, s, "good", "sw1", "CREDENTIAL_REJECTED")
		wantLogins(t, s, smallestGuards, smallestGuards, 1)
		n.wantLogin(t, s, "bad0", "sw1", "CREDENTIAL_REJECTED")
		wantLogins(t, s, smallestGuards, smallestGuards, 2)
		n.wantSent(t)
		b.set("bad0", "right") // it is put right, and makes room
		n.wantLogin(t, s, "bad0", "sw2", "done after 3s")
		n.wantLogin(t, s, "good", "sw1", "done")
	})
}

// A device that isn't remembered might get a refused password again: rather than that, logins stop.
func TestRefusingDevicesAreBounded(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("one")
		b.set("a", "one")
		for i := range maxRefusals {
			odd := fmt.Sprint("odd", i)
			n.accepts[odd] = "x"
			n.wantLogin(t, s, "a", "sw", "done")
			n.wantLogin(t, s, "a", odd, "CREDENTIAL_REJECTED after 3s")
		}
		wantQuarantined(t, s, "a")
		pass(time.Hour)
		n.wantLogin(t, s, "a", "sw", "CREDENTIAL_REJECTED")
		n.wantLogin(t, s, "a", "odd0", "CREDENTIAL_REJECTED")
		b.set("a", "two")
		n.accepts[""] = "two"
		pass(time.Minute)
		n.wantLogin(t, s, "a", "sw", "CREDENTIAL_REJECTED")
		n.wantLogin(t, s, "a", "sw", "done")
	})
}

func TestMaterialsAreBounded(t *testing.T) {
	g := newGuard("a")
	for i := range 100 {
		m := material{byte(i)}
		g.learn(m, false)
		g.record(m).refused(device(i), instant{})
		g.learn(material{0xff}, false)
		g.record(material{0xff}).refused(1, instant{})
	}
	if len(g.records) != maxRecords || !g.of(material{0xff}).wasRefusedBy(1) || g.of(material{99}) == nil {
		t.Errorf("%d records", len(g.records))
	}
}

func TestDeviceNamesTakeNoRoom(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		long := string(make([]byte, 1<<20))
		wantReason(t, s.Login(t.Context(), "a", long, refuse), credential.CredentialRejected)
		wantReason(t, s.Login(t.Context(), "a", long, accept), credential.CredentialRejected)
		if err := s.Login(t.Context(), "a", long+"x", accept); err != nil {
			t.Error(err)
		}
	})
}
