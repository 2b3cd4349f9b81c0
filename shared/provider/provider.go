package provider

import (
	"context"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Provider reads credentials from a backend. Its methods are called concurrently. ctx carries the caller's deadline, and
// a method returns before it, or soon after ctx is cancelled. hclog.FromContext(ctx) is the call's logger: its lines carry
// the host's trace id, if there is one.
type Provider interface {
	// Get reads one credential: the id asked for, byte for byte as stored, never from a cache. The request has an id
	// of 1 to 512 bytes of UTF-8, and a version only if [Definition.Versions] is set.
	//
	// An id that no credential could have is credential.CredentialIDInvalid, one that doesn't exist
	// credential.CredentialNotFound; the contract's table has the other reasons.
	Get(ctx context.Context, request credential.Request) (*credential.Credential, error)
}

// Lister is a provider that can list its credentials (capability LIST).
type Lister interface {
	// List returns one page of at most pageSize (1 to 1,000) summaries. pageToken is empty for the first page, else a
	// NextToken that this provider returned; any other is credential.PageTokenInvalid.
	List(ctx context.Context, pageSize int, pageToken string) (credential.Page, error)
}

// BatchGetter is a provider that reads many credentials with less than one call to its backend for each (capability BATCH).
type BatchGetter interface {
	// GetBatch returns one result a request, in order. The error is for a batch of which nothing could be tried; one
	// credential that fails is a Result with Err. There are 1 to 100 requests.
	GetBatch(ctx context.Context, requests []credential.Request) ([]credential.Result, error)
}

// Validator is a provider that can check its backend, permissions and settings.
type Validator interface {
	// Validate runs its checks side by side, each bounded in time, and reports what it found; an error means that it
	// could not check at all. id, if it isn't empty, is a credential to read as a proof.
	Validate(ctx context.Context, id string) (credential.Report, error)
}

// Closer is a provider that has something to release when the process ends in an orderly way.
type Closer interface {
	// Close releases it. The context of a call that is still under way is cancelled, but it may not have returned yet.
	// After a second the process exits without waiting any longer.
	Close() error
}

// Definition is a provider program: S is its settings struct, P the type that New returns. Abilities that are methods are
// read off P, not off the value behind it, since they must be known before there is one: if P is an interface type, it has
// to include [Lister] and the like.
type Definition[S any, P Provider] struct {
	// Name is the provider's name, [a-z][a-z0-9_]*. The executable is called tom-credential-<Name>.
	Name string
	// Version is the provider's own version, such as "1.4.0".
	Version string
	// Description says in one line what the provider reads from.
	Description string
	// Versions reports that Get and GetBatch honour Request.VersionID and Request.VersionLabel (capability VERSION). When
	// false, a request with either is refused before it reaches the provider.
	Versions bool
	// PreviousVersionLabel is the label by which Get reads the version that was current before the present one, such as
	// "AWSPREVIOUS"; empty if there is none. It needs Versions. A host uses it during a rotation.
	PreviousVersionLabel string

	// Defaults holds the value of each setting that isn't set. Those that aren't zero are the schema's defaults.
	//
	// The fields of S are settings: exported, of type string, bool, an integer or a float, []string, [Duration], or
	// [credential.Redacted] for a secret. Tags: `json:"name,omitempty"` names it (without omitempty it is required),
	// `jsonschema:"..."` describes it, `pattern:"..."` and `enum:"a,b"` bound it, `empty:"allowed"` makes an empty
	// string a value instead of "not set".
	Defaults S

	// New makes the provider from checked settings. It may read local files that settings name, such as a CA certificate; a
	// file that may change, such as a token, is read again when it is used. It uses no network: that is for Validate and the first read. An
	// error that isn't a [*credential.Error] is taken as credential.SettingsInvalid with the error's text; it must not
	// quote a secret. After an error New may be called again.
	New func(settings S, log hclog.Logger) (P, error)
}
