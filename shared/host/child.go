package host

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-plugin/runner"

	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// pipeGrace is how long after the process's end its pipes are still read: what it wrote last says why it ended. A
// descendant that left the process group may hold them open for ever.
const pipeGrace = 500 * time.Millisecond

// child is one provider process. It is what go-plugin calls a runner: go-plugin reads the handshake line and log lines
// from it, and asks it to end the process.
//
// Three things are done here that go-plugin leaves to its host. Process and pipes are waited for separately, because a
// grandchild that holds a pipe would otherwise hold everybody. Both streams are cleaned before go-plugin sees them:
// there are lines that crash it, and lines that block it. And standard input is the lifeline: a pipe that nobody writes
// to, whose end tells the provider that its host is gone.
type child struct {
	name   string // the provider's name, under which its log lines appear
	cmd    *exec.Cmd
	stdout *handshakeFilter
	stderr *logFilter

	pipes    []*os.File // our ends, to be closed
	lifeline *os.File

	started chan struct{} // closed when the start has succeeded or failed
	exited  chan struct{} // closed when the process is gone and has been waited for
	killing sync.Once
	group   processGroup

	mu     sync.Mutex
	status string // how it ended, once exited is closed
}

var _ runner.Runner = (*child)(nil)

// newChild prepares a process; start starts it. environ is complete: nothing of the host's environment is added.
func newChild(name, path string, environ []string, redact func(string) string) *child {
	cmd := exec.Command(path)
	cmd.Env = append(slices.Clone(environ), wire.EnvLifeline+"="+wire.LifelineStdin)
	log := newLogFilter(redact)
	return &child{
		name:    name,
		cmd:     cmd,
		stdout:  newHandshakeFilter(log),
		stderr:  log,
		started: make(chan struct{}),
		exited:  make(chan struct{}),
	}
}

// Start starts the process. ctx is not used: starting a process doesn't block.
func (c *child) Start(context.Context) (err error) {
	var theirs []*os.File
	defer func() {
		for _, file := range theirs {
			_ = file.Close()
		}
		if err != nil {
			c.closePipes()
			c.stdout.close()
			c.stderr.close()
			close(c.started)
			close(c.exited)
		}
	}()
	pipe := func() (read, write *os.File) {
		if err == nil {
			read, write, err = os.Pipe()
		}
		return read, write
	}
	stdin, lifeline := pipe()
	stdout, stdoutW := pipe()
	stderr, stderrW := pipe()
	for _, file := range []*os.File{stdin, stdoutW, stderrW} {
		if file != nil {
			theirs = append(theirs, file)
		}
	}
	for _, file := range []*os.File{lifeline, stdout, stderr} {
		if file != nil {
			c.pipes = append(c.pipes, file)
		}
	}
	if err != nil {
		return fmt.Errorf("make its pipes: %w", err)
	}
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = stdin, stdoutW, stderrW
	c.lifeline = lifeline
	c.group.prepare(c.cmd)

	result := make(chan error)
	go c.own(result)
	if err := <-result; err != nil {
		return err
	}
	go c.stdout.copy(stdout)
	go c.stderr.copy(stderr)
	close(c.started)
	return nil
}

// giveUp is for after a start of go-plugin's that has failed: it may never have come to Start, for want of room for a folder
// of its own, and nobody shall wait for a process then.
func (c *child) giveUp() {
	select {
	case <-c.started:
	default:
		close(c.started)
		close(c.exited)
	}
}

// own starts the process and waits for its end, on one operating-system thread: on Linux the signal for "my parent died"
// is sent when the thread that started the process ends, not when the host does.
func (c *child) own(result chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := c.cmd.Start(); err != nil {
		result <- err
		return
	}
	c.group.adopt(c.cmd.Process)
	result <- nil
	_ = c.cmd.Wait() // the pipes are files: it waits for the process alone
	c.group.kill(c.cmd.Process)
	c.mu.Lock()
	c.status = c.cmd.ProcessState.String()
	c.mu.Unlock()
	close(c.exited)

	select {
	case <-c.stderr.done:
	case <-time.After(pipeGrace):
	}
	c.closePipes()
	c.group.release()
}

func (c *child) closePipes() {
	for _, file := range c.pipes {
		_ = file.Close()
	}
}

// kill ends the process and its group, at once and without waiting.
func (c *child) kill() {
	c.killing.Do(func() {
		<-c.started
		if c.cmd.Process == nil {
			return
		}
		select {
		case <-c.exited:
		default:
			c.group.kill(c.cmd.Process)
		}
	})
}

// Kill ends the process, for go-plugin.
func (c *child) Kill(context.Context) error {
	c.kill()
	return nil
}

// Wait waits for the process's end, for go-plugin.
func (c *child) Wait(ctx context.Context) error {
	select {
	case <-c.exited:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// exitStatus says how the process ended, and its last log lines: what a person needs to know first.
func (c *child) exitStatus() string {
	c.mu.Lock()
	status := c.status
	c.mu.Unlock()
	if status == "" {
		status = "it is still running"
	}
	if lines := c.stderr.tail(); len(lines) > 0 {
		return status + "; its last lines:\n    " + strings.Join(lines, "\n    ")
	}
	return status + "; it wrote no log lines"
}

// Stdout is the handshake line, for go-plugin.
func (c *child) Stdout() io.ReadCloser { return c.stdout.out }

// Stderr are the log lines, for go-plugin.
func (c *child) Stderr() io.ReadCloser { return c.stderr.out }

// Name is the provider's name; go-plugin puts it before its log lines.
func (c *child) Name() string { return c.name }

// ID is the process id; empty before the start.
func (c *child) ID() string {
	if c.cmd.Process == nil {
		return ""
	}
	return fmt.Sprint(c.cmd.Process.Pid)
}

// Diagnose adds nothing: the launch looks at the process itself.
func (c *child) Diagnose(context.Context) string { return "" }

// PluginToHost leaves addresses as they are.
func (c *child) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin leaves addresses as they are.
func (c *child) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
