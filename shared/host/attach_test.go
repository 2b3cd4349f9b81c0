//go:build unix

package host

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/attach"
)

// debugged is a provider in debug mode, as a user would start it.
type debugged struct {
	command  *exec.Cmd
	terminal *syncBuffer
	file     string // which to attach to
	exited   chan struct{}
}

var attachLine = regexp.MustCompile(`(?m)^ +host-example get ID --unsafe-attach (\S+)$`)

// debugProvider starts the memory provider in debug mode; dir is for its socket.
func debugProvider(t *testing.T, dir string) *debugged {
	t.Helper()
	d := &debugged{command: exec.Command(os.Args[0], "--debug"), terminal: &syncBuffer{}, exited: make(chan struct{})}
	d.command.Env = append(os.Environ(), envBehave+"=memory", "GORACE=atexit_sleep_ms=0", "XDG_RUNTIME_DIR="+dir)
	d.command.Stderr = d.terminal
	if err := d.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(d.exited)
		_ = d.command.Wait()
	}()
	t.Cleanup(func() {
		_ = d.command.Process.Kill()
		<-d.exited
	})
	eventually(t, 30*time.Second, "it says what to attach to", func() bool { return attachLine.MatchString(d.terminal.String()) })
	match := attachLine.FindStringSubmatch(d.terminal.String())
	if match == nil {
		t.Fatalf("its terminal: %s", d.terminal)
	}
	d.file = match[1]
	return d
}

// signal sends a signal; after one that ends it, it is gone.
func (d *debugged) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := d.command.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	switch signal {
	case syscall.SIGCONT:
	case syscall.SIGSTOP:
		if state(os.Getpid()) != "" { // there is a /proc
			eventually(t, 5*time.Second, "it has stopped", func() bool { return state(d.command.Process.Pid) == "T" })
		}
	default:
		select {
		case <-d.exited:
		case <-time.After(30 * time.Second):
			t.Fatalf("it lives on after %s: %s", signal, d.terminal)
		}
	}
}

// attachOptions attach to it: nothing that belongs to a launch is given.
func attachOptions(t *testing.T, d *debugged) (Options, *syncBuffer) {
	t.Helper()
	log := &syncBuffer{}
	return Options{Name: "memory", Attach: d.file, Logger: jsonLogger(log)}, log
}

// shortDir is a directory for sockets, whose paths are bounded.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "d")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Hosts come and go; each has its own settings, and the process is the person's.
func TestAttach(t *testing.T) {
	d := debugProvider(t, shortDir(t))
	options, log := attachOptions(t, d)
	for _, prefix := range []string{"first", "second"} {
		options.Settings = Settings{"prefix": {Value: prefix}}
		p := start(t, options)
		if got := password(t, p, "settings"); !strings.HasPrefix(got, prefix+"|full|") {
			t.Errorf("settings %q", got)
		}
		if got, want := password(t, p, "pid"), d.command.Process.Pid; got != strconv.Itoa(want) {
			t.Errorf("process %s answers, not %d", got, want)
		}
		other := options
		other.Settings = Settings{"prefix": {Value: "other"}}
		q := start(t, other) // side by side
		if got := password(t, p, "settings"); !strings.HasPrefix(got, prefix+"|") {
			t.Errorf("another host changed the settings: %q", got)
		}
		_ = q.Close()
		_ = p.Close()
		if _, err := p.Get(t.Context(), credential.Request{ID: "lab"}); !errors.Is(err, credential.Cancelled) {
			t.Errorf("after Close: %v", err)
		}
	}
	if n := strings.Count(log.String(), "UNSAFE"); n != 4 {
		t.Errorf("%d warnings for 4 attachments: %s", n, log)
	}
	metadata, err := Describe(t.Context(), options)
	if err != nil || metadata.Version != "1.2.3" || metadata.Path == "" {
		t.Errorf("%+v, %v", metadata, err)
	}

	// What it logs is for people, and at its own terminal.
	eventually(t, 5*time.Second, "all have left", func() bool { return strings.Count(d.terminal.String(), "a host is gone") == 5 })
	if text := d.terminal.String(); !strings.Contains(text, "[INFO]  configured: prefix=first\n") || !strings.Contains(text, "UNSAFE") {
		t.Errorf("its terminal: %s", text)
	}
	if strings.Contains(log.String(), "configured") {
		t.Errorf("its lines are in the host's log: %s", log)
	}
	d.signal(t, syscall.SIGINT)
	if status := d.command.ProcessState.ExitCode(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	for _, path := range []string{d.file, strings.TrimSuffix(d.file, ".json") + ".sock"} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left behind: %v", path, err)
		}
	}
}

