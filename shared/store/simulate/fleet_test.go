package simulate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/store"
)

// worker runs jobs: each gets a credential and logs in to a device of it. try is told every password that was sent.
type worker interface {
	job(ctx context.Context, id, device string, try func(*credential.Credential) bool) bool
	close()
}

// direct reads a credential for every job.
type direct struct{ world *world }

func (d direct) job(ctx context.Context, id, _ string, try func(*credential.Credential) bool) bool {
	c, err := d.world.Get(ctx, credential.Request{ID: id})
	return err == nil && try(c)
}

func (direct) close() {}

// plain keeps what it has read for the TTL, as caching libraries do.
type plain struct {
	world *world
	mu    sync.Mutex
	kept  map[string]entry
}

type entry struct {
	cred *credential.Credential
	till time.Time
}

func (p *plain) job(ctx context.Context, id, _ string, try func(*credential.Credential) bool) bool {
	p.mu.Lock()
	e := p.kept[id]
	p.mu.Unlock()
	if time.Now().After(e.till) {
		c, err := p.world.Get(ctx, credential.Request{ID: id})
		if err != nil {
			return false
		}
		e = entry{c, time.Now().Add(ttl)}
		p.mu.Lock()
		p.kept[id] = e
		p.mu.Unlock()
	}
	return try(e.cred)
}

func (*plain) close() {}

// guarded is a worker with the store.
type guarded struct{ store *store.Store }

func newGuarded(w *world) worker {
	options := store.DefaultOptions()
	options.TTL = ttl
	return guarded{store.New(w, options)}
}

func (g guarded) job(ctx context.Context, id, device string, try func(*credential.Credential) bool) bool {
	return nil == g.store.Login(ctx, id, device, func(_ context.Context, lease store.Lease) error {
		if try(lease.Credential) {
			return nil
		}
		return store.ErrRefused
	})
}

func (g guarded) close() { g.store.Close() }

// run lets a fleet work until the plan's time is over.
func run(w *world, hire func(*world) worker) *tally {
	total := newTally()
	var fleet sync.WaitGroup
	for number := range w.plan.workers {
		fleet.Go(func() {
			wk, own := hire(w), newTally()
			var slots sync.WaitGroup
			for slot := range w.plan.slots {
				slots.Go(func() { w.work(wk, own, uint64(number*w.plan.slots+slot)) })
			}
			slots.Wait()
			wk.close()
			total.add(own)
		})
	}
	fleet.Wait()
	return total
}

// work is one slot of a worker: a job, a pause, and so on.
func (w *world) work(wk worker, own *tally, seed uint64) {
	random := rand.New(rand.NewPCG(5, seed))
	zipf := rand.NewZipf(random, 1.1, 1, uint64(w.plan.credentials-1))
	for {
		time.Sleep(time.Duration(random.ExpFloat64() * float64(w.plan.pause)))
		if w.now() >= w.plan.lasts {
			return
		}
		id := strconv.FormatUint(zipf.Uint64(), 10)
		device := fmt.Sprintf("%s-%d", id, random.IntN(w.plan.devices))
		at := w.bucket()
		w.seen[at].Add(1)
		steady := w.untouched(id)
		if steady {
			w.steady.Add(1)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		if wk.job(ctx, id, device, func(c *credential.Credential) bool {
			known := own.refused(c)
			ok := w.accepts(id, c)
			own.sent(c, device, ok, known)
			return ok
		}) {
			w.ok[at].Add(1)
			if steady {
				w.steadyOK.Add(1)
			}
		}
		cancel()
	}
}
