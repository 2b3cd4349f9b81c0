package store

import (
	"context"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// settle draws the consequences of what the provider said, by the table of reasons in the contract. The caller holds
// the lock.
func (s *Store) settle(ctx context.Context, f *flight, cred *credential.Credential, err error) (*answer, *credential.Error) {
	now := f.landed
	a, failure := s.accept(ctx, f, cred, err, now)
	if failure != nil {
		s.settleFailure(f, failure)
		return nil, failure
	}
	s.backendAnswered()
	s.failures.Remove(f.key)
	s.counters.lastRead = now
	if a.keepable() {
		if s.cells.put(f.key, a, now) {
			s.counters.evictions++
		}
		s.sweepLater()
	} else {
		s.cells.order.Remove(f.key)
	}
	if f.key.isCurrent() {
		s.learn(f.key.id, a)
	}
	return a, nil
}

// accept checks an answer before anybody uses it.
func (s *Store) accept(ctx context.Context, f *flight, cred *credential.Credential, err error, now instant) (*answer, *credential.Error) {
	switch {
	case err != nil:
		return nil, asError(ctx, f.key, err)
	case cred == nil || cred.ID != f.key.id:
		return nil, credential.Errorf(credential.ProviderMisbehaved, "asked for credential %q, the provider answered for another one or for none", f.key.id)
	}
	a := s.newAnswer(cred, f.asked)
	if a.expired(now) {
		return nil, credential.Errorf(credential.CredentialMalformed, "credential %q has expired", f.key.id).
			With("field", "expire_time").With("problem", "has passed").WithHelp("renew the credential in the backend")
	}
	return a, nil
}

func (s *Store) settleFailure(f *flight, err *credential.Error) {
	s.counters.fail(err.Reason)
	before, _ := s.failures.Get(f.key)
	failed := s.failed(before, err, f)
	s.failures.Add(f.key, failed)
	s.sweepLater()
	if failed.class != outage {
		s.backendAnswered()
	}
	switch failed.class {
	case definite:
		s.cells.order.Remove(f.key)
	case outage:
		if s.outage == nil {
			s.event(hclog.Warn, "the backend is out: credentials read before are served where there are any", "reason", err.Reason, "error", err)
		}
		if s.isNews(f, before) {
			s.outage = s.failed(s.outage, err, f)
		}
	}
}

// isNews says whether a read that has failed tells anything about the backend that isn't known. One that was begun although
// the backend was to be left alone, for want of something to serve, doesn't: many at a time would make a long pause of a
// moment's outage. Nor does one of an id that failed before, unless it is the probe: an id that never works would keep all
// others from being read.
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
		s.event(hclog.Info, "the backend answers again", "failures", s.outage.count)
	}
	s.outage = nil
}

// learn tells the guard what material an id has at present.
func (s *Store) learn(id string, a *answer) {
	g, ok := s.guards.all[id]
	if !ok {
		return
	}
	lifted := g.quarantine() != nil
	g.learn(a.material, a.credential.FromReplica)
	s.guards.changed(g)
	if lifted && g.quarantine() == nil {
		s.event(hclog.Info, "the credential has changed: logins are allowed again", "credential_id", id)
	}
}
