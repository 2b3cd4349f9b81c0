// Package turns compares how long things take, by running them in turns: a busy machine is as hard on the one as on the
// other.
package turns

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Side is one of the things that are compared. It returns how long it took, so that what it has to tidy up isn't counted.
type Side func() time.Duration

// Timed is a side that leaves nothing to tidy up.
func Timed(do func()) Side {
	return func() time.Duration {
		start := time.Now()
		do()
		return time.Since(start)
	}
}

// Take runs the sides in turns for as long as the benchmark lasts, and returns the median time of each. Their order is drawn
// anew for each turn, so that none always finds the machine as the same neighbour has left it.
func Take(b *testing.B, sides ...Side) []time.Duration {
	b.Helper()
	times := make([][]time.Duration, len(sides))
	for b.Loop() {
		for _, which := range rand.Perm(len(sides)) {
			times[which] = append(times[which], sides[which]())
		}
	}
	b.ReportMetric(0, "ns/op") // it would be the time of all sides together
	medians := make([]time.Duration, len(sides))
	for i, all := range times {
		slices.Sort(all)
		medians[i] = all[len(all)/2]
	}
	return medians
}

// Ratio reports ours to theirs, and the budget.
func Ratio(b *testing.B, ours, theirs time.Duration, budget float64) {
	b.Helper()
	b.ReportMetric(float64(ours)/float64(theirs), "ratio")
	b.ReportMetric(budget, "budget")
}
