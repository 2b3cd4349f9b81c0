package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// ErrRefused is what the function given to [Guard.Login] returns, wrapped or not, when the device has refused what
// [Attempt.Present] gave it last: and only then, not when the device didn't answer. Present returns it itself when there is
// nothing more to present.
var ErrRefused = errors.New("the device refuses the credential")

// ErrNotShown is what the function returns, wrapped or not, if the device was never sent what Present gave: because it asked
// for something else than a password, or the connection broke before.
var ErrNotShown = errors.New("the device was not shown the credential")

// ErrAskedMore is what the function returns, wrapped or not, if the device was sent what Present gave, and asked for something
// else then, such as a code: some devices do so whether or not the password is right.
//
// It is an answer that never came, of the device alone: the device is paused, and the material isn't any nearer to being
// closed. To count it as not shown would let a device that asks after a wrong password too have it as often as there are
// jobs, each of which may count at the account. To count it against the material would let two devices that always ask for a
// code close a right password at all the others.
var ErrAskedMore = errors.New("the device was shown the credential, and asks for something else")

// ErrNested is returned, wrapped, by a login inside another one with the same material, which would wait for itself.
var ErrNested = errors.New("a login can't wait for a permit that the login around it holds")

// How often a login that waits looks at the backend and at the ledger, without news.
const (
	lookEvery  = 3 * time.Second
	recheckAge = 10 * time.Second // how old a copy may be by which a login is rejected
)

