package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/tom-worker/credential-provider/shared/credential"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend is a provider in memory, with faults.
type backend struct {
	mu      sync.Mutex
	creds   map[string]*credential.Credential
	faults  map[string]error
	fault   error         // of every id
	latency time.Duration // of every call
	stall   bool          // calls end with their context only
	calls   []credential.Request
	running int // calls under way
	most    int // calls under way at once, at most
}

func newBackend() *backend {
	return &backend{creds: make(map[string]*credential.Credential), faults: make(map[string]error)}
}

func (b *backend) Get(ctx context.Context, r credential.Request) (*credential.Credential, error) {
	b.mu.Lock()
	b.calls = append(b.calls, r)
	b.running++
	b.most = max(b.most, b.running)
	// As with a real one, what is true when the call arrives is what is answered.
	cred, err, latency, stall := b.creds[r.ID], b.faults[r.ID], b.latency, b.stall
	if b.fault != nil {
		err = b.fault
	}
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.running--
		b.mu.Unlock()
	}()
	if stall {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if latency > 0 {
		select {
		case <-time.After(latency):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	switch {
	case err != nil:
		return nil, err
	case cred == nil:
		return nil, credential.Errorf(credential.CredentialNotFound, "no credential %q", r.ID)
	}
	return cred, nil
}

// set makes the password of id.
func (b *backend) set(id, password string, change ...func(*credential.Credential)) {
	cred := &credential.Credential{ID: id, Username: "admin", Password: credential.Some(credential.NewRedacted(password)), VersionID: "v-" + password, BackendRequestID: "request of " + password}
	for _, f := range change {
		f(cred)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.creds[id] = cred
}

func (b *backend) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault = err
}

func (b *backend) update(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

func (b *backend) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.calls)
}

func replica(c *credential.Credential) { c.FromReplica = true }

func maxAge(d time.Duration) func(*credential.Credential) {
	return func(c *credential.Credential) { c.MaxCacheAge = &d }
}

func expires(at time.Time) func(*credential.Credential) {
	return func(c *credential.Credential) { c.ExpireTime = at }
}

// options are the defaults without jitter, so that times are exact.
func options() Options {
	return Options{TTL: 5 * time.Minute, MaxStale: time.Hour, NegativeTTL: 5 * time.Second, Jitter: -1}
}

// bubble runs a test with its own clock, on a store in front of a backend.
func bubble(t *testing.T, o Options, test func(t *testing.T, b *backend, s *Store)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		s := New(b, o)
		defer s.Close()
		test(t, b, s)
	})
}

// pass lets time go by, and what is due happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func text(c *credential.Credential) string {
	password, _ := c.Password.Get()
	return password.Reveal()
}

// told is the outcome of a Get in short: "fresh one", "stale one 1h0m0s", "error THROTTLED".
func told(result Result, err error) string {
	switch {
	case err != nil:
		return "error " + string(credential.ReasonOf(err))
	case result.Freshness == Stale:
		return fmt.Sprintf("stale %s %v", text(result.Credential), result.Age)
	}
	return result.Freshness.String() + " " + text(result.Credential)
}

func wantGet(t *testing.T, s *Store, id, want string) {
	t.Helper()
	got := told(s.Get(t.Context(), id))
	synctest.Wait() // for what goes on in the background
	if got != want {
		t.Errorf("get %q: %s, want %s", id, got, want)
	}
}

func wantCalls(t *testing.T, b *backend, want int) {
	t.Helper()
	if got := b.count(); got != want {
		t.Errorf("the backend has been called %d times, want %d", got, want)
	}
}

func wantReason(t *testing.T, err error, want credential.Reason) {
	t.Helper()
	if credential.ReasonOf(err) != want {
		t.Fatalf("%v (%s), want %s", err, credential.ReasonOf(err), want)
	}
}

// wantError is wantReason for those who look further.
func wantError(t *testing.T, err error, want credential.Reason) (e *credential.Error) {
	t.Helper()
	wantReason(t, err, want)
	if !errors.As(err, &e) {
		t.Fatalf("%v is a %T", err, err)
	}
	return e
}

func oops(reason credential.Reason) error { return credential.Errorf(reason, "injected") }

func jsonLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
