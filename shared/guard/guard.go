package guard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Guard decides whether a login material may be presented to a device. It may be used concurrently. [New] makes one.
type Guard struct {
	source   Source
	options  Options
	ledger   Ledger
	owned    bool // the ledger is the guard's own
	digester digester
	versions versions
	queues   queues
	counters counters
	previous atomic.Pointer[string] // the label of the version before

	mu    sync.Mutex
	known map[Digest]map[string]bool // the ids that had a material, as far as this guard has seen

	closing context.Context
	close   context.CancelCauseFunc
	logins  sync.WaitGroup
}

// errClosed ends logins that wait when their guard is closed.
var errClosed = errors.New("the login guard is closed")

// New makes a guard of logins with credentials of source. [Guard.Close] ends it.
func New(source Source, options Options) (*Guard, error) {
	options = options.resolved()
	g := &Guard{source: source, options: options, ledger: options.Ledger, known: make(map[Digest]map[string]bool)}
	g.versions.ids = make(map[string]*current)
	g.queues.materials = make(map[Digest]*queue)
	if options.Key == nil {
		options.Key = randomKey()
	}
	if err := checkKey(options.Key); err != nil {
		return nil, err
	}
	g.digester = digester{options.Key}
	if g.ledger == nil {
		g.ledger, g.owned = NewMemory(), true
	}
	g.SetPreviousVersionLabel(options.PreviousVersionLabel)
	g.closing, g.close = context.WithCancelCause(context.Background())
	return g, nil
}

// SetPreviousVersionLabel replaces [Options.PreviousVersionLabel], when the provider was replaced by one that has another name for
// the version before, or none. Logins take it the next time they look for that version.
func (g *Guard) SetPreviousVersionLabel(label string) { g.previous.Store(&label) }

// Close ends logins that wait for a permit, with an error, and returns when no login is under way. It may be called more
// than once.
func (g *Guard) Close() error {
	g.close(errClosed)
	g.logins.Wait()
	if g.owned {
		return g.ledger.Close()
	}
	return nil
}

// Forget drops what the ledger knows against a credential's material, and the version before: logins with it are tried again
// at once, and at all devices. Open permits stay.
func (g *Guard) Forget(ctx context.Context, id string) error {
	materials := g.materialsOf(id)
	c, err := g.newest(ctx, id)
	if err == nil {
		materials = append(materials, c.material)
		if err := g.withPrevious(ctx, id, &c); err == nil && c.before != (Digest{}) {
			materials = append(materials, c.before)
		}
	}
	if len(materials) == 0 {
		return err
	}
	slices.SortFunc(materials, func(a, b Digest) int { return slices.Compare(a[:], b[:]) })
	return g.ledger.Forget(ctx, slices.Compact(materials)...)
}

// ForgetMaterial is [Guard.Forget] for one material, by its digest as Snapshot returns it.
func (g *Guard) ForgetMaterial(ctx context.Context, material Digest) error {
	return g.ledger.Forget(ctx, material)
}

// ForgetAll is [Guard.Forget] for every material in the ledger, those of other workers that share it too.
func (g *Guard) ForgetAll(ctx context.Context) error {
	records, err := g.ledger.Snapshot(ctx)
	if err != nil {
		return err
	}
	materials := make([]Digest, len(records))
	for i, r := range records {
		materials[i] = r.Material
	}
	return g.ledger.Forget(ctx, materials...)
}

// Status is what the ledger knows of one material, and which ids this guard has seen it under.
type Status struct {
	Record
	// CredentialIDs are sorted; empty if only other workers have used the material.
	CredentialIDs []string
}

// Snapshot returns what the ledger knows of all materials, closed ones first. The ledger's records have no ids: to learn those
// of a fleet, name them: the guard reads each credential, and recognises its material.
func (g *Guard) Snapshot(ctx context.Context, ids ...string) ([]Status, error) {
	for _, id := range ids {
		c, err := g.newest(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("credential %q: %w", id, err)
		}
		g.remember(id, c.material)
	}
	records, err := g.ledger.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	statuses := make([]Status, len(records))
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, r := range records {
		statuses[i] = Status{Record: r, CredentialIDs: slices.Sorted(maps.Keys(g.known[r.Material]))}
	}
	slices.SortFunc(statuses, func(a, b Status) int {
		if a.Closed != b.Closed {
			return int(max(min(b.Closed-a.Closed, 1), -1))
		}
		return slices.Compare(a.Material[:], b.Material[:])
	})
	return statuses, nil
}

// Failed returns those of ids under which logins have failed, as the ledger names them: the ones that are worth reading, of many.
func (g *Guard) Failed(ctx context.Context, ids []string) ([]string, error) {
	records, err := g.ledger.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	named := make(map[Digest]bool, len(records))
	for _, r := range records {
		named[r.ID] = r.Failed > 0 || r.Doubtful > 0 || named[r.ID]
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !named[g.digester.id(id)] }), nil
}

// Digest returns the digest of a credential's login material, as the ledger's records have it.
func (g *Guard) Digest(c *credential.Credential) Digest { return g.digester.material(c) }

// DigestID returns the digest of a credential id, as the ledger's records have it.
func (g *Guard) DigestID(id string) Digest { return g.digester.id(id) }

// maxKnown is how many materials have their ids remembered.
const maxKnown = 20000

// remember notes that an id has a material.
func (g *Guard) remember(id string, m Digest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.known[m][id] {
		return
	}
	if g.known[m] == nil {
		if len(g.known) >= maxKnown {
			clear(g.known)
		}
		g.known[m] = make(map[string]bool)
	}
	g.known[m][id] = true
}

func (g *Guard) materialsOf(id string) (materials []Digest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for m, ids := range g.known {
		if ids[id] {
			materials = append(materials, m)
		}
	}
	return materials
}

// changes is the channel that is closed when the source has other material; nil if it has none.
func (g *Guard) changes() <-chan struct{} {
	if s, ok := g.source.(interface{ Changes() <-chan struct{} }); ok {
		return s.Changes()
	}
	return nil
}
