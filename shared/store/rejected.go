package store

import (
	"context"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// quarantined refuses a login at once if it is known that it would be: without waiting for the backend, and without
// connecting. nil means that one has to look.
func (s *Store) quarantined(ctx context.Context, id string, to device) error {
	s.mu.Lock()
	defer s.unlock()
	g, ok := s.guards.all[id]
	if !ok || s.closed {
		return nil
	}
	now := s.clock()
	r := g.quarantine()
	if r == nil || r.mayProbe(to, now) {
		return nil
	}
	s.counters.prevented++
	s.nudge(ctx, g, now)
	return quarantineError(g, r, now)
}

// prevented is the error of a login that the guard doesn't admit.
func (v *visit) prevented(ctx context.Context) error {
	s, g := v.store, v.guard
	s.mu.Lock()
	defer s.unlock()
	now := s.clock()
	s.counters.prevented++
	s.nudge(ctx, g, now)
	if r := g.quarantine(); r != nil {
		return quarantineError(g, r, now)
	}
	return rejection(noticeAfter, nil, "credential %q isn't tried at device %q, which has refused it, or it can't be told whether it has changed", g.id, v.name)
}

// rejected is the error of a login after the device has refused it, or would have.
func (v *visit) rejected(cause error, format string, args ...any) error {
	s, g := v.store, v.guard
	s.mu.Lock()
	defer s.unlock()
	if cause == nil {
		s.counters.prevented++
	}
	e := rejection(noticeAfter, cause, format, args...)
	if r := g.quarantine(); r != nil {
		e.RetryDelay = untilProbe(r, s.clock())
	}
	return e
}

func quarantineError(g *guard, r *record, now instant) error {
	return rejection(untilProbe(r, now), nil, "credential %q isn't tried: %d devices have refused it", g.id, len(r.refusedBy))
}

func untilProbe(r *record, now instant) time.Duration {
	if len(r.refusedBy) >= maxRefusals {
		return probeEvery
	}
	return max(probeEvery-now.since(r.probed), time.Second)
}

func rejection(retry time.Duration, cause error, format string, args ...any) *credential.Error {
	e := credential.Errorf(credential.CredentialRejected, format, args...).
		WithHelp("store the credential that the devices accept: it is tried as soon as it differs").
		WithHelp("or, if it is right and the devices were wrong, let the store forget it")
	e.RetryDelay, e.Cause = retry, cause
	return e
}

// nudge has the backend asked in the background whether the material has changed, at most every noticeAfter. The caller
// holds the lock.
func (s *Store) nudge(ctx context.Context, g *guard, now instant) {
	k := key{id: g.id}
	last, _ := s.failures.Get(k)
	if s.closed || now.since(g.nudged) < noticeAfter || now.since(g.ask.answer.at) < noticeAfter || last.pausing(now) || s.outage.pausing(now) {
		return
	}
	if kept, ok := s.cells.order.Peek(k); ok && now.since(kept.asked) < noticeAfter {
		return
	}
	g.nudged = now
	s.refresh(ctx, k)
}
