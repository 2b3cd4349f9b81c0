package main

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
)

// signalled is what the workflow of a device does with signals.
type signalled struct {
	*testsuite.TestWorkflowEnvironment
	granted []string
	gone    map[string]bool // workflows that can't be signalled
	closed  map[string]bool // workflows that have ended
	asked   int
}

func newSignalled() *signalled {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	s := &signalled{TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment(), gone: map[string]bool{}, closed: map[string]bool{}}
	s.RegisterWorkflowWithOptions((&fleet{lease: time.Second}).Device, workflow.RegisterOptions{Name: deviceWorkflow})
	s.RegisterActivityWithOptions(func(_ context.Context, t ticket) (bool, error) {
		s.asked++
		return s.closed[t.WorkflowID], nil
	}, activity.RegisterOptions{Name: closedName})
	s.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, grantedName, mock.Anything).Return(func(_, id, _, _ string, _ any) error {
		if s.gone[id] {
			return temporal.NewApplicationError("there is no such workflow", "NotFound")
		}
		s.granted = append(s.granted, id)
		return nil
	})
	return s
}

func ticketOf(id string, priority int) ticket {
	return ticket{WorkflowID: id, RunID: "run of " + id, Priority: priority}
}

func (s *signalled) at(after time.Duration, signal string, t ticket) {
	s.RegisterDelayedCallback(func() { s.SignalWorkflow(signal, t) }, after)
}

// The device goes from one job to the next, by priority, and past those that are gone.
func TestDevice(t *testing.T) {
	s := newSignalled()
	s.gone["gone"] = true
	for i, next := range []ticket{ticketOf("a", 0), ticketOf("low", 5), ticketOf("gone", 1), ticketOf("high", 1), ticketOf("a", 0), ticketOf("low", 5), ticketOf("left", 2)} {
		s.at(time.Duration(i)*time.Millisecond, acquireName, next)
	}
	s.at(time.Second, releaseName, ticketOf("left", 2)) // cancelled in the queue
	s.RegisterDelayedCallback(func() {
		if !reflect.DeepEqual(s.granted, []string{"a"}) {
			t.Errorf("while the first job has the device: %q", s.granted)
		}
		s.CancelWorkflow() // which does nothing
	}, 2*time.Second)
	for i, id := range []string{"a", "high", "low"} {
		s.at(time.Duration(3+i)*time.Second, releaseName, ticketOf(id, 0))
	}
	s.ExecuteWorkflow(deviceWorkflow, line{})
	if err := s.GetWorkflowError(); err != nil || !reflect.DeepEqual(s.granted, []string{"a", "high", "low"}) {
		t.Errorf("granted to %q, %v", s.granted, err)
	}
}

// A job that ended without a word keeps the device until its worker has noticed too, and one that is there keeps it.
func TestDeviceOfAClosedJob(t *testing.T) {
	s := newSignalled()
	s.at(0, acquireName, ticketOf("a", 0))
	s.at(time.Millisecond, acquireName, ticketOf("b", 0))
	s.RegisterDelayedCallback(func() { s.closed["a"] = true }, look+look/2)
	s.RegisterDelayedCallback(func() {
		if len(s.granted) != 1 || s.asked != 2 {
			t.Errorf("after %d looks: %q", s.asked, s.granted)
		}
	}, 2*look+500*time.Millisecond) // half of the lease
	s.at(3*look, releaseName, ticketOf("b", 0))
	s.ExecuteWorkflow(deviceWorkflow, line{})
	if err := s.GetWorkflowError(); err != nil || !reflect.DeepEqual(s.granted, []string{"a", "b"}) {
		t.Errorf("granted to %q, %v", s.granted, err)
	}
}

// A long history is left behind, and nothing that was in it.
func TestDeviceContinues(t *testing.T) {
	s := newSignalled()
	s.SetContinueAsNewSuggested(true)
	s.at(0, acquireName, ticketOf("a", 0))
	s.ExecuteWorkflow(deviceWorkflow, line{Queue: []ticket{ticketOf("b", 0)}})
	var next *workflow.ContinueAsNewError
	if err := s.GetWorkflowError(); !errors.As(err, &next) {
		t.Fatalf("got %v", err)
	}
	var l line
	if err := converter.GetDefaultDataConverter().FromPayloads(next.Input, &l); err != nil || l.Holder == nil || l.Holder.WorkflowID != "b" || len(l.Queue) != 1 || !reflect.DeepEqual(s.granted, []string{"b"}) {
		t.Errorf("granted to %q, goes on with %+v, %v", s.granted, l, err)
	}
}
