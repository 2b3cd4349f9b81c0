package conformance

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// Times that a provider has.
const (
	startTime = 10 * time.Second // to the handshake line
	endTime   = 2 * time.Second  // from the request to end, or from the end of the lifeline, to the end
	callTime  = 15 * time.Second // for an ordinary call
)

// pipeGrace is how long after the end of a process its pipes are still read.
const pipeGrace = 500 * time.Millisecond

// maxOutput bounds what is kept of what a process writes, in bytes a stream.
const maxOutput = 64 << 20

// launchOptions are what differs from one launch to another.
type launchOptions struct {
	cookie      string // empty: none
	versions    string
	logLevel    string
	debuggable  bool
	environment map[string]string
}

// hosted is the launch as a host does it, with all log lines.
func hosted() launchOptions {
	return launchOptions{cookie: wire.Handshake.MagicCookieValue, versions: "1", logLevel: "trace"}
}

// process is a provider's process with what it wrote.
type process struct {
	cmd    *exec.Cmd
	folder string
	own    tls.Certificate // the host's
	group  processGroup
	hosted bool // started as by a host, not by hand

	lifeline *os.File
	pipes    []*os.File
	line     chan string // the first line of stdout, without its end; closed when there is none
	exited   chan struct{}
	copies   sync.WaitGroup
	closing  sync.Once

	releasing sync.Once

	stdout, stderr output // stdout without the first line
}

// output keeps what a process writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if room := maxOutput - o.text.Len(); room > 0 {
		o.text.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}

func (o *output) bytes() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Clone(o.text.Bytes())
}

// launch starts the executable.
func (e *exam) launch(options launchOptions) (_ *process, err error) {
	p := &process{hosted: options.cookie == wire.Handshake.MagicCookieValue, line: make(chan string, 1), exited: make(chan struct{})}
	defer func() {
		if err != nil {
			p.release()
		}
	}()
	if p.own, err = wire.NewCertificate(); err != nil {
		return nil, err
	}
	if p.folder, err = os.MkdirTemp("", "tom-"); err != nil {
		return nil, err
	}
	p.cmd = exec.Command(e.options.Plugin)
	p.cmd.Env = e.environment(options, p)
	p.group.prepare(p.cmd)

	var theirs []*os.File
	defer func() {
		for _, file := range theirs {
			_ = file.Close()
		}
	}()
	pipe := func() (read, write *os.File) {
		if err == nil {
			if read, write, err = os.Pipe(); err == nil {
				p.pipes = append(p.pipes, read, write)
			}
		}
		return read, write
	}
	stdin, lifeline := pipe()
	stdout, stdoutW := pipe()
	stderr, stderrW := pipe()
	if err != nil {
		return nil, err
	}
	p.pipes = []*os.File{stdout, stderr}
	p.lifeline = lifeline
	theirs = []*os.File{stdin, stdoutW, stderrW}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = stdin, stdoutW, stderrW
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("the system doesn't execute it: %w", notExecuted(err))
	}
	p.copies.Go(func() { p.readStdout(stdout) })
	p.copies.Go(func() { _, _ = io.Copy(&p.stderr, stderr) })
	go func() {
		_ = p.cmd.Wait() // the pipes are files: it waits for the process alone
		close(p.exited)
	}()
	e.evidence.add(e.current, p)
	return p, nil
}

// notExecuted says what stands behind the system's own words, where that is known.
func notExecuted(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("the program that its first line names after #! doesn't exist, or its dynamic loader doesn't")
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; chmod 0755 it, unless it is on a file system mounted noexec", err)
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Errorf("%w: it is neither a program for this system nor a script whose first line, #!, names its interpreter", err)
	default:
		return err
	}
}

