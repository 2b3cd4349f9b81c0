package store

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestClockTellsTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock, start := newClock(), time.Now()
		for _, step := range []time.Duration{0, time.Microsecond, lookEvery / 2, lookEvery, time.Second, time.Hour} {
			time.Sleep(step)
			now := time.Now()
			if got, want := clock(), (instant{mono: now.Sub(start), wall: time.Duration(now.UnixNano())}); got != want {
				t.Errorf("after %v more: %v, want %v", step, got, want)
			}
		}
	})
}

// TestClockNoticesThatTheMachineSlept: between two looks at the wall clock less than lookEvery passes, of the time that
// the monotonic clock counts.
func TestClockNoticesThatTheMachineSlept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slept time.Duration
		start, looks := time.Now(), 0
		clock := looking(start, func() instant {
			looks++
			return instant{mono: time.Since(start), wall: time.Since(start) + slept}
		})
		clock()
		for _, jump := range []time.Duration{time.Hour, -2 * time.Hour, time.Millisecond} {
			slept += jump
			time.Sleep(lookEvery)
			if now := clock(); now.wall-now.mono != slept {
				t.Errorf("the wall clock jumped by %v: %v is seen of %v", jump, now.wall-now.mono, slept)
			}
		}
		before := looks
		for range 1000 {
			time.Sleep(lookEvery / 100)
			clock()
		}
		if looks -= before; looks != 10 {
			t.Errorf("%d looks in the time of ten", looks)
		}
	})
}