func TestAttachedSettingsAreRefused(t *testing.T) {
	d := debugProvider(t, shortDir(t))
	options, _ := attachOptions(t, d)
	options.Settings = Settings{"prefix": {Value: "refuse"}}
	var e *credential.Error
	if _, err := Start(t.Context(), options); !errors.As(err, &e) || e.Reason != credential.SettingsInvalid || len(e.Violations) != 1 {
		t.Errorf("%v", err)
	}
	options.Settings = nil
	if got := password(t, start(t, options), "lab"); got != "password of lab" {
		t.Errorf("password %q", got)
	}
}

// A provider that is built and started again, as it is all the time at a debugger.
func TestAttachedProviderIsRestarted(t *testing.T) {
	dir := shortDir(t)
	first := debugProvider(t, dir)
	options, _ := attachOptions(t, first)
	p := start(t, options)
	before := password(t, p, "pid")

	// A debugger that is left kills: the file and the socket stay.
	first.signal(t, syscall.SIGKILL)
	_, err := p.Get(t.Context(), credential.Request{ID: "lab"})
	checkReason(t, err, credential.ProviderCrashed, "process "+before+") has ended")
	checkReason(t, p.Reload(t.Context(), nil), credential.ProviderNotFound, "process "+before+", isn't running any more")
	_, err = Start(t.Context(), options)
	checkReason(t, err, credential.ProviderNotFound, "isn't running any more")
	if !strings.Contains(describe(err), "start it again: "+os.Args[0]+" --debug") {
		t.Errorf("no remedy: %s", describe(err))
	}
	if p.Ready() {
		t.Error("it is ready without a process")
	}

	second := debugProvider(t, dir)
	if second.file != first.file {
		t.Errorf("the file moved from %s to %s", first.file, second.file)
	}
	if _, err := p.Get(t.Context(), credential.Request{ID: "lab"}); !errors.Is(err, credential.ProviderCrashed) {
		t.Errorf("attached to another process unasked: %v", err)
	}
	if err := p.Reload(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if after := password(t, p, "pid"); after != strconv.Itoa(second.command.Process.Pid) {
		t.Errorf("process %s answers", after)
	}

	second.signal(t, syscall.SIGTERM)
	_, err = Start(t.Context(), options)
	checkReason(t, err, credential.ProviderNotFound, "there is no file")
}

// A breakpoint stops the whole process. A provider that was launched is stopped beside it, to know that by then it would
// have been killed.
func TestStoppedAttachedProviderIsWaitedFor(t *testing.T) {
	t.Parallel()
	d := debugProvider(t, shortDir(t))
	options, _ := attachOptions(t, d)
	p, launched := start(t, options), start(t, memoryOptions(t))
	d.signal(t, syscall.SIGSTOP)
	signalProcess(t, launched, syscall.SIGSTOP)

	type answer struct {
		pid string
		err error
	}
	answers := make(chan answer, 2)
	ask := func(p *Provider) {
		got, err := p.Get(context.Background(), credential.Request{ID: "pid"})
		if err != nil {
			answers <- answer{err: err}
			return
		}
		text, _ := got.Password.Get()
		answers <- answer{pid: text.Reveal()}
	}
	go ask(p)
	go func() { // a host that attaches in between
		q, err := Start(context.Background(), options)
		if err != nil {
			answers <- answer{err: err}
			return
		}
		defer func() { _ = q.Close() }()
		ask(q)
	}()
	eventually(t, 30*time.Second, "the launched provider is replaced", func() bool { return launched.Restarts() > 0 })
	select {
	case a := <-answers:
		t.Fatalf("a stopped provider answered: %+v", a)
	default:
	}
	d.signal(t, syscall.SIGCONT)
	for range 2 {
		if a := <-answers; a.err != nil || a.pid != strconv.Itoa(d.command.Process.Pid) {
			t.Errorf("%+v", a)
		}
	}
}

func TestAttachedStopCanBeCancelled(t *testing.T) {
	d := debugProvider(t, shortDir(t))
	options, _ := attachOptions(t, d)
	d.signal(t, syscall.SIGSTOP)
	options.StartTimeout = 50 * time.Millisecond
	_, err := Start(t.Context(), options)
	checkReason(t, err, credential.DeadlineExceeded, "has not answered yet")
	d.signal(t, syscall.SIGCONT)
	options.StartTimeout = 0
	if got := password(t, start(t, options), "lab"); got != "password of lab" {
		t.Errorf("password %q", got)
	}
}

func TestAttachIsRefused(t *testing.T) {
	d := debugProvider(t, shortDir(t))
	options, _ := attachOptions(t, d)
	refused := func(name string, options Options, reason credential.Reason, says string) {
		t.Helper()
		p, err := Start(t.Context(), options)
		if err == nil {
			_ = p.Close()
		}
		if !errors.Is(err, reason) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %s", name, describe(err))
		}
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620} {
		if err := os.Chmod(d.file, mode); err != nil {
			t.Fatal(err)
		}
		refused(mode.String(), options, credential.ProviderRefused, "not private")
	}
	if err := os.Chmod(d.file, 0o600); err != nil {
		t.Fatal(err)
	}
	link := options
	link.Attach = filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(d.file, link.Attach); err != nil {
		t.Fatal(err)
	}
	refused("a symbolic link", link, credential.ProviderRefused, "not a regular file")

	other := options
	other.Name = "vault"
	refused("another name", other, credential.ProviderIncompatible, `its name is "memory"`)

	file, err := attach.Read(d.file)
	if err != nil {
		t.Fatal(err)
	}
	forged := options
	forged.Attach = filepath.Join(t.TempDir(), "forged.json")
	rewrite := func(file attach.File) {
		t.Helper()
		if err := file.Write(forged.Attach); err != nil {
			t.Fatal(err)
		}
	}
	future := file
	future.ContractVersion++
	rewrite(future)
	refused("another contract", forged, credential.ProviderIncompatible, "version 2 of the provider contract")
	damaged := file
	damaged.ClientKey = "damaged"
	rewrite(damaged)
	refused("a damaged key", forged, credential.ProviderRefused, "its certificate or key is damaged")
	rewrite(attach.File{ContractVersion: 1})
	refused("an empty file", forged, credential.ProviderRefused, "not a file that a provider in debug mode writes")

	// The keys of another process: the provider turns them away.
	strange, _, err := attach.New("memory", file.Socket)
	if err != nil {
		t.Fatal(err)
	}
	rewrite(strange)
	refused("another's keys", forged, credential.ProviderCrashed, "broke off the connection")

	// A provider that a host launched has a socket too, and admits no other client.
	launched := start(t, memoryOptions(t))
	sockets, err := filepath.Glob(filepath.Join(launched.currentProcess().dir.path, "plugin[0-9]*"))
	if err != nil || len(sockets) != 1 {
		t.Fatalf("sockets %q, %v", sockets, err)
	}
	strange.Socket = sockets[0]
	rewrite(strange)
	refused("a launched provider", forged, credential.ProviderCrashed, "broke off the connection")
}
