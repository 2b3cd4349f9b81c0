package store

import (
	"context"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

const (
	// askApart is how far apart the questions are whether one id's material has changed. Those who want to know sooner
	// share the answer.
	askApart = 2 * time.Second
	// askAgain is when an unchanged answer is asked for once more: backends show with a delay what was written.
	askAgain = 3 * time.Second
)

// ask is the last question whether an id's material has changed.
type ask struct {
	// flight is the read that will answer it, nil when it has or when there was no question.
	flight *flight
	answer reply
}

// reply is the answer. It has digests only, so that a guard keeps no password in memory.
type reply struct {
	asked   instant
	at      instant // zero: there is none
	latest  material
	replica bool
	err     *credential.Error
}

// changed asks the backend whether it has other material than what a device has refused, and returns it. refusal is what
// the device has said just now; nil if it refused the material earlier, when this was looked into.
func (v *visit) changed(ctx context.Context, refused Lease, refusal error) (Lease, error) {
	answer, now, ended := v.ask(ctx, refused)
	for again := refusal != nil; again && !ended && answer.same(refused); {
		clock := v.store.clock()
		select {
		case <-time.After(max(askAgain-clock.since(v.refusedAt), askApart-clock.since(answer.at))):
			answer, now, ended = v.ask(ctx, refused)
			// It may be the answer to somebody else's question, and that too soon after the first of the refusals.
			again = answer.asked.since(v.doubted) < askAgain
		case <-ctx.Done():
			again = false
		}
	}
	v.decided(refused)
	switch {
	case ended:
		return Lease{}, v.rejected(refusal, "device %q refuses credential %q, and there was no time to see whether it has changed", v.name, v.guard.id)
	case answer.err != nil:
		return Lease{}, v.rejected(refusal, "device %q refuses credential %q, and whether it has changed isn't known: %v", v.name, v.guard.id, answer.err)
	case answer.replica:
		return Lease{}, v.rejected(refusal, "device %q refuses credential %q, and whether it has changed isn't known: only a copy of the backend answers", v.name, v.guard.id)
	case answer.same(refused):
		return Lease{}, v.rejected(refusal, "device %q refuses credential %q, and the backend has no other", v.name, v.guard.id)
	case now != nil:
		return now.lease(Fresh, v.store.clock()), nil
	}
	return v.store.Get(ctx, v.guard.id)
}

// same says that the backend, and not a copy of it, still has the material.
func (r reply) same(refused Lease) bool {
	return r.err == nil && !r.replica && r.latest.same(refused.answer.material)
}

// other says that the backend, and not a copy of it, has other material.
func (r reply) other(refused Lease) bool {
	return r.err == nil && !r.replica && !r.latest.same(refused.answer.material)
}

// ask asks the backend for the credential anew, or shares the answer that somebody had within askApart. now is what was
// read, if this call has waited for it. ended says that ctx has ended before the answer came. A read that was under way
// when the device refused may have looked before the material changed: only if it has other material it is an answer.
func (v *visit) ask(ctx context.Context, refused Lease) (answer reply, now *answer, ended bool) {
	s, g := v.store, v.guard
	for {
		s.mu.Lock()
		last := g.ask.answer
		if s.closed {
			last = reply{at: s.clock(), err: closedError()}
		}
		if last.at != (instant{}) && s.clock().since(last.at) < askApart {
			s.unlock()
			return last, nil, false
		}
		f := s.flightFor(ctx, key{id: g.id})
		older := f.asked.mono < v.refusedAt.mono
		if !older {
			g.ask = ask{flight: f}
		}
		s.unlock()
		select {
		case <-f.done:
		case <-ctx.Done():
			s.leave(f)
			return reply{}, nil, true
		}
		if f.discarded {
			continue
		}
		if answer = s.replyOf(f); older && !answer.other(refused) {
			continue
		}
		return answer, f.answer, false
	}
}

// replyOf is what is left of a flight that has landed.
func (s *Store) replyOf(f *flight) reply {
	r := reply{asked: f.asked, at: f.landed, err: f.err}
	if f.answer != nil {
		r.latest, r.replica = f.answer.material, f.answer.credential.FromReplica
	}
	return r
}

// answerAsk tells those who will ask the same within askApart. The caller holds the lock.
func (s *Store) answerAsk(f *flight) {
	if g, ok := s.guards.all[f.key.id]; ok && g.ask.flight == f {
		g.ask = ask{answer: s.replyOf(f)}
	}
}
