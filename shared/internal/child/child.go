// Package child starts a provider's process and ends it, for hosts and for the conformance checks.
//
// Nothing that the process does holds its parent: standard input, output and error are pipes whose ends belong to the parent,
// the process and the pipes are waited for separately, and a process that can't be ended is given up after a time, with an
// error that names it. What can't be ended: a process of another user's id, one that a tracer holds, and one that waits in
// the kernel for a device. Descendants that made their own session or process group are out of reach on Unix.
package child

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// Process is a started process. Its methods may be called concurrently.
type Process struct {
	// Lifeline is the other end of the process's standard input. Nothing is written to it: its end tells the process that its
	// parent is gone. Stdout and Stderr are the ends to read from.
	Lifeline, Stdout, Stderr *os.File

	cmd     *exec.Cmd
	group   group
	leaves  bool // what is left of its group when it ends
	exited  chan struct{}
	closing sync.Once

	mu      sync.Mutex
	reaping bool // its id may become another process's from now on
	killErr error
}

// Start starts cmd, in a process group (on Windows a job) that is ended with it. cmd has no standard files: they are made
// here. The error is the system's.
func Start(cmd *exec.Cmd) (*Process, error) { return start(cmd, false) }

// StartLeaving is Start, but what is left of the group when the process ends isn't ended with it: the caller looks at it
// before it calls Kill or End, which do. On Windows there is no job.
func StartLeaving(cmd *exec.Cmd) (*Process, error) { return start(cmd, true) }

func start(cmd *exec.Cmd, leaves bool) (_ *Process, err error) {
	p := &Process{cmd: cmd, leaves: leaves, exited: make(chan struct{})}
	var theirs []*os.File
	defer func() {
		for _, file := range theirs {
			_ = file.Close()
		}
		if err != nil {
			p.Close()
		}
	}()
	pipe := func(ours **os.File, parentReads bool) (child *os.File) {
		if err != nil {
			return nil
		}
		var read, write *os.File
		if read, write, err = os.Pipe(); err != nil {
			err = fmt.Errorf("make its pipes: %w", err)
			return nil
		}
		*ours, child = write, read
		if parentReads {
			*ours, child = read, write
		}
		theirs = append(theirs, child)
		return child
	}
	stdin, stdout, stderr := pipe(&p.Lifeline, false), pipe(&p.Stdout, true), pipe(&p.Stderr, true)
	if err != nil {
		return nil, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	p.group.prepare(cmd)
	keepDescriptors()
	started := make(chan error)
	go p.own(started)
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// own starts the process and waits for its end, on one operating-system thread: on Linux the signal for a parent's death is
// sent when the thread that started the process ends.
func (p *Process) own(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	if p.leaves {
		started <- nil
		_ = p.cmd.Wait() // the pipes are files: it waits for the process alone
		close(p.exited)
		return
	}
	p.group.adopt(p.cmd.Process)
	started <- nil
	if p.group.await(p.cmd.Process) {
		p.setReaping()
	}
	_ = p.cmd.Wait() // the pipes are files: it waits for the process alone
	p.setReaping()
	p.group.release(p.cmd.Process)
	close(p.exited)
}

func (p *Process) setReaping() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reaping = true
}

// ID is the process's id.
func (p *Process) ID() int { return p.cmd.Process.Pid }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// State is how the process ended, as "exit status 1" or "signal: killed"; empty while it runs.
func (p *Process) State() string {
	select {
	case <-p.exited:
		return p.cmd.ProcessState.String()
	default:
		return ""
	}
}

// Killed reports whether the process has ended by a signal by which processes are ended, and which they don't send to themselves.
// On Windows that isn't known.
func (p *Process) Killed() bool {
	switch p.State() {
	case "signal: killed", "signal: terminated", "signal: interrupt", "signal: hangup":
		return true
	}
	return false
}

// Stopped reports whether the process is stopped, as SIGSTOP does it. Where there is no /proc it isn't known.
func (p *Process) Stopped() bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.ID()))
	if err != nil {
		return false
	}
	after := status[bytes.LastIndexByte(status, ')')+1:] // the name before it may hold anything
	return bytes.HasPrefix(after, []byte(" T"))
}

// Signal sends the process a signal.
func (p *Process) Signal(signal os.Signal) error { return p.cmd.Process.Signal(signal) }

// Kill kills the process and its group. It doesn't wait for the end.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaping {
		return
	}
	p.killErr = p.group.kill(p.cmd.Process)
	if errors.Is(p.killErr, os.ErrProcessDone) {
		p.killErr = nil
	}
}

// End kills the process and its group and waits for the end, at most for patience. The error names a process that is still
// there and what is known of the reason; its pipes are closed then, and nothing of the caller waits for it any more.
func (p *Process) End(patience time.Duration) error {
	p.Kill()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.exited:
		return nil
	case <-timer.C:
	}
	p.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	return &StuckError{PID: p.ID(), Patience: patience, Cause: whyStuck(p.ID(), p.killErr)}
}

// Close closes the parent's ends of the pipes.
func (p *Process) Close() {
	p.closing.Do(func() {
		for _, file := range []*os.File{p.Lifeline, p.Stdout, p.Stderr} {
			if file != nil {
				_ = file.Close()
			}
		}
	})
}

// StuckError is a process that could not be ended.
type StuckError struct {
	PID      int
	Patience time.Duration
	// Cause is what is known of the reason; it may be empty.
	Cause string
}

// Error implements error.
func (e *StuckError) Error() string {
	text := fmt.Sprintf("process %d can't be ended: it is still there %v after it was killed", e.PID, e.Patience)
	if e.Cause != "" {
		text += " (" + e.Cause + ")"
	}
	return text
}
