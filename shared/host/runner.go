package host

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-plugin/runner"

	"github.com/tom-worker/credential-provider/shared/internal/child"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

const (
	// pipeGrace is how long after the process's end its pipes are still read: what it wrote last says why it ended. A
	// descendant that left the process group may hold them open for ever.
	pipeGrace = 500 * time.Millisecond
	// killTimeout is how long a killed process may take to end, before it is given up.
	killTimeout = 3 * time.Second
)

// pluginRunner is one provider process, as go-plugin wants one: go-plugin reads the handshake line and log lines from it, and
// asks it to end the process. Both streams are cleaned before go-plugin sees them: there are lines that crash it, and lines
// that block it.
type pluginRunner struct {
	name   string // the provider's name, under which its log lines appear
	cmd    *exec.Cmd
	stdout *handshakeFilter
	stderr *logFilter

	process *child.Process // nil until Start has succeeded
	started chan struct{}  // closed when the start has succeeded or failed
	drained chan struct{}  // closed when what it wrote has been read, or pipeGrace after its end
	ended   chan struct{}  // closed when nothing waits for the process any more: it ended, or was given up
	ending  sync.Once
	killing sync.Once

	killed  atomic.Bool // by this host: what the connection meets after that is its own doing
	outside atomic.Bool // it was killed, and not by this host; known once ended is closed
	ours    atomic.Bool // it was killed by this host, before it had ended

	mu    sync.Mutex
	stuck error // why it was given up, once ended is closed
}

var _ runner.Runner = (*pluginRunner)(nil)

// newRunner prepares a process; Start starts it. environ is complete: nothing of the host's environment is added.
func newRunner(name string, run *runnable, environ []string, redact func(string) string) *pluginRunner {
	cmd := exec.Command(run.path)
	cmd.Args = []string{run.name}
	if run.inherit != nil {
		cmd.ExtraFiles = []*os.File{run.inherit}
	}
	cmd.Env = append(slices.Clone(environ), wire.EnvLifeline+"="+wire.LifelineStdin)
	log := newLogFilter(redact)
	return &pluginRunner{
		name:    name,
		cmd:     cmd,
		stdout:  newHandshakeFilter(log),
		stderr:  log,
		started: make(chan struct{}),
		drained: make(chan struct{}),
		ended:   make(chan struct{}),
	}
}

// Start starts the process, for go-plugin. ctx is not used: starting a process doesn't block.
func (r *pluginRunner) Start(context.Context) error {
	process, err := child.Start(r.cmd)
	if err != nil {
		r.stdout.close()
		r.stderr.close()
		r.end(nil)
		close(r.started)
		return err
	}
	r.process = process
	go r.stdout.copy(process.Stdout)
	go r.stderr.copy(process.Stderr)
	go func() {
		<-process.Exited()
		killed := r.killed.Load() // before the supervisor makes sure that it is gone
		r.ours.Store(killed && process.Killed())
		r.outside.Store(!killed && process.Killed())
		r.end(nil)
		select {
		case <-r.stderr.done:
		case <-time.After(pipeGrace):
		}
		close(r.drained)
		process.Close()
	}()
	close(r.started)
	return nil
}

// end notes that nothing waits for the process any more.
func (r *pluginRunner) end(stuck error) {
	r.ending.Do(func() {
		r.mu.Lock()
		r.stuck = stuck
		r.mu.Unlock()
		close(r.ended)
	})
}

// giveUp is for after a start of go-plugin's that has failed: it may never have come to Start, for want of room for its
// directory, and nothing shall wait for a process then.
func (r *pluginRunner) giveUp() {
	select {
	case <-r.started:
	default:
		r.end(nil)
		close(r.started)
	}
}

// kill ends the process and its group, at once and without waiting. One that is still there after killTimeout is given up.
func (r *pluginRunner) kill() {
	<-r.started
	if r.process == nil {
		return
	}
	r.killed.Store(true)
	r.process.Kill()
	r.killing.Do(func() {
		go func() {
			if err := r.process.End(killTimeout); err != nil {
				// Its pipes are closed now, and so go-plugin's readers of them return.
				r.end(err)
			}
		}()
	})
}

// stuckError is why the process was given up; nil if it has ended.
func (r *pluginRunner) stuckError() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stuck
}

// Kill ends the process, for go-plugin.
func (r *pluginRunner) Kill(context.Context) error {
	r.kill()
	return nil
}

// Wait waits for the process's end, for go-plugin. For one that was given up there is nothing to wait for.
func (r *pluginRunner) Wait(ctx context.Context) error {
	select {
	case <-r.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// exitStatus says how the process ended, and its last log lines: what the operator needs to know first.
func (r *pluginRunner) exitStatus() string {
	status := "it is still running"
	if r.process != nil {
		if state := r.process.State(); state != "" {
			if status = state; r.ours.Load() {
				status = "this host has ended it"
			}
			<-r.drained // what it wrote last says why; it takes pipeGrace at most
		}
	}
	if stuck := r.stuckError(); stuck != nil {
		status = stuck.Error()
	}
	return status + "; " + r.lastLines()
}

// lastLines are its last log lines.
func (r *pluginRunner) lastLines() string {
	if lines := r.stderr.tail(); len(lines) > 0 {
		return "its last lines:\n    " + strings.Join(lines, "\n    ")
	}
	return "it wrote no log lines"
}

// Stdout is the handshake line, for go-plugin.
func (r *pluginRunner) Stdout() io.ReadCloser { return r.stdout.out }

// Stderr are the log lines, for go-plugin.
func (r *pluginRunner) Stderr() io.ReadCloser { return r.stderr.out }

// Name is the provider's name; go-plugin puts it before its log lines.
func (r *pluginRunner) Name() string { return r.name }

// ID is the process id; empty before the start.
func (r *pluginRunner) ID() string {
	select {
	case <-r.started:
	default:
		return ""
	}
	if r.process == nil {
		return ""
	}
	return fmt.Sprint(r.process.ID())
}

// Diagnose adds nothing: the start looks at the process itself.
func (r *pluginRunner) Diagnose(context.Context) string { return "" }

// PluginToHost leaves addresses as they are.
func (r *pluginRunner) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin leaves addresses as they are.
func (r *pluginRunner) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
