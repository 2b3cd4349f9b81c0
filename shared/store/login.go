package store

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// ErrRefused is what the function given to [Store.Login] returns, wrapped or not, when the device has refused the
// credential: and only then, not when it could not be reached.
var ErrRefused = errors.New("the device refuses the credential")

// noticeAfter is how soon, at most, a login that is prevented has the backend asked whether the material has changed.
const noticeAfter = 30 * time.Second

// Login gets a credential and lets do log in to a device with it, such that no wrong password is sent twice:
//
//   - While the login material hasn't worked in this process, one login with its id is under way at a time. That is so
//     again from a refusal to the next success. The others wait, bounded by ctx.
//   - If the device refuses it, the backend is asked again. If it has other material, do is called once more with it. If
//     not, and in all other cases, the error is CREDENTIAL_REJECTED.
//   - A device never gets material again that it has refused, until the material changes or [Store.Forget].
//   - When two devices have refused the material, with no success in between, and the backend has no other, logins with
//     the id fail at once, without connecting, until the material changes or [Store.Forget]. Every 15 minutes one login is
//     tried nevertheless. Logins that come while the backend is being asked wait for what it says.
//
// Errors of do other than [ErrRefused] are returned as they are, and say nothing about the credential. Lines about the login
// go to the logger that ctx has from hclog.WithContext, if it has one, so that they can say whose it is.
//
// device names what counts passwords, always in the same way: two names for one device are two devices. Logins with one
// id at one device come one after the other, so do should log in and no more, and leave the work to its caller.
func (s *Store) Login(ctx context.Context, id, device string, do func(context.Context, Lease) error) error {
	to := s.digester.device(device)
	if err := s.quarantined(ctx, id, to); err != nil {
		return err
	}
	lease, err := s.Get(ctx, id)
	if err != nil {
		return err
	}
	v, err := s.enter(id, to, device, lease)
	if err != nil {
		return err
	}
	defer v.leave()
	v.log = s.logger(ctx)
	return v.login(ctx, lease, do)
}

// visit is one login on its way through the guard.
type visit struct {
	store   *Store
	guard   *guard
	device  device
	name    string // the device's
	log     hclog.Logger
	canary  bool // it is the guard's canary
	active  bool // it is at the device
	asked   bool // it has asked the backend whether the material has changed
	renewed bool // it has got the credential anew, since the backend had given other material meanwhile

	refused   *record // of the material that the device has refused, until it is known whether there is another
	refusedAt instant // when the device refused last
	doubted   instant // when the first one of those did that refuse it at present
}

// verdict is what the guard says to a login.
type verdict uint8

const (
	goAhead verdict = iota
	// waitFirst: another login has to end first.
	waitFirst
	// refusedBefore: the device has refused this material.
	refusedBefore
	// inQuarantine: devices have refused this material.
	inQuarantine
	// cannotTell: material has been refused, and a copy of the backend that may lag behind has other material.
	cannotTell
	// outdated: the backend has given other material since.
	outdated
)

// login follows the rules until the login is done or can't be.
func (v *visit) login(ctx context.Context, lease Lease, do func(context.Context, Lease) error) error {
	for {
		verdict, news := v.admit(lease)
		var refusal error
		switch verdict {
		case waitFirst:
			err := v.wait(ctx, news)
			if err == nil {
				lease, err = v.store.Get(ctx, v.guard.id)
			}
			if err != nil {
				return err
			}
			continue
		case outdated:
			var err error
			if lease, err = v.store.Get(ctx, v.guard.id); err != nil {
				return err
			}
			continue
		case goAhead:
			err := do(ctx, lease)
			if !v.end(lease, err) {
				return err
			}
			refusal = err
		case refusedBefore:
		default:
			return v.prevented(ctx)
		}
		if v.asked {
			v.decided(lease)
			return v.rejected(refusal, "device %q refuses credential %q, and what the backend had before", v.name, v.guard.id)
		}
		v.asked = true
		var err error
		if lease, err = v.changed(ctx, lease, refusal); err != nil {
			return err
		}
	}
}

// enter finds the guard for a login.
func (s *Store) enter(id string, to device, name string, lease Lease) (*visit, error) {
	s.mu.Lock()
	defer s.unlock()
	g := s.guards.enter(id)
	if g == nil {
		s.counters.prevented++
		return nil, credential.Errorf(credential.CredentialRejected, "credential %q isn't tried: devices refuse too many other credentials already", id).
			WithHelp("correct the credentials that are refused, or forget them")
	}
	if !g.known {
		g.learn(lease.answer.material, lease.FromReplica)
	}
	return &visit{store: s, guard: g, device: to, name: name}, nil
}

