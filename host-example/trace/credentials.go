package trace

import (
	"context"

	"github.com/tom-worker/credential-provider/host-example/access"
	"github.com/tom-worker/credential-provider/shared/store"
)

// Credentials puts spans around what jobs ask of a store: "credential" for a read, "login" for a login, and below that "ssh
// login" for each attempt at the device.
func (t *Traces) Credentials(of access.Credentials) access.Credentials {
	if !t.on() {
		return of
	}
	return &credentials{of}
}

type credentials struct{ of access.Credentials }

// Get implements access.Credentials.
func (c *credentials) Get(ctx context.Context, id string) (store.Lease, error) {
	ctx, span := Begin(ctx, "credential")
	span.Set(CredentialID, id)
	lease, err := c.of.Get(ctx, id)
	if err == nil {
		span.lease(lease)
	}
	span.End(err)
	return lease, err
}

// Login implements access.Credentials.
func (c *credentials) Login(ctx context.Context, id, device string, do func(context.Context, store.Lease) error) error {
	ctx, span := Begin(ctx, "login")
	span.Set(CredentialID, id)
	err := c.of.Login(ctx, id, device, func(ctx context.Context, lease store.Lease) error {
		ctx, span := Begin(ctx, "ssh login")
		span.lease(lease)
		err := do(ctx, lease)
		span.End(err)
		return err
	})
	span.End(err)
	return err
}
