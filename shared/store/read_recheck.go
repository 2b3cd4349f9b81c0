package store

import (
	"context"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// recheckShared is how much older than asked for a read may be that another Recheck has started.
const recheckShared = 2 * time.Second

// Recheck returns the current version of a credential as it was read at notBefore or later, and reads it anew if no copy is
// that young. It is for a caller that doubts its copy, such as a guard after a refused login. All who ask within 2 seconds
// share one read: a read that another Recheck has started may have been started up to 2 seconds before notBefore. A notBefore
// in the future means now.
//
// The result is never stale, and never a copy that may lag behind (FromReplica): if the source has no other, the error is
// BACKEND_UNAVAILABLE. Other errors are those of the read. ctx bounds the wait of this caller alone.
func (s *Store) Recheck(ctx context.Context, id string, notBefore time.Time) (Result, error) {
	return s.RecheckVersion(ctx, credential.Request{ID: id}, notBefore)
}

// RecheckVersion is [Store.Recheck] of one version.
func (s *Store) RecheckVersion(ctx context.Context, r credential.Request, notBefore time.Time) (Result, error) {
	if err := check(r); err != nil {
		return Result{}, err
	}
	age := max(time.Since(notBefore), 0)
	oldest := s.clock().mono - age
	for {
		s.mu.Lock()
		if s.closed {
			s.unlock()
			return Result{}, closedError()
		}
		now := s.clock()
		if kept := s.cache.use(r, now); kept != nil && kept.asked.mono >= oldest && kept.isFresh(now) && !kept.credential.FromReplica {
			s.hits.add(now)
			s.unlock()
			return kept.result(Cached, now), nil
		}
		f, ok := s.rechecks.Get(r)
		if !ok || !f.youngEnough(oldest, now) {
			f = s.flightFor(ctx, r)
			if f.asked.mono >= oldest {
				f.recheck = true
				s.rechecks.Add(f.request, f)
				s.sweepLater()
			}
		} else if f.underWay() {
			s.join(f)
		}
		s.unlock()
		if err := s.wait(ctx, f); err != nil {
			return Result{}, err
		}
		switch {
		case !f.youngEnough(oldest, s.clock()):
			// It was discarded, or started earlier, for another caller.
		case f.err != nil:
			return Result{}, f.err
		case f.entry.credential.FromReplica:
			return Result{}, credential.Errorf(credential.BackendUnavailable, "credential %q: only a replica of the backend answers, which may not have the latest change", r.ID)
		default:
			return f.entry.result(Fresh, s.clock()), nil
		}
	}
}

// youngEnough reports whether a read answers a Recheck for what was read at oldest or later.
func (f *flight) youngEnough(oldest time.Duration, now instant) bool {
	if f.discarded || f.entry != nil && f.entry.expired(now) {
		return false
	}
	if f.recheck {
		oldest -= recheckShared
	}
	return f.asked.mono >= oldest
}

// Changes returns a channel that is closed when the store next reads a current credential whose login material (username,
// password or private key) differs from what it read before, whichever credential that is. Take the channel first, then
// look at the credential, then wait. Copies that may lag behind don't count.
func (s *Store) Changes() <-chan struct{} {
	s.mu.Lock()
	defer s.unlock()
	return s.changes
}

// noteMaterial tells those who wait for changes. The caller holds the lock.
func (s *Store) noteMaterial(id string, e *entry) {
	if e.credential.FromReplica {
		return
	}
	before, known := s.materials.Get(id)
	if known && before.same(e.material) {
		return
	}
	s.materials.Add(id, e.material)
	if known {
		close(s.changes)
		s.changes = make(chan struct{})
	}
}
