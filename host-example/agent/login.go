package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
	"github.com/tom-worker/credential-provider/shared/store"
)

// Times of a login.
const (
	// repeatTime is how long a login whose client has gone waits for the call to be repeated.
	repeatTime = 2 * time.Second
	// nextTime is how long other material waits to be asked for.
	nextTime = 10 * time.Second
)

// loginID is made by the client, at random.
type loginID [16]byte

// login is one login of a client: a call of the guard's Login that waits for the client at each step.
type login struct {
	key        loginID
	client     Peer
	id, device string // of an adopted login, the id alone
	adopted    bool   // it was another agent's, before this one
	cancel     context.CancelCauseFunc
	grant      grant

	mu            sync.Mutex
	changed       chan struct{} // closed at each change
	callers       int           // calls of Present that wait
	presentations []*presentation
	ended         bool
	endedAt       time.Time
	err           error // of an ended login
}

// presentation is material that was handed to the client, and what the client reported.
type presentation struct {
	sealed    []byte
	permit    permit
	result    store.Result
	until     time.Time
	delivered bool // a call has returned it
	answer    answer
	answered  chan struct{}
	decided   chan struct{} // closed when other is known
	other     bool          // other material follows
}

// answer is a report.
type answer uint8

const (
	accepted answer = iota + 1
	refused
	unknown
	notPresented
	askedMore
)

// The causes for which a login ends before its client has reported.
var (
	errGivenUp  = credential.Errorf(credential.Cancelled, "the client has given the login up")
	errNoReport = errors.New("the client hasn't reported the device's answer in time")
	errLeft     = errors.New("the client hasn't asked for the other material")
)

// notify tells all who wait. The caller holds the lock.
func (l *login) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// last returns the latest presentation, or nil. The caller holds the lock.
func (l *login) last() *presentation {
	if len(l.presentations) == 0 {
		return nil
	}
	return l.presentations[len(l.presentations)-1]
}

// material returns what the client is to show, when there is something.
func (l *login) material(ctx context.Context) (*presentation, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.callers++
	l.notify()
	defer l.leave()
	for {
		p := l.last()
		switch {
		case p != nil && p.answer == 0 && ctx.Err() == nil:
			p.delivered = true
			return p, nil
		case l.ended && l.err != nil:
			return nil, l.err
		case l.ended:
			return nil, credential.Errorf(credential.RequestInvalid, "the login has ended; use another login_id for another one")
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
		l.wait(ctx)
	}
}

// wait returns after a change, or when ctx is done. The caller holds the lock, which is released in between.
func (l *login) wait(ctx context.Context) {
	changed := l.changed
	l.mu.Unlock()
	select {
	case <-changed:
	case <-ctx.Done():
	}
	l.mu.Lock()
}

// leave is the end of a call of Present. The caller holds the lock.
func (l *login) leave() {
	if l.callers--; l.callers > 0 || l.ended {
		return
	}
	if p := l.last(); p != nil && p.delivered && p.answer == 0 {
		return // it may have been shown: only a report or the time ends it
	}
	time.AfterFunc(repeatTime, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if p := l.last(); l.callers == 0 && (p == nil || !p.delivered || p.answer != 0) {
			l.giveUp()
		}
	})
}

// giveUp ends a login of which nothing is with the client. The caller holds the lock.
func (l *login) giveUp() {
	if p := l.last(); p != nil && p.answer == 0 {
		l.settle(p, notPresented)
		return
	}
	l.cancel(errGivenUp)
}

// settle notes the first answer to a presentation. The caller holds the lock.
func (l *login) settle(p *presentation, a answer) {
	if p.answer == 0 {
		p.answer = a
		close(p.answered)
		if a != refused {
			close(p.decided)
		}
		l.notify()
	}
}

