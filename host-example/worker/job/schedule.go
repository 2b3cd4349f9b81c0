package job

import (
	"slices"
	"sync"
	"time"
)

const (
	// preparing is how long a job that isn't prepared yet keeps later ones from starting before it. In a burst with
	// credentials at hand all are prepared sooner, and start in the order of the input; a credential that takes its time
	// doesn't hold up the others.
	preparing = 50 * time.Millisecond
	// maxAhead bounds the lines of jobs that wait, in bytes.
	maxAhead = 16 << 20
)

// schedule starts jobs in the order of their arrival, as soon as one may run and its device is free.
type schedule struct {
	mu      sync.Mutex
	free    int // jobs that may start; negative after a wait has ended, until as many have ended
	busy    map[string]bool
	held    map[string]int // logins that wait, by credential
	waiting []*ticket      // in order
	timer   *time.Timer
	ahead   int           // bytes of those that wait
	room    chan struct{} // there may be less of them now
}

// ticket is a job's place in the schedule.
type ticket struct {
	device      string
	credentials [2]string // the device's, and that of the device it is reached through
	size        int       // bytes
	arrived     time.Time
	prepared    bool
	started     chan struct{} // closed when it is the job's turn
	running     bool
}

func newSchedule(concurrency int) *schedule {
	return &schedule{free: concurrency, busy: map[string]bool{}, held: map[string]int{}, room: make(chan struct{}, 1)}
}

// arrive gives a job the last place. It returns false when stop came before there was room for its size.
func (s *schedule) arrive(j *Job, size int, stop <-chan struct{}) (*ticket, bool) {
	for {
		s.mu.Lock()
		if s.ahead == 0 || s.ahead+size <= maxAhead {
			t := &ticket{device: j.Device(), credentials: [2]string{j.CredentialID}, size: size, arrived: time.Now(), started: make(chan struct{})}
			if j.Jump != nil {
				t.credentials[1] = j.Jump.CredentialID
			}
			s.ahead += size
			s.waiting = append(s.waiting, t)
			s.mu.Unlock()
			return t, true
		}
		s.mu.Unlock()
		select {
		case <-s.room:
		case <-stop:
			return nil, false
		}
	}
}

// take returns true when it is the turn of a job that is prepared, false if stop came first. The job has to leave then too.
func (s *schedule) take(t *ticket, stop <-chan struct{}) bool {
	s.mu.Lock()
	t.prepared = true
	s.dispatch()
	s.mu.Unlock()
	select {
	case <-t.started:
		return true
	case <-stop:
		return false
	}
}

// leave gives up a job's place, wherever it is.
func (s *schedule) leave(t *ticket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.running {
		s.free++
		delete(s.busy, t.device)
	} else if i := slices.Index(s.waiting, t); i >= 0 {
		s.remove(i)
	}
	s.dispatch()
}

// wait lends the place of a job whose login waits to others, and starts none with its credential, which would wait too. The login
// gets the place back with what it returns, at once: it may hold a permit then, and others wait for that.
func (s *schedule) wait(credential string) (ended func()) {
	add := func(n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.free += n
		if s.held[credential] += n; s.held[credential] == 0 {
			delete(s.held, credential)
		}
		s.dispatch()
	}
	add(1)
	return func() { add(-1) }
}

// remove takes a job from those that wait. The caller holds the lock.
func (s *schedule) remove(i int) {
	s.ahead -= s.waiting[i].size
	s.waiting = slices.Delete(s.waiting, i, i+1)
	select {
	case s.room <- struct{}{}:
	default:
	}
}

// dispatch starts what can start. The caller holds the lock.
func (s *schedule) dispatch() {
	for i := 0; i < len(s.waiting) && s.free > 0; {
		t := s.waiting[i]
		if !t.prepared {
			if wait := preparing - time.Since(t.arrived); wait > 0 {
				s.again(wait)
				return
			}
		}
		if !t.prepared || s.busy[t.device] || s.held[t.credentials[0]] > 0 || s.held[t.credentials[1]] > 0 {
			i++
			continue
		}
		s.remove(i)
		s.free--
		s.busy[t.device], t.running = true, true
		close(t.started)
	}
}

// again dispatches later. The caller holds the lock.
func (s *schedule) again(wait time.Duration) {
	if s.timer == nil {
		s.timer = time.AfterFunc(wait, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.dispatch()
		})
		return
	}
	s.timer.Reset(wait)
}
