package job

import (
	"maps"
	"slices"

	"google.golang.org/grpc/codes"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// The reasons that a worker adds to those of package credential.
const (
	// Invalid is a line that is no job.
	Invalid credential.Reason = "JOB_INVALID"
	// NotStarted is a job that the worker didn't begin, because it was told to end.
	NotStarted credential.Reason = "JOB_NOT_STARTED"
	// Interrupted is a job that the worker broke off, because it had to end. Some of its commands may have run.
	Interrupted credential.Reason = "JOB_INTERRUPTED"
	// TimedOut is a job whose time was up. Some of its commands may have run.
	TimedOut credential.Reason = "JOB_TIMED_OUT"
	// HostNotAllowed is a credential that the settings don't allow to be sent to the host.
	HostNotAllowed credential.Reason = "HOST_NOT_ALLOWED"
	// AuditFailed is a credential that wasn't handed out because that could not be written down.
	AuditFailed credential.Reason = "AUDIT_FAILED"
	// DeviceUnreachable is a device that no connection could be made to, or that broke it off before the login.
	DeviceUnreachable credential.Reason = "DEVICE_UNREACHABLE"
	// HostKeyUnknown is a device whose host key isn't in the known_hosts file.
	HostKeyUnknown credential.Reason = "HOST_KEY_UNKNOWN"
	// HostKeyChanged is a device with another host key than the known_hosts file has, or with a revoked one.
	HostKeyChanged credential.Reason = "HOST_KEY_CHANGED"
	// LoginUnsupported is a device that takes no way to log in that there is for the credential.
	LoginUnsupported credential.Reason = "LOGIN_UNSUPPORTED"
	// CommandFailed is a command that ended with a status other than 0, or that the device would not run.
	CommandFailed credential.Reason = "COMMAND_FAILED"
	// ConnectionLost is a connection that ended while commands were running.
	ConnectionLost credential.Reason = "CONNECTION_LOST"
)

var reasonCodes = map[credential.Reason]codes.Code{
	Invalid:           codes.InvalidArgument,
	NotStarted:        codes.Unavailable,
	Interrupted:       codes.Aborted,
	TimedOut:          codes.DeadlineExceeded,
	HostNotAllowed:    codes.PermissionDenied,
	AuditFailed:       codes.Unavailable,
	DeviceUnreachable: codes.Unavailable,
	HostKeyUnknown:    codes.FailedPrecondition,
	HostKeyChanged:    codes.FailedPrecondition,
	LoginUnsupported:  codes.FailedPrecondition,
	CommandFailed:     codes.Aborted,
	ConnectionLost:    codes.Unavailable,
}

// Reasons are the reasons of this package, sorted.
func Reasons() []credential.Reason { return slices.Sorted(maps.Keys(reasonCodes)) }

// Code is the gRPC code that belongs to a reason of this package or of package credential.
func Code(reason credential.Reason) codes.Code {
	if code, ok := reasonCodes[reason]; ok {
		return code
	}
	return reason.Code()
}
