package conformance

import (
	"sync"
	"time"
)

// pace measures how late this machine is: a goroutine sleeps for a moment again and again, and keeps how late it woke. What a
// provider is given on an idle machine, it is given with a margin on a busy one.
type pace struct {
	stop, done chan struct{}

	mu   sync.Mutex
	late []lateness // the recent ones that matter, oldest first
}

type lateness struct {
	at time.Time
	by time.Duration
}

const (
	paceStep  = 5 * time.Millisecond
	paceNoise = 2 * time.Millisecond
	paceKept  = 4096
	// wakeups is how many times threads wait for a processor in one call, in both processes and in the backend, with room.
	wakeups    = 20
	mostMargin = 5 * time.Second
	// busy is the lateness from which a failure for being late is not believed at once.
	busy = 10 * time.Millisecond
)

func startPace() *pace {
	p := &pace{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		tick := time.NewTimer(paceStep)
		defer tick.Stop()
		for {
			start := time.Now()
			select {
			case <-p.stop:
				return
			case <-tick.C:
			}
			tick.Reset(paceStep)
			if late := time.Since(start) - paceStep; late > paceNoise {
				p.mu.Lock()
				p.late = append(p.late, lateness{time.Now(), late})
				if len(p.late) > paceKept {
					p.late = p.late[paceKept/2:]
				}
				p.mu.Unlock()
			}
		}
	}()
	return p
}

func (p *pace) end() {
	close(p.stop)
	<-p.done
}

// worst is the largest lateness since a moment.
func (p *pace) worst(since time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	var worst time.Duration
	for n := len(p.late) - 1; n >= 0 && p.late[n].at.After(since); n-- {
		worst = max(worst, p.late[n].by)
	}
	return worst
}

// margin is what is added to a time that a provider has, for how late the machine was since a moment. It is bounded: whatever the
// machine, a provider that takes much longer than it may doesn't pass.
func (p *pace) margin(since time.Time) time.Duration { return min(wakeups*p.worst(since), mostMargin) }
