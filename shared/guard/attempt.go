package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tom-worker/credential-provider/shared/store"
)

// Attempt is one connection of a login. It is for the goroutine that do runs in.
type Attempt struct {
	login     *login
	cancel    context.CancelCauseFunc
	presented bool
}

// errTooLong ends a login whose permit has run out.
var errTooLong = errors.New("the device hasn't answered the login in time")

// Present waits for a permit and returns the login material to send to the device, at once and once. Call it when the device
// asks for a password or a key, and not before. Called again, it takes the material before for refused, and returns the next
// one, or an error that wraps [ErrRefused] if there is none.
//
// Errors are those of the source, CREDENTIAL_REJECTED, or the end of ctx. do returns them as they are.
func (a *Attempt) Present(ctx context.Context) (store.Result, error) {
	l := a.login
	if l.holding && len(l.answers) > 0 && l.answers[len(l.answers)-1].Answer == 0 {
		l.answered(ctx, Refused)
		if !l.holding {
			return store.Result{}, fmt.Errorf("device %q: %w", l.device, ErrRefused)
		}
	}
	for {
		if !l.holding {
			if err := l.acquire(ctx); err != nil {
				return store.Result{}, err
			}
			l.watchTime(a.cancel)
		}
		next := l.order[len(l.answers)]
		// A process that was stopped may come here long after its permit has run out.
		if time.Now().Round(0).Sub(l.granted.Round(0)) < l.limits.Life && time.Since(l.granted) < l.limits.Life {
			a.presented = true
			l.answers = append(l.answers, Shown{Material: next.material})
			l.shown = append(l.shown, next.material)
			l.guard.counters.logins.Add(1)
			return next.Result, nil
		}
		l.release()
		if len(l.answers) > 0 {
			return store.Result{}, fmt.Errorf("device %q: %w", l.device, errTooLong)
		}
	}
}

// watchTime ends the attempt's context when the permit runs out.
func (l *login) watchTime(cancel context.CancelCauseFunc) {
	if l.timer != nil {
		l.timer.Stop()
	}
	l.timer = time.AfterFunc(l.limits.Life-time.Since(l.granted), func() { cancel(errTooLong) })
}

// acquire gets a permit.
func (l *login) acquire(ctx context.Context) error {
	g := l.guard
	started := time.Now()
	defer l.letThrough()
	defer l.waited()
	g.counters.waiting.Add(1)
	defer g.counters.waiting.Add(-1)
	l.request.Permit = newPermit()
	unknown := false
	for {
		if c, err := g.newest(ctx, l.id); err != nil {
			return err
		} else if c.material != l.copy.material || c.VersionID != l.copy.VersionID {
			l.copy = c
		}
		if l.hasShown(l.copy.material) && (l.copy.before == Digest{} || l.hasShown(l.copy.before)) {
			return fmt.Errorf("device %q: %w", l.device, ErrRefused)
		}
		again, err := l.first(ctx, &unknown)
		if err != nil {
			return err
		}
		if !again {
			g.options.Observe(Event{Kind: PermitGranted, CredentialID: l.id, Device: l.device, Waited: time.Since(started)})
			return nil
		}
	}
}

// first waits in the material's queue, and asks the ledger when it is the first there. It asks to be called again if the
// queue isn't the right one any more.
func (l *login) first(ctx context.Context, unknown *bool) (again bool, err error) {
	g, m := l.guard, l.copy.material
	if l.limits.Budget > 0 {
		lane := *unknown
		g.queues.join(m, l.place, lane)
		granted := false
		defer func() { g.queues.leave(m, l.place, lane, granted) }()
		for !g.queues.isFirst(m, l.place, lane) {
			if err := l.sleep(ctx, lookEvery, nil, nil, l.place.turn); err != nil {
				return false, l.timedOut(err)
			}
			l.report(ctx)
		}
		defer func() { granted = err == nil && !again }()
	}
	for {
		if err := l.nested(); err != nil {
			return false, err
		}
		if err := ctx.Err(); err != nil {
			return false, l.timedOut(context.Cause(ctx))
		}
		news, before, changes := g.ledger.Watch(m), (<-chan struct{})(nil), g.changes()
		if l.copy.before != (Digest{}) {
			before = g.ledger.Watch(l.copy.before)
		}
		q := l.ask()
		asked := time.Now()
		d, err := g.ledger.Begin(ctx, q)
		if err != nil {
			if !errors.Is(err, ErrUnavailable) || ctx.Err() != nil {
				l.abandon(q)
				return false, l.timedOut(err)
			}
			d = Decision{Verdict: Held, After: time.Second}
		} else if q.Replaced != (Digest{}) {
			g.versions.told(l.id, q.Current)
			l.copy.replaced = Digest{}
		}
		l.proven = d.Proven
		switch d.Verdict {
		case Granted:
			l.hold(q, d.Order, asked)
			return false, nil
		case ReadAgain:
			if err := l.readAgain(ctx, time.Now()); err != nil {
				return false, err
			}
		case NeedPrevious:
			if err := g.withPrevious(ctx, l.id, &l.copy); err != nil {
				return false, err
			}
		case Paused, Closed:
			if again, err := l.prevented(ctx, d); !again {
				return false, err
			}
		case Behind:
			if !*unknown {
				*unknown = true
				return true, nil
			}
			fallthrough
		default:
			if err := l.sleep(ctx, min(d.After, lookEvery), news, before, changes); err != nil {
				l.abandon(q)
				return false, l.timedOut(err)
			}
			l.report(ctx)
			if err := l.refresh(ctx, d); err != nil {
				return false, err
			}
		}
		if l.copy.material != m {
			return true, nil
		}
	}
}

