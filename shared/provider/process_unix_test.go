//go:build unix

package provider

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// patience is how long a test waits for what must happen; nothing here takes as long.
const patience = 30 * time.Second

// environ is a host's environment for a child, without the variables of the launch.
func environ(behaviour string, more ...string) []string {
	env := []string{envBehave + "=" + behaviour, "GORACE=atexit_sleep_ms=0", "TMPDIR=" + os.TempDir(), "PATH=" + os.Getenv("PATH")}
	if dir := os.Getenv("GOCOVERDIR"); dir != "" {
		env = append(env, "GOCOVERDIR="+dir)
	}
	return append(env, more...)
}

// byHand runs the binary to its end, as a user would.
func byHand(t *testing.T, env []string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, os.Args[0], args...)
	command.Env = env
	var out, errs strings.Builder
	command.Stdout, command.Stderr = &out, &errs
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), command.ProcessState.ExitCode()
}

const cookie = "TOM_CREDENTIAL_PROVIDER=4f8a1d52-1f6e-4c35-9a0b-7f2b3f2d9c61"

func TestByHand(t *testing.T) {
	t.Parallel()
	hostCert := "PLUGIN_CLIENT_CERT=" + wire.CertificatePEM(newCert(t))
	for name, test := range map[string]struct {
		env            []string
		args           []string
		status         int
		stdout, stderr []string // parts; none: nothing at all
	}{
		"run":             {environ("good"), nil, 1, nil, []string{"tom-credential-fake is a credential provider: it makes credentials up.", "credential_plugin: fake", "--version"}},
		"another cookie":  {environ("good", "TOM_CREDENTIAL_PROVIDER=x"), nil, 1, nil, []string{"is a credential provider"}},
		"with a word":     {environ("good"), []string{"serve"}, 1, nil, []string{"is a credential provider"}},
		"--version":       {environ("good"), []string{"--version"}, 0, []string{"tom-credential-fake 1.2.3 (commit ", "go1.", "contract v1)\n"}, nil},
		"version":         {environ("good"), []string{"version"}, 0, []string{"tom-credential-fake 1.2.3 "}, nil},
		"--help":          {environ("good"), []string{"--help"}, 0, []string{"is a credential provider"}, nil},
		"-h":              {environ("good"), []string{"-h"}, 0, []string{"is a credential provider"}, nil},
		"no certificate":  {environ("good", cookie), nil, 1, nil, []string{`"@level":"error"`, "provider could not start", "the host offers no mutual TLS: PLUGIN_CLIENT_CERT is not set"}},
		"bad certificate": {environ("good", cookie, "PLUGIN_CLIENT_CERT=x"), nil, 1, nil, []string{"PLUGIN_CLIENT_CERT holds no certificate in PEM form"}},
		"no socket directory": {environ("good", cookie, hostCert, "PLUGIN_UNIX_SOCKET_DIR=/nonexistent/directory"), nil, 1, nil,
			[]string{"plugin init error", "/nonexistent/directory", "there was no handshake; the log line before this one says why"}},
		"author's mistake":     {environ("mistake", cookie, hostCert), nil, 1, nil, []string{`tom-credential-Bad Name: provider name "Bad Name"`}},
		"mistake, by hand":     {environ("mistake"), nil, 1, nil, []string{`provider name "Bad Name"`}},
		"a panic at its start": {environ("panics at start", cookie, hostCert), nil, 2, nil, []string{"panic: no configuration at all", "behaviour_test.go"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, status := byHand(t, test.env, test.args...)
			if status != test.status {
				t.Errorf("exit status %d, want %d", status, test.status)
			}
			for what, pair := range map[string]struct {
				text  string
				parts []string
			}{"standard output": {stdout, test.stdout}, "standard error": {stderr, test.stderr}} {
				if len(pair.parts) == 0 && pair.text != "" {
					t.Errorf("%s isn't empty: %q", what, pair.text)
				}
				for _, part := range pair.parts {
					if !strings.Contains(pair.text, part) {
						t.Errorf("%s lacks %q: %s", what, part, pair.text)
					}
				}
			}
		})
	}
}

