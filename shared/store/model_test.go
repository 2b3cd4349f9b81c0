package store

import (
	"slices"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// model is a store as one would write it without concurrency, bounds and speed: what is kept for each key, the last
// failures, and what devices have said. Its material is the password itself.
type model struct {
	options  Options
	backend  func(id string) (*credential.Credential, *credential.Error) // what a read would give at present
	device   func(id, device, password string) error
	kept     map[key]*modelAnswer
	failures map[key]*modelFailure
	outage   *modelFailure
	guards   map[string]*modelGuard
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

type modelGuard struct {
	current   string // "" is unknown
	refusedBy map[string][]string
	streak    map[string]int
	probed    map[string]time.Time
	asked     time.Time
	reply     modelReply
	nudged    time.Time
}

type modelReply struct {
	answer *modelAnswer
	reason credential.Reason
}

func newModel(o Options) *model {
	m := &model{options: o}
	m.clear()
	return m
}

func (m *model) clear() {
	m.kept, m.failures, m.outage, m.guards = make(map[key]*modelAnswer), make(map[key]*modelFailure), nil, make(map[string]*modelGuard)
}

func (m *model) forget(id string) {
	for k := range m.kept {
		if k.id == id {
			delete(m.kept, k)
		}
	}
	for k := range m.failures {
		if k.id == id {
			delete(m.failures, k)
		}
	}
	delete(m.guards, id)
}

func (m *model) reload(changed bool) {
	m.failures, m.outage = make(map[key]*modelFailure), nil
	if changed {
		m.kept = make(map[key]*modelAnswer)
		for _, g := range m.guards {
			g.asked = time.Time{}
		}
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
func (m *model) read(k key) (*modelAnswer, credential.Reason) {
	return m.readAs(k, false)
}

// readAs asks the backend, maybe to see whether it is still out.
func (m *model) readAs(k key, probe bool) (*modelAnswer, credential.Reason) {
	now := time.Now()
	cred, err := m.backend(k.id)
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
	if g := m.guards[k.id]; g != nil && k == (key{id: k.id}) && (!a.replica || g.current == "") {
		g.current = a.password
	}
	return a, ""
}

func (m *model) mayServeStale(k key) *modelAnswer {
	a := m.kept[k]
	if a == nil || time.Since(a.asked) >= a.stale || a.isExpired() {
		return nil
	}
	if g := m.guards[k.id]; g != nil && g.streak[a.password] > 0 {
		return nil
	}
	return a
}

func (a *modelAnswer) isExpired() bool { return !a.expires.IsZero() && !time.Now().Before(a.expires) }

// get returns what Get says, in the words of told, and the answer that it gives.
func (m *model) get(k key) (string, *modelAnswer) {
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

func (g *modelGuard) quarantined() bool { return g != nil && g.streak[g.current] >= 2 }

func (g *modelGuard) mayProbe(password, device string) bool {
	return time.Since(g.probed[password]) >= 15*time.Minute && !slices.Contains(g.refusedBy[password], device)
}

func (m *model) nudge(id string) {
	g, k := m.guards[id], key{id: id}
	a := m.kept[k]
	const rest = 30 * time.Second
	if time.Since(g.nudged) < rest || time.Since(g.asked) < rest || m.failures[k].pausing() || m.outage.pausing() || a != nil && time.Since(a.asked) < rest {
		return
	}
	g.nudged = time.Now()
	_, _ = m.read(k)
}

const rejected = "error CREDENTIAL_REJECTED"

// login returns what Login says, and may take time as that does.
func (m *model) login(id, device string, sleep func(time.Duration)) string {
	if g := m.guards[id]; g.quarantined() && !g.mayProbe(g.current, device) {
		m.nudge(id)
		return rejected
	}
	said, a := m.get(key{id: id})
	if a == nil {
		return said
	}
	g := m.guards[id]
	if g == nil {
		g = &modelGuard{refusedBy: make(map[string][]string), streak: make(map[string]int), probed: make(map[string]time.Time)}
		m.guards[id] = g
	}
	if g.current == "" {
		g.current = a.password
	}
	for asked := false; ; asked = true {
		password := a.password
		refusedNow := false
		switch {
		case a.replica && password != g.current && g.streak[g.current] > 0,
			g.streak[password] >= 2 && !g.mayProbe(password, device):
			m.nudge(id)
			return rejected
		case slices.Contains(g.refusedBy[password], device):
		default:
			if g.streak[password] >= 2 {
				g.probed[password] = time.Now()
			}
			if m.device(id, device, password) == nil {
				g.streak[password] = 0
				return "done"
			}
			refusedNow = true
			g.streak[password]++
			g.refusedBy[password] = append(g.refusedBy[password], device)
			g.probed[password] = time.Now()
		}
		if asked {
			return rejected
		}
		reply, read := m.ask(id)
		if refusedNow && reply.says(password) {
			sleep(3 * time.Second)
			reply, read = m.ask(id)
		}
		if reply.answer == nil || reply.answer.replica || reply.says(password) {
			return rejected
		}
		if a = reply.answer; !read {
			if said, a = m.get(key{id: id}); a == nil {
				return said
			}
		}
	}
}

func (r modelReply) says(password string) bool {
	return r.answer != nil && !r.answer.replica && r.answer.password == password
}

func (m *model) ask(id string) (reply modelReply, read bool) {
	g := m.guards[id]
	if !g.asked.IsZero() && time.Since(g.asked) < 2*time.Second {
		return g.reply, false
	}
	a, reason := m.read(key{id: id})
	g.asked, g.reply = time.Now(), modelReply{a, reason}
	return g.reply, true
}
