package credential

import (
	"maps"
	"slices"

	"google.golang.org/grpc/codes"
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

// providerCodes are the gRPC codes that belong to the reasons of a provider.
var providerCodes = map[Reason]codes.Code{
	CredentialNotFound:     codes.NotFound,
	VersionNotFound:        codes.NotFound,
	CredentialDeleted:      codes.NotFound,
	CredentialMalformed:    codes.FailedPrecondition,
	DecryptionFailed:       codes.FailedPrecondition,
	AccessDenied:           codes.PermissionDenied,
	CredentialIDInvalid:    codes.InvalidArgument,
	SettingsInvalid:        codes.InvalidArgument,
	PageTokenInvalid:       codes.InvalidArgument,
	RequestInvalid:         codes.InvalidArgument,
	NotConfigured:          codes.FailedPrecondition,
	AlreadyConfigured:      codes.FailedPrecondition,
	BackendUnauthenticated: codes.Unauthenticated,
	BackendMisconfigured:   codes.FailedPrecondition,
	Throttled:              codes.ResourceExhausted,
	BackendUnavailable:     codes.Unavailable,
	DeadlineExceeded:       codes.DeadlineExceeded,
	Cancelled:              codes.Canceled,
	Unsupported:            codes.Unimplemented,
	Internal:               codes.Internal,
}

// hostCodes are those of the reasons that only a host or a store gives.
var hostCodes = map[Reason]codes.Code{
	ProviderNotFound:     codes.FailedPrecondition,
	ProviderRefused:      codes.FailedPrecondition,
	ProviderStartFailed:  codes.FailedPrecondition,
	ProviderIncompatible: codes.FailedPrecondition,
	ProviderCrashed:      codes.Unavailable,
	ProviderUnresponsive: codes.Unavailable,
	ProviderMisbehaved:   codes.Internal,
	CredentialRejected:   codes.FailedPrecondition,
}

// Code returns the gRPC code that belongs to the reason; Internal for one that isn't of the contract.
func (r Reason) Code() codes.Code {
	if code, ok := providerCodes[r]; ok {
		return code
	}
	if code, ok := hostCodes[r]; ok {
		return code
	}
	return codes.Internal
}

// FromProvider says whether a provider may send the reason.
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

// Transient says whether the same call may succeed later without anybody changing anything.
func (r Reason) Transient() bool {
	switch r {
	case Throttled, BackendUnavailable, DeadlineExceeded, ProviderCrashed, ProviderUnresponsive:
		return true
	default:
		return false
	}
}
