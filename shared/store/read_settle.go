package store

import (
	"context"
	"log/slog"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// settle draws the consequences of what the source answered, by the table of reasons in the contract. The caller holds
// the lock.
func (s *Store) settle(ctx context.Context, f *flight, cred *credential.Credential, err error) (*entry, error) {
	now := f.landed
	e, err := s.accept(f, cred, err, now)
	if err != nil {
		failure := asError(ctx, f.request, err)
		s.settleFailure(f, failure)
		return nil, failure
	}
	s.backendAnswered()
	s.failures.Remove(f.request)
	s.counters.lastRead = now
	if e.keepable() {
		if s.cache.put(f.request, e, now) {
			s.counters.evictions++
		}
		s.sweepLater()
	} else {
		s.cache.order.Remove(f.request)
	}
	if isCurrent(f.request) {
		s.noteMaterial(f.request.ID, e)
	}
	return e, nil
}

// accept checks an answer before it is used.
func (s *Store) accept(f *flight, cred *credential.Credential, err error, now instant) (*entry, error) {
	switch {
	case err != nil:
		return nil, err
	case cred == nil || cred.ID != f.request.ID:
		return nil, credential.Errorf(credential.ProviderMisbehaved, "asked for credential %q, the provider answered for another one, or with none", f.request.ID)
	}
	e := s.newEntry(cred, f.asked)
	if e.expired(now) {
		return nil, credential.Errorf(credential.CredentialMalformed, "credential %q has expired", f.request.ID).
			With("field", "expire_time").With("problem", "has passed").WithHelp("renew the credential in the backend")
	}
	return e, nil
}

func (s *Store) settleFailure(f *flight, err *credential.Error) {
	s.counters.fail(err.Reason)
	before, _ := s.failures.Get(f.request)
	failed := s.failed(before, err, f)
	s.failures.Add(f.request, failed)
	s.sweepLater()
	if failed.class != outage {
		s.backendAnswered()
	}
	switch failed.class {
	case definite:
		s.cache.order.Remove(f.request)
	case outage:
		if s.outage == nil {
			s.event(slog.LevelWarn, "the backend is unavailable: credentials read before are served where there are any", "reason", err.Reason, "error", err)
		}
		if s.isNews(f, before) {
			s.outage = s.failed(s.outage, err, f)
		}
	}
}

// isNews reports whether a failed read tells anything new about the backend. One that was started although the backend was to
// be left alone, for want of something to serve, doesn't: many at a time would make a long pause of a moment's outage. Nor
// does one of an id that failed before, unless it is the probe: an id that never works would keep all others from being read.
func (s *Store) isNews(f *flight, before *failure) bool {
	switch {
	case !s.outage.isOutage(f.asked), s.outage.probe == f:
		return true
	default:
		return !s.outage.pausing(f.asked) && !before.isOutage(f.asked)
	}
}

// backendAnswered ends an outage.
func (s *Store) backendAnswered() {
	if s.outage != nil {
		s.event(slog.LevelInfo, "the backend answers again", "failures", s.outage.count)
	}
	s.outage = nil
}
