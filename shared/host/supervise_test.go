//go:build unix

package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/regular"
)

// signalProcess sends a signal to the process that answers calls at present.
func signalProcess(t *testing.T, p *Provider, signal syscall.Signal) {
	t.Helper()
	process := p.currentProcess()
	if process == nil {
		t.Fatal("there is no process")
	}
	if err := process.runner.process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	if signal == syscall.SIGSTOP && runtime.GOOS == "linux" {
		// It takes a moment, in which another thread of the process may still answer.
		eventually(t, 5*time.Second, "it has stopped", func() bool { return state(process.runner.process.ID()) == "T" })
	}
}

func TestStoppedProcessIsReplacedAndTheCallRepeated(t *testing.T) {
	t.Parallel()
	p := start(t, memoryOptions(t))
	before := password(t, p, "pid")
	signalProcess(t, p, syscall.SIGSTOP)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	got, err := p.Get(ctx, credential.Request{ID: "pid"})
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := got.Password.Get(); text.Reveal() == before {
		t.Error("the stopped process answered")
	}
	if n := p.Restarts(); n != 1 {
		t.Errorf("%d restarts", n)
	}
}

func TestSlowBackendIsNoReasonToRestart(t *testing.T) {
	t.Parallel()
	p := start(t, memoryOptions(t))
	before := password(t, p, "pid")
	ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
	defer cancel()
	if _, err := p.Get(ctx, credential.Request{ID: "wait"}); !errors.Is(err, credential.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if after := password(t, p, "pid"); after != before {
		t.Error("the provider was restarted")
	}
}

func TestCancellingReturnsAtOnce(t *testing.T) {
	t.Parallel()
	p := start(t, memoryOptions(t))
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	start := time.Now()
	_, err := p.Get(ctx, credential.Request{ID: "wait"})
	if !errors.Is(err, credential.Cancelled) || !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestCallWithoutDeadlineIsBounded(t *testing.T) {
	t.Parallel()
	options := memoryOptions(t)
	options.CallTimeout = time.Second
	p := start(t, options)
	start := time.Now()
	if _, err := p.Get(t.Context(), credential.Request{ID: "wait"}); !errors.Is(err, credential.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestPanicInACallLeavesTheProcessAlive(t *testing.T) {
	t.Parallel()
	var lines syncBuffer
	options := memoryOptions(t)
	options.Logger = jsonLogger(&lines)
	p := start(t, options)
	before := password(t, p, "pid")
	_, err := p.Get(t.Context(), credential.Request{ID: "panic"})
	if !errors.Is(err, credential.Internal) {
		t.Errorf("error %v", err)
	}
	if after := password(t, p, "pid"); after != before {
		t.Error("the process was replaced")
	}
	eventually(t, 5*time.Second, "the stack is in the log", func() bool { return strings.Contains(lines.String(), "goroutine") })
	if strings.Contains(lines.String(), "stays unseen") || strings.Contains(err.Error(), "stays unseen") {
		t.Error("the panic's value is shown")
	}
}

// A call that kills every process must not restart it for ever: calls fail at once after five starts in a row without an
// answer, with what is known of the end, and one answer resets the count.
func TestBreaker(t *testing.T) {
	t.Parallel()
	p := start(t, memoryOptions(t))
	for i := range 3 { // each is given up after two deaths
		_, err := p.Get(t.Context(), credential.Request{ID: fmt.Sprintf("exit:%d", i)})
		var e *credential.Error
		if !errors.As(err, &e) || e.Reason != credential.ProviderCrashed {
			t.Fatalf("error %v", err)
		}
		if !strings.Contains(e.Message, "exit status 3") || e.RetryDelay <= 0 {
			t.Errorf("the error doesn't say how it ended, or when to try again: %v, %v", e, e.RetryDelay)
		}
	}
	start := time.Now()
	if _, err := p.Get(t.Context(), credential.Request{ID: "lab"}); !errors.Is(err, credential.ProviderCrashed) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("a call took %v although the breaker is open", took)
	}
	eventually(t, 2*retryBroken, "a start is tried again", p.Ready)
	if got := password(t, p, "lab"); got != "password of lab" {
		t.Errorf("password %q", got)
	}
	if n := p.starts.Load(); n != 0 {
		t.Errorf("an answer leaves the count at %d", n)
	}
	p.starts.Store(3)
	if _, err := p.Get(t.Context(), credential.Request{ID: "missing"}); !errors.Is(err, credential.CredentialNotFound) {
		t.Errorf("error %v", err)
	}
	if n := p.starts.Load(); n != 0 {
		t.Errorf("an error, which is an answer too, leaves the count at %d", n)
	}
}

func TestCallsUnderWaySurviveKills(t *testing.T) {
	t.Parallel()
	p := start(t, memoryOptions(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			for ctx.Err() == nil {
				id := fmt.Sprintf("lab%d", i)
				one, cancel := context.WithTimeout(t.Context(), callersPatience)
				got, err := p.Get(one, credential.Request{ID: id})
				cancel()
				if err != nil {
					t.Errorf("a caller saw %v", err)
					return
				}
				if text, _ := got.Password.Get(); text.Reveal() != "password of "+id {
					t.Errorf("%s got %q", id, text.Reveal())
				}
			}
		})
	}
	for i := range 10 {
		eventually(t, 5*time.Second, "a process is ready", p.Ready)
		_ = password(t, p, "pid") // it has answered
		signalProcess(t, p, syscall.SIGKILL)
		eventually(t, 5*time.Second, "it was replaced", func() bool { return p.Restarts() > int64(i) })
	}
	cancel()
	callers.Wait()
}

func TestCloseIsBoundedAndFinal(t *testing.T) {
	t.Parallel()
	options, pids := zooOptions(t, "memory")
	p, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	signalProcess(t, p, syscall.SIGSTOP)
	start := time.Now()
	var closers sync.WaitGroup
	for range 3 {
		closers.Go(func() { _ = p.Close() })
	}
	closers.Wait()
	if took := time.Since(start); took > shutdownTimeout+2*time.Second+2*time.Second {
		t.Errorf("Close of a stopped process took %v", took)
	}
	if _, err := p.Get(t.Context(), credential.Request{ID: "lab"}); !errors.Is(err, credential.Cancelled) {
		t.Errorf("a call after Close: %v", err)
	}
	nothingLeft(t, options, pids)
}

func TestCloseDrains(t *testing.T) {
	t.Parallel()
	var lines syncBuffer
	options := memoryOptions(t)
	options.Logger = jsonLogger(&lines)
	p := start(t, options)
	result := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	go func() {
		_, err := p.Get(ctx, credential.Request{ID: "wait"})
		result <- err
	}()
	eventually(t, 5*time.Second, "the call is under way", func() bool { return strings.Contains(lines.String(), "waiting") })
	_ = p.Close()
	// Its own deadline ended it, not Close.
	if err := <-result; !errors.Is(err, credential.DeadlineExceeded) {
		t.Errorf("the call under way ended with %v", err)
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "reload")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "tom-credential-memory")
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := regular.WriteExecutable(path, bytes.NewReader(self), 0o755); err != nil {
		t.Fatal(err)
	}
	options := memoryOptions(t)
	options.Path = path
	p := start(t, options)
	before := password(t, p, "pid")

	if err := p.Reload(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	after := password(t, p, "pid")
	if after == before {
		t.Error("the old process still answers")
	}
	pid, _ := strconv.Atoi(before)
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the old process is still there: %v", err)
	}
	if err := p.Reload(t.Context(), Settings{"prefix": {Value: "new"}}); err != nil {
		t.Fatal(err)
	}
	if got := password(t, p, "settings"); !strings.HasPrefix(got, "new|") {
		t.Errorf("the new settings are not in use: %q", got)
	}
	after = password(t, p, "pid")

	// What can't be launched leaves the old one serving; so do settings that are refused.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := regular.WriteExecutable(path, strings.NewReader("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := p.Reload(t.Context(), nil); !errors.Is(err, credential.ProviderStartFailed) {
		t.Errorf("a broken file: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := p.Reload(t.Context(), nil); !errors.Is(err, credential.ProviderNotFound) {
		t.Errorf("no file: %v", err)
	}
	if got := password(t, p, "pid"); got != after {
		t.Errorf("process %s answers, not %s", got, after)
	}
}

// A start is bounded by its caller as well.
func TestStartIsCutShort(t *testing.T) {
	t.Parallel()
	options, pids := zooOptions(t, "never handshakes")
	options.StartTimeout = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result := make(chan error, 1)
	go func() {
		_, err := Start(ctx, options)
		result <- err
	}()
	eventually(t, 30*time.Second, "the process has been started", func() bool { _, err := os.Stat(pids); return err == nil })
	begin := time.Now()
	cancel()
	if err := <-result; !errors.Is(err, credential.Cancelled) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	nothingLeft(t, options, pids)
}

// A host that is killed takes its provider with it: by the lifeline, and on Linux by a signal as well.
func TestHostIsKilled(t *testing.T) {
	t.Parallel()
	for _, behaviour := range []string{"memory", "ignores SIGTERM and Shutdown"} {
		t.Run(behaviour, func(t *testing.T) {
			if behaviour != "memory" && runtime.GOOS != "linux" {
				t.Skip("only Linux has a signal for a parent's death")
			}
			dir, err := os.MkdirTemp("", "host")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			pids := filepath.Join(dir, "pids")
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), envBehave+"=host", envHosted+"="+behaviour, envPIDs+"="+pids, "TMPDIR="+dir, "XDG_RUNTIME_DIR=")
			ready, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := ready.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			nothingLeft(t, Options{Name: "memory"}, pids)
			if took := time.Since(start); took > time.Second {
				t.Errorf("the provider lived %v longer than its host", took)
			}
		})
	}
}

