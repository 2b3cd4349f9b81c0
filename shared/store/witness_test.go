package store

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"
)

// witness watches what devices are sent, and knows nothing of how the store decides. It holds the store to its promise:
// no device gets material again that it has refused, and once two have refused it, with no success in between, there is
// one try in 15 minutes.
type witness struct {
	t               *testing.T
	mu              sync.Mutex
	sent            map[string]*sending // by id and password
	tries, refusals int
}

type sending struct {
	refusedBy      map[string]bool
	streak         int
	tried, refused time.Time
}

func (w *witness) of(id, password string) *sending {
	s, ok := w.sent[id+" "+password]
	if !ok {
		s = &sending{refusedBy: make(map[string]bool)}
		w.sent[id+" "+password] = s
	}
	return s
}

func (w *witness) begins(id, device, password string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, now := w.of(id, password), time.Now()
	if s.refusedBy[device] {
		w.t.Errorf("%s gets %s of %s once more", device, password, id)
	}
	// Who began in the very moment of the refusal could not know.
	if s.streak >= 2 && now.After(s.refused) && now.Sub(s.tried) < 15*time.Minute {
		w.t.Errorf("%s gets %s of %s %v after the last try, and %d have refused it", device, password, id, now.Sub(s.tried), s.streak)
	}
	s.tried = now
	w.tries++
}

func (w *witness) ends(id, device, password string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.of(id, password)
	if err == nil {
		s.streak = 0
		return
	}
	w.refusals++
	s.refusedBy[device], s.refused = true, time.Now()
	s.streak++
}

// forget is for one id, or for all if it is empty.
func (w *witness) forget(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for what := range w.sent {
		if id == "" || strings.HasPrefix(what, id+" ") {
			delete(w.sent, what)
		}
	}
}

// check says whether there was anything to see.
func (w *witness) check() {
	w.t.Logf("%d logins at devices, %d refused", w.tries, w.refusals)
	if w.refusals < 100 || w.tries < 2*w.refusals {
		w.t.Errorf("%d logins at devices, %d refused: that proves nothing", w.tries, w.refusals)
	}
}

// device logs in under the witness's eyes.
func (w *world) device(id, device string) func(context.Context, Lease) error {
	return func(_ context.Context, lease Lease) error {
		password := text(lease.Credential)
		w.witness.begins(id, device, password)
		if w.slow {
			time.Sleep(time.Duration(len(device)+len(id)*7) * 100 * time.Millisecond)
		}
		err := w.ask(id, device, password)
		w.witness.ends(id, device, password, err)
		return err
	}
}
