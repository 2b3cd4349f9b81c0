// Package access has what a worker asks for: of a store, on behalf of jobs, and of the provider behind it. Whatever looks on,
// metrics, health and traces, is put in front of these.
package access

import (
	"context"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/store"
)

// Credentials are what jobs ask of a store. *store.Store is one.
type Credentials interface {
	Get(ctx context.Context, id string) (store.Lease, error)
	Login(ctx context.Context, id, device string, do func(context.Context, store.Lease) error) error
}

// Provider is what is asked of a provider while it runs. *host.Provider is one.
type Provider interface {
	store.BatchProvider
	List(ctx context.Context, pageSize int, pageToken string) (credential.Page, error)
	Validate(ctx context.Context, id string) (credential.Report, error)
}
