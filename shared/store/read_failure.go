package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/backoff"
)

// class is what the store makes of a reason.
type class uint8

const (
	// unsettled errors are not about the credential: what is kept stays, and isn't served in their place.
	unsettled class = iota
	// definite errors hold until something is changed: what is kept is dropped, and they are remembered briefly.
	definite
	// outage is when the last good credential may be served.
	outage
)

func classOf(reason credential.Reason) class {
	switch reason {
	case credential.CredentialNotFound, credential.VersionNotFound, credential.CredentialDeleted,
		credential.CredentialMalformed, credential.DecryptionFailed, credential.AccessDenied:
		return definite
	}
	if reason.Transient() {
		return outage
	}
	return unsettled
}

// The pauses between reads that fail. A backend that names a longer one gets it, within reason.
const (
	firstPause   = 500 * time.Millisecond
	longestPause = 30 * time.Second
	longestHint  = 2 * time.Minute
)

// failure is the last read of a request, or of the whole backend, if it failed.
type failure struct {
	err   *credential.Error
	class class
	// count is how often in a row it failed in the same way.
	count int
	at    instant
	pause time.Duration
	// probe is the read that finds out whether the backend is still unavailable, nil if there is none.
	probe *flight
}

// failed makes a failure out of the one before, which may be nil, and a read that has failed now.
func (s *Store) failed(before *failure, err *credential.Error, read *flight) *failure {
	f := &failure{err: err, class: classOf(err.Reason), count: 1, at: read.landed}
	if before.known(read.asked) && before.class == f.class {
		f.count = before.count + 1
	}
	f.pause = backoff.Jittered(backoff.Delay(f.count, firstPause, longestPause), s.options.Jitter)
	f.pause = max(f.pause, min(err.RetryDelay, longestHint))
	return f
}

// pausing reports whether the backend shall be left alone.
func (f *failure) pausing(now instant) bool {
	return f != nil && (now.since(f.at) < f.pause || f.probe.underWay())
}

// known reports whether it still tells anything. After a while without a read, how the next one will go isn't known.
func (f *failure) known(now instant) bool {
	return f != nil && (now.since(f.at) < f.pause+longestPause || f.probe.underWay())
}

// isOutage reports whether the backend is known to be unavailable.
func (f *failure) isOutage(now instant) bool { return f.known(now) && f.class == outage }

// remembered is how long the failure is the answer to callers for whom there is nothing else.
func (s *Store) remembered(f *failure) time.Duration {
	switch f.class {
	case definite:
		return s.options.NegativeTTL
	case outage:
		return min(f.pause, s.options.NegativeTTL)
	default:
		return 0
	}
}

// recall returns a remembered failure's error, nil if there is none.
func (s *Store) recall(f *failure, now instant) error {
	if f == nil {
		return nil
	}
	left := s.remembered(f) - now.since(f.at)
	if left <= 0 {
		return nil
	}
	if f.class != outage {
		return f.err
	}
	err := *f.err
	err.RetryDelay = left
	return &err
}

// asError gives every error of a source a reason. It never returns nil.
func asError(ctx context.Context, r credential.Request, err error) *credential.Error {
	var e *credential.Error
	if errors.As(err, &e) {
		return e
	}
	reason := credential.ReasonOf(err)
	switch {
	case reason != credential.Internal:
	case errors.Is(err, context.DeadlineExceeded) || ctx.Err() == context.DeadlineExceeded:
		reason = credential.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		reason = credential.Cancelled
	}
	return credential.Errorf(reason, "read credential %q: %w", r.ID, err)
}

// callerError is the end of a caller's own context.
func callerError(ctx context.Context, r credential.Request) error {
	reason, what := credential.Cancelled, "the call was cancelled"
	if ctx.Err() == context.DeadlineExceeded {
		reason, what = credential.DeadlineExceeded, "the time was up before the backend answered"
	}
	return &credential.Error{Reason: reason, Message: fmt.Sprintf("credential %q: %s", r.ID, what), Cause: ctx.Err()}
}

func closedError() error {
	return credential.Errorf(credential.Cancelled, "the credential store has been closed")
}
