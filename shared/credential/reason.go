package credential

import (
	"maps"
	"slices"
)

// Reason says why a call failed. It is an error itself, so that errors.Is(err, credential.CredentialNotFound) works for
// every error of a provider, a host or a store.
type Reason string

// Error implements error.
func (r Reason) Error() string { return string(r) }

// The reasons that a provider gives. The contract, credential_provider.proto, says what each one means.
const (
	CredentialNotFound     Reason = "CREDENTIAL_NOT_FOUND"
	VersionNotFound        Reason = "VERSION_NOT_FOUND"
	CredentialDeleted      Reason = "CREDENTIAL_DELETED"
	CredentialMalformed    Reason = "CREDENTIAL_MALFORMED"
	DecryptionFailed       Reason = "DECRYPTION_FAILED"
	AccessDenied           Reason = "ACCESS_DENIED"
	CredentialIDInvalid    Reason = "CREDENTIAL_ID_INVALID"
	SettingsInvalid        Reason = "SETTINGS_INVALID"
	PageTokenInvalid       Reason = "PAGE_TOKEN_INVALID"
	RequestInvalid         Reason = "REQUEST_INVALID"
	NotConfigured          Reason = "NOT_CONFIGURED"
	AlreadyConfigured      Reason = "ALREADY_CONFIGURED"
	BackendUnauthenticated Reason = "BACKEND_UNAUTHENTICATED"
	BackendMisconfigured   Reason = "BACKEND_MISCONFIGURED"
	Throttled              Reason = "THROTTLED"
	BackendUnavailable     Reason = "BACKEND_UNAVAILABLE"
	DeadlineExceeded       Reason = "DEADLINE_EXCEEDED"
	Cancelled              Reason = "CANCELLED"
	Unsupported            Reason = "UNSUPPORTED"
	Internal               Reason = "INTERNAL"
)

// The reasons that a host or a store adds. A provider that sends one misbehaves.
const (
	ProviderNotFound     Reason = "PROVIDER_NOT_FOUND"
	ProviderRefused      Reason = "PROVIDER_REFUSED"
	ProviderStartFailed  Reason = "PROVIDER_START_FAILED"
	ProviderIncompatible Reason = "PROVIDER_INCOMPATIBLE"
	ProviderCrashed      Reason = "PROVIDER_CRASHED"
	ProviderUnresponsive Reason = "PROVIDER_UNRESPONSIVE"
	ProviderMisbehaved   Reason = "PROVIDER_MISBEHAVED"
	CredentialRejected   Reason = "CREDENTIAL_REJECTED"
)

// providerCodes are the names of the gRPC status codes that belong to the reasons of a provider. They are strings, so
// that the package can be used without gRPC; shared/internal/wire has the codes.
var providerCodes = map[Reason]string{
	CredentialNotFound:     "NOT_FOUND",
	VersionNotFound:        "NOT_FOUND",
	CredentialDeleted:      "NOT_FOUND",
	CredentialMalformed:    "FAILED_PRECONDITION",
	DecryptionFailed:       "FAILED_PRECONDITION",
	AccessDenied:           "PERMISSION_DENIED",
	CredentialIDInvalid:    "INVALID_ARGUMENT",
	SettingsInvalid:        "INVALID_ARGUMENT",
	PageTokenInvalid:       "INVALID_ARGUMENT",
	RequestInvalid:         "INVALID_ARGUMENT",
	NotConfigured:          "FAILED_PRECONDITION",
	AlreadyConfigured:      "FAILED_PRECONDITION",
	BackendUnauthenticated: "UNAUTHENTICATED",
	BackendMisconfigured:   "FAILED_PRECONDITION",
	Throttled:              "RESOURCE_EXHAUSTED",
	BackendUnavailable:     "UNAVAILABLE",
	DeadlineExceeded:       "DEADLINE_EXCEEDED",
	Cancelled:              "CANCELLED",
	Unsupported:            "UNIMPLEMENTED",
	Internal:               "INTERNAL",
}

// hostCodes are those of the reasons that only a host or a store gives.
var hostCodes = map[Reason]string{
	ProviderNotFound:     "FAILED_PRECONDITION",
	ProviderRefused:      "FAILED_PRECONDITION",
	ProviderStartFailed:  "FAILED_PRECONDITION",
	ProviderIncompatible: "FAILED_PRECONDITION",
	ProviderCrashed:      "UNAVAILABLE",
	ProviderUnresponsive: "UNAVAILABLE",
	ProviderMisbehaved:   "INTERNAL",
	CredentialRejected:   "FAILED_PRECONDITION",
}

// Code returns the name of the gRPC status code that belongs to the reason, such as "NOT_FOUND"; "INTERNAL" for a reason
// that isn't of the contract.
func (r Reason) Code() string {
	if code, ok := providerCodes[r]; ok {
		return code
	}
	if code, ok := hostCodes[r]; ok {
		return code
	}
	return "INTERNAL"
}

// FromProvider reports whether a provider may send the reason.
func (r Reason) FromProvider() bool {
	_, ok := providerCodes[r]
	return ok
}

// Reasons are all reasons of the contract, of providers and of hosts, sorted.
func Reasons() []Reason {
	all := slices.AppendSeq(slices.Collect(maps.Keys(providerCodes)), maps.Keys(hostCodes))
	slices.Sort(all)
	return all
}

// Transient reports whether the same call may succeed later without any change by an operator.
func (r Reason) Transient() bool {
	switch r {
	case Throttled, BackendUnavailable, DeadlineExceeded, ProviderCrashed, ProviderUnresponsive:
		return true
	default:
		return false
	}
}
