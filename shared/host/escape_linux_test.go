package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
	"github.com/tom-worker/credential-provider/shared/regular"
)

// envTraced is the process that the test binary traces, if it behaves as a tracer.
const envTraced = "TEST_TRACED"

func init() {
	zoo["leaves its process group"] = animal{live: func() {
		group, err := syscall.Getpgid(os.Getppid())
		if err == nil {
			err = syscall.Setpgid(0, group)
		}
		if err != nil {
			panic(err)
		}
		serveStubborn()
	}}
	zoo["leaves its process group and stops"] = animal{live: func() {
		group, _ := syscall.Getpgid(os.Getppid())
		if err := syscall.Setpgid(0, group); err != nil {
			panic(err)
		}
		go stopSelf()
		serveMemory()
	}, start: credential.ProviderStartFailed, says: "not ready after"}
}

// serveAsAnotherUser is for a host that is not of its user: it may connect.
func serveAsAnotherUser() {
	syscall.Umask(0)
	if err := syscall.Setresuid(0, 0, 0); err != nil { // as sudo does
		panic(err)
	}
	serveStubborn()
}

// serveStubborn serves and takes no request to end.
func serveStubborn() {
	_ = os.Unsetenv(wire.EnvLifeline)
	serveRaw(&raw{})
	forever()
}

// beTracer holds a process as a debugger does: its end isn't seen by its parent before the tracer's own end.
func beTracer() {
	runtime.LockOSThread()
	pid, err := strconv.Atoi(os.Getenv(envTraced))
	if err == nil {
		err = unix.PtraceSeize(pid)
	}
	if err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString("traces")
	_ = os.Stdout.Close()
	for { // it goes on after each signal, and its end is never looked at
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED, nil)
		if err == nil {
			err = unix.PtraceCont(pid, 0)
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			forever()
		}
	}
}

func serveTraced() {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envBehave+"=tracer", envTraced+"="+strconv.Itoa(os.Getpid()))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		panic(err)
	}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	if said, _ := io.ReadAll(out); string(said) != "traces" {
		fmt.Fprintln(os.Stderr, "nothing traces this process")
		os.Exit(9)
	}
	serveRaw(&raw{})
	forever()
}

// endNoted kills every process of an animal's list, the last one first: a tracer comes after what it traces.
func endNoted(pids string) {
	text, _ := os.ReadFile(pids)
	for _, field := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(field); err == nil && pid != os.Getpid() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// unendable checks that what can't be ended holds up neither Reload nor Close, that calls go on with a new process, and that
// the log names the old one.
func unendable(ctx context.Context, options Options, log *syncBuffer) error {
	options.Logger = jsonLogger(log)
	p, err := Start(ctx, options)
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	timed := func(what string, limit time.Duration, do func() error) {
		start := time.Now()
		doErr := do()
		if took := time.Since(start); err == nil && took > limit {
			err = fmt.Errorf("%s took %v", what, took)
		}
		if err == nil && doErr != nil {
			err = fmt.Errorf("%s: %w", what, doErr)
		}
	}
	first := p.currentProcess().runner.process.ID()
	timed("Reload", options.StartTimeout+drainTimeout+stopTimeout+killTimeout+2*time.Second, func() error { return p.Reload(ctx, nil) })
	timed("Get", 2*time.Second, func() error {
		_, err := p.Get(ctx, credential.Request{ID: "lab"})
		return err
	})
	if err == nil && p.currentProcess().runner.process.ID() == first {
		err = fmt.Errorf("process %d is still in use", first)
	}
	second := p.currentProcess().runner.process.ID()
	// The supervisor's way: it replaces what it takes for dead.
	p.currentProcess().giveUp(errUnresponsive)
	timed("the supervisor", options.StartTimeout+stopTimeout+killTimeout+2*time.Second, func() error {
		deadline := time.Now().Add(20 * time.Second)
		for {
			if current := p.currentProcess(); current != nil && current.runner.process.ID() != second {
				return nil
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("process %d is not replaced", second)
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	timed("Close", drainTimeout+stopTimeout+killTimeout+2*time.Second, p.Close)
	for _, pid := range []int{first, second} {
		if err == nil && !strings.Contains(log.String(), fmt.Sprintf("process %d can't be ended", pid)) {
			err = fmt.Errorf("the log doesn't name process %d: %s", pid, log)
		}
	}
	return err
}

// A process that a debugger holds doesn't end for its parent, even when it was killed.
func TestTracedProcess(t *testing.T) {
	t.Parallel()
	options, pids := zooOptions(t, "is traced")
	options.PassEnv = append(options.PassEnv, envTraced)
	defer endNoted(pids)
	var log syncBuffer
	if err := unendable(t.Context(), options, &log); err != nil {
		if strings.Contains(err.Error(), "nothing traces this process") && os.Getenv("CI") == "" {
			t.Skip("this system lets no process trace another")
		}
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "traces it") {
		t.Errorf("the log doesn't say why: %s", log.String())
	}
}

// A provider of another user's id, as one behind a set-user-id wrapper is, can't be killed.
func TestProviderOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("CI runs this test as root")
		}
		t.Skip("only root can make a provider that this user may not kill")
	}
	dir, err := os.MkdirTemp("", "other")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // another user looks into it
		t.Fatal(err)
	}
	path, pids := filepath.Join(dir, "tom-credential-memory"), filepath.Join(dir, "pids")
	copyFile(t, os.Args[0], path)
	if err := os.Chmod(path, 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	cmd.Env = append(os.Environ(), envBehave+"=host of another user", envPIDs+"="+pids, "TMPDIR=/tmp", "XDG_RUNTIME_DIR=", "RUNTIME_DIRECTORY=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	defer endNoted(pids)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "it runs as user id 0") {
		t.Errorf("the log doesn't say why: %s", out)
	}
}

// beHostOfAnotherUser is started with the right to be root, and gives it up: what it starts has it again.
func beHostOfAnotherUser() {
	if err := syscall.Setresuid(65534, 65534, 65534); err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	var log syncBuffer
	err := unendable(ctx, Options{
		Name: "memory", Path: os.Args[0], StartTimeout: 3 * time.Second,
		Environ: append(os.Environ(), envBehave+"=is another user's", "GORACE=atexit_sleep_ms=0"), PassEnv: []string{envBehave, envPIDs, "GORACE"},
	}, &log)
	cancel()
	fmt.Println(log.String())
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	program, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := regular.WriteExecutable(to, bytes.NewReader(program), 0o755); err != nil {
		t.Fatal(err)
	}
}
