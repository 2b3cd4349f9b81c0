package job

import (
	"context"
	"time"
)

// unlimitedKey is where a limited context has the one that it was made of.
type unlimitedKey struct{}

// Limit bounds a job's work. When the time is up, its context is done with a cause of the reason JOB_TIMED_OUT.
func Limit(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithValue(ctx, unlimitedKey{}, ctx), limit, errTimedOut)
}

// Unlimited is a job's context without its limit, for what must not be left half done when the time is up. It is done when
// the worker breaks its jobs off. A context without a limit is returned as it is.
func Unlimited(ctx context.Context) context.Context {
	if whole, ok := ctx.Value(unlimitedKey{}).(context.Context); ok {
		return whole
	}
	return ctx
}
