package store

import (
	"math/rand/v2"
	"time"
)

// instant is one moment on two clocks: monotonic, since the store was made, and wall, since 1970. The monotonic clock
// stands still while a machine sleeps, and the wall clock jumps when somebody sets it.
type instant struct{ mono, wall time.Duration }

// since is the time that has passed since then: by the clock that says it was longer, for an age that is understated
// hands out a credential that should have been asked for again.
func (now instant) since(then instant) time.Duration {
	return max(now.mono-then.mono, now.wall-then.wall)
}

// newClock reads both clocks of the machine at once, which is what most of the time of a cached read goes into.
func newClock() func() instant {
	start := time.Now()
	return func() instant {
		now := time.Now()
		return instant{mono: now.Sub(start), wall: time.Duration(now.UnixNano())}
	}
}

// jittered shortens d at random.
func (s *Store) jittered(d time.Duration) time.Duration {
	return d - time.Duration(s.options.Jitter*rand.Float64()*float64(d))
}
