package store

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/backoff"
)

// refreshAt is the part of its time after which a use of a credential has it read again in the background.
const refreshAt = 0.8

// never is a time that doesn't come.
const never = time.Duration(math.MaxInt64)

// entry is what the source answered, and until when it may be served. Only touched changes.
type entry struct {
	credential *credential.Credential
	material   material
	// asked is when the source was asked. It may have looked at any time between that and its answer.
	asked instant
	// refresh is the age up to which it is served without a read in the background, fresh the age up to which it is served
	// at all, and stale the same while the backend is unavailable.
	refresh, fresh, stale time.Duration
	// expires is the time of the wall clock after which it is never served.
	expires time.Duration
	touched atomic.Int64 // instant.mono of the last use that was noted
}

func (s *Store) newEntry(cred *credential.Credential, asked instant) *entry {
	e := &entry{
		material: s.digester.material(cred),
		asked:    asked,
		fresh:    s.options.TTL,
		stale:    s.options.MaxStale,
		expires:  never,
	}
	if cred.MaxCacheAge != nil {
		e.fresh = min(e.fresh, *cred.MaxCacheAge)
	}
	e.fresh = backoff.Jittered(e.fresh, s.options.Jitter)
	e.refresh = time.Duration(refreshAt * float64(e.fresh))
	if !cred.ExpireTime.IsZero() {
		e.expires = cred.ExpireTime.Sub(time.Unix(0, 0)) // unlike UnixNano, it has all years
	}
	if cred.VersionID == "" {
		cred = cred.Clone()
		cred.VersionID = e.material.version()
	}
	e.credential = cred
	return e
}

// keepable reports whether it may be kept: what may not be served without a read may not be served stale either.
func (e *entry) keepable() bool { return e.fresh > 0 }

func (e *entry) expired(now instant) bool { return now.wall >= e.expires }

func (e *entry) isFresh(now instant) bool { return !e.expired(now) && now.since(e.asked) < e.fresh }

func (e *entry) isStale(now instant) bool { return !e.expired(now) && now.since(e.asked) < e.stale }

// markStale returns a copy that is served only while the backend is unavailable.
func (e *entry) markStale() *entry {
	return &entry{credential: e.credential, material: e.material, asked: e.asked, stale: e.stale, expires: e.expires}
}

func (e *entry) result(f Freshness, now instant) Result {
	return Result{Credential: e.credential, Freshness: f, Age: now.since(e.asked)}
}