func newCert(t *testing.T) tls.Certificate {
	t.Helper()
	cert, err := wire.NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// launched is a provider process, with the host's ends of its pipes.
type launched struct {
	served
	command *exec.Cmd
	stdin   io.WriteCloser
	line    string // the handshake line
	stderr  *logs
	stdout  *logs // all that came after the handshake line
	exited  chan struct{}
}

// launch starts the test binary as a provider, and connects to it as a host does.
func launch(t *testing.T, behaviour string, env ...string) *launched {
	t.Helper()
	cert := newCert(t)
	directory := shortDir(t)
	command := exec.Command(os.Args[0])
	command.Env = append(environ(behaviour, cookie, "PLUGIN_PROTOCOL_VERSIONS=1", "PLUGIN_CLIENT_CERT="+wire.CertificatePEM(cert),
		"PLUGIN_UNIX_SOCKET_DIR="+directory, "TOM_CREDENTIAL_LOG_LEVEL=trace", "TOM_CREDENTIAL_LIFELINE=stdin"), env...)
	l := &launched{command: command, stderr: &logs{}, stdout: &logs{}, exited: make(chan struct{})}
	l.log = l.stderr
	command.Stderr = l.stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	l.stdin = stdin
	stdout, write, err := os.Pipe() // not StdoutPipe, which Wait closes under its reader
	if err != nil {
		t.Fatal(err)
	}
	command.Stdout = write
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	_ = write.Close()
	go func() {
		defer close(l.exited)
		_ = command.Wait()
	}()
	first := make(chan string, 1)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		lines := bufio.NewReader(stdout)
		line, _ := lines.ReadString('\n')
		first <- line
		_, _ = io.Copy(l.stdout, lines)
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-l.exited
		<-drained
		_ = stdout.Close()
	})
	select {
	case l.line = <-first:
	case <-time.After(patience):
		t.Fatalf("no handshake; standard error: %s", l.stderr)
	}
	l.connect(t, cert)
	return l
}

// shortDir is a directory for sockets, whose paths are bounded.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "p")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (l *launched) fields() []string { return strings.Split(strings.TrimSuffix(l.line, "\n"), "|") }

func (l *launched) connect(t *testing.T, cert tls.Certificate) {
	t.Helper()
	fields := l.fields()
	if len(fields) < 6 {
		t.Fatalf("handshake line %q; standard error: %s", l.line, l.stderr)
	}
	config := wire.ClientTLS(cert)
	config.RootCAs.AddCert(leafOf(t, fields[5]))
	conn, err := grpc.NewClient("unix:"+fields[3], grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	l.conn, l.CredentialProviderClient = conn, credentialv1.NewCredentialProviderClient(conn)
}

func leafOf(t *testing.T, field string) *x509.Certificate {
	t.Helper()
	der, err := base64.RawStdEncoding.DecodeString(field)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// shutdown is go-plugin's way of ending a provider.
func (l *launched) shutdown(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_ = l.conn.Invoke(ctx, "/plugin.GRPCController/Shutdown", &emptypb.Empty{}, &emptypb.Empty{}) // its answer may be lost
}

func (l *launched) wait(t *testing.T, within time.Duration) int {
	t.Helper()
	select {
	case <-l.exited:
	case <-time.After(within):
		t.Fatalf("the process lives on after %s; standard error: %s", within, l.stderr)
	}
	return l.command.ProcessState.ExitCode()
}

func TestHandshakeLine(t *testing.T) {
	t.Parallel()
	l := launch(t, "good")
	fields := l.fields()
	if len(fields) != 6 || fields[0] != "1" || fields[1] != "1" || fields[2] != "unix" || fields[4] != "grpc" || strings.TrimSuffix(l.line, "\n") != strings.TrimSpace(l.line) {
		t.Errorf("handshake line %q", l.line)
	}
	if key, ok := leafOf(t, fields[5]).PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("the certificate's key is %T, not on P-256", leafOf(t, fields[5]).PublicKey)
	}
	if err := l.configure(t, nil); err != nil {
		t.Fatal(wire.FromStatus(err))
	}
	got, err := l.get(t, "lab")
	if err != nil || !strings.HasPrefix(reveal(got), "password of lab") {
		t.Errorf("%v, %v", got, err)
	}
	health, err := grpc_health_v1.NewHealthClient(l.conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "plugin"})
	if err != nil || health.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("%v, %v", health, err)
	}
	l.shutdown(t)
	if status := l.wait(t, 5*time.Second); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if !strings.Contains(l.stderr.String(), "closed") {
		t.Errorf("the provider was not closed: %s", l.stderr)
	}
	if _, err := os.Stat(fields[3]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its socket is left behind: %v", err)
	}
}

func reveal(c *credential.Credential) string {
	password, _ := c.Password.Get()
	return password.Reveal()
}

