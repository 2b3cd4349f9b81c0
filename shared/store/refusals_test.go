package store

import (
	"slices"
	"testing"
	"time"
)

func TestRefusals(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		want := func(refusals ...Refusal) {
			t.Helper()
			if got := s.Refusals(); !slices.Equal(got, refusals) {
				t.Errorf("refusals %+v, want %+v", got, refusals)
			}
		}
		n := newNetwork("right")
		b.set("b", "wrong")
		b.set("a", "wrong")
		b.set("c", "right")
		want()
		n.login(t, s, "c", "sw1")
		want()
		n.login(t, s, "b", "sw1")
		want(Refusal{ID: "b", Devices: 1})
		n.login(t, s, "a", "sw1")
		n.login(t, s, "a", "sw2")
		got := s.Refusals()
		if len(got) != 2 || got[0].Retry <= 14*time.Minute || got[0].Retry > probeEvery {
			t.Fatalf("refusals %+v", got)
		}
		got[0].Retry = 0
		if got[0] != (Refusal{ID: "a", Devices: 2, Quarantined: true}) || got[1] != (Refusal{ID: "b", Devices: 1}) {
			t.Errorf("refusals %+v", got)
		}
		s.Forget("a")
		want(Refusal{ID: "b", Devices: 1})
		s.Forget("b")
		want()
		b.set("a", "right")
		n.login(t, s, "a", "sw1")
		want()
	})
}
