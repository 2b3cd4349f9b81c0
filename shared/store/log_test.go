package store

import (
	"testing"
	"testing/synctest"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// stuck is a log that isn't read.
type stuck chan struct{}

func (w stuck) Write(b []byte) (int, error) { <-w; return len(b), nil }

func TestSlowLogHoldsUpNoOtherCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		log := make(stuck)
		o.Logger = jsonLogger(log)
		b := newBackend()
		s := New(b, o)
		defer s.Close()
		defer close(log)
		b.set("b", "one")
		wantGet(t, s, "b", "fresh one")
		b.update(func() { b.faults["a"] = oops(credential.BackendUnavailable) })
		go func() { _, _ = s.Get(t.Context(), "a") }()
		synctest.Wait()
		if got := told(s.GetVersion(t.Context(), credential.Request{ID: "b"})); got != "cached one" {
			t.Error(got)
		}
	})
}