// present takes the login through one connection of its client. It is called by the guard.
func (l *login) present(ctx context.Context, attempt *guard.Attempt, a *Server) error {
	if err := l.awaitClient(ctx); err != nil {
		return err
	}
	result, err := attempt.Present(ctx)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", context.Cause(ctx), guard.ErrNotShown)
	}
	if err := a.handOut(ctx, l, result); err != nil {
		return fmt.Errorf("%w: %w", err, guard.ErrNotShown)
	}
	p, err := l.show(result, a)
	if err != nil {
		return fmt.Errorf("%w: %w", err, guard.ErrNotShown)
	}
	select {
	case <-p.answered:
	case <-ctx.Done():
		l.mu.Lock()
		l.settle(p, unknown)
		l.mu.Unlock()
	}
	switch p.answer {
	case accepted:
		return nil
	case refused:
		return fmt.Errorf("device %s: %w", l.device, guard.ErrRefused)
	case notPresented:
		return fmt.Errorf("%w: %w", errGivenUp, guard.ErrNotShown)
	case askedMore:
		return fmt.Errorf("device %s: %w", l.device, guard.ErrAskedMore)
	default:
		return errNoReport
	}
}

// awaitClient announces other material after a refusal, and waits until the client asks.
func (l *login) awaitClient(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.last()
	if p == nil || p.decided == closed { // none of this agent
		return nil // the client waits already
	}
	p.other = true
	close(p.decided)
	l.notify()
	ctx, cancel := context.WithTimeoutCause(ctx, nextTime, errLeft)
	defer cancel()
	for l.callers == 0 && ctx.Err() == nil {
		l.wait(ctx)
	}
	if l.callers == 0 {
		return context.Cause(ctx)
	}
	return nil
}

// show makes the presentation that the client's call returns.
func (l *login) show(result store.Result, a *Server) (*presentation, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	granted := l.grant.get()
	p := &presentation{
		result: result, until: time.Now().Add(a.options.LoginTimeout - min(time.Second, a.options.LoginTimeout/4)), answered: make(chan struct{}), decided: make(chan struct{}),
		permit: permit{
			Login: l.key, Presentation: len(l.presentations) + 1, UID: l.client.UID, Credential: l.id, Material: a.options.Guard.Digest(result.Credential),
			Granted: guard.Report{
				Permit: granted.Permit, Device: granted.Device, Current: granted.Current, Previous: granted.Previous,
				ID: granted.ID, Version: granted.Version, Limits: granted.Limits,
			},
		},
	}
	if before := l.last(); before != nil && before.permit.Granted.Permit == granted.Permit {
		p.until = before.until // one grant, one time
		p.permit.Shown = before.permit.report(guard.Refused).Shown
	}
	var err error
	if p.sealed, err = a.seal.close(p.permit); err != nil {
		return nil, err
	}
	l.presentations = append(l.presentations, p)
	l.notify()
	if l.callers == 0 { // its call was given up; it may be repeated
		l.callers++
		l.leave()
	}
	return p, nil
}

// end notes how the login ended.
func (l *login) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended, l.endedAt, l.err = true, time.Now(), err
	if p := l.last(); p != nil {
		l.settle(p, unknown)
		select {
		case <-p.decided:
		default:
			close(p.decided)
		}
	}
	l.notify()
}

// report takes the client's answer to a presentation, the latest one if number is 0. late reports whether the login had ended
// without one.
func (l *login) report(number int, a answer) (p *presentation, late bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if number == 0 {
		number = len(l.presentations)
	}
	if number < 1 || number > len(l.presentations) {
		if a == notPresented { // nothing is with the client yet
			if !l.ended {
				l.cancel(errGivenUp)
			}
			return nil, false, nil
		}
		return nil, false, credential.Errorf(credential.RequestInvalid, "the login has no permit that could be reported on")
	}
	p = l.presentations[number-1]
	if a == notPresented && p.answer == refused && p == l.last() && !l.ended {
		l.cancel(errGivenUp) // the client doesn't want other material
		return p, false, nil
	}
	if l.ended && p.answer == unknown && a != unknown {
		p.answer = a // better late than never, and once
		return p, true, nil
	}
	l.settle(p, a)
	return p, false, nil
}
