//go:build linux || darwin

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
)

// agentSite is a directory with settings for an agent in front of the YAML provider.
type agentSite struct {
	t       *testing.T
	dir     string
	socket  string
	environ []string
}

func newAgentSite(t *testing.T) *agentSite {
	t.Helper()
	dir, err := os.MkdirTemp("", "agent-") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &agentSite{t: t, dir: dir, socket: filepath.Join(dir, "agent.sock")}
	s.write("creds.yml", "lab: {username: admin, password: made-up-4711}\n")
	s.environ = []string{
		"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + dir, "TOM_WORKER_CREDENTIAL_PLUGIN=yaml",
		"TOM_WORKER_PLUGIN_YAML_CREDENTIAL_FILE=" + filepath.Join(dir, "creds.yml"), "TOM_WORKER_CREDENTIAL_PLUGIN_DIRS=" + exampleDir,
		"TOM_WORKER_AUDIT_LOG=" + filepath.Join(dir, "audit.jsonl"),
	}
	return s
}

func (s *agentSite) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// start starts an agent, which serves when it returns.
func (s *agentSite) start(args ...string) *process {
	s.t.Helper()
	p := startProcess(s.t, s.dir, s.environ, append([]string{"agent", "--socket", s.socket}, args...)...)
	s.serves(p)
	return p
}

func (s *agentSite) serves(p *process) {
	s.t.Helper()
	p.until("it serves", func() bool { return strings.Contains(p.log.String(), "the agent serves") })
}

func (s *agentSite) client() *grpc.ClientConn {
	s.t.Helper()
	conn, err := grpc.NewClient("unix:"+s.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// password reads the credential, as soon as an agent answers.
func (s *agentSite) password(conn *grpc.ClientConn) string {
	s.t.Helper()
	got, err := credentialv1.NewCredentialProviderClient(conn).GetCredential(s.t.Context(), &credentialv1.GetCredentialRequest{CredentialId: "lab"}, grpc.WaitForReady(true))
	if err != nil {
		s.t.Fatal(err)
	}
	return got.GetCredential().GetPassword()
}

// ends waits for the end of a process, and returns its exit status.
func (p *process) ends() int {
	p.t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); _ = p.cmd.Wait() }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		p.t.Fatalf("it doesn't end; its log:\n%s", p.log.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

func TestAgentProcess(t *testing.T) {
	t.Parallel()
	s := newAgentSite(t)
	first := s.start()
	conn := s.client()
	if got := s.password(conn); got != "made-up-4711" {
		t.Errorf("password %q", got)
	}
	audit, err := os.ReadFile(filepath.Join(s.dir, "audit.jsonl"))
	if want := fmt.Sprintf(`"uid":%d,"pid":%d`, os.Getuid(), os.Getpid()); err != nil || !strings.Contains(string(audit), want) {
		t.Errorf("the audit log has no %s: %s, %v", want, audit, err)
	}

	second := startProcess(t, s.dir, s.environ, "agent", "--socket", s.socket)
	if status := second.ends(); status != statusFailed || !strings.Contains(second.log.String(), "AGENT_RUNNING") {
		t.Errorf("a second agent: status %d\n%s", status, second.log.String())
	}

	s.write("creds.yml", "lab: {username: admin, password: made-up-4712}\n")
	s.environ = append(s.environ, "TOM_WORKER_CREDENTIAL_CACHE_TTL=0s")
	if err := first.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	first.until("it is reloaded", func() bool { return strings.Contains(first.log.String(), "reloaded") })

	// A kill leaves the socket behind; the next agent replaces it, and clients find it.
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	first.ends()
	third := s.start()
	if got := s.password(conn); got != "made-up-4712" {
		t.Errorf("after a kill: password %q", got)
	}
	if err := third.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := third.ends(); status != statusDone {
		t.Errorf("told to end: status %d\n%s", status, third.log.String())
	}
	if _, err := os.Stat(s.socket); err == nil {
		t.Error("its socket is still there")
	}
	if log := first.log.String() + third.log.String(); strings.Contains(log, "made-up-47") {
		t.Errorf("a password is in the log:\n%s", log)
	}
}

// An agent that a client has started ends when nothing is connected.
func TestAgentLingers(t *testing.T) {
	t.Parallel()
	s := newAgentSite(t)
	p := s.start("--linger", "100ms")
	if status := p.ends(); status != statusDone {
		t.Errorf("status %d\n%s", status, p.log.String())
	}
}

// systemd has the socket before the agent, and is told when it serves.
func TestAgentUnderSystemd(t *testing.T) {
	t.Parallel()
	s := newAgentSite(t)
	listener, err := net.Listen("unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	file, err := listener.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(s.dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = notify.Close() }()
	_ = notify.SetReadDeadline(time.Now().Add(time.Minute))
	told := func() string {
		t.Helper()
		text := make([]byte, 100)
		n, err := notify.Read(text)
		if err != nil {
			t.Fatal(err)
		}
		return string(text[:n])
	}

	p := newProcess(t, s.dir, append(s.environ, "LISTEN_FDS=1", "NOTIFY_SOCKET="+filepath.Join(s.dir, "notify")), "agent")
	p.cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, p.cmd.Path}, p.cmd.Args[1:]...)
	if p.cmd.Path, err = exec.LookPath("sh"); err != nil {
		t.Fatal(err)
	}
	p.cmd.ExtraFiles = []*os.File{file}
	p.start()
	if text := told(); text != "READY=1" {
		t.Errorf("systemd is told %q", text)
	}
	if got := s.password(s.client()); got != "made-up-4711" {
		t.Errorf("password %q", got)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if text := told(); text != "STOPPING=1" {
		t.Errorf("systemd is told %q", text)
	}
	if status := p.ends(); status != statusDone {
		t.Errorf("status %d\n%s", status, p.log.String())
	}
	if _, err := os.Stat(s.socket); err != nil {
		t.Errorf("systemd's socket is gone: %v", err)
	}
}

func TestAgentIsRefused(t *testing.T) {
	t.Parallel()
	s := newAgentSite(t)
	for name, test := range map[string]struct {
		args, environ []string
		says          string
	}{
		"no socket":                 {[]string{"agent"}, nil, "agent needs --socket"},
		"a directory that isn't":    {[]string{"agent", "--socket", s.dir + "/absent/agent.sock"}, nil, "install -d -m 0700"},
		"clients that are no rules": {[]string{"agent", "--socket", s.socket}, []string{"TOM_WORKER_AGENT_CLIENTS=0=write"}, "agent_clients"},
	} {
		p := startProcess(t, s.dir, append(s.environ, test.environ...), test.args...)
		if status := p.ends(); status != statusUsage || !strings.Contains(p.log.String(), test.says) {
			t.Errorf("%s: status %d\n%s", name, status, p.log.String())
		}
	}
}