// leave ends the visit, whatever became of it.
func (v *visit) leave() {
	v.store.mu.Lock()
	defer v.store.unlock()
	if v.refused != nil {
		v.refused.open--
	}
	v.release()
	v.store.guards.leave(v.guard)
}

// release gives up what others may wait for.
func (v *visit) release() {
	if v.active {
		delete(v.guard.active, v.device)
	}
	if v.canary {
		v.guard.canary = false
	}
	v.active, v.canary = false, false
	v.guard.broadcast()
}

// admit decides whether the device may get what is leased. After goAhead, end has to be called; after waitFirst, wait for
// news.
func (v *visit) admit(lease Lease) (verdict, <-chan struct{}) {
	s, g, m := v.store, v.guard, lease.answer.material
	s.mu.Lock()
	defer s.unlock()
	now := s.clock()
	r := g.of(m)
	switch {
	case g.known && !lease.FromReplica && !m.same(g.current) && !v.renewed:
		v.renewed = true
		return outdated, nil
	case lease.FromReplica && !m.same(g.current) && g.suspects(g.current):
		return cannotTell, nil
	case r != nil && r.undecided():
		return waitFirst, g.news
	case r != nil && r.quarantined() && !r.mayProbe(v.device, now):
		return inQuarantine, nil
	case r != nil && r.wasRefusedBy(v.device):
		return refusedBefore, nil
	case g.active[v.device]:
		return waitFirst, g.news
	}
	if works := r != nil && r.worked; !works && !v.takeCanary() {
		return waitFirst, g.news
	}
	if r != nil && r.quarantined() {
		r.probed = now
		g.broadcast() // the others needn't wait for the probe
	}
	v.active, g.active[v.device] = true, true
	s.counters.logins++
	return goAhead, nil
}

// takeCanary makes the visit the canary, unless another one is. The caller holds the lock.
func (v *visit) takeCanary() bool {
	if !v.canary && v.guard.canary {
		return false
	}
	v.canary, v.guard.canary = true, true
	return true
}

// wait returns when there is a chance of being admitted. If that means unproven material, the visit is the canary from
// here on: the others needn't ask for the credential again when it isn't their turn.
func (v *visit) wait(ctx context.Context, news <-chan struct{}) error {
	s, g := v.store, v.guard
	for {
		select {
		case <-news:
		case <-ctx.Done():
			return callerError(ctx, key{id: g.id})
		}
		s.mu.Lock()
		news = g.news
		r := g.quarantine()
		chance := r != nil && !r.mayProbe(v.device, s.clock())
		if !chance && !g.active[v.device] && !g.undecided() {
			chance = g.proven() || v.takeCanary()
		}
		closed := s.closed
		s.unlock()
		switch {
		case closed:
			return closedError()
		case chance:
			return nil
		}
	}
}

// end notes what came of a login, and says whether it was refused.
func (v *visit) end(lease Lease, err error) (refused bool) {
	s, g, m := v.store, v.guard, lease.answer.material
	s.mu.Lock()
	defer s.unlock()
	now := s.clock()
	delete(g.active, v.device)
	v.active = false
	switch {
	case err == nil:
		r := g.record(m)
		if r.quarantined() && !r.undecided() {
			v.event(hclog.Info, "a device accepts the credential: logins are allowed again", "credential_id", g.id, "device", v.name)
		}
		r.worked, r.streak, r.firm = m.same(g.current), 0, false
	case errors.Is(err, ErrRefused):
		refused = true
		r := g.record(m)
		r.refused(v.device, now)
		if r.open == 0 {
			r.doubted = now
		}
		r.open++
		v.refused, v.refusedAt, v.doubted = r, now, r.doubted
		v.takeCanary() // so that nobody sets out with it until the backend has been asked
		s.counters.refusals++
		v.event(hclog.Warn, "a device refuses the credential", "credential_id", g.id, "version", lease.VersionID, "device", v.name)
	}
	s.guards.changed(g)
	g.broadcast()
	return refused
}

// decided ends the doubt about what the device has refused: nothing more will be heard about it from the backend.
func (v *visit) decided(lease Lease) {
	s, g, r := v.store, v.guard, v.refused
	if r == nil {
		return
	}
	s.mu.Lock()
	defer s.unlock()
	v.refused = nil
	r.open--
	if r.open == 0 && !r.firm && g.quarantine() == r {
		r.firm = true
		v.event(hclog.Error, "devices refuse the credential: no logins are tried with it until it changes", "credential_id", g.id, "version", lease.VersionID)
	}
	g.broadcast()
}