// envHosted says which provider the test binary launches when it behaves as a host.
const envHosted = "TEST_HOSTED"

func beHost() {
	p, err := Start(context.Background(), Options{
		Name:    "memory",
		Path:    os.Args[0],
		Environ: append(os.Environ(), envBehave+"="+os.Getenv(envHosted)),
		PassEnv: []string{envBehave, envPIDs},
	})
	if err != nil {
		panic(err)
	}
	if _, err := p.Get(context.Background(), credential.Request{ID: "lab"}); err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString("r")
	forever()
}

func TestNoGrowth(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes 50 restarts")
	}
	p := start(t, memoryOptions(t))
	warm := func(restarts int) {
		for range restarts {
			_ = password(t, p, "pid")
			n := p.Restarts()
			signalProcess(t, p, syscall.SIGKILL)
			eventually(t, 5*time.Second, "it was replaced", func() bool { return p.Restarts() > n })
		}
	}
	warm(5)
	before := files(t)
	warm(45)
	_ = password(t, p, "pid")
	eventually(t, 5*time.Second, "the number of open files is back", func() bool { return files(t) <= before+2 })
	if left, _ := filepath.Glob(filepath.Join(runtimeDirs()[0], "tom-*", "plugin*")); len(left) > 100 {
		t.Errorf("%d socket files", len(left))
	}
}

func files(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
