//go:build linux || darwin

package agent_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
)

// The answer to a report of REFUSED comes at once where the material isn't known to be right. Else it comes with the other
// material for which the agent reads the backend, and other logins aren't held up until then.
func TestAnswerToARefusal(t *testing.T) {
	t.Parallel()
	s := start(t)
	if s.report(on(s.present(newID(), "d0").GetPermit(), refused)) {
		t.Error("other material, though there is none")
	}
	s.report(on(s.present(newID(), "d1").GetPermit(), accepted))

	id := newID()
	shown := s.present(id, "d2")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if got, err := s.logins.Report(ctx, on(shown.GetPermit(), refused)); code(err) != codes.DeadlineExceeded {
		t.Errorf("it has an answer already: %v, %v", got.GetOtherMaterial(), err)
	}
	s.report(on(s.present(newID(), "d1").GetPermit(), accepted))
	s.backend.set("rotated")
	if !s.report(on(shown.GetPermit(), refused)) {
		t.Error("no other material, though it was rotated")
	}
	if got := s.present(id, "d2").GetCredential().GetPassword(); got != "rotated" {
		t.Errorf("got %q", got)
	}
	s.report(onLogin(id, accepted))
}
