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
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tom-worker/credential-provider/shared/internal/child"
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

// launchOptions are what differs from one launch to another.
type launchOptions struct {
	cookie      string // empty: none
	versions    string
	logLevel    string
	debuggable  bool
	environment map[string]string
	plugin      string // instead of the options'
	alone       bool   // in its own working directory and home directory
	noLifeline  bool   // without TOM_CREDENTIAL_LIFELINE
}

// launchMark is in the directory of each launch, by which those of other runs are recognised.
const launchMark = ".conformance"

// hosted is the launch as a host does it, with all log lines.
func hosted() launchOptions {
	return launchOptions{cookie: wire.Handshake.MagicCookieValue, versions: "1", logLevel: "trace"}
}

// process is a provider's process with what it wrote.
type process struct {
	cmd    *exec.Cmd
	dir    string          // its own directory, with all that it is given: for the socket, TMPDIR and perhaps more
	own    tls.Certificate // the host's
	child  *child.Process
	tree   *tree
	hosted bool // started as by a host, not by hand
	start  time.Time

	troubled atomic.Pointer[string] // why the kit has killed it

	line    chan string // the first line of stdout, without its end; closed when there is none
	exited  <-chan struct{}
	unended func(error) // told of a process that can't be ended
	copies  sync.WaitGroup
	closing sync.Once

	releasing sync.Once

	stdout, stderr, stdio output // stdout without the first line; stdio is what plugin.GRPCStdio has
}

// output keeps what a process writes: the first part of it. What comes after that is only searched.
type output struct {
	search func([]byte) string

	mu    sync.Mutex
	text  bytes.Buffer
	total int
	tail  []byte // the end of what was searched last: a secret may lie across
	found string
}

// Bounds of what a process writes, in bytes a stream. What comes after maxSearched is thrown away.
const (
	maxOutput   = 256 << 10
	maxSearched = 16 << 20
	overlap     = 256
)

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	room := max(0, min(maxOutput-o.text.Len(), len(b)))
	o.text.Write(b[:room])
	o.total += len(b)
	if more := b[room:]; len(more) > 0 && o.total < maxSearched && o.search != nil && o.found == "" {
		o.tail = append(o.tail, more...)
		o.found = o.search(o.tail)
		o.tail = bytes.Clone(o.tail[max(0, len(o.tail)-overlap):])
	}
	return len(b), nil
}

func (o *output) bytes() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := o.text.Bytes()
	if o.total > len(text) { // the last line is cut
		text = text[:bytes.LastIndexByte(text, '\n')+1]
	}
	return bytes.Clone(text)
}

// beyond returns which secret was found in what isn't kept, and how many bytes there were in all.
func (o *output) beyond() (found string, total int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.found, o.total
}

// launch starts the executable.
func (e *exam) launch(options launchOptions) (_ *process, err error) {
	p := &process{hosted: options.cookie == wire.Handshake.MagicCookieValue, line: make(chan string, 1), unended: e.unended}
	defer func() {
		if err != nil {
			p.release()
		}
	}()
	if p.own, err = wire.NewCertificate(); err != nil {
		return nil, err
	}
	if p.dir, err = os.MkdirTemp("", "tom-"); err != nil {
		return nil, err
	}
	if err := os.Mkdir(p.temporary(), 0o700); err != nil {
		return nil, err
	}
	if err := os.Mkdir(filepath.Join(p.dir, launchMark), 0o700); err != nil {
		return nil, err
	}
	plugin := e.options.Plugin
	if options.plugin != "" {
		plugin = options.plugin
	}
	p.cmd = exec.Command(plugin)
	p.cmd.Env = e.environment(options, p)
	if options.alone {
		if err := p.isolate(); err != nil {
			return nil, err
		}
	}
	for _, o := range []*output{&p.stdout, &p.stderr, &p.stdio} {
		o.search = e.evidence.contains
	}
	p.start = time.Now()
	if p.child, err = child.StartLeaving(p.cmd); err != nil {
		return nil, fmt.Errorf("the system doesn't execute it: %w", notExecuted(err))
	}
	p.exited = p.child.Exited()
	p.tree = newTree(p.child.ID(), p.dir)
	p.tree.bound(maxFile)
	p.copies.Go(func() { p.readStdout(p.child.Stdout) })
	p.copies.Go(func() { _, _ = io.Copy(&p.stderr, p.child.Stderr) })
	go p.guard()
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
	set(wire.EnvSocketDir, p.dir)
	set(wire.EnvLogLevel, options.logLevel)
	set("TMPDIR", p.temporary())
	if !options.noLifeline {
		set(wire.EnvLifeline, wire.LifelineStdin)
	}
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

// wait reports whether the process ends within the time. It stops waiting when ctx ends.
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
	if p.child != nil {
		p.closing.Do(func() { _ = p.child.Lifeline.Close() })
	}
}

// killTime is how long a killed process may take to be gone. A longer time means that the kernel holds it.
const killTime = 5 * time.Second

// release ends the process and everything that belongs to it, at once. After it nothing more is written.
func (p *process) release() { p.releasing.Do(p.releaseOnce) }

func (p *process) releaseOnce() {
	if p.child != nil {
		p.tree.look() // while its children are still known as such
		if err := p.child.End(killTime); err != nil {
			p.unended(err)
		}
		p.tree.kill()
		drained := make(chan struct{})
		go func() {
			p.copies.Wait()
			close(drained)
		}()
		select {
		case <-drained:
		case <-time.After(pipeGrace): // a descendant out of reach holds them
		}
		p.child.Close()
		p.copies.Wait()
	}
	if p.dir != "" {
		removeAll(p.dir)
	}
}
