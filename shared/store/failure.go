package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// class is what the store makes of a reason.
type class uint8

const (
	// unsettled answers say nothing about the credential: what is kept stays, and isn't served in their place.
	unsettled class = iota
	// definite answers hold until somebody changes something: what is kept is dropped, and they are remembered briefly.
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

// failure is the last read of a key, or of the whole backend, if it failed.
type failure struct {
	err   *credential.Error
	class class
	// count is how often in a row it failed in the same way.
	count int
	at    instant
	pause time.Duration
	// probe is the read that looks whether the backend is still out, nil if there is none.
	probe *flight
}

// failed makes a failure out of the one before, which may be nil, and a read that has failed now.
func (s *Store) failed(before *failure, err *credential.Error, read *flight) *failure {
	f := &failure{err: err, class: classOf(err.Reason), count: 1, at: read.landed}
	if before.known(read.asked) && before.class == f.class {
		f.count = before.count + 1
	}
	f.pause = longestPause
	if f.count < 8 {
		f.pause = min(firstPause<<(f.count-1), longestPause)
	}
	f.pause = max(s.jittered(f.pause), min(err.RetryDelay, longestHint))
	return f
}

// pausing says whether the backend shall be left alone.
func (f *failure) pausing(now instant) bool {
	return f != nil && (now.since(f.at) < f.pause || f.probe.underWay())
}

// known says whether it still tells anything. After a while without a read nobody knows how the next one will go.
func (f *failure) known(now instant) bool {
	return f != nil && (now.since(f.at) < f.pause+longestPause || f.probe.underWay())
}

// isOutage says whether the backend is known to be out.
func (f *failure) isOutage(now instant) bool { return f.known(now) && f.class == outage }

// remembered is how long the failure is the answer to those for whom there is nothing else.
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
func (s *Store) recall(f *failure, now instant) *credential.Error {
	if f == nil {
		return nil
	}
	left := s.remembered(f) - now.since(f.at)
	if left <= 0 {
		return nil
	}
	err := private(f.err)
	if f.class == outage {
		err.RetryDelay = left
	}
	return err
}

// private copies an error that several callers get, so that each may add to its own.
func private(err *credential.Error) *credential.Error {
	own := *err
	own.Help, own.Metadata, own.Violations = slices.Clone(err.Help), maps.Clone(err.Metadata), slices.Clone(err.Violations)
	return &own
}

// asError gives every error of a provider a reason.
func asError(ctx context.Context, k key, err error) *credential.Error {
	var e *credential.Error
	if errors.As(err, &e) && e != nil {
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
	return credential.Errorf(reason, "read credential %q: %w", k.id, err)
}

// callerError is the end of a caller's own context.
func callerError(ctx context.Context, k key) *credential.Error {
	reason, what := credential.Cancelled, "the call was cancelled"
	if ctx.Err() == context.DeadlineExceeded {
		reason, what = credential.DeadlineExceeded, "the time was up before the backend answered"
	}
	return &credential.Error{Reason: reason, Message: fmt.Sprintf("credential %q: %s", k.id, what), Cause: ctx.Err()}
}

func closedError() *credential.Error {
	return credential.Errorf(credential.Cancelled, "the credential store has been closed")
}
