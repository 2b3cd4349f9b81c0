package job

import (
	"maps"
	"slices"

	"github.com/tom-worker/credential-provider/host-example/worker/device"
	"github.com/tom-worker/credential-provider/host-example/worker/hostrules"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// The reasons of jobs that were not done for the queue's own sake.
const (
	// Invalid is a line that is no job.
	Invalid credential.Reason = "JOB_INVALID"
	// NotStarted is a job that the worker didn't start, because it was told to exit.
	NotStarted credential.Reason = "JOB_NOT_STARTED"
	// Interrupted is a job that the worker broke off, because it had to exit. Some of its commands may have run.
	Interrupted credential.Reason = "JOB_INTERRUPTED"
	// TimedOut is a job whose time was up. Some of its commands may have run.
	TimedOut credential.Reason = "JOB_TIMED_OUT"
)

// reasonCodes are the reasons of this package and of those that jobs are done with.
var reasonCodes = func() map[credential.Reason]string {
	all := map[credential.Reason]string{
		Invalid:              "INVALID_ARGUMENT",
		NotStarted:           "UNAVAILABLE",
		Interrupted:          "ABORTED",
		TimedOut:             "DEADLINE_EXCEEDED",
		hostrules.NotAllowed: "PERMISSION_DENIED",
	}
	maps.Copy(all, device.Codes())
	return all
}()

// Reasons returns the reasons of packages job, device and hostrules, sorted.
func Reasons() []credential.Reason { return slices.Sorted(maps.Keys(reasonCodes)) }

// Code returns the gRPC code that belongs to one of [Reasons] or to a reason of package credential.
func Code(reason credential.Reason) string {
	if own, ok := reasonCodes[reason]; ok {
		return own
	}
	return reason.Code()
}
