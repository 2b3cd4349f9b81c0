package guard

import (
	"context"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend is a Source whose versions follow each other.
type backend struct {
	mu       sync.Mutex
	versions map[string][]string // by id, oldest first
	reads    int
	denied   bool // only the current version may be read
	cached   map[string]store.Result
	at       map[string]time.Time
}

func newBackend() *backend {
	return &backend{versions: make(map[string][]string), cached: make(map[string]store.Result), at: make(map[string]time.Time)}
}

func (b *backend) put(id, password string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.versions[id] = append(b.versions[id], password)
}

func (b *backend) Get(ctx context.Context, id string) (store.Result, error) {
	return b.RecheckVersion(ctx, credential.Request{ID: id}, time.Now().Add(-5*time.Minute))
}

func (b *backend) RecheckVersion(_ context.Context, r credential.Request, notBefore time.Time) (store.Result, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := r.ID + "\x00" + r.VersionLabel
	if at, ok := b.at[key]; ok && !at.Before(notBefore) {
		result := b.cached[key]
		result.Age = time.Since(at)
		return result, nil
	}
	b.reads++
	all := b.versions[r.ID]
	n := len(all) - 1
	if r.VersionLabel != "" {
		n--
		if b.denied {
			return store.Result{}, credential.Errorf(credential.AccessDenied, "denied")
		}
	}
	if n < 0 {
		return store.Result{}, credential.Errorf(credential.VersionNotFound, "no such version")
	}
	result := store.Result{Credential: &credential.Credential{ID: r.ID, Username: "admin", Password: credential.Password(all[n]), VersionID: string(rune('a' + n))}}
	b.cached[key], b.at[key] = result, time.Now()
	return result, nil
}

// device is a fake device or a group of them behind one account.
type device struct {
	mu       sync.Mutex
	password string
	takes    time.Duration
	wrong    int
	shown    []string
	silent   bool
}

func (d *device) login(ctx context.Context, a *Attempt) error {
	login, err := a.Present(ctx)
	if err != nil {
		return err
	}
	password, _ := login.Password.Get()
	select {
	case <-time.After(d.takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shown = append(d.shown, password.Reveal())
	if d.silent {
		d.mu.Unlock()
		<-ctx.Done()
		d.mu.Lock()
		return ctx.Err()
	}
	if password.Reveal() != d.password {
		d.wrong++
		return ErrRefused
	}
	return nil
}

func newGuard(t *testing.T, source Source, o Options) *Guard {
	t.Helper()
	g, err := New(source, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g
}
