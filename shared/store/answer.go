package store

import (
	"math"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Outcome says where a [Lease] comes from.
type Outcome uint8

const (
	// Fresh was read for this call, or for another one that was waiting for the same.
	Fresh Outcome = iota
	// Cached was read earlier, and its time isn't up.
	Cached
	// Stale was read earlier and should have been read again, which the backend's outage prevents.
	Stale
)

// String returns the outcome in lower case, for logs and metrics.
func (o Outcome) String() string {
	switch o {
	case Fresh:
		return "fresh"
	case Cached:
		return "cached"
	case Stale:
		return "stale"
	default:
		return "unknown"
	}
}

// Lease is a credential that the store hands out, and how it came by it. Others may hold the same credential: it must
// not be changed. VersionID is never empty: where the backend has no versions it is "local-" and a keyed digest of the
// login material, which is the same for as long as this store lives and means nothing elsewhere.
type Lease struct {
	*credential.Credential
	Outcome Outcome
	// Age is the time since the backend was asked for it.
	Age time.Duration

	answer *answer
}

// refreshAt is the part of its time after which a use of a credential has it read again in the background.
const refreshAt = 0.8

// never is an age that nothing reaches, and a time that doesn't come.
const never = time.Duration(math.MaxInt64)

// answer is what the backend said, and until when it may be used. It isn't changed.
type answer struct {
	credential *credential.Credential
	// asked is when the backend was asked. It may have looked at any time between that and its answer.
	asked instant
	// refresh is the age up to which it is served without further ado.
	refresh time.Duration
	// expires is the time of the wall clock after which it is never served.
	expires time.Duration

	// fresh is the age up to which it is served, and read again in the background.
	fresh time.Duration
	// stale is the age up to which it is served while the backend is out.
	stale    time.Duration
	material material
}

func (s *Store) newAnswer(cred *credential.Credential, asked instant) *answer {
	a := &answer{
		material: s.digester.material(cred),
		asked:    asked,
		fresh:    s.options.TTL,
		stale:    s.options.MaxStale,
		expires:  never,
	}
	if cred.MaxCacheAge != nil {
		a.fresh = min(a.fresh, *cred.MaxCacheAge)
	}
	a.fresh = s.jittered(a.fresh)
	a.refresh = time.Duration(refreshAt * float64(a.fresh))
	if !cred.ExpireTime.IsZero() {
		a.expires = cred.ExpireTime.Sub(time.Unix(0, 0)) // unlike UnixNano, it knows all years
	}
	if cred.VersionID == "" {
		cred = cred.Clone()
		cred.VersionID = a.material.version()
	}
	a.credential = cred
	return a
}

// keepable says whether it may be kept at all: if it may not be served without asking again, it may not be served stale
// either.
func (a *answer) keepable() bool { return a.fresh > 0 }

func (a *answer) expired(now instant) bool { return now.wall >= a.expires }

func (a *answer) isFresh(now instant) bool { return !a.expired(now) && now.since(a.asked) < a.fresh }

func (a *answer) isStale(now instant) bool { return !a.expired(now) && now.since(a.asked) < a.stale }

// dead says that it can't be served again, whatever happens.
func (a *answer) dead(now instant) bool { return !a.isFresh(now) && !a.isStale(now) }

// outdated is the same answer, to be served only while the backend is out.
func (a *answer) outdated() *answer {
	old := *a
	old.refresh, old.fresh = 0, 0
	return &old
}

func (a *answer) lease(outcome Outcome, now instant) Lease {
	return Lease{Credential: a.credential, Outcome: outcome, Age: now.since(a.asked), answer: a}
}
