// Package backoff computes the pauses between attempts that fail: each twice the one before, up to a longest one, and
// spread at random, so that processes that failed together don't try again together.
package backoff

import (
	"math/rand/v2"
	"time"
)

// Delay returns the pause after so many failures in a row: first after one, doubled with each further one, at most longest;
// 0 after none.
func Delay(failures int, first, longest time.Duration) time.Duration {
	if failures <= 0 {
		return 0
	}
	delay := first
	for range failures - 1 {
		if delay >= longest/2 {
			return longest
		}
		delay *= 2
	}
	return min(delay, longest)
}

// Jittered returns d shortened at random by up to the fraction, which is between 0 and 1.
func Jittered(d time.Duration, fraction float64) time.Duration {
	return d - time.Duration(fraction*rand.Float64()*float64(d))
}