func TestStrangersAreRefused(t *testing.T) {
	t.Parallel()
	l := launch(t, "good")
	_ = l.conn.Close()
	l.connect(t, newCert(t))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := l.GetMetadata(ctx, &credentialv1.GetMetadataRequest{}); err == nil {
		t.Error("a stranger gets an answer")
	}
}

func TestOneLineOnStandardOutput(t *testing.T) {
	t.Parallel()
	l := launch(t, "chatty")
	if err := l.configure(t, nil); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := l.get(t, fmt.Sprint("lab", i)); err != nil {
			t.Fatal(err)
		}
	}
	l.shutdown(t)
	l.wait(t, 5*time.Second)
	if rest := l.stdout.String(); rest != "" {
		t.Errorf("after the handshake line came %q", rest)
	}
}

func TestHostThatAsksForMultiplexing(t *testing.T) {
	t.Parallel()
	l := launch(t, "good", "PLUGIN_MULTIPLEX_GRPC=false")
	if fields := l.fields(); len(fields) != 7 || fields[6] != "true" {
		t.Errorf("handshake line %q", l.line)
	}
	if err := l.configure(t, nil); err != nil {
		t.Error(err)
	}
}

func TestLifeline(t *testing.T) {
	t.Parallel()
	l := launch(t, "good")
	if err := l.configure(t, map[string]any{"path": "hang"}); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = l.get(t, "stall") }() // even with a call under way that never returns
	if _, err := io.WriteString(l.stdin, "a host may write; it means nothing\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.get(t, "lab"); err != nil {
		t.Fatalf("input ends it: %v", err)
	}
	_ = l.stdin.Close()
	if status := l.wait(t, time.Second); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

func TestWithoutALifelineInputMeansNothing(t *testing.T) {
	t.Parallel()
	l := launch(t, "good", "TOM_CREDENTIAL_LIFELINE=")
	_ = l.stdin.Close()
	// Were it to end, it would do so at once; the calls give it the time.
	if err := l.configure(t, nil); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := l.get(t, "lab"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPanicsInAProcess(t *testing.T) {
	t.Parallel()
	l := launch(t, "panics in New")
	for range 2 {
		e := failure(t, l.configure(t, nil), credential.Internal)
		if strings.Contains(e.Error(), canary[:4]) {
			t.Errorf("%v", e)
		}
	}
	if text := l.stderr.String(); !strings.Contains(text, "behaviour_test.go:") || strings.Contains(text, canary[:4]) {
		t.Errorf("the log lacks the stack or shows the value: %s", text)
	}
	good := launch(t, "good")
	if err := good.configure(t, nil); err != nil {
		t.Fatal(err)
	}
	_, err := good.get(t, "panic")
	mustFail(t, err, credential.Internal)
	if _, err := good.get(t, "lab"); err != nil {
		t.Errorf("after a panic: %v", err)
	}
	if text := good.stderr.String(); strings.Contains(text, canary[:4]) {
		t.Errorf("the log shows the panic's value: %s", text)
	}
}

func TestCloseIsBounded(t *testing.T) {
	t.Parallel()
	for name, trace := range map[string]string{"hang": "could not be closed in time", "panic": "panic in a call", "error": "could not be closed", "default": "closed\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := launch(t, "good")
			values, err := structpb.NewStruct(map[string]any{"path": name})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := l.Configure(t.Context(), &credentialv1.ConfigureRequest{Settings: values}); err != nil {
				t.Fatal(err)
			}
			l.shutdown(t)
			if status := l.wait(t, 5*time.Second); status != 0 {
				t.Errorf("exit status %d", status)
			}
			text := l.stderr.String()
			if !strings.Contains(text, "closing\n") || !strings.Contains(text, trace) || strings.Contains(text, canary[:4]) {
				t.Errorf("standard error: %s", text)
			}
		})
	}
}

func TestLogLevel(t *testing.T) {
	t.Parallel()
	for level, debug := range map[string]bool{"trace": true, "debug": true, "info": false, "error": false, "": false, "nonsense": false} {
		l := launch(t, "good", "TOM_CREDENTIAL_LOG_LEVEL="+level)
		if _, err := l.GetMetadata(t.Context(), &credentialv1.GetMetadataRequest{}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(l.stderr.String(), `"@level":"debug"`); got != debug {
			t.Errorf("level %q: debug lines %v: %s", level, got, l.stderr)
		}
	}
}
