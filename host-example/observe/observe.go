// Package observe has what a worker asks for: of a store, on behalf of jobs, and of the provider behind it. Whatever looks on,
// metrics, health and traces, is put in front of these.
package observe

import (
	"context"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
	"github.com/tom-worker/credential-provider/shared/store"
)

// Credentials are what jobs ask for: credentials of a store, and logins of a guard.
type Credentials interface {
	// Get is that of a store.
	Get(ctx context.Context, id string) (store.Result, error)
	// Login is that of a guard. present is the attempt's Present.
	Login(ctx context.Context, id, device string, do func(ctx context.Context, present Present) error) error
}

// Present returns what is to be sent to the device at once, as [guard.Attempt.Present] does.
type Present func(ctx context.Context) (store.Result, error)

// Guarded returns the credentials of a store, with logins by a guard in front of it.
func Guarded(credentials *store.Store, logins *guard.Guard) Credentials {
	return guarded{credentials, logins}
}

type guarded struct {
	*store.Store
	logins *guard.Guard
}

// Login implements Credentials.
func (g guarded) Login(ctx context.Context, id, device string, do func(context.Context, Present) error) error {
	return g.logins.Login(ctx, id, device, func(ctx context.Context, attempt *guard.Attempt) error {
		return do(ctx, attempt.Present)
	})
}

// Provider is what is asked of a provider while it runs. *host.Provider is one.
type Provider interface {
	store.BatchSource
	List(ctx context.Context, pageSize int, pageToken string) (credential.Page, error)
	Validate(ctx context.Context, id string) (credential.Report, error)
}
