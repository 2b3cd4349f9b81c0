package guard

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// Event is something that happened to a login, for metrics.
type Event struct {
	Kind EventKind
	// CredentialID and Device are those of the login.
	CredentialID, Device string
	// Waited is how long the login has waited for its permit, with PermitGranted and PermitNotGranted.
	Waited time.Duration
	// Answer is the device's, with Answered.
	Answer Answer
	// Version is the version id of the material, with Answered; Previous reports that it isn't the current one.
	Version  string
	Previous bool
}

// EventKind is the kind of an [Event].
type EventKind uint8

const (
	// PermitGranted is a login that may present material.
	PermitGranted EventKind = iota + 1
	// PermitNotGranted is a login whose time was over before it got a permit.
	PermitNotGranted
	// Answered is a device's answer, or the end of its time.
	Answered
	// Prevented is a login that wasn't tried, since its material is closed or its device paused.
	Prevented
)

// Counters are what a guard has done since it was made.
type Counters struct {
	// Logins are materials presented to devices, Refusals those that were refused, Unanswered those without an answer.
	Logins, Refusals, Unanswered int64
	// Prevented are logins that weren't tried, TimedOut those whose time was over while they waited for a permit.
	Prevented, TimedOut int64
	// Waiting are the logins that wait for a permit now, Permits those that have one.
	Waiting, Permits int64
}

type counters struct {
	logins, refusals, unanswered, prevented, timedOut, waiting, permits atomic.Int64
}

// Counters returns the counters.
func (g *Guard) Counters() Counters {
	c := &g.counters
	return Counters{
		Logins: c.logins.Load(), Refusals: c.refusals.Load(), Unanswered: c.unanswered.Load(),
		Prevented: c.prevented.Load(), TimedOut: c.timedOut.Load(), Waiting: c.waiting.Load(), Permits: c.permits.Load(),
	}
}

type waitingKey struct{}

// WithWaiting has waiting called when a login under ctx starts to wait: for its permit, or for other material after a refusal. id is its
// credential. What it returns is called when the wait ends, from the same goroutine, which may take its time: so that a worker can
// have other work done instead. A login may wait more than once.
func WithWaiting(ctx context.Context, waiting func(id string) (ended func())) context.Context {
	return context.WithValue(ctx, waitingKey{}, waiting)
}

type loggerKey struct{}

// WithLogger has lines about logins under ctx go to log, so that they can say whose they are.
func WithLogger(ctx context.Context, log *slog.Logger) context.Context {
	return context.WithValue(ctx, loggerKey{}, log)
}

func (g *Guard) logger(ctx context.Context) *slog.Logger {
	if log, ok := ctx.Value(loggerKey{}).(*slog.Logger); ok {
		return log
	}
	return g.options.Logger
}
