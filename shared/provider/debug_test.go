//go:build unix

package provider

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/attach"
)

// debugged starts the test binary in debug mode, with its socket in a directory below dir. It returns the file to attach to.
func debugged(t *testing.T, dir string) (*launched, string) {
	t.Helper()
	l := &launched{command: exec.Command(os.Args[0], "--debug"), stderr: &logs{}, stdout: &logs{}, exited: make(chan struct{})}
	l.log = l.stderr
	l.command.Env = environ("good", "XDG_RUNTIME_DIR="+dir)
	l.command.Stdout, l.command.Stderr = l.stdout, l.stderr
	if err := l.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(l.exited)
		_ = l.command.Wait()
	}()
	t.Cleanup(func() {
		_ = l.command.Process.Kill()
		<-l.exited
	})
	path := filepath.Join(dir, fmt.Sprintf("tom-debug-%d", os.Geteuid()), "fake.json")
	await(t, "it says what to attach to", func() bool { return strings.Contains(l.stderr.String(), "--unsafe-attach "+path) })
	return l, path
}

// await polls for what another process does.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// attached makes one more connection to it.
func attached(t *testing.T, l *launched, path string) *launched {
	t.Helper()
	file, err := attach.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	config, err := file.ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("unix:"+file.Socket, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	host := *l
	host.conn, host.CredentialProviderClient = conn, credentialv1.NewCredentialProviderClient(conn)
	return &host
}

// For each connection there is a separate provider: unconfigured, configured once, closed at the end.
func TestDebugMode(t *testing.T) {
	l, path := debugged(t, shortDir(t))
	for round := range 2 {
		host := attached(t, l, path)
		_, err := host.get(t, "lab")
		mustFail(t, err, credential.NotConfigured)
		if err := host.configure(t, nil); err != nil {
			t.Fatal(err)
		}
		_ = failure(t, host.configure(t, nil), credential.AlreadyConfigured)
		if got, err := host.get(t, "lab"); err != nil || reveal(got) != "password of lab" {
			t.Errorf("%v, %v", got, err)
		}
		if got, err := host.get(t, "hardness"); err != nil || runtime.GOOS == "linux" && !strings.HasSuffix(reveal(got), "dumpable 1") {
			t.Errorf("%q, %v: no debugger gets in", reveal(got), err)
		}
		_ = host.conn.Close()
		await(t, "the provider is closed", func() bool { return strings.Count(l.stderr.String(), "closed\n") == round+1 })
	}
	// A call that never returns doesn't keep it alive.
	host := attached(t, l, path)
	if err := host.configure(t, map[string]any{"path": "hang"}); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = host.get(t, "stall") }()
	await(t, "the call is under way", func() bool { return strings.Contains(l.stderr.String(), "stalling") })
	if err := l.command.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if status := l.wait(t, patience); status != 0 {
		t.Errorf("exit status %d", status)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if text := l.stdout.String(); text != "" {
		t.Errorf("on standard output: %q", text)
	}
	if text := l.stderr.String(); !strings.Contains(text, "tom-credential-fake 1.2.3 runs in DEBUG MODE") || !strings.Contains(text, "UNSAFE") || strings.Contains(text, `"@level"`) {
		t.Errorf("its terminal: %s", text)
	}
}

func TestDebugModeIsForPeople(t *testing.T) {
	for _, env := range [][]string{{cookie}, {cookie, "PLUGIN_CLIENT_CERT=x"}} {
		stdout, stderr, status := byHand(t, environ("good", env...), "--debug")
		if status != 1 || stdout != "" || !strings.Contains(stderr, "a provider that a host launches is never in debug mode") {
			t.Errorf("status %d: %s%s", status, stdout, stderr)
		}
	}
	// The flag alone does it: it isn't the first word here, and there is no variable for it.
	stdout, stderr, status := byHand(t, environ("good", "TOM_CREDENTIAL_DEBUG=1", "TOM_CREDENTIAL_DEBUGGABLE=1"), "serve", "--debug")
	if status != 1 || stdout != "" || strings.Contains(stderr, "DEBUG MODE") {
		t.Errorf("status %d: %s%s", status, stdout, stderr)
	}
}

func TestDebugModeFolder(t *testing.T) {
	dir := shortDir(t)
	l, path := debugged(t, dir)
	directory := filepath.Dir(path)
	for _, what := range []struct {
		path string
		mode fs.FileMode
	}{{directory, 0o700 | fs.ModeDir}, {path, 0o600}} {
		if info, err := os.Lstat(what.path); err != nil || info.Mode() != what.mode {
			t.Errorf("%s: %v, %v", what.path, info.Mode(), err)
		}
	}
	refused := func(dir, says string) {
		t.Helper()
		_, stderr, status := byHand(t, environ("good", "XDG_RUNTIME_DIR="+dir), "--debug")
		if status != 1 || !strings.Contains(stderr, says) {
			t.Errorf("status %d, want %q: %s", status, says, stderr)
		}
	}
	refused(dir, fmt.Sprintf("it runs in debug mode already, as process %d", l.command.Process.Pid))

	// What a killed process leaves behind is replaced.
	_ = l.command.Process.Kill()
	<-l.exited
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the killed process took its file along: %v", err)
	}
	again, _ := debugged(t, dir)
	if err := attached(t, again, path).configure(t, nil); err != nil {
		t.Error(err)
	}

	if err := os.Chmod(directory, 0o750); err != nil { //nolint:gosec // that it is refused is the test
		t.Fatal(err)
	}
	refused(dir, "it is not private: group or others have access (mode 0750)")
	if err := os.Chmod(directory, 0o700); err != nil { //nolint:gosec // it is a directory
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if err := os.Mkdir(elsewhere, 0o700); err != nil {
		t.Fatal(err)
	}
	refused(elsewhere, "set XDG_RUNTIME_DIR to a directory with a short name")
	if _, err := os.Lstat(filepath.Join(elsewhere, filepath.Base(directory), "fake.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a refused start leaves a file: %v", err)
	}
}
