package guard

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/store"
)

// Source is where a guard gets credentials from. *store.Store is one. If it has a method Changes() <-chan struct{}, whose
// channel is closed when a read brings other material, waiting logins learn of that at once.
type Source interface {
	// Get returns the current version of a credential, which may have been read some time ago.
	Get(ctx context.Context, id string) (store.Result, error)
	// RecheckVersion returns a version as it was read at notBefore or later, and reads it anew if need be. Callers that ask at about
	// the same time share a read. A result is never stale, and never from a replica.
	RecheckVersion(ctx context.Context, request credential.Request, notBefore time.Time) (store.Result, error)
}

// copied is a copy of a credential, and the material before it.
type copied struct {
	store.Result
	material Digest
	read     time.Time // when the backend was asked for it
	replaced Digest    // the material before, as this guard saw it, until the ledger knows of the change
	previous store.Result
	before   Digest // the previous version's material; zero if there is none
	known    bool   // before has been looked up
}

// versions remembers which material each id has at present.
type versions struct {
	mu  sync.Mutex
	ids map[string]*current
}

// current is the material that an id was last seen with.
type current struct {
	material, before Digest    // now, and until the last change
	since            time.Time // when this guard first saw it
	version          string
	result, former   store.Result // the copies of material and before
	announced        bool         // the ledger has been told that before was replaced
}

// see notes the material of a copy, and returns what is known of the id.
func (v *versions) see(id string, c *copied, now time.Time) current {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.ids[id]
	switch {
	case s == nil:
		s = &current{material: c.material, result: c.Result, version: c.VersionID, since: now, announced: true}
		v.ids[id] = s
	case c.FromReplica:
	case s.material != c.material:
		s.before, s.material, s.since, s.announced = s.material, c.material, now, false
		s.version, s.former, s.result = c.VersionID, s.result, c.Result
	case s.version != c.VersionID:
		s.version, s.since = c.VersionID, now
	}
	return *s
}

// told notes that the ledger knows of the last change.
func (v *versions) told(id string, m Digest) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s := v.ids[id]; s != nil && s.material == m {
		s.announced = true
	}
}

// newest returns the credential as the source has it.
func (g *Guard) newest(ctx context.Context, id string) (copied, error) {
	result, err := g.source.Get(ctx, id)
	if err != nil {
		return copied{}, err
	}
	return g.copied(id, result), nil
}

func (g *Guard) copied(id string, result store.Result) copied {
	now := time.Now()
	c := copied{Result: result, material: g.digester.material(result.Credential), read: now.Add(-result.Age)}
	if s := g.versions.see(id, &c, now); !s.announced {
		c.replaced = s.before
	}
	return c
}

// again returns a copy that was read at notBefore or later. While the backend is unavailable it returns the old one: a login
// isn't lost because it is unknown whether the password has changed, and the ledger bounds the harm. A replica's copy is no
// such answer, since it may be older than what was refused.
func (g *Guard) again(ctx context.Context, id string, old copied, notBefore time.Time) (copied, error) {
	result, err := g.source.RecheckVersion(ctx, credential.Request{ID: id}, notBefore)
	if err == nil {
		return g.copied(id, result), nil
	}
	if e, ok := errors.AsType[*credential.Error](err); ok && e.Reason.Transient() && ctx.Err() == nil && !old.FromReplica {
		return old, nil
	}
	return old, err
}

// withPrevious looks up the material before the current one, where the provider has a label for it. It is never older than
// the guard's knowledge of the current one: it would be the version before the previous one then, and a wrong password.
// That it can't be read, or may not be, means that there is none.
func (g *Guard) withPrevious(ctx context.Context, id string, c *copied) error {
	c.known, c.before = true, Digest{}
	label := *g.previous.Load()
	if label == "" {
		return nil
	}
	seen := g.versions.see(id, c, time.Now())
	// A backend whose copies follow each other may give the version before the previous one for a moment after a change. The
	// guard has seen the right one itself, and what was read in that time is read once more after it.
	notBefore, moment := seen.since, time.Since(seen.since) < settle
	if !moment {
		notBefore = notBefore.Add(settle)
	}
	result, err := g.source.RecheckVersion(ctx, credential.Request{ID: id, VersionLabel: label}, notBefore)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var m Digest
	if err == nil {
		m = g.digester.material(result.Credential)
	}
	if denied := credential.ReasonOf(err) == credential.AccessDenied; moment && seen.before != (Digest{}) && !denied {
		result, m = seen.former, seen.before
	}
	if m != (Digest{}) && m != c.material {
		c.previous, c.before = result, m
	}
	return nil
}
