package guard_test

import (
	"testing"
	"testing/synctest"

	"github.com/tom-worker/credential-provider/shared/guard/simulate"
)

// With drifted devices, 99 % of the jobs at the others are done, and 95 % at a first start where 10 % have drifted.
func TestDriftedDevicesHoldUpFewOthers(t *testing.T) {
	for _, test := range []struct {
		name  string
		drift float64
		cold  bool
		seeds uint64
		share float64
	}{{"with a history", .1, false, 3, .99}, {"a fifth, with a history", .2, false, 3, .99}, {"at a first start", .1, true, 8, .95}} {
		t.Run(test.name, func(t *testing.T) {
			done, good := 0, 0
			for seed := range test.seeds {
				synctest.Test(t, func(*testing.T) {
					r := simulate.Run(simulate.Config{Seed: seed + 1, Drift: test.drift, Cold: test.cold, Label: true})
					good += r.Good
					done += r.Good - r.Lost()
				})
			}
			if share := float64(done) / float64(good); share < test.share {
				t.Errorf("%.1f %% of %d jobs done", 100*share, good)
			}
		})
	}
}
