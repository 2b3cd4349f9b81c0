package simulate

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// The times of the world.
const (
	readTime    = 30 * time.Millisecond  // of one read at the backend
	loginTime   = 300 * time.Millisecond // of one login at a device
	rotateEvery = time.Hour              // each credential, at a time of its own
	outageAfter = 80 * time.Minute       // from the beginning
	outageFor   = 10 * time.Minute
	backendLags = 20 * time.Second // in a rotation, behind the devices
	ttl         = 5 * time.Minute
	bucket      = 10 * time.Second // of the chart
)

// plan is the size of a simulation.
type plan struct {
	workers, slots, credentials, devices int // slots are jobs at a time for each worker, devices those of each credential
	lasts                                time.Duration
	pause                                time.Duration // of a slot between two jobs, on average
}

// world is what all workers of one fleet share. A rotation changes the password at the devices first, and at the backend
// when that is done, as AWS's does. Rotations go on in the outage: workers lose the backend, it doesn't lose its devices.
type world struct {
	plan  plan
	begin time.Time
	calls []atomic.Int64 // of the backend, by bucket
	seen  []atomic.Int64 // jobs, by bucket
	ok    []atomic.Int64 // jobs that got in, by bucket
	// steady are the jobs in the outage whose credential hasn't been rotated in it so far, and steadyOK those of them that
	// got in: with the others nobody could.
	steady, steadyOK atomic.Int64
}

func newWorld(p plan) *world {
	n := int(p.lasts/bucket) + 1
	return &world{plan: p, begin: time.Now(), calls: make([]atomic.Int64, n), seen: make([]atomic.Int64, n), ok: make([]atomic.Int64, n)}
}

func (w *world) now() time.Duration { return time.Since(w.begin) }

func (w *world) bucket() int { return min(int(w.now()/bucket), len(w.calls)-1) }

func (w *world) out() bool {
	now := w.now()
	return now >= outageAfter && now < outageAfter+outageFor
}

// generation counts a credential's rotations as of some time ago: its password is made of it.
func (w *world) generation(id string, ago time.Duration) int {
	number, _ := strconv.Atoi(id)
	// In an order that isn't that of use, so that those used most aren't rotated together.
	offset := rotateEvery * time.Duration(2*(number*197%w.plan.credentials)+1) / time.Duration(2*w.plan.credentials)
	return int((rotateEvery + w.now() + offset - ago) / rotateEvery)
}

// untouched says that it is the outage, and that the credential hasn't been rotated in it so far.
func (w *world) untouched(id string) bool {
	return w.out() && w.generation(id, 0) == w.generation(id, w.now()-outageAfter)
}

// Get is the backend. In the outage it takes a second to say that it can't be reached.
func (w *world) Get(ctx context.Context, r credential.Request) (*credential.Credential, error) {
	w.calls[w.bucket()].Add(1)
	out, generation := w.out(), w.generation(r.ID, backendLags)
	took := readTime
	if out {
		took = time.Second
	}
	select {
	case <-time.After(took):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if out {
		return nil, credential.Errorf(credential.BackendUnavailable, "the backend can't be reached")
	}
	return &credential.Credential{
		ID: r.ID, Username: "admin", VersionID: strconv.Itoa(generation),
		Password: credential.Some(credential.NewRedacted(fmt.Sprint(r.ID, "/", generation))),
	}, nil
}

// accepts is a device: it takes the password of the moment at which the login arrives.
func (w *world) accepts(id string, c *credential.Credential) bool {
	password, _ := c.Password.Get()
	right := fmt.Sprint(id, "/", w.generation(id, 0))
	time.Sleep(loginTime)
	return password.Reveal() == right
}