// environment is the provider's: that of the options without any launch's variables, and this launch's.
func (e *exam) environment(options launchOptions, p *process) []string {
	environ := slices.DeleteFunc(slices.Clone(e.options.Environ), func(variable string) bool {
		return strings.HasPrefix(variable, "PLUGIN_") || strings.HasPrefix(variable, "TOM_CREDENTIAL_")
	})
	set := func(name, value string) { environ = append(environ, name+"="+value) }
	for _, more := range []map[string]string{e.options.Fixtures.Environment, options.environment} {
		for name, value := range more {
			set(name, value)
		}
	}
	if options.cookie != "" {
		set(wire.Handshake.MagicCookieKey, options.cookie)
	}
	set("PLUGIN_PROTOCOL_VERSIONS", options.versions)
	set("PLUGIN_MIN_PORT", "10000")
	set("PLUGIN_MAX_PORT", "25000")
	set(wire.EnvClientCert, wire.CertificatePEM(p.own))
	set(wire.EnvSocketDir, p.folder)
	set(wire.EnvLogLevel, options.logLevel)
	set(wire.EnvLifeline, wire.LifelineStdin)
	if options.debuggable {
		set(wire.EnvDebuggable, "1")
	}
	return environ
}

// readStdout passes the first line on and keeps the rest.
func (p *process) readStdout(from io.Reader) {
	defer close(p.line)
	const longest = 64 << 10
	reader := bufio.NewReaderSize(from, longest)
	first, err := reader.ReadSlice('\n')
	if err == nil {
		p.line <- strings.TrimRight(string(first), "\r\n")
	} else {
		_, _ = p.stdout.Write(first) // no line: whatever it is, it isn't the handshake
	}
	_, _ = io.Copy(&p.stdout, reader)
}

// lastLines is how many lines of standard error are told of a process that didn't start.
const lastLines = 20

// handshake waits for the handshake line. Where there is none the error has the last lines of standard error: they were
// written before the process knew any setting.
func (e *exam) handshake(ctx context.Context, p *process) (string, error) {
	line, err := p.handshake(ctx)
	if err == nil || ctx.Err() != nil {
		return line, err
	}
	p.release() // after it nothing more is written
	said := lines(p.stderr.bytes())
	if len(said) == 0 {
		return "", fmt.Errorf("%w, and nothing on standard error", err)
	}
	for _, text := range said[max(0, len(said)-lastLines):] {
		err = fmt.Errorf("%w\n  %s", err, e.evidence.harmless(string(text)))
	}
	return "", err
}

// handshake waits for the handshake line.
func (p *process) handshake(ctx context.Context) (string, error) {
	timer := time.NewTimer(startTime)
	defer timer.Stop()
	select {
	case line, ok := <-p.line:
		if !ok {
			if p.wait(ctx, pipeGrace) {
				return "", fmt.Errorf("it ended (%s) without a handshake line", p.cmd.ProcessState)
			}
			return "", errors.New("it closed standard output without a handshake line")
		}
		return line, nil
	case <-p.exited:
		select { // it may have printed one before
		case line, ok := <-p.line:
			if ok {
				return line, nil
			}
		case <-time.After(pipeGrace):
		}
		return "", fmt.Errorf("it ended (%s) without a handshake line", p.cmd.ProcessState)
	case <-timer.C:
		return "", fmt.Errorf("it printed no handshake line within %v", startTime)
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// wait says whether the process ends within the time. When ctx ends nobody wants to know any more.
func (p *process) wait(ctx context.Context, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.exited:
		return true
	case <-timer.C:
		return false
	case <-ctx.Done():
		return false
	}
}

// cutLifeline ends the provider's standard input.
func (p *process) cutLifeline() {
	if p.lifeline != nil {
		p.closing.Do(func() { _ = p.lifeline.Close() })
	}
}

// release ends the process and everything that belongs to it, at once. After it nothing more is written.
func (p *process) release() { p.releasing.Do(p.releaseOnce) }

func (p *process) releaseOnce() {
	if p.cmd != nil && p.cmd.Process != nil {
		p.group.kill(p.cmd.Process)
		<-p.exited
		drained := make(chan struct{})
		go func() {
			p.copies.Wait()
			close(drained)
		}()
		select {
		case <-drained:
		case <-time.After(pipeGrace): // a descendant out of reach holds them
		}
	}
	p.cutLifeline()
	for _, file := range p.pipes {
		_ = file.Close()
	}
	p.copies.Wait()
	if p.folder != "" {
		_ = os.RemoveAll(filepath.Clean(p.folder))
	}
}
