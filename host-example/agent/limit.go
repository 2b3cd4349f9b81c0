package agent

import (
	"sync"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// maxCallsOfAUser is how many calls of one user may be under way.
const maxCallsOfAUser = 2048

// limiter bounds the calls of each user, so that none takes everything.
type limiter struct {
	mu   sync.Mutex
	open map[uint32]int
}

// enter counts a call, and returns what ends it.
func (l *limiter) enter(uid uint32) (leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[uid] >= maxCallsOfAUser {
		e := credential.Errorf(credential.Throttled, "user %d has %d calls under way, which is the most", uid, maxCallsOfAUser)
		e.RetryDelay = time.Second
		return nil, e
	}
	if l.open == nil {
		l.open = make(map[uint32]int)
	}
	l.open[uid]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.open[uid]--; l.open[uid] == 0 {
			delete(l.open, uid)
		}
	}, nil
}
