package store

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
)

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

// A line about a login goes to the logger of whoever logs in.
func TestLoginHasTheCallersLogger(t *testing.T) {
	var own, others bytes.Buffer
	o := options()
	o.Logger = jsonLogger(&others)
	bubble(t, o, func(t *testing.T, b *backend, s *Store) {
		n := newNetwork("other")
		b.set("a", "one")
		_ = s.Login(hclog.WithContext(t.Context(), jsonLogger(&own).With("job", "1")), "a", "sw1", n.device("sw1"))
		_ = s.Login(t.Context(), "a", "sw2", n.device("sw2"))
	})
	const line = "a device refuses the credential"
	if got := own.String(); strings.Count(got, line) != 1 || !strings.Contains(got, `"job":"1"`) {
		t.Errorf("the caller's logger has\n%s", got)
	}
	if got := others.String(); strings.Count(got, line) != 1 {
		t.Errorf("the store's logger has\n%s", got)
	}
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
