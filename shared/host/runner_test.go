//go:build unix

package host

import (
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

// go-plugin makes its own directory before it comes to starting a process. Where there is no room for that, no caller may
// wait for the process.
func TestStartThatNeverComesToAProcess(t *testing.T) {
	t.Parallel()
	p := newProcess()
	p.runner = newRunner("memory", &runnable{path: os.Args[0], name: os.Args[0]}, nil, func(text string) string { return text })
	p.link = newLink(p.runner, nil)
	p.client = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  wire.Handshake,
		Plugins:          plugin.PluginSet{},
		RunnerFunc:       func(hclog.Logger, *exec.Cmd, string) (runner.Runner, error) { return p.runner, nil },
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: "/no/room"},
		Logger:           hclog.NewNullLogger(),
	})
	if err := p.connect(); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("connected with %v", err)
	}
	stopped := make(chan struct{})
	go func() {
		_ = p.stop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(5 * time.Second):
		t.Fatal("stop waits for a process that was never started")
	}
}
