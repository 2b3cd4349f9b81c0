package simulate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
	"github.com/tom-worker/credential-provider/shared/store"
)

// label is the backend's name for the version before the current one.
const label = "PREVIOUS"

// backend is one worker's cache in front of the world's versions.
type backend struct {
	world *World
	ttl   time.Duration
	mu    sync.Mutex
	kept  map[string]store.Result
	read  map[string]time.Time
}

func (b *backend) Get(ctx context.Context, id string) (store.Result, error) {
	return b.RecheckVersion(ctx, credential.Request{ID: id}, time.Now().Add(-b.ttl))
}

func (b *backend) RecheckVersion(_ context.Context, r credential.Request, notBefore time.Time) (store.Result, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := r.ID + "/" + r.VersionLabel
	if at, ok := b.read[key]; ok && !at.Before(notBefore) {
		kept := b.kept[key]
		kept.Age = time.Since(at)
		return kept, nil
	}
	index, password, before := b.world.current(b.world.config.Lag)
	if r.VersionLabel != "" {
		if index, password = index-1, before; index < 0 {
			return store.Result{}, credential.Errorf(credential.VersionNotFound, "there is one version")
		}
	}
	lease := store.Result{Credential: &credential.Credential{ID: r.ID, Username: "netops", Password: credential.Password(password), VersionID: fmt.Sprint("v", index)}}
	b.kept[key], b.read[key] = lease, time.Now()
	return lease, nil
}

// line is one worker's way to its ledger: it can be cut, and a worker can die before it reports.
type line struct {
	guard.Ledger
	mu     sync.Mutex
	cut    bool
	dead   map[guard.Digest]bool // devices whose next report is lost with its worker
	device guard.Digest          // of the last request
}

func (l *line) Begin(ctx context.Context, q guard.Request) (guard.Decision, error) {
	l.mu.Lock()
	l.device = q.Device
	cut := l.cut
	l.mu.Unlock()
	if cut {
		return guard.Decision{}, fmt.Errorf("%w: the line is cut", guard.ErrUnavailable)
	}
	return l.Ledger.Begin(ctx, q)
}

func (l *line) End(ctx context.Context, r guard.Report) error {
	l.mu.Lock()
	cut, dead := l.cut, l.dead[r.Device]
	delete(l.dead, r.Device)
	l.mu.Unlock()
	if dead {
		return nil
	}
	for cut { // the ledger's own line would keep the report until it can be delivered
		time.Sleep(time.Second)
		l.mu.Lock()
		cut = l.cut
		l.mu.Unlock()
	}
	return l.Ledger.End(ctx, r)
}

// worker is a process with a store, a guard, and room for some logins at a time.
type worker struct {
	world *World
	guard *guard.Guard
	line  *line
	slots chan struct{}
}

var key = []byte("a key of thirty-two bytes for it")

func newWorker(w *World, ledger guard.Ledger) *worker {
	c := w.config
	l := &line{Ledger: ledger, dead: make(map[guard.Digest]bool)}
	options := guard.Options{Ledger: l, Key: key, Budgets: []guard.Budget{{Pattern: "*", Failures: c.Budget}}}
	if c.Label {
		options.PreviousVersionLabel = label
	}
	b := &backend{world: w, ttl: c.CacheTTL, kept: make(map[string]store.Result), read: make(map[string]time.Time)}
	g, err := guard.New(b, options)
	if err != nil {
		panic(err) // the key is long enough
	}
	return &worker{world: w, guard: g, line: l, slots: make(chan struct{}, c.Concurrency)}
}

var errNoAnswer = errors.New("the device hasn't answered")

// login logs in to a device.
func (k *worker) login(ctx context.Context, i int, quick bool) (crashed bool, err error) {
	w, c := k.world, k.world.config
	err = k.guard.Login(ctx, c.id(i), fmt.Sprint("device-", i), func(ctx context.Context, a *guard.Attempt) error {
		if !quick {
			if err := sleep(ctx, 50*time.Millisecond); err != nil {
				return err
			}
		}
		for {
			login, err := a.Present(ctx)
			if err != nil {
				return err
			}
			k.line.mu.Lock()
			device := k.line.device
			k.line.mu.Unlock()
			password, _ := login.Password.Get()
			answer := w.between(100*time.Millisecond, 2*time.Second)
			if quick {
				answer = 0
			}
			if err := sleep(ctx, answer/2); err != nil {
				return err
			}
			accepted := w.authenticate(i, password.Reveal())
			switch {
			case !quick && w.chance(c.Crashes):
				crashed = true
				k.line.mu.Lock()
				k.line.dead[device] = true
				k.line.mu.Unlock()
				return errNoAnswer
			case !quick && w.chance(c.NeverAnswers):
				<-ctx.Done()
				return errNoAnswer
			}
			if err := sleep(ctx, answer-answer/2); err != nil {
				return err
			}
			if !quick && (w.chance(c.LostAnswers) || !accepted && w.chance(c.HangUp)) {
				return errNoAnswer
			}
			if accepted {
				return nil
			}
		}
	})
	return crashed, err
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
