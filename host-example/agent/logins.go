package agent

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Bounds of logins.
const (
	maxLoginsOfAUser = 1024            // under way
	maxEnded         = 4096            // remembered, of a user
	rememberEnded    = 5 * time.Minute // for reports that are repeated
)

// logins are those under way, and those that have ended lately.
type logins struct {
	mu    sync.Mutex
	users map[uint32]map[loginID]*login
	open  map[uint32]int // under way
	wait  sync.WaitGroup
}

// get returns a client's login, and whether it is new; cancel ends a new one.
func (t *logins) get(client Peer, key loginID, id, device string, cancel context.CancelCauseFunc) (l *login, fresh bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var before []*presentation
	if l := t.users[client.UID][key]; l != nil && l.adopted && l.id == id {
		before = l.presentations // the client asks for other material than it had of the agent before
	} else if l != nil {
		if l.id != id || l.device != device {
			return nil, false, credential.Errorf(credential.RequestInvalid, "the login_id is that of another login; make one at random for each login")
		}
		return l, false, nil
	}
	if t.open[client.UID] >= maxLoginsOfAUser {
		e := credential.Errorf(credential.Throttled, "user %d has %d logins under way, which is the most", client.UID, maxLoginsOfAUser)
		e.RetryDelay = time.Second
		return nil, false, e
	}
	l = &login{key: key, client: client, id: id, device: device, cancel: cancel, changed: make(chan struct{}), presentations: before}
	if t.open == nil {
		t.open = make(map[uint32]int)
	}
	t.open[client.UID]++
	t.put(l)
	return l, true, nil
}

// done is called when a login that get has made has ended.
func (t *logins) done(l *login) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open[l.client.UID]--; t.open[l.client.UID] == 0 {
		delete(t.open, l.client.UID)
	}
}

// adopt returns the login of a permit, of which an agent before this one may have heard alone.
func (t *logins) adopt(p permit) *login {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.users[p.UID][p.Login]; l != nil {
		return l
	}
	l := &login{
		key: p.Login, client: Peer{UID: p.UID}, id: p.Credential, changed: make(chan struct{}),
		ended: true, endedAt: time.Now(), adopted: true, presentations: make([]*presentation, p.Presentation),
	}
	for i := range l.presentations {
		l.presentations[i] = &presentation{answer: unknown, answered: closed, decided: closed}
	}
	t.put(l)
	return l
}

// closed is a channel on which nothing has to be waited for.
var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// all returns the logins that are under way.
func (t *logins) all() []*login {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []*login
	for _, mine := range t.users {
		for _, l := range mine {
			if _, over := l.over(); !over {
				all = append(all, l)
			}
		}
	}
	return all
}

// find returns a client's login, or nil.
func (t *logins) find(uid uint32, key loginID) *login {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.users[uid][key]
}

// refuse has a login that hasn't been asked for yet end when it is.
func (t *logins) refuse(client Peer, key loginID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.users[client.UID][key] == nil {
		t.put(&login{key: key, client: client, changed: make(chan struct{}), ended: true, endedAt: time.Now(), err: errGivenUp})
	}
}

// put adds a login. The caller holds the lock.
func (t *logins) put(l *login) {
	if t.users == nil {
		t.users = make(map[uint32]map[loginID]*login)
	}
	mine := t.users[l.client.UID]
	if mine == nil {
		mine = make(map[loginID]*login)
		t.users[l.client.UID] = mine
	}
	t.sweep(mine)
	mine[l.key] = l
}

// sweep forgets logins that have ended. The caller holds the lock.
func (t *logins) sweep(mine map[loginID]*login) {
	if len(mine) < maxLoginsOfAUser {
		return
	}
	var ended []*login
	for key, l := range mine {
		switch at, over := l.over(); {
		case over && time.Since(at) > rememberEnded:
			delete(mine, key)
		case over:
			ended = append(ended, l)
		}
	}
	if len(ended) < maxEnded {
		return
	}
	slices.SortFunc(ended, func(a, b *login) int { return a.endedAt.Compare(b.endedAt) })
	for _, l := range ended[:maxEnded/2] {
		delete(mine, l.key)
	}
}

// over reports whether a login has ended, and when.
func (l *login) over() (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.endedAt, l.ended
}

// gate lets another client go first after a refusal.
type gate struct {
	mu      sync.Mutex
	refused map[string]*mark // by credential id
}

type mark struct {
	client Peer
	until  time.Time
	passed chan struct{} // closed when another client has got material
}

// patience is how long a client whose device has refused a credential waits for others.
const patience = 2 * time.Second

// note has the client wait when it asks next.
func (g *gate) note(id string, client Peer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refused == nil {
		g.refused = make(map[string]*mark)
	}
	for other, m := range g.refused {
		if time.Now().After(m.until) {
			delete(g.refused, other)
		}
	}
	g.refused[id] = &mark{client, time.Now().Add(patience), make(chan struct{})}
}

// pass waits while another client may go first.
func (g *gate) pass(ctx context.Context, id string, client Peer) {
	g.mu.Lock()
	m := g.refused[id]
	g.mu.Unlock()
	if m == nil || m.client != client {
		return
	}
	timer := time.NewTimer(time.Until(m.until))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-m.passed:
	case <-ctx.Done():
	}
}

// shown notes that a client has got material.
func (g *gate) shown(id string, client Peer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m := g.refused[id]; m != nil && m.client != client {
		close(m.passed)
		delete(g.refused, id)
	}
}
