package store

import (
	"context"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Provider is where a store reads from. *host.Provider is one.
type Provider interface {
	// Get reads one credential, whose ID is that of the request. It is called concurrently, and returns when ctx ends.
	// The store doesn't change what it returns. An error that isn't a *credential.Error counts as INTERNAL, except for
	// the end of ctx.
	Get(ctx context.Context, request credential.Request) (*credential.Credential, error)
}

// BatchProvider is a [Provider] that may be able to read many credentials in one call. *host.Provider is one.
type BatchProvider interface {
	Provider
	// GetBatch reads up to credential.MaxBatch credentials: results in the order of the requests, one for each. If it
	// can't, which may change from call to call, it says so at once with credential.Unsupported.
	GetBatch(ctx context.Context, requests []credential.Request) ([]credential.Result, error)
}

// key is what is read: an id in one version. The zero versions mean the current one.
type key struct{ id, versionID, versionLabel string }

func keyOf(r credential.Request) key { return key{r.ID, r.VersionID, r.VersionLabel} }

func (k key) request() credential.Request {
	return credential.Request{ID: k.id, VersionID: k.versionID, VersionLabel: k.versionLabel}
}

// isCurrent says whether the current version is meant, whichever that is.
func (k key) isCurrent() bool { return k.versionID == "" && k.versionLabel == "" }

// check refuses what no provider would answer before anything of it is remembered.
func (k key) check() *credential.Error {
	switch {
	case k.id == "" || len(k.id) > credential.MaxIDLength:
		return credential.Errorf(credential.CredentialIDInvalid, "a credential id has 1 to %d bytes, not %d", credential.MaxIDLength, len(k.id))
	case k.versionID != "" && k.versionLabel != "":
		return credential.Errorf(credential.RequestInvalid, "credential %q: ask for a version id or for a version label, not for both", k.id)
	case len(k.versionID) > credential.MaxIDLength || len(k.versionLabel) > credential.MaxIDLength:
		return credential.Errorf(credential.RequestInvalid, "credential %q: a version has at most %d bytes", k.id, credential.MaxIDLength)
	}
	return nil
}
