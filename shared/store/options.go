package store

import (
	"time"

	"github.com/hashicorp/go-hclog"
)

// Options say how long a store keeps what it has read, and how much of it. Times mean what they say, zero included, so
// that a setting of 0 can be handed on as it is: begin with [DefaultOptions].
type Options struct {
	// TTL is how long a credential is served without asking the backend again. A provider's max_cache_age shortens it.
	// 0: nothing is kept; there is still one read at a time for each id.
	TTL time.Duration
	// MaxStale is how long after the last successful read a credential may be served while the backend is out. 0: never.
	MaxStale time.Duration
	// NegativeTTL is how long a definite answer, such as "not found", is remembered. 0: not at all.
	NegativeTTL time.Duration
	// Jitter is the part of TTL, or of a shorter max_cache_age, from 0 to 1, by which it is shortened at most, at random and
	// for each read anew, so that a fleet doesn't ask together. Pauses after failures vary by it too, but for those that the
	// backend has named.
	Jitter float64

	// Size is how many credentials are kept. What the store remembers of failures and of logins is bounded by it too.
	// 0: 10,000.
	Size int
	// CallTimeout bounds one read, whoever waits for it. 0: 15 s.
	CallTimeout time.Duration
	// Logger gets outages, refused logins and quarantines. nil: they aren't logged.
	Logger hclog.Logger
}

// DefaultOptions returns a TTL of 5 minutes, shortened by a fifth at most, MaxStale of an hour, NegativeTTL of 5 s, and
// the defaults of all other fields.
func DefaultOptions() Options {
	return Options{TTL: 5 * time.Minute, MaxStale: time.Hour, NegativeTTL: 5 * time.Second, Jitter: 0.2}.resolved()
}

func (o Options) resolved() Options {
	if o.Size <= 0 {
		o.Size = 10000
	}
	if o.CallTimeout <= 0 {
		o.CallTimeout = 15 * time.Second
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	o.Jitter = min(max(o.Jitter, 0), 1)
	return o
}
