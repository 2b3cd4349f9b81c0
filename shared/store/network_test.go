package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// network is devices that accept some passwords, and remember what they were sent.
type network struct {
	mu        sync.Mutex
	accepts   map[string]string // by device; "" is for all others
	latency   time.Duration
	sent      []string // "sw1 one"
	running   int
	most      int
	unplugged bool
}

var errUnplugged = errors.New("no route to host")

func newNetwork(password string) *network {
	return &network{accepts: map[string]string{"": password}}
}

func (n *network) device(name string) func(context.Context, Lease) error {
	return func(_ context.Context, lease Lease) error {
		n.mu.Lock()
		n.sent = append(n.sent, name+" "+text(lease.Credential))
		n.running++
		n.most = max(n.most, n.running)
		latency := n.latency
		n.mu.Unlock()
		time.Sleep(latency)
		n.mu.Lock()
		defer n.mu.Unlock()
		n.running--
		if n.unplugged {
			return errUnplugged
		}
		want, ok := n.accepts[name]
		if !ok {
			want = n.accepts[""]
		}
		if text(lease.Credential) != want {
			return fmt.Errorf("ssh: %w", ErrRefused)
		}
		return nil
	}
}

func (n *network) login(t *testing.T, s *Store, id, device string) string {
	t.Helper()
	begin := time.Now()
	err := s.Login(t.Context(), id, device, n.device(device))
	took := ""
	if d := time.Since(begin); d > 0 {
		took = fmt.Sprint(" after ", d)
	}
	var e *credential.Error
	switch {
	case errors.As(err, &e):
		return string(e.Reason) + took
	case err != nil:
		return err.Error() + took
	}
	return "done" + took
}

func (n *network) wantLogin(t *testing.T, s *Store, id, device, want string) {
	t.Helper()
	if got := n.login(t, s, id, device); got != want {
		t.Errorf("login at %s: %s, want %s", device, got, want)
	}
	synctest.Wait()
}

func (n *network) wantSent(t *testing.T, want ...string) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.Equal(n.sent, want) {
		t.Errorf("sent %q, want %q", n.sent, want)
	}
}

// wantLogins looks at the counters: logins tried at devices, those that were refused there, and those that were prevented.
func wantLogins(t *testing.T, s *Store, tried, refused, prevented int64) {
	t.Helper()
	if n := s.Snapshot(); n.Logins != tried || n.Refusals != refused || n.Prevented != prevented {
		t.Errorf("%d logins, %d refused, %d prevented; want %d, %d and %d", n.Logins, n.Refusals, n.Prevented, tried, refused, prevented)
	}
}

func wantQuarantined(t *testing.T, s *Store, want ...string) {
	t.Helper()
	if got := s.Snapshot().Quarantined; !slices.Equal(got, want) {
		t.Errorf("in quarantine: %q, want %q", got, want)
	}
}

func (n *network) wantLoginDone(t *testing.T, s *Store, id, device string) {
	t.Helper()
	if got := n.login(t, s, id, device); !strings.HasPrefix(got, "done") {
		t.Errorf("login at %s: %s", device, got)
	}
}

func countOf(all []string, one string) (n int) {
	for _, s := range all {
		if s == one {
			n++
		}
	}
	return n
}

// stuck is a log that nobody reads.
type stuck chan struct{}

func (w stuck) Write(b []byte) (int, error) { <-w; return len(b), nil }

func TestSlowLogHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		log := make(stuck)
		o.Logger = jsonLogger(log)
		b := newBackend()
		s := New(b, o)
		defer s.Close()
		defer close(log)
		b.set("a", "one")
		go func() { _ = s.Login(t.Context(), "a", "sw1", refuse) }()
		synctest.Wait()
		b.set("b", "one")
		wantGet(t, s, "b", "fresh one")
	})
}
