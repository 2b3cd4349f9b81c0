//go:build unix

package host

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"

	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// go-plugin makes a folder of its own before it comes to starting a process. Where there is no room for that, nobody may
// wait for the process.
func TestStartThatNeverComesToAProcess(t *testing.T) {
	t.Parallel()
	p := &process{child: newChild("memory", os.Args[0], nil, func(text string) string { return text })}
	p.life, p.giveUp = context.WithCancelCause(context.Background())
	p.client = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  wire.Handshake,
		Plugins:          plugin.PluginSet{},
		RunnerFunc:       func(hclog.Logger, *exec.Cmd, string) (runner.Runner, error) { return p.child, nil },
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: "/no/room"},
		Logger:           hclog.NewNullLogger(),
	})
	if err := p.connect(); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("connected with %v", err)
	}
	stopped := make(chan struct{})
	go func() {
		p.stop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(5 * time.Second):
		t.Fatal("stop waits for a process that was never started")
	}
}