// Login lets do log in to a device with a credential, such that no wrong password locks an account:
//
//   - do connects, calls [Attempt.Present] when the device asks for a password or key, and not before, sends what it
//     returned, once, and returns the device's answer: nil, [ErrRefused], or another error.
//   - After a refusal do may call Present again on the same connection, if the device allows: it returns the next material,
//     or ErrRefused. If do returns ErrRefused instead, it is called again if there is something else to present.
//   - A login that would be refused, as far as the ledger knows, fails at once and without connecting: the error is
//     CREDENTIAL_REJECTED, with a RetryDelay.
//
// Errors of do other than ErrRefused are returned as they are. If Present had returned something, they count as an answer
// that never came, except for [ErrNotShown], and of the device alone with [ErrAskedMore]. The context of do ends when the login takes longer than [Options.LoginTimeout]
// from Present on, or when it returns: it is for the login, and not for the work after it.
//
// device names what counts passwords, always in the same way: two names for one device are two devices. ctx bounds all waits.
// Logins in do with the same material are [ErrNested].
func (g *Guard) Login(ctx context.Context, id, device string, do func(context.Context, *Attempt) error) (err error) {
	g.logins.Add(1)
	defer g.logins.Done()
	if g.closing.Err() != nil {
		return errClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l := &login{
		guard: g, id: id, device: device, place: g.queues.arrive(),
		deviceDigest: g.digester.device(device), idDigest: g.digester.id(id),
		limits: Limits{Budget: g.options.budget(id), Pause: g.options.RefusalPause, Life: g.options.LoginTimeout},
		outer:  enclosing(ctx), closeWait: g.closing.Done(),
	}
	for {
		if err := l.approach(ctx); err != nil {
			return err
		}
		err := l.attempt(ctx, do)
		if err == nil || !errors.Is(err, ErrRefused) || l.refused == 0 {
			return err
		}
		if l.holding { // another material follows under the same permit
			continue
		}
		if err := l.await(ctx, err); err != nil {
			return err
		}
	}
}

// login is one call of Login on its way.
type login struct {
	guard                  *Guard
	id, device             string
	deviceDigest, idDigest Digest
	limits                 Limits
	outer                  *login
	place                  *place
	closeWait              <-chan struct{}

	copy      copied
	shown     []Digest // materials that this login has presented, under any permit
	refused   int      // how many of them were refused
	refusedAt time.Time
	proven    bool   // the current material was accepted once, as of the last decision
	resume    func() // ends a wait that was announced; nil: none was
	gated     Digest
	through   bool // it was let through to connect and hasn't got its permit

	// The permit, if holding.
	holding bool
	request Request
	order   []copied
	answers []Shown
	granted time.Time
	timer   *time.Timer
}

type loginKey struct{}

func enclosing(ctx context.Context) *login {
	l, _ := ctx.Value(loginKey{}).(*login)
	return l
}

// nested refuses a login whose material a login around it uses.
func (l *login) nested() error {
	for o := l.outer; o != nil; o = o.outer {
		if o.guard == l.guard && (o.copy.material == l.copy.material || o.copy.before == l.copy.material || l.copy.known && o.copy.material == l.copy.before) {
			return fmt.Errorf("credential %q at device %q inside a login with %q at %q: %w: end the outer login first", l.id, l.device, o.id, o.device, ErrNested)
		}
	}
	return nil
}

// approach returns when it is worth connecting.
func (l *login) approach(ctx context.Context) error {
	if l.holding {
		return nil
	}
	defer l.waited()
	g := l.guard
	if l.copy.Credential == nil {
		c, err := g.newest(ctx, l.id)
		if err != nil {
			return err
		}
		l.copy = c
	}
	for {
		if err := l.nested(); err != nil {
			return err
		}
		news, changes := g.ledger.Watch(l.copy.material), g.changes()
		d := g.ledger.Look(l.ask())
		switch d.Verdict {
		case ReadAgain:
			if err := l.readAgain(ctx, time.Now()); err != nil {
				return err
			}
			continue
		case NeedPrevious:
			if err := g.withPrevious(ctx, l.id, &l.copy); err != nil {
				return err
			}
			continue
		case Paused, Closed:
			if again, err := l.prevented(ctx, d); !again {
				return err
			}
			continue
		case Behind, Settling:
			if d.After > g.options.UnauthenticatedTime {
				if err := l.sleep(ctx, min(d.After-g.options.UnauthenticatedTime, lookEvery), news, nil, changes); err != nil {
					return l.timedOut(err)
				}
				if err := l.refresh(ctx, d); err != nil {
					return err
				}
				continue
			}
		}
		return l.enter(ctx)
	}
}

// enter waits at the gate of the material's queue.
func (l *login) enter(ctx context.Context) error {
	g := l.guard
	if l.limits.Budget <= 0 {
		return nil
	}
	within := g.options.UnauthenticatedTime
	l.gated = l.copy.material
	if l.through = g.queues.enter(l.gated, l.place, within); l.through {
		return nil
	}
	g.counters.waiting.Add(1)
	defer g.counters.waiting.Add(-1)
	for !l.through {
		if err := l.sleep(ctx, lookEvery, nil, nil, l.place.turn); err != nil {
			g.queues.turnAway(l.gated, l.place, within)
			return l.timedOut(err)
		}
		l.report(ctx)
		l.through = g.queues.pass(l.gated, l.place, within)
	}
	return nil
}

// attempt calls do once, and reports what became of it.
func (l *login) attempt(ctx context.Context, do func(context.Context, *Attempt) error) (err error) {
	a := &Attempt{login: l}
	doing, cancel := context.WithCancelCause(context.WithValue(ctx, loginKey{}, l))
	a.cancel = cancel
	if l.holding {
		l.watchTime(cancel)
	}
	returned := false
	defer func() {
		cancel(nil)
		if !returned { // do panics
			a.end(ctx, errors.New("the login panicked"))
		}
		l.letThrough()
	}()
	err = do(doing, a)
	returned = true
	if cause := context.Cause(doing); err != nil && errors.Is(cause, errTooLong) && !errors.Is(err, ErrRefused) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	a.end(ctx, err)
	return err
}

// letThrough gives up the place among those that connect.
func (l *login) letThrough() {
	if l.through {
		l.through = false
		l.guard.queues.connected(l.gated, l.guard.options.UnauthenticatedTime)
	}
}

// await looks for other material after a refusal. It returns nil if there is some, else the login's error.
func (l *login) await(ctx context.Context, refusal error) error {
	g := l.guard
	defer l.waited()
	for first := true; ; first = false {
		news, changes := g.ledger.Watch(l.copy.material), g.changes()
		notBefore := time.Now()
		if !first {
			notBefore = notBefore.Add(-lookEvery)
		}
		old := l.copy.material
		c, err := g.again(ctx, l.id, l.copy, notBefore)
		switch {
		case err == nil:
			l.copy = c
			if !l.hasShown(c.material) {
				return nil
			}
			if c.material != old || first { // after a refusal the version before matters, if it hasn't been shown
				if err := g.withPrevious(ctx, l.id, &l.copy); err != nil {
					return err
				}
			}
			if b := l.copy.before; b != (Digest{}) && !l.hasShown(b) {
				if d := g.ledger.Look(l.ask()); d.Verdict == Granted || d.Verdict == Held || d.Verdict == Behind {
					return nil
				}
			}
		case ctx.Err() != nil:
			return l.rejected(refusal, g.options.RefusalPause)
		}
		left := settle - time.Since(l.refusedAt)
		if !l.proven || left <= 0 {
			return l.rejected(refusal, g.options.RefusalPause)
		}
		if err := l.sleep(ctx, min(lookEvery, left), news, nil, changes); err != nil {
			return l.rejected(refusal, g.options.RefusalPause)
		}
	}
}

func (l *login) hasShown(m Digest) bool {
	for _, x := range l.shown {
		if x == m {
			return true
		}
	}
	return false
}

// ask is the request for the present copy.
func (l *login) ask() Request {
	c := &l.copy
	return Request{
		Permit: l.request.Permit, Device: l.deviceDigest, ID: l.idDigest, Version: l.guard.digester.version(l.id, c.VersionID),
		Current: c.material, CurrentShown: l.hasShown(c.material), Replaced: c.replaced,
		Previous: c.before, PreviousShown: c.before != Digest{} && l.hasShown(c.before),
		PreviousKnown: c.known || *l.guard.previous.Load() == "", Age: time.Since(c.read), Limits: l.limits,
	}
}

// readAgain replaces the copy by one that was read at notBefore or later, as far as that is possible.
func (l *login) readAgain(ctx context.Context, notBefore time.Time) error {
	old := l.copy
	c, err := l.guard.again(ctx, l.id, old, notBefore)
	if err != nil {
		return err
	}
	if c.material == old.material && c.VersionID == old.VersionID {
		c.previous, c.before, c.known = old.previous, old.before, old.known
	}
	// Reads are shared, and a backend may be unavailable: it is the newest copy there is, in any case.
	c.read = time.Now()
	l.copy = c
	return nil
}

// refresh reads the credential anew while its material fails and the copy is older than 3 s.
func (l *login) refresh(ctx context.Context, d Decision) error {
	if d.Failing && time.Since(l.copy.read) > lookEvery {
		return l.readAgain(ctx, time.Now().Add(-lookEvery))
	}
	c, err := l.guard.newest(ctx, l.id)
	if err == nil && c.material != l.copy.material {
		l.copy = c
	}
	return err
}

// prevented decides about a login that the ledger doesn't allow: again if the backend has other material, else an error.
func (l *login) prevented(ctx context.Context, d Decision) (again bool, err error) {
	if time.Since(l.copy.read) > recheckAge {
		old, before := l.copy.material, l.copy.before
		if err := l.readAgain(ctx, time.Now().Add(-recheckAge)); err != nil {
			return false, err
		}
		if l.copy.material != old || l.copy.before != before || !l.copy.known {
			return true, nil
		}
	}
	g := l.guard
	g.counters.prevented.Add(1)
	g.options.Observe(Event{Kind: Prevented, CredentialID: l.id, Device: l.device})
	why := "isn't tried at device %q, which didn't accept it"
	if d.Verdict == Closed {
		why = "isn't tried at device %q: it is closed after failed logins in a row"
	}
	e := credential.Errorf(credential.CredentialRejected, "credential %q "+why, l.id, l.device).
		WithHelp("store the credential that the devices accept: it is tried as soon as it differs").
		WithHelp("or, if it is right and the devices were wrong, lift its quarantine")
	e.RetryDelay = max(d.After, time.Second)
	return false, e
}

// rejected is the error of a login after a refusal.
func (l *login) rejected(cause error, retry time.Duration) error {
	e := credential.Errorf(credential.CredentialRejected, "device %q refuses credential %q", l.device, l.id).
		WithHelp("store the credential that the device accepts: it is tried as soon as it differs").
		WithHelp("or, if it is right and the device was wrong, lift its quarantine")
	e.RetryDelay, e.Cause = retry, cause
	return e
}

// sleep waits for a time, for news, or for the end of ctx, which is an error.
func (l *login) sleep(ctx context.Context, d time.Duration, a, b, c <-chan struct{}) error {
	if waiting, ok := ctx.Value(waitingKey{}).(func(string) func()); ok && l.resume == nil {
		l.resume = waiting(l.id)
	}
	timer := time.NewTimer(max(d, time.Millisecond))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.closeWait:
		return errClosed
	case <-a:
	case <-b:
	case <-c:
	case <-timer.C:
	}
	return nil
}

// waited announces the end of a wait.
func (l *login) waited() {
	if l.resume != nil {
		l.resume()
		l.resume = nil
	}
}

// timedOut is the error of a login that waited in vain.
func (l *login) timedOut(cause error) error {
	g := l.guard
	waited := time.Since(l.place.since)
	g.counters.timedOut.Add(1)
	g.options.Observe(Event{Kind: PermitNotGranted, CredentialID: l.id, Device: l.device, Waited: waited})
	return fmt.Errorf("credential %q at device %q: no permit within %v: %w", l.id, l.device, waited.Round(time.Millisecond), cause)
}

// report writes a progress line if logins have waited for long.
func (l *login) report(ctx context.Context) {
	if waiting, longest, due := l.guard.queues.progress(l.copy.material, time.Now()); due {
		l.guard.logger(ctx).InfoContext(ctx, "logins wait for a permit", "credential_id", l.id, "waiting", waiting, "longest_wait", longest.Round(time.Second))
	}
}
