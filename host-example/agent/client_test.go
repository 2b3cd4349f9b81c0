//go:build linux || darwin

package agent_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/host-example/agent"
	"github.com/tom-worker/credential-provider/host-example/agent/client"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
)

func newClient(t *testing.T, path string) *client.Client {
	t.Helper()
	c, err := client.New(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func passwordOf(c *credential.Credential) string {
	if c == nil {
		return ""
	}
	password, _ := c.Password.Get()
	return password.Reveal()
}

func TestClientGets(t *testing.T) {
	s := start(t)
	c := newClient(t, s.path)
	got, err := c.Get(t.Context(), "lab")
	if err != nil || got.Username != "admin" || passwordOf(got) != "right" {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := c.Get(t.Context(), "none"); credential.ReasonOf(err) != credential.CredentialNotFound {
		t.Errorf("got %v", err)
	}
}

// What do returns is what the ledger hears.
func TestClientReports(t *testing.T) {
	s := start(t)
	c := newClient(t, s.path)
	login := func(device string, answer error) (shown []string, err error) {
		err = c.Login(t.Context(), "lab", device, func(ctx context.Context, present client.Present) error {
			cred, err := present(ctx)
			if err != nil {
				return err
			}
			shown = append(shown, passwordOf(cred))
			return answer
		})
		return shown, err
	}
	if shown, err := login("sw1:22", nil); err != nil || !slices.Equal(shown, []string{"right"}) || s.open() != 0 {
		t.Errorf("accepted: %v, %v, %d permits are open", shown, err, s.open())
	}
	for range 3 { // which costs nothing
		if _, err := login("sw2:22", fmt.Errorf("asked for a code: %w", guard.ErrNotShown)); !errors.Is(err, guard.ErrNotShown) || s.open() != 0 {
			t.Errorf("not shown: %v, %d permits are open", err, s.open())
		}
	}
	if _, err := login("sw3:22", errors.New("silence")); err == nil || s.open() != 0 {
		t.Errorf("no answer: %v, %d permits are open", err, s.open())
	}
	if _, err := login("sw3:22", nil); credential.ReasonOf(err) != credential.CredentialRejected || err.(*credential.Error).RetryDelay <= 0 { //nolint:errorlint // it is the client's own
		t.Errorf("a device that gave no answer: %v", err)
	}
	s.backend.set("next")
	if shown, err := login("sw4:22", guard.ErrRefused); !errors.Is(err, guard.ErrRefused) || len(shown) != 2 || shown[1] != "next" {
		t.Errorf("refused: %v, %v", shown, err)
	}
	// A login in which nothing was asked for, or nothing came of it, leaves nothing behind.
	if err := c.Login(t.Context(), "lab", "sw5:22", func(context.Context, client.Present) error { return errors.New("no route") }); err == nil || s.open() != 0 {
		t.Errorf("not asked: %v, %d permits are open", err, s.open())
	}
}

// A client finds the agent that is started after it, and the one after that.
func TestClientWaitsForTheAgent(t *testing.T) {
	path := filepath.Join(directory(t), "agent.sock")
	b := &backend{passwords: map[string]string{"lab": "right"}}
	c := newClient(t, path)
	for range 2 {
		got := make(chan error, 1)
		go func() {
			_, err := c.Get(t.Context(), "lab")
			got <- err
		}()
		s := startAt(t, path, b)
		if err := <-got; err != nil {
			t.Error(err)
		}
		s.stop()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := c.Get(ctx, "lab"); credential.ReasonOf(err) != credential.ProviderUnresponsive {
		t.Errorf("without an agent: %v", err)
	}
}

// The permit's end is the attempt's.
func TestClientEndsWithThePermit(t *testing.T) {
	s := start(t, func(o *agent.Options) { o.LoginTimeout = 400 * time.Millisecond })
	err := newClient(t, s.path).Login(t.Context(), "lab", "sw1:22", func(ctx context.Context, present client.Present) error {
		if _, err := present(ctx); err != nil {
			return err
		}
		<-ctx.Done()
		return context.Cause(ctx)
	})
	if err == nil || t.Context().Err() != nil {
		t.Errorf("got %v", err)
	}
}
