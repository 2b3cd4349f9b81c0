package store

import (
	"slices"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// model is a store as one would write it without concurrency, bounds and speed: what is kept for each request,
// and the last failures.
type model struct {
	options  Options
	backend  func(id string) (*credential.Credential, *credential.Error) // what a read would give at present
	kept     map[credential.Request]*modelAnswer
	failures map[credential.Request]*modelFailure
	outage   *modelFailure
}

type modelAnswer struct {
	password     string
	replica      bool
	asked        time.Time
	fresh, stale time.Duration
	expires      time.Time
}

type modelFailure struct {
	reason credential.Reason
	count  int
	at     time.Time
	pause  time.Duration
}

func newModel(o Options) *model {
	m := &model{options: o}
	m.clear()
	return m
}

func (m *model) clear() {
	m.kept, m.failures, m.outage = make(map[credential.Request]*modelAnswer), make(map[credential.Request]*modelFailure), nil
}

func (m *model) forget(id string) {
	for k := range m.kept {
		if k.ID == id {
			delete(m.kept, k)
		}
	}
	for k := range m.failures {
		if k.ID == id {
			delete(m.failures, k)
		}
	}
}

func (m *model) reload(changed bool) {
	m.failures, m.outage = make(map[credential.Request]*modelFailure), nil
	if changed {
		m.kept = make(map[credential.Request]*modelAnswer)
	}
	for _, a := range m.kept {
		a.fresh = 0
	}
}

func isDefinite(reason credential.Reason) bool {
	return slices.Contains([]credential.Reason{credential.CredentialNotFound, credential.VersionNotFound, credential.CredentialDeleted,
		credential.CredentialMalformed, credential.DecryptionFailed, credential.AccessDenied}, reason)
}

func modelKind(reason credential.Reason) string {
	switch {
	case isDefinite(reason):
		return "definite"
	case reason.Transient():
		return "transient"
	}
	return "other"
}

// fail is what follows a failure.
func (m *model) fail(before *modelFailure, reason credential.Reason, hint time.Duration) *modelFailure {
	f := &modelFailure{reason: reason, count: 1, at: time.Now()}
	if before != nil && time.Since(before.at) < before.pause+30*time.Second && modelKind(before.reason) == modelKind(reason) {
		f.count += before.count
	}
	f.pause = 500 * time.Millisecond
	for range f.count - 1 {
		f.pause = min(2*f.pause, 30*time.Second)
	}
	f.pause = max(f.pause, min(hint, 2*time.Minute))
	return f
}

func (f *modelFailure) pausing() bool { return f != nil && time.Since(f.at) < f.pause }

func (f *modelFailure) isOutage() bool {
	return f != nil && f.reason.Transient() && time.Since(f.at) < f.pause+30*time.Second
}

// read asks the backend.
func (m *model) read(k credential.Request) (*modelAnswer, credential.Reason) {
	return m.readAs(k, false)
}

// readAs asks the backend, maybe to see whether it is still unavailable.
func (m *model) readAs(k credential.Request, probe bool) (*modelAnswer, credential.Reason) {
	now := time.Now()
	cred, err := m.backend(k.ID)
	if err == nil && !cred.ExpireTime.IsZero() && !now.Before(cred.ExpireTime) {
		err = &credential.Error{Reason: credential.CredentialMalformed}
	}
	if err != nil {
		before := m.failures[k]
		m.failures[k] = m.fail(before, err.Reason, err.RetryDelay)
		switch modelKind(err.Reason) {
		case "definite":
			delete(m.kept, k)
			m.outage = nil
		case "transient":
			if probe || !m.outage.isOutage() || !m.outage.pausing() && !before.isOutage() {
				m.outage = m.fail(m.outage, err.Reason, err.RetryDelay)
			}
		default:
			m.outage = nil
		}
		return nil, err.Reason
	}
	m.outage = nil
	delete(m.failures, k)
	a := &modelAnswer{password: text(cred), replica: cred.FromReplica, asked: now, fresh: m.options.TTL, stale: m.options.MaxStale, expires: cred.ExpireTime}
	if cred.MaxCacheAge != nil {
		a.fresh = min(a.fresh, *cred.MaxCacheAge)
	}
	delete(m.kept, k)
	if a.fresh > 0 {
		m.kept[k] = a
	}
	return a, ""
}

func (m *model) mayServeStale(k credential.Request) *modelAnswer {
	a := m.kept[k]
	if a == nil || time.Since(a.asked) >= a.stale || a.isExpired() {
		return nil
	}
	return a
}

func (a *modelAnswer) isExpired() bool { return !a.expires.IsZero() && !time.Now().Before(a.expires) }

// get returns what Get returns, in the words of told, and the answer that it gives.
func (m *model) get(k credential.Request) (string, *modelAnswer) {
	a, last := m.kept[k], m.failures[k]
	alone := last.pausing() || m.outage.pausing()
	if a != nil && time.Since(a.asked) < a.fresh && !a.isExpired() {
		said := "cached " + a.password
		if 5*time.Since(a.asked) >= 4*a.fresh && !alone {
			_, _ = m.read(k)
		}
		return said, a
	}
	if old := m.mayServeStale(k); old != nil && (last.isOutage() || m.outage.isOutage()) {
		said := "stale " + old.password + " " + time.Since(old.asked).String()
		if !alone {
			_, _ = m.readAs(k, true)
		}
		return said, old
	}
	if last != nil {
		remembered := time.Duration(0)
		switch modelKind(last.reason) {
		case "definite":
			remembered = m.options.NegativeTTL
		case "transient":
			remembered = min(last.pause, m.options.NegativeTTL)
		}
		if time.Since(last.at) < remembered {
			return "error " + string(last.reason), nil
		}
	}
	a, reason := m.read(k)
	if a != nil {
		return "fresh " + a.password, a
	}
	if old := m.mayServeStale(k); old != nil && reason.Transient() {
		return "stale " + old.password + " " + time.Since(old.asked).String(), old
	}
	return "error " + string(reason), nil
}
