//go:build linux || darwin

package agent_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/tom-worker/credential-provider/host-example/agent"
	"github.com/tom-worker/credential-provider/host-example/agent/client"
	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/guard"
)

const askedMore = credentialv1.LoginAnswer_LOGIN_ANSWER_ASKED_MORE

// Devices that ask for a code are paused, and nothing is held against the material: twice as many of them as logins may fail in a
// row close it for no other device.
func TestAskedMore(t *testing.T) {
	s := start(t)
	for i := range 4 {
		got := s.present(newID(), fmt.Sprint("asks", i))
		for range 2 {
			if s.report(on(got.GetPermit(), askedMore)) {
				t.Error("other material, though nothing was refused")
			}
		}
		s.until("no permit is out", func() bool { return s.open() == 0 })
	}
	// A client in Go says so by the guard's error.
	err := newClient(t, s.path).Login(t.Context(), "lab", "asks4", func(ctx context.Context, present client.Present) error {
		if _, err := present(ctx); err != nil {
			return err
		}
		return fmt.Errorf("a code: %w", guard.ErrAskedMore)
	})
	if !errors.Is(err, guard.ErrAskedMore) {
		t.Errorf("got %v", err)
	}
	s.until("no permit is out", func() bool { return s.open() == 0 })
	s.wantDoubtful(5)
	s.report(on(s.present(newID(), "good").GetPermit(), accepted))
	if _, err := s.logins.Present(t.Context(), ask(newID(), "asks0")); code(err) != codes.FailedPrecondition {
		t.Errorf("the device that asks gets it again at once: %v", err)
	}
}

// The same holds where the report comes to another agent than the permit.
func TestAskedMoreLate(t *testing.T) {
	path := func() string { return filepath.Join(directory(t), "agent.sock") }
	b, key := &backend{passwords: map[string]string{"lab": "right"}}, make([]byte, 32)
	s := startAt(t, path(), b, func(o *agent.Options) { o.Key = key })
	next := startAt(t, path(), b, func(o *agent.Options) { o.Key, o.Ledger = key, s.ledger })
	got := s.present(newID(), "asks")
	for range 2 {
		if next.report(on(got.GetPermit(), askedMore)) {
			t.Error("other material, though nothing was refused")
		}
	}
	s.wantDoubtful(1)
}

// wantDoubtful checks that no login with lab has failed, none is under way, and n devices have given no answer.
func (s *served) wantDoubtful(n int) {
	s.t.Helper()
	known, err := s.guard.Snapshot(s.t.Context(), "lab")
	if err != nil || len(known) != 1 || known[0].Failed != 0 || known[0].Permits != 0 || known[0].Doubtful != n {
		s.t.Errorf("the ledger has %+v, %v", known, err)
	}
}