// hold notes a granted permit.
func (l *login) hold(q Request, order Order, asked time.Time) {
	g := l.guard
	list, n := order.materials(q.Current, q.Previous)
	l.holding, l.request, l.answers, l.order, l.granted = true, q, nil, nil, asked
	for _, m := range list[:n] {
		c := l.copy
		if m != q.Current {
			c.Result, c.material = l.copy.previous, m
		}
		l.order = append(l.order, c)
		g.remember(l.id, m)
	}
	g.counters.permits.Add(1)
}

// abandon takes back a request whose answer may have been lost.
func (l *login) abandon(q Request) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.guard.closing), time.Second)
	defer cancel()
	_ = l.guard.ledger.End(ctx, Report{Permit: q.Permit, Device: q.Device, Current: q.Current, Previous: q.Previous, ID: q.ID, Version: q.Version, Limits: q.Limits})
}

// answered notes the device's answer to what was presented last, and reports it. A refusal with another material to follow
// keeps the permit.
func (l *login) answered(ctx context.Context, a Answer) {
	g := l.guard
	last := len(l.answers) - 1
	l.answers[last].Answer = a
	presented := l.order[last]
	g.options.Observe(Event{
		Kind: Answered, CredentialID: l.id, Device: l.device, Answer: a, Version: presented.VersionID,
		Previous: presented.material != l.request.Current,
	})
	switch a {
	case Refused:
		g.counters.refusals.Add(1)
		l.refused++
		l.refusedAt = time.Now()
		g.logger(ctx).WarnContext(ctx, "a device refuses the credential", "credential_id", l.id, "version", presented.VersionID, "device", l.device)
	case Unknown:
		g.counters.unanswered.Add(1)
	}
	if a == Refused && last+1 < len(l.order) {
		l.tell(true)
		return
	}
	l.release()
}

// askedMore reports that the device gave no answer to what was presented last. The permit ends as if that hadn't been presented:
// the device's word counts, and the material's failures stay as they are.
func (l *login) askedMore() {
	last := len(l.answers) - 1
	presented := l.order[last]
	l.answers[last].Answer = Unknown
	l.guard.options.Observe(Event{
		Kind: Answered, CredentialID: l.id, Device: l.device, Answer: Unknown, Version: presented.VersionID,
		Previous: presented.material != l.request.Current,
	})
	l.guard.counters.unanswered.Add(1)
	l.tell(true)
	l.answers = l.answers[:last]
	l.release()
}

// release ends the permit.
func (l *login) release() {
	if !l.holding {
		return
	}
	l.holding = false
	l.guard.counters.permits.Add(-1)
	if l.timer != nil {
		l.timer.Stop()
	}
	l.tell(false)
}

// tell reports to the ledger. The login's own context may have ended, and the report matters nevertheless.
func (l *login) tell(open bool) {
	q := l.request
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.guard.closing), 5*time.Second)
	defer cancel()
	err := l.guard.ledger.End(ctx, Report{
		Permit: q.Permit, Device: q.Device, Current: q.Current, Previous: q.Previous, ID: q.ID, Version: q.Version,
		Shown: l.answers, Open: open, Limits: q.Limits,
	})
	if err != nil {
		l.guard.logger(ctx).Warn("the ledger of logins didn't take a report: the permit runs out", "credential_id", l.id, "error", err)
	}
}

// end notes what do returned.
func (a *Attempt) end(ctx context.Context, err error) {
	l := a.login
	if !l.holding {
		return
	}
	if len(l.answers) == 0 || l.answers[len(l.answers)-1].Answer != 0 { // nothing is waiting for an answer
		if !a.presented || !errors.Is(err, ErrRefused) {
			l.release()
		}
		return
	}
	switch {
	case err == nil:
		l.answered(ctx, Accepted)
	case errors.Is(err, ErrRefused):
		l.answered(ctx, Refused)
	case errors.Is(err, ErrNotShown):
		last := len(l.answers) - 1
		l.shown = l.shown[:len(l.shown)-1]
		l.answers = l.answers[:last]
		l.release()
	case errors.Is(err, ErrAskedMore):
		l.askedMore()
	default:
		l.answered(ctx, Unknown)
	}
}
