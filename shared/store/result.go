package store

import (
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Freshness is where a [Result] comes from.
type Freshness uint8

const (
	// Fresh was read for this call, or for another one that was waiting for the same.
	Fresh Freshness = iota
	// Cached was read earlier, and its time isn't up.
	Cached
	// Stale was read earlier and should have been read again, but the backend is unavailable.
	Stale
)

// String returns the freshness in lower case, for logs and metrics.
func (f Freshness) String() string {
	switch f {
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

// Result is a credential and where it comes from. Other callers may have the same credential: it must not be changed.
// VersionID is never empty: where the backend has no versions it is [LocalVersion] and a keyed digest of the login material,
// which is the same for as long as this store lives and means nothing elsewhere.
type Result struct {
	*credential.Credential
	Freshness Freshness
	// Age is the time since the source was asked for it.
	Age time.Duration
}
