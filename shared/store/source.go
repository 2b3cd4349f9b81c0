package store

import (
	"context"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Source is where a store reads from. *host.Provider is one.
type Source interface {
	// Get reads one credential, whose ID is that of the request. It is called concurrently, and returns when ctx ends.
	// The store doesn't change what it returns. An error that isn't a *credential.Error counts as INTERNAL, except for
	// the end of ctx.
	Get(ctx context.Context, request credential.Request) (*credential.Credential, error)
}

// BatchSource is a [Source] that may be able to read many credentials in one call. *host.Provider is one.
type BatchSource interface {
	Source
	// GetBatch reads up to credential.MaxBatch credentials: results in the order of the requests, one for each. If it
	// can't, which may change from call to call, it returns credential.Unsupported at once.
	GetBatch(ctx context.Context, requests []credential.Request) ([]credential.Result, error)
}

// isCurrent reports whether the current version is asked for, whichever that is.
func isCurrent(r credential.Request) bool { return r.VersionID == "" && r.VersionLabel == "" }

// check refuses what no source would answer before anything of it is remembered.
func check(r credential.Request) error {
	switch {
	case r.ID == "" || len(r.ID) > credential.MaxIDLength:
		return credential.Errorf(credential.CredentialIDInvalid, "a credential id has 1 to %d bytes, not %d", credential.MaxIDLength, len(r.ID))
	case r.VersionID != "" && r.VersionLabel != "":
		return credential.Errorf(credential.RequestInvalid, "credential %q: ask for a version id or for a version label, not for both", r.ID)
	case len(r.VersionID) > credential.MaxIDLength || len(r.VersionLabel) > credential.MaxIDLength:
		return credential.Errorf(credential.RequestInvalid, "credential %q: a version has at most %d bytes", r.ID, credential.MaxIDLength)
	}
	return nil
}
