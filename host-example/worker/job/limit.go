package job

import (
	"context"
	"time"

	"github.com/tom-worker/credential-provider/host-example/worker/device"
)

// Limit bounds a job's work. When the time is up, its context is done with a cause of the reason JOB_TIMED_OUT; the answer of
// a device that has been shown a secret is waited for nevertheless, until ctx is done.
func Limit(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(device.AwaitAnswers(ctx), limit, errTimedOut)
}
