package device

import "context"

// answersKey is the key of the context that bounds the wait for a device's answer.
type answersKey struct{}

// AwaitAnswers returns a context with which [Dialer.Login] distinguishes two ends. When a context derived from it ends, nothing
// more is shown to the device, but a device that has been shown a secret is waited for; when ctx ends, nothing is.
func AwaitAnswers(ctx context.Context) context.Context {
	return context.WithValue(ctx, answersKey{}, ctx)
}

// answers returns the context that was given to AwaitAnswers, or ctx itself.
func answers(ctx context.Context) context.Context {
	if whole, ok := ctx.Value(answersKey{}).(context.Context); ok {
		return whole
	}
	return ctx
}
