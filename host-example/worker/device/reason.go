package device

import (
	"github.com/tom-worker/credential-provider/shared/credential"
)

// The reasons of this package's errors, besides CANCELLED and CREDENTIAL_MALFORMED.
const (
	// Unreachable is a device to which no connection could be made, or that ended it before the login.
	Unreachable credential.Reason = "DEVICE_UNREACHABLE"
	// HostKeyUnknown is a device whose host key isn't in the known_hosts file.
	HostKeyUnknown credential.Reason = "HOST_KEY_UNKNOWN"
	// HostKeyChanged is a device with another host key than the known_hosts file has, or with a revoked one.
	HostKeyChanged credential.Reason = "HOST_KEY_CHANGED"
	// LoginUnsupported is a device that accepts no login method for which the credential has something to show.
	LoginUnsupported credential.Reason = "LOGIN_UNSUPPORTED"
	// CredentialExpired is a device that takes the password only to set a new one.
	CredentialExpired credential.Reason = "CREDENTIAL_EXPIRED_AT_DEVICE"
	// CommandFailed is a command that ended with a status other than 0, or that the device did not run.
	CommandFailed credential.Reason = "COMMAND_FAILED"
	// CommandRejected is a command that the device says in words to reject: a line of its output fits the patterns of the
	// platform, or the job's own.
	CommandRejected credential.Reason = "COMMAND_REJECTED"
	// EnableRefused is a device that gives no privileges.
	EnableRefused credential.Reason = "ENABLE_REFUSED"
	// PromptNotFound is a device that didn't show the prompt that was waited for. The error has the device's screen.
	PromptNotFound credential.Reason = "PROMPT_NOT_FOUND"
	// ConnectionLost is a connection that ended while commands were running.
	ConnectionLost credential.Reason = "CONNECTION_LOST"
)

// Codes returns the gRPC code of each reason of this package.
func Codes() map[credential.Reason]string {
	return map[credential.Reason]string{
		CommandRejected:   "ABORTED",
		EnableRefused:     "PERMISSION_DENIED",
		PromptNotFound:    "FAILED_PRECONDITION",
		CredentialExpired: "FAILED_PRECONDITION",
		Unreachable:       "UNAVAILABLE",
		HostKeyUnknown:    "FAILED_PRECONDITION",
		HostKeyChanged:    "FAILED_PRECONDITION",
		LoginUnsupported:  "FAILED_PRECONDITION",
		CommandFailed:     "ABORTED",
		ConnectionLost:    "UNAVAILABLE",
	}
}
