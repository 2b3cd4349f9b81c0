package store

import (
	"log/slog"
	"time"
)

// Options configure a store. The zero value of each field is the documented default, and a negative value turns off what
// the field is for.
type Options struct {
	// TTL is how long a credential is served without reading it again; 0 means 5 minutes. A provider's max_cache_age
	// shortens it. Negative: nothing is kept, but concurrent calls for one credential still share a read.
	TTL time.Duration
	// MaxStale is how long after the last successful read a credential may be served while the backend is unavailable;
	// 0 means 1 hour. Negative: never.
	MaxStale time.Duration
	// NegativeTTL is how long a definite error, such as CREDENTIAL_NOT_FOUND, is remembered; 0 means 5 seconds. Negative:
	// not at all.
	NegativeTTL time.Duration
	// Jitter is the fraction, up to 1, by which TTL and max_cache_age are shortened at most, at random for each read, so
	// that the workers of a fleet don't read together; 0 means 0.2. Pauses after failures are shortened too, except those
	// that the backend asked for. Negative: all times are exact.
	Jitter float64

	// Size is how many credentials are kept, and bounds what is remembered of failures; 0 means 10,000. Negative: nothing
	// is kept, as with a negative TTL.
	Size int
	// CallTimeout bounds one read, however long its callers would wait; 0 means 15 seconds. Negative: no bound.
	CallTimeout time.Duration
	// Logger gets the start and the end of an outage. nil means no log.
	Logger *slog.Logger
}

// resolved returns the options with defaults in place of zero values, and zero in place of negative ones.
func (o Options) resolved() Options {
	if o.Size < 0 {
		o.TTL = -1
	}
	o.TTL = orDefault(o.TTL, 5*time.Minute)
	o.MaxStale = orDefault(o.MaxStale, time.Hour)
	o.NegativeTTL = orDefault(o.NegativeTTL, 5*time.Second)
	o.Jitter = min(orDefault(o.Jitter, 0.2), 1)
	o.Size = max(orDefault(o.Size, 10_000), 1)
	o.CallTimeout = orDefault(o.CallTimeout, 15*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func orDefault[T int | float64 | time.Duration](value, byDefault T) T {
	if value == 0 {
		return byDefault
	}
	return max(value, 0)
}
