package trace

import (
	"context"

	"github.com/tom-worker/credential-provider/host-example/observe"
	"github.com/tom-worker/credential-provider/shared/store"
)

// Credentials puts spans around what jobs ask of a store: "credential" for a read, "login" for a login, and below that "ssh
// login" for each connection to the device, with "login permit" for the wait for a permit.
func (t *Traces) Credentials(of observe.Credentials) observe.Credentials {
	if !t.on() {
		return of
	}
	return &credentials{of}
}

type credentials struct{ of observe.Credentials }

// Get implements observe.Credentials.
func (c *credentials) Get(ctx context.Context, id string) (store.Result, error) {
	ctx, span := Start(ctx, "credential")
	span.Set(CredentialID, id)
	result, err := c.of.Get(ctx, id)
	if err == nil {
		span.result(result)
	}
	span.End(err)
	return result, err
}

// Login implements observe.Credentials.
func (c *credentials) Login(ctx context.Context, id, device string, do func(context.Context, observe.Present) error) error {
	ctx, span := Start(ctx, "login")
	span.Set(CredentialID, id)
	err := c.of.Login(ctx, id, device, func(ctx context.Context, present observe.Present) error {
		ctx, span := Start(ctx, "ssh login")
		err := do(ctx, func(ctx context.Context) (store.Result, error) {
			ctx, wait := Start(ctx, "login permit")
			result, err := present(ctx)
			wait.End(err)
			if err == nil {
				span.result(result)
			}
			return result, err
		})
		span.End(err)
		return err
	})
	span.End(err)
	return err
}
