package host

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// maxDeaths is with how many processes a call may die. It may be what kills them, and the other calls shall have their answers:
// from then on it is made in a separate process (see suspects), and with that one's end it is given up.
const maxDeaths = 2

// maxKilled is with how many it may die that were killed or stopped from outside, which says nothing about the call: by an
// operator, or by the kernel for want of memory, which may be the call's doing after all. Then it is given up.
const maxKilled = 20

// errLost is a call that died with its process.
var errLost = errors.New("the process that was called is gone")

// errNotMade is an attempt that was not made.
var errNotMade = errors.New("the process ended before it was called")

// do makes one attempt of a call with one process.
type do func(context.Context, credentialv1.CredentialProviderClient) error

// call makes one call, and repeats it with the next process if it dies with one and ctx allows. Every call of the contract that
// goes through here is idempotent. subject names what is called for, by which a call that kills processes is known again.
func (p *Provider) call(ctx context.Context, subject string, do do) error {
	ctx, cancel := context.WithTimeout(ctx, p.options.CallTimeout)
	defer cancel()
	return p.callAfter(ctx, 0, subject, do)
}

// callAfter is call for one that so many processes have died with. ctx bounds it.
func (p *Provider) callAfter(ctx context.Context, deaths int, subject string, do do) error {
	remembered, err := p.killers.known(subject)
	if err != nil {
		return err
	}
	deaths = max(deaths, remembered)
	for killed := 0; ; {
		alone := deaths == maxDeaths && p.options.Attach == ""
		process, release, err := p.acquireFor(ctx, alone)
		if err != nil {
			return err
		}
		err = p.attempt(ctx, process, !alone && deaths > 0, do)
		switch {
		case errors.Is(err, errNotMade):
		case !errors.Is(err, errLost):
			answered := answers(err)
			switch {
			case answered && remembered > 0:
				p.killers.clear(subject)
			case errors.Is(err, credential.ProviderUnresponsive) && !process.stopped():
				// Its caller doesn't wait for the end of a process that has stopped answering.
				p.killers.remember(subject, killer{deaths: min(deaths+1, maxDeaths)})
			}
			release(answered)
			return err
		case process.endedFromOutside():
			killed++
		default:
			deaths++
		}
		if deaths > maxDeaths || killed == maxKilled || deaths == maxDeaths && process.attached != nil {
			err = p.killers.add(subject, p.options.Name, process.exitStatus())
			release(false)
			return err
		}
		release(false)
	}
}

// answers reports whether a call's error, or none, is an answer of the provider's.
func answers(err error) bool {
	switch credential.ReasonOf(err) {
	case credential.ProviderUnresponsive, credential.DeadlineExceeded, credential.Cancelled:
		return false
	}
	return true
}

// acquireFor returns the process to call: the one that answers all calls, or one for a call alone.
func (p *Provider) acquireFor(ctx context.Context, alone bool) (_ *process, release func(answered bool), err error) {
	if alone {
		return p.startTrial(ctx)
	}
	process, err := p.acquire(ctx)
	if err != nil {
		return nil, nil, err
	}
	return process, func(bool) { process.calls.Done() }, nil
}

// attempt makes one attempt with one process. A suspect is a call that has died with another process.
func (p *Provider) attempt(ctx context.Context, process *process, suspect bool, do do) error {
	attempt, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(process.life, cancel)
	defer stop()
	if suspect {
		leave := p.suspects.enter(attempt, time.Until(process.ready.Add(suspectDelay)))
		if leave == nil {
			if ctx.Err() != nil {
				return contextError(ctx)
			}
			return errNotMade // the process ended before it was this call's turn
		}
		defer leave()
		if process.life.Err() != nil { // with the call whose turn it was before
			return errNotMade
		}
	}
	err := do(attempt, process.provider)
	if err == nil {
		p.answered()
		return nil
	}
	if wire.HasReason(err) {
		p.answered()
		return wire.FromStatus(err)
	}
	if ctx.Err() != nil {
		if process.missed.Load() > 0 && ctx.Err() == context.DeadlineExceeded {
			return credential.Errorf(credential.ProviderUnresponsive, "provider %s answered neither the call nor a health check", p.options.Name)
		}
		return contextError(ctx)
	}
	switch status.Code(err) {
	case codes.DeadlineExceeded:
		return wire.FromStatus(err) // the provider's clock was a little faster than ctx
	case codes.Unavailable, codes.Canceled:
		// It may be the process's end or the answer of a handler that knows no reasons: gRPC doesn't tell. The process does.
		if process.life.Err() == nil && process.healthy(ctx) {
			break
		}
		select {
		case <-process.life.Done():
			return errLost
		case <-ctx.Done():
			return contextError(ctx)
		}
	}
	p.answered()
	return p.misbehaved("it answered with status %s and no reason of the contract", status.Code(err))
}
