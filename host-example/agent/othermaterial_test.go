//go:build linux || darwin

package agent_test

import (
	"path/filepath"
	"testing"

	"github.com/tom-worker/credential-provider/host-example/agent"
)

// A refusal that is reported to the agent after the one of the permit: the client gets the other material under the same login_id, and
// what is said of the first permit once more isn't said of the second.
func TestOtherMaterialOfTheNextAgent(t *testing.T) {
	path := func() string { return filepath.Join(directory(t), "agent.sock") }
	b, key := &backend{passwords: map[string]string{"lab": "first"}}, make([]byte, 32)
	s := startAt(t, path(), b, func(o *agent.Options) { o.Key = key })
	next := startAt(t, path(), b, func(o *agent.Options) { o.Key, o.Ledger = key, s.ledger })
	id := newID()
	got := s.present(id, "device")
	b.set("second")
	if !next.report(on(got.GetPermit(), refused)) {
		t.Fatal("no other material, though the backend has it")
	}
	other := next.present(id, "device")
	if word := other.GetCredential().GetPassword(); word != "second" {
		t.Fatalf("it has presented %q", word)
	}
	next.report(on(got.GetPermit(), refused))
	next.report(on(other.GetPermit(), accepted))
	next.until("no permit is out", func() bool { return next.open() == 0 })
	for _, of := range []struct {
		agent          *served
		failed, proven bool
	}{{s, true, false}, {next, false, true}} {
		known, err := of.agent.guard.Snapshot(t.Context())
		if err != nil || len(known) != 1 || known[0].Failed > 0 != of.failed || known[0].Proven != of.proven || known[0].Failed > 1 {
			t.Errorf("the ledger has %+v, %v", known, err)
		}
	}
}
