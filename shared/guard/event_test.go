package guard

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A line says that logins wait, when one has for more than ten seconds, and every ten seconds then; and a login's own waits are announced.
func TestLongWaitsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		b.put("lab", "A")
		var log bytes.Buffer
		g := newGuard(t, b, Options{Budgets: []Budget{{"*", 1}}, LoginTimeout: time.Hour, UnauthenticatedTime: time.Hour, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		d := &device{password: "A", takes: 25 * time.Second}
		waits, ended := 0, 0
		ctx := WithWaiting(t.Context(), func(id string) func() {
			if id != "lab" {
				t.Errorf("the wait is of %q", id)
			}
			waits++
			return func() { ended++ }
		})
		var wait sync.WaitGroup
		for i := range 2 {
			wait.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				if err := g.Login(ctx, "lab", fmt.Sprint("sw", i), d.login); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		lines := strings.Count(log.String(), "logins wait for a permit")
		if lines != 2 || !strings.Contains(log.String(), "credential_id=lab waiting=1 longest_wait=") {
			t.Errorf("%d lines in 25 s:\n%s", lines, &log)
		}
		if waits != 1 || ended != 1 {
			t.Errorf("%d waits, of which %d have ended", waits, ended)
		}
	})
}

// Observe is told of permits, answers, and logins that aren't tried.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		b.put("lab", "A")
		var events []Event
		g := newGuard(t, b, Options{Budgets: []Budget{{"*", 1}}, Observe: func(e Event) {
			if e.CredentialID != "lab" || e.Device != "sw1" {
				t.Errorf("%+v", e)
			}
			events = append(events, e)
		}})
		d := &device{password: "B", takes: time.Second}
		_ = g.Login(t.Context(), "lab", "sw1", d.login) // refused
		_ = g.Login(t.Context(), "lab", "sw1", d.login) // not tried
		_ = g.Forget(t.Context(), "lab")
		d.password = "A"
		_ = g.Login(t.Context(), "lab", "sw1", d.login) // accepted
		kinds := []EventKind{PermitGranted, Answered, Prevented, PermitGranted, Answered}
		answers := []Answer{0, Refused, 0, 0, Accepted}
		var gotKinds []EventKind
		var gotAnswers []Answer
		for _, e := range events {
			gotKinds, gotAnswers = append(gotKinds, e.Kind), append(gotAnswers, e.Answer)
			if e.Kind == Answered && (e.Version != "a" || e.Previous) {
				t.Errorf("%+v", e)
			}
		}
		if !slices.Equal(gotKinds, kinds) || !slices.Equal(gotAnswers, answers) {
			t.Errorf("kinds %v, answers %v", gotKinds, gotAnswers)
		}
	})
}
