package store

import (
	"sync/atomic"
	"time"
)

// instant is one moment on two clocks: monotonic, since the store was made, and wall, since 1970. The monotonic clock
// stands still while a machine sleeps, and the wall clock jumps when it is set.
type instant struct{ mono, wall time.Duration }

// since is the time that has passed since then: by the clock that says it was longer, for an age that is understated
// hands out a credential that should have been asked for again.
func (now instant) since(then instant) time.Duration {
	return max(now.mono-then.mono, now.wall-then.wall)
}

// lookEvery is how often the wall clock is looked at while the store is in use. In between it goes on with the monotonic
// one, so that a jump of it is noticed that much later at most, of time in which the machine is awake: too short for a
// caller to tell it from being held up with a credential in its hands. Looking at both each time would take twice as long.
const lookEvery = 100 * time.Microsecond

// newClock reads the clocks of the machine. That is what most of the time of a cached read goes into where ids are few.
func newClock() func() instant {
	start := time.Now()
	return looking(start, func() instant {
		now := time.Now()
		return instant{mono: now.Sub(start), wall: time.Duration(now.UnixNano())}
	})
}

// looking reads the monotonic clock each time, and looks at both only now and then.
func looking(start time.Time, look func() instant) func() instant {
	var looked, ahead atomic.Int64 // when that was, and by how much the wall clock was ahead
	looked.Store(-int64(lookEvery))
	return func() instant {
		mono := time.Since(start)
		// Of two numbers that others are storing, ahead is never the older one: it is stored first and read last.
		if mono-time.Duration(looked.Load()) < lookEvery {
			return instant{mono: mono, wall: mono + time.Duration(ahead.Load())}
		}
		now := look()
		ahead.Store(int64(now.wall - now.mono))
		looked.Store(int64(now.mono))
		return now
	}
}
