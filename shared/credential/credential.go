package credential

import (
	"maps"
	"time"
)

// MaxIDLength is how many bytes a credential id may have.
const MaxIDLength = 512

// MaxBatch is how many requests one batch may hold.
const MaxBatch = 100

// Credential is what a login to a device needs. It is not changed once it has been handed out, so it may be shared.
type Credential struct {
	// ID is the credential id that was asked for.
	ID string
	// Username is never empty.
	Username string
	// Password may be empty, which some devices accept, or absent: then a login uses Extra["private_key"] and must not
	// try an empty password.
	Password Optional
	// Extra holds everything else stored with it: private_key, passphrase, enable_password and the like.
	Extra map[string]Redacted

	// VersionID is the backend's id of the version that was read; empty if it has no versions.
	VersionID string
	// VersionCreated is when that version was created; zero if unknown. It never orders versions.
	VersionCreated time.Time
	// MaxCacheAge is how long the answer may be used without asking again; 0 forbids keeping it at all, nil leaves it
	// to the host.
	MaxCacheAge *time.Duration
	// ExpireTime is when the credential itself stops working; zero if it doesn't.
	ExpireTime time.Time
	// FromReplica says that it comes from a copy that may lag behind.
	FromReplica bool
	// BackendRequestID is the backend's id of the request that read it, for audits; it may be empty.
	BackendRequestID string
}

// PrivateKeyField is the key of Extra that allows a credential to have no password.
const PrivateKeyField = "private_key"

// SameMaterial reports whether both have the same login material: username, password and private key. That, and not the
// version, decides whether a device would answer differently.
func (c *Credential) SameMaterial(other *Credential) bool {
	// No short cut: how long it takes must not depend on which part differs.
	username := NewRedacted(c.Username).Equal(NewRedacted(other.Username))
	password := c.Password.Equal(other.Password)
	key := c.Extra[PrivateKeyField].Equal(other.Extra[PrivateKeyField])
	return username && password && key
}

// Clone returns a copy whose map is its own.
func (c *Credential) Clone() *Credential {
	clone := *c
	clone.Extra = maps.Clone(c.Extra)
	return &clone
}

// Request names one credential. Of VersionID and VersionLabel at most one is set; with neither it is the current version.
type Request struct {
	ID string
	// VersionID is one version, by the backend's id for it.
	VersionID string
	// VersionLabel is what the backend calls a version at present, for example AWSPREVIOUS.
	VersionLabel string
}

// Result is the answer to one request of a batch: Credential or Err is set.
type Result struct {
	Credential *Credential
	Err        error
}

// Summary describes a credential in a listing. Nothing in it is secret.
type Summary struct {
	ID string
	// Description is the backend's, if there is one.
	Description string
	// LastChanged is zero if the backend doesn't report it.
	LastChanged time.Time
}

// Page is a part of a listing. NextToken is empty on the last one.
type Page struct {
	Credentials []Summary
	NextToken   string
}

// Capability names what a provider can do beyond reading one credential.
type Capability string

// The capabilities of contract version 1. Hosts ignore others.
const (
	CapabilityList    Capability = "LIST"
	CapabilityBatch   Capability = "BATCH"
	CapabilityVersion Capability = "VERSION"
)

// Status is the outcome of one check.
type Status string

// The outcomes of a check.
const (
	StatusPassed  Status = "passed"
	StatusWarning Status = "warning"
	StatusFailed  Status = "failed"
	StatusSkipped Status = "skipped"
)

// Check is one thing that Validate looked at.
type Check struct {
	// Name is short and doesn't change: "credentials", "identity", "read".
	Name   string
	Status Status
	// Message is what was found.
	Message string
	// Remedy is what to do about it; empty where the check passed.
	Remedy string
	// Reason is set for failures and warnings.
	Reason Reason
}

// Report is the answer of Validate.
type Report struct {
	// Checks are in the order in which a user should read them.
	Checks []Check
	// BackendCredentialsExpire is when the provider's own credentials for the backend expire; zero if they don't or if
	// it isn't known.
	BackendCredentialsExpire time.Time
}
