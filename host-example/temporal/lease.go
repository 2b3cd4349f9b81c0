package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/tom-worker/credential-provider/host-example/worker/job"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// The causes for which an attempt's context ends.
var (
	errCancelled = credential.Errorf(credential.Cancelled, "the job was cancelled")
	errStopped   = credential.Errorf(job.Interrupted, "the worker had to end before the job did")
	errLost      = credential.Errorf(job.Interrupted, "the worker was out of touch with the Temporal server for too long")
)

// lease is an attempt's right to send commands. It is renewed by heartbeats, and ends, by the worker's own clock, no later than
// the server gives the attempt up: from then on another job may be at the device. (The SDK's own heartbeats don't tell when one
// was answered.)
type lease struct {
	client client.Client
	token  []byte // the activity's
	length time.Duration
	end    context.CancelCauseFunc

	mu      sync.Mutex
	renewed time.Time // when the last heartbeat that was answered was sent
}

// hold takes the lease of the activity whose context is ctx, and returns a context that ends with it. release ends the
// heartbeats.
func hold(ctx context.Context, c client.Client) (held context.Context, l *lease, release func(), err error) {
	held, end := context.WithCancelCause(ctx)
	info := activity.GetInfo(ctx)
	l = &lease{client: c, token: info.TaskToken, length: info.HeartbeatTimeout, end: end}
	if l.beat(ctx); context.Cause(held) != nil {
		return nil, nil, nil, context.Cause(held)
	}
	beating, stop := context.WithCancel(ctx)
	var beats sync.WaitGroup
	beats.Go(func() {
		every := time.NewTicker(l.length / 5)
		defer every.Stop()
		for {
			select {
			case <-every.C:
				l.beat(beating)
			case <-beating.Done():
				return
			}
		}
	})
	return held, l, func() { stop(); beats.Wait(); end(nil) }, nil
}

// beat sends a heartbeat.
func (l *lease) beat(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, l.length/2)
	defer cancel()
	now := time.Now()
	err := l.client.RecordActivityHeartbeat(limited, l.token)
	switch {
	case ctx.Err() != nil: // released
	case temporal.IsCanceledError(err):
		l.renew(now) // the server waits for the end
		l.end(errCancelled)
	case err == nil, errors.Is(err, activity.ErrActivityPaused), errors.Is(err, activity.ErrActivityReset):
		l.renew(now)
	case errors.As(err, new(*serviceerror.NotFound)):
		l.end(errLost)
	default: // the server is away
		l.valid()
	}
}

func (l *lease) renew(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.renewed = at
}

// valid ends the lease if its time is over. A tenth is left to clocks that differ. Both clocks count: one stops while the
// machine is suspended.
func (l *lease) valid() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	most := l.length - l.length/10
	if time.Since(l.renewed) < most && time.Now().Round(0).Sub(l.renewed.Round(0)) < most {
		return true
	}
	l.end(errLost)
	return false
}
