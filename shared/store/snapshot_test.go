package store

import (
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

func TestSnapshotCountsWhatEachReadCameTo(t *testing.T) {
	bubble(t, options(), func(t *testing.T, b *backend, s *Store) {
		b.set("a", "one")
		for _, step := range []struct {
			name   string
			before func()
			change func(*Snapshot) // of the counters
		}{
			{"cold", nil, func(n *Snapshot) { n.Misses++; n.BackendCalls++; n.Size++ }},
			{"kept", nil, func(n *Snapshot) { n.Hits++ }},
			{"kept, and its use is noted", func() { pass(touchEvery) }, func(n *Snapshot) { n.Hits++ }},
			{"kept, and read again", func() { pass(4 * time.Minute) }, func(n *Snapshot) { n.Hits++; n.Refreshes++; n.BackendCalls++ }},
			{"the backend goes out", func() { pass(6 * time.Minute); b.fail(oops(credential.Throttled)) }, func(n *Snapshot) { n.Misses++; n.BackendCalls++; n.Stale++; n.Outage = true }},
			{"it is known to be out", nil, func(n *Snapshot) { n.Stale++ }},
			{"it still is", func() { pass(firstPause) }, func(n *Snapshot) { n.Stale++; n.Refreshes++; n.BackendCalls++ }},
			{"it says no", func() { b.fail(oops(credential.AccessDenied)); pass(2 * firstPause) }, func(n *Snapshot) { n.Stale++; n.Refreshes++; n.BackendCalls++; n.Outage = false; n.Size-- }},
			{"that is remembered", nil, func(n *Snapshot) { n.Remembered++ }},
		} {
			want := s.Snapshot()
			step.change(&want)
			if step.before != nil {
				step.before()
			}
			_, _ = s.Get(t.Context(), "a")
			synctest.Wait()
			got := s.Snapshot()
			want.Errors, want.LastRead = got.Errors, got.LastRead
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %+v, want %+v", step.name, got, want)
			}
		}
		if errs := s.Snapshot().Errors; errs[credential.Throttled] != 2 || errs[credential.AccessDenied] != 1 || len(errs) != 2 {
			t.Errorf("errors %v", errs)
		}
	})
}
