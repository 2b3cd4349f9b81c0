package host

import (
	"context"
	"errors"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/backoff"
)

// How the supervisor behaves. Times are measured from the end of what they follow.
const (
	healthInterval = time.Second
	healthPatience = time.Second
	healthMisses   = 2 // so many in a row, and the process is replaced
	// busyMisses are so many for a process from which bytes arrive in between: the answer to a health check waits behind a large
	// one.
	busyMisses = 10

	firstBackoff = 100 * time.Millisecond // doubled with each start without an answered call
	maxBackoff   = 5 * time.Second
	maxStarts    = 5                // so many in a row without an answered call, and calls fail at once
	maxSpared    = 20               // the same where all were ended from outside
	retryBroken  = 10 * time.Second // then a start is tried so often

	// provenAfter is how long a process that answers health checks but no calls must live to count as a good one.
	provenAfter = 30 * time.Second
)

// supervise owns the running process until Close: it watches it, replaces it when it is dead or doesn't answer, and stops
// the last one.
func (p *Provider) supervise(current *process) {
	defer close(p.closed)
	p.starts.Store(1)
	for {
		current = p.watch(current)
		if current == nil {
			current = p.restart()
		}
		if current == nil {
			break
		}
	}
	p.finish()
}

// finish stops the last process.
func (p *Provider) finish() {
	p.mu.Lock()
	last, exe := p.current, p.exe
	p.current = nil
	p.notify()
	p.mu.Unlock()
	if last != nil {
		p.options.stop(last)
	}
	exe.discard()
}

// watch returns when the process needs to be replaced (nil), when a reload has replaced it (by what it returns), or at
// Close (nil).
func (p *Provider) watch(current *process) *process {
	beat := time.NewTimer(healthInterval)
	defer beat.Stop()
	for {
		p.mu.Lock()
		changed, now := p.changed, p.current
		p.mu.Unlock()
		if now != nil && now != current {
			return now
		}
		select {
		case <-p.life.Done():
			return nil
		case <-changed:
			continue
		case <-current.life.Done():
			if other := p.currentProcess(); other != current {
				return other
			}
			p.replaceDead(current, errEnded)
			return nil
		case <-beat.C:
		}
		switch {
		case current.healthy(p.life):
			current.missed.Store(0)
			if time.Since(current.born) > provenAfter {
				p.answered()
			}
		case p.life.Err() == nil && current.silent(current.missed.Add(1)):
			p.replaceDead(current, errUnresponsive)
			return nil
		}
		beat.Reset(healthInterval)
		if current.missed.Load() > 0 {
			beat.Reset(0) // the patience alone takes a second
		}
	}
}

// replaceDead takes a process out of use and makes sure that it is gone.
func (p *Provider) replaceDead(dead *process, cause error) {
	p.mu.Lock()
	if p.current == dead {
		p.current = nil
	}
	p.mu.Unlock()
	dead.held.Store(errors.Is(cause, errUnresponsive) && dead.stopped())
	if err := dead.kill(cause); err != nil {
		p.options.reportStuck(err)
	}
	if p.starts.Load() > 0 && dead.endedFromOutside() {
		p.spared.Add(1)
	}
	end := credential.Errorf(credential.ProviderCrashed, "provider %s ended: %s", p.options.Name, dead.runner.exitStatus())
	if errors.Is(context.Cause(dead.life), errUnresponsive) {
		end = credential.Errorf(credential.ProviderUnresponsive, "provider %s did not answer %d health checks and was killed", p.options.Name, healthMisses)
	}
	p.options.Logger.Warn("provider is replaced", "provider", p.options.Name, "reason", string(end.Reason), "status", dead.runner.exitStatus())
	p.mu.Lock()
	p.lastEnd = end
	p.mu.Unlock()
}

// restart starts a new process, again and again until there is one. It returns nil at Close.
func (p *Provider) restart() *process {
	for {
		if p.life.Err() != nil {
			return nil
		}
		failed := failedStarts(p.starts.Load(), p.spared.Load())
		delay := restartDelay(failed)
		if failed >= maxStarts {
			p.openBreaker(delay)
		}
		if !p.pause(delay) {
			return p.currentProcess()
		}
		p.starts.Add(1)
		p.mu.Lock()
		exe, settings := p.exe, p.settings
		p.mu.Unlock()
		fresh, err := p.start(p.life, exe, settings)
		if err == nil {
			if other := p.publish(fresh); other != nil {
				p.options.stop(fresh)
				return other
			}
			p.restarts.Add(1)
			return fresh
		}
		if other := p.currentProcess(); other != nil {
			return other
		}
		if p.life.Err() != nil {
			return nil
		}
		p.options.Logger.Error("provider can't be restarted", "provider", p.options.Name, "reason", string(credential.ReasonOf(err)), "error", err.Error())
		p.mu.Lock()
		var known *credential.Error
		if errors.As(err, &known) {
			p.lastEnd = credential.Errorf(credential.ProviderCrashed, "provider %s can't be restarted: %s", p.options.Name, known.Message)
		}
		p.mu.Unlock()
	}
}

// openBreaker makes calls fail at once, until a process is ready again.
func (p *Provider) openBreaker(delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	message := "it ended"
	if p.lastEnd != nil {
		message = p.lastEnd.Message
	}
	p.broken = credential.Errorf(credential.ProviderCrashed, "%d starts in a row without one answered call; %s", p.starts.Load(), message)
	p.broken.RetryDelay = delay
	p.notify()
}

// pause waits; false if a reload or Close makes waiting pointless.
func (p *Provider) pause(delay time.Duration) bool {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	for {
		p.mu.Lock()
		changed, current := p.changed, p.current
		p.mu.Unlock()
		if current != nil {
			return false
		}
		select {
		case <-timer.C:
			return true
		case <-p.life.Done():
			return false
		case <-changed:
		}
	}
}

// currentProcess is the one that answers calls, which a reload may have replaced; nil while there is none.
func (p *Provider) currentProcess() *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current
}

// answered notes that the process can answer: whatever ends it later, starting it made sense.
func (p *Provider) answered() {
	p.starts.Store(0)
	p.spared.Store(0)
}

// failedStarts is how many starts in a row speak against the provider. That a process is ended from outside does so only when it
// happens again and again: the kernel may be short of memory each time.
func failedStarts(starts, spared int32) int32 {
	switch {
	case starts >= maxSpared:
		return starts
	case starts > 0 && starts == spared:
		return 1 // there is a pause before the next one
	}
	return starts - spared
}

// restartDelay is the time before the next start: none after a process that answered, then longer and longer, with jitter, so
// that hosts that failed together don't start together.
func restartDelay(starts int32) time.Duration {
	if starts <= 0 {
		return 0
	}
	delay := retryBroken
	if starts < maxStarts {
		delay = backoff.Delay(int(starts), firstBackoff, maxBackoff)
	}
	return backoff.Jittered(delay, 0.25)
}
