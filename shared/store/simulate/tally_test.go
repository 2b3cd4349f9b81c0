package simulate

import (
	"sync"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// tally counts wrong passwords. That of a worker is what the store promises of one process: workers don't know of each
// other.
type tally struct {
	mu    sync.Mutex
	wrong map[string]map[string]int // attempts by password and device
	known map[string]bool           // passwords that a device has refused, and none has taken since
	late  map[string]int            // attempts by password that began when one device had refused it

	attempts                int
	most, mostDevices, more int // of one worker: attempts at a device, devices of a password, and late attempts
}

func newTally() *tally {
	return &tally{wrong: make(map[string]map[string]int), known: make(map[string]bool), late: make(map[string]int)}
}

// refused says whether the worker knows, at the beginning of a login, that the password has been refused.
func (t *tally) refused(c *credential.Credential) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.known[password(c)]
}

// sent notes a login that is over.
func (t *tally) sent(c *credential.Credential, device string, ok, known bool) {
	if ok {
		return // the world's passwords are right until they are rotated, and never again
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p := password(c)
	t.known[p] = true
	if t.wrong[p] == nil {
		t.wrong[p] = make(map[string]int)
	}
	t.wrong[p][device]++
	t.attempts++
	t.most = max(t.most, t.wrong[p][device])
	t.mostDevices = max(t.mostDevices, len(t.wrong[p]))
	if known {
		t.late[p]++
		t.more = max(t.more, t.late[p])
	}
}

// add sums up a worker's tally. What one device got from the whole fleet is kept in wrong.
func (t *tally) add(worker *tally) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.attempts += worker.attempts
	t.most = max(t.most, worker.most)
	t.mostDevices = max(t.mostDevices, worker.mostDevices)
	t.more = max(t.more, worker.more)
	for p, devices := range worker.wrong {
		if t.wrong[p] == nil {
			t.wrong[p] = make(map[string]int)
		}
		for d, n := range devices {
			t.wrong[p][d] += n
		}
	}
}

// ofFleet is the most that one device got of one wrong password from all workers together.
func (t *tally) ofFleet() (most int) {
	for _, devices := range t.wrong {
		for _, n := range devices {
			most = max(most, n)
		}
	}
	return most
}

func password(c *credential.Credential) string {
	text, _ := c.Password.Get()
	return text.Reveal()
}
