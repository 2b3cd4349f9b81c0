package host

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/backoff"
)

const (
	// suspectDelay is how old a process must be before a call is repeated with it that has died with another one. Calls that
	// are new go first.
	suspectDelay = 50 * time.Millisecond
	// suspectTurn is for how long such a call is the only one of its kind: if the process dies then, the others aren't to blame.
	suspectTurn = 100 * time.Millisecond
	// killerTime is for how long a call fails at once after it was given up.
	killerTime = 10 * time.Second
	// suspectTime is for how long it is made in a separate process after that: it harms the others once.
	suspectTime = 10 * time.Minute
	// trialLinger is for how long a process for such calls waits for another one.
	trialLinger = 5 * time.Second
	// maxKillers bounds how many such calls are remembered.
	maxKillers = 256
)

// suspects are calls that have died with a process: one of them may have been what killed it. They are repeated one after the
// other. One that has died with another process as well may still be innocent, if what killed both was called beside it: it is
// made in a separate process, whose end harms no other call and leaves no doubt.
type suspects struct {
	turn chan struct{} // holds one element while a suspect has its turn

	trial chan struct{} // the same for the separate process, and for good after Close
	own   *trialProcess // that process, if there is one; for what holds the element of trial
	end   *sync.Once    // of the trials
}

// trialProcess is a process for calls that are alone in it, one after the other.
type trialProcess struct {
	*process
	exe     *executable   // of which it was started
	used    int           // by so many calls
	watched chan struct{} // closed when nothing watches it any more
}

func newSuspects() suspects {
	return suspects{turn: make(chan struct{}, 1), trial: make(chan struct{}, 1), end: new(sync.Once)}
}

// startTrial returns a process for one call alone; release is for its end. What has answered a call is kept for a moment: more
// of them are likely.
func (p *Provider) startTrial(ctx context.Context) (_ *process, release func(answered bool), err error) {
	select {
	case p.suspects.trial <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, contextError(ctx)
	case <-p.life.Done():
		return nil, nil, p.closedError()
	}
	leave := func() { <-p.suspects.trial }
	p.mu.Lock()
	exe := p.exe
	p.mu.Unlock()
	if own := p.suspects.own; own != nil && (own.life.Err() != nil || own.exe != exe) {
		p.dropTrial()
	}
	if p.suspects.own == nil {
		process, err := p.startAlone(ctx)
		if err != nil {
			leave()
			return nil, nil, err
		}
		own := &trialProcess{process: process, exe: exe, watched: make(chan struct{})}
		p.suspects.own = own
		go func() {
			defer close(own.watched)
			own.watch(p.life)
		}()
	}
	own := p.suspects.own
	own.used++
	used := own.used
	return own.process, func(answered bool) {
		if answered && own.life.Err() == nil {
			time.AfterFunc(trialLinger, func() { p.endTrial(own, used) })
			leave()
			return
		}
		go func() { // the caller's time may be up; Close waits for it
			defer leave()
			own.runner.kill() // it may still be busy with the call
			p.dropTrial()
		}()
	}, nil
}

// endTrial ends a process that no other call has used since.
func (p *Provider) endTrial(own *trialProcess, used int) {
	select {
	case p.suspects.trial <- struct{}{}:
	case <-p.life.Done():
		return // Close ends it
	}
	defer func() { <-p.suspects.trial }()
	if p.suspects.own == own && own.used == used {
		p.dropTrial()
	}
}

// dropTrial ends the process for trials; the caller has the element of trial.
func (p *Provider) dropTrial() {
	own := p.suspects.own
	p.suspects.own = nil
	p.options.stop(own.process)
	<-own.watched
}

// endTrials ends the trials, the present one at once. There are none after it.
func (p *Provider) endTrials() {
	p.suspects.end.Do(func() {
		p.suspects.trial <- struct{}{}
		if p.suspects.own != nil {
			p.dropTrial()
		}
	})
}

// watch ends the process when it doesn't answer health checks, or with the provider, and returns at its end.
func (own *trialProcess) watch(provider context.Context) {
	for {
		select {
		case <-own.life.Done():
			return
		case <-provider.Done():
			own.giveUp(errStopped)
			return
		case <-time.After(healthInterval):
		}
		switch {
		case own.healthy(own.life):
			own.missed.Store(0)
		case own.life.Err() == nil && own.silent(own.missed.Add(1)):
			own.held.Store(own.stopped())
			own.runner.kill()
			<-own.runner.ended
			return
		}
	}
}

// startAlone starts a process beside the one that answers all calls, again and again for as long as ctx allows: what stands in
// the way is not the call's doing.
func (p *Provider) startAlone(caller context.Context) (*process, error) {
	ctx, cancel := context.WithCancel(caller)
	defer cancel()
	defer context.AfterFunc(p.life, cancel)()
	for starts := 1; ; starts++ {
		p.mu.Lock()
		exe, settings := p.exe, p.settings
		p.mu.Unlock()
		process, err := p.start(ctx, exe, settings)
		if err == nil {
			return process, nil
		}
		select {
		case <-time.After(backoff.Jittered(backoff.Delay(starts, firstBackoff, maxBackoff), 0.25)):
		case <-ctx.Done():
		}
		switch {
		case p.life.Err() != nil:
			return nil, p.closedError()
		case ctx.Err() != nil:
			return nil, contextError(caller)
		}
	}
}

// enter waits for the delay and for a turn; leave ends the turn. It returns nil when ctx has ended.
func (s *suspects) enter(ctx context.Context, delay time.Duration) (leave func()) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return nil
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil
	}
	pass := sync.OnceFunc(func() { <-s.turn })
	early := time.AfterFunc(suspectTurn, pass) // a slow backend doesn't hold up the others
	return func() {
		early.Stop()
		pass()
	}
}

// errKills is the cause of a call's error that was given up because processes died with it.
var errKills = errors.New("processes died with the call")

// killers remembers calls that processes have died with.
type killers struct {
	mu    sync.Mutex
	calls map[string]killer // by subject
}

type killer struct {
	deaths int               // so many
	err    *credential.Error // of the call that was given up; nil if none was
	until  time.Time         // so long it isn't made
	forget time.Time
}

// known is what is remembered of a call: with how many processes it has died, and the error of one that was given up a moment
// ago.
func (k *killers) known(subject string) (deaths int, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	known, ok := k.calls[subject]
	if !ok {
		return 0, nil
	}
	if time.Until(known.forget) <= 0 {
		delete(k.calls, subject)
		return 0, nil
	}
	if left := time.Until(known.until); left > 0 && known.err != nil {
		again := *known.err
		again.RetryDelay = left
		return known.deaths, &again
	}
	return known.deaths, nil
}

// add gives a call up, and returns its error.
func (k *killers) add(subject, provider, status string) error {
	err := credential.Errorf(credential.ProviderCrashed, "provider %s ended each time that it was to answer this call, which isn't made again for now; the last time: %s", provider, status)
	err.RetryDelay, err.Cause = killerTime, errKills
	k.remember(subject, killer{deaths: maxDeaths, err: err, until: time.Now().Add(killerTime)})
	return err
}

// remember keeps what is known of a call. A call without a subject isn't remembered.
func (k *killers) remember(subject string, what killer) {
	if subject == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for old, known := range k.calls {
		if len(k.calls) >= maxKillers || time.Until(known.forget) <= 0 {
			delete(k.calls, old)
		}
	}
	if k.calls == nil {
		k.calls = map[string]killer{}
	}
	what.forget = time.Now().Add(suspectTime)
	k.calls[subject] = what
}

// clear forgets a call that was answered.
func (k *killers) clear(subject string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.calls, subject)
}
