package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

// answering is a server that has one answer to heartbeats.
type answering struct {
	client.Client
	err error
}

func (a *answering) RecordActivityHeartbeat(context.Context, []byte, ...any) error { return a.err }

// What the server says to a heartbeat is what becomes of the lease.
func TestLease(t *testing.T) {
	for _, test := range []struct {
		name  string
		says  error
		ends  error // the cause
		valid bool
	}{
		{name: "nothing", valid: true},
		{name: "the activity is paused", says: activity.ErrActivityPaused, valid: true},
		{name: "cancelled: the attempt has still to end", says: temporal.NewCanceledError(), ends: errCancelled, valid: true},
		{name: "given up", says: serviceerror.NewNotFound("activity"), ends: errLost},
		{name: "away", says: serviceerror.NewUnavailable("no connection"), ends: errLost},
	} {
		t.Run(test.name, func(t *testing.T) {
			held, end := context.WithCancelCause(t.Context())
			defer end(nil)
			l := &lease{client: &answering{err: test.says}, length: time.Minute, end: end}
			l.renew(time.Now().Add(-time.Hour))
			l.beat(t.Context())
			if cause := context.Cause(held); !errors.Is(cause, test.ends) || l.valid() != test.valid {
				t.Errorf("it ends with %v, valid: %v", cause, l.valid())
			}
		})
	}
}

// A server that is away for a moment costs nothing. The lease is over before the server's own time is, by either clock.
func TestLeaseEnds(t *testing.T) {
	held, end := context.WithCancelCause(t.Context())
	defer end(nil)
	l := &lease{client: &answering{err: errors.New("away")}, length: time.Minute, end: end}
	l.renew(time.Now().Add(-50 * time.Second))
	if l.beat(t.Context()); !l.valid() || held.Err() != nil {
		t.Error("it has ended too early")
	}
	l.renew(time.Now().Add(-55 * time.Second).Round(0)) // no monotonic clock: it stood still
	if l.valid() || !errors.Is(context.Cause(held), errLost) {
		t.Errorf("it hasn't ended: %v", context.Cause(held))
	}
}
