//go:build linux || darwin

package agent_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/tom-worker/credential-provider/host-example/agent"
	"github.com/tom-worker/credential-provider/host-example/observe/audit"
	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
	"github.com/tom-worker/credential-provider/shared/host"
	"github.com/tom-worker/credential-provider/shared/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend holds credentials.
type backend struct {
	mu        sync.Mutex
	passwords map[string]string
	reads     int
}

// set gives lab another password.
func (b *backend) set(password string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.passwords == nil {
		b.passwords = make(map[string]string)
	}
	b.passwords["lab"] = password
}

func (b *backend) Get(_ context.Context, request credential.Request) (*credential.Credential, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reads++
	password, ok := b.passwords[request.ID]
	if !ok {
		return nil, credential.Errorf(credential.CredentialNotFound, "there is no %q", request.ID)
	}
	return &credential.Credential{ID: request.ID, Username: "admin", Password: credential.Password(password), VersionID: "v-" + password}, nil
}

func (b *backend) GetBatch(ctx context.Context, requests []credential.Request) ([]credential.Result, error) {
	results := make([]credential.Result, len(requests))
	for i, request := range requests {
		results[i].Credential, results[i].Err = b.Get(ctx, request)
	}
	return results, nil
}

func (b *backend) List(context.Context, int, string) (credential.Page, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var page credential.Page
	for id := range b.passwords {
		page.Credentials = append(page.Credentials, credential.Summary{ID: id})
	}
	return page, nil
}

func (b *backend) Validate(context.Context, string) (credential.Report, error) {
	return credential.Report{Checks: []credential.Check{{Name: "read", Status: credential.StatusPassed}}}, nil
}

// served is an agent of this process, and a client of it.
type served struct {
	t       *testing.T
	backend *backend
	path    string
	log     *lines
	guard   *guard.Guard
	ledger  guard.Ledger
	server  *agent.Server
	stop    func()

	credentialv1.CredentialProviderClient
	logins credentialv1.LoginGuardClient
}

// lines are an audit log.
type lines struct {
	mu   sync.Mutex
	text []byte
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	return len(p), nil
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// directory is one in which a socket may be, with a short path.
func directory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "agent-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func start(t *testing.T, change ...func(*agent.Options)) *served {
	t.Helper()
	return startAt(t, filepath.Join(directory(t), "agent.sock"), &backend{passwords: map[string]string{"lab": "right", "core": "other"}}, change...)
}

func startAt(t *testing.T, path string, b *backend, change ...func(*agent.Options)) *served {
	t.Helper()
	return startOn(t, path, b, func(socket *agent.Socket) net.Listener { return socket }, change...)
}

// startOn is startAt with something around the listener.
func startOn(t *testing.T, path string, b *backend, around func(*agent.Socket) net.Listener, change ...func(*agent.Options)) *served {
	t.Helper()
	socket, err := agent.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &served{t: t, backend: b, path: path, log: &lines{}}
	log, err := audit.Open(audit.Stderr, s.log, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	credentials := store.New(b, store.Options{TTL: time.Minute})
	s.ledger = agent.Ledger(guard.NewMemory())
	options := agent.Options{
		Metadata: func() host.Metadata {
			return host.Metadata{Name: "made_up", Version: "1.0.0", Capabilities: []credential.Capability{credential.CapabilityList, credential.CapabilityBatch}}
		},
		Provider: b, Store: credentials, Ledger: s.ledger, Audit: log, LoginTimeout: 10 * time.Second, Key: socket.Key("permits"),
	}
	for _, c := range change {
		c(&options)
	}
	if s.guard, err = guard.New(credentials, guard.Options{Ledger: s.ledger, Key: socket.Key("digests"), LoginTimeout: options.LoginTimeout}); err != nil {
		t.Fatal(err)
	}
	options.Guard = s.guard
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	s.server = agent.New(options)
	go func() { done <- s.server.Serve(ctx, context.Background(), around(socket)) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the agent ended with %v", err)
		}
		_ = errors.Join(s.guard.Close(), s.ledger.Close())
		credentials.Close()
	})
	t.Cleanup(s.stop)
	conn := s.dial()
	s.CredentialProviderClient, s.logins = credentialv1.NewCredentialProviderClient(conn), credentialv1.NewLoginGuardClient(conn)
	return s
}

func (s *served) dial() *grpc.ClientConn {
	s.t.Helper()
	conn, err := grpc.NewClient("unix:"+s.path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (s *served) raw() net.Conn {
	s.t.Helper()
	conn, err := net.Dial("unix", s.path)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func newID() []byte {
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	return id
}

func ask(id []byte, device string) *credentialv1.PresentRequest {
	return &credentialv1.PresentRequest{LoginId: id, CredentialId: "lab", Device: device}
}

func (s *served) present(id []byte, device string) *credentialv1.PresentResponse {
	s.t.Helper()
	got, err := s.logins.Present(s.t.Context(), ask(id, device))
	if err != nil {
		s.t.Fatalf("Present at %s: %v", device, err)
	}
	return got
}

const (
	accepted     = credentialv1.LoginAnswer_LOGIN_ANSWER_ACCEPTED
	refused      = credentialv1.LoginAnswer_LOGIN_ANSWER_REFUSED
	unknown      = credentialv1.LoginAnswer_LOGIN_ANSWER_UNKNOWN
	notPresented = credentialv1.LoginAnswer_LOGIN_ANSWER_NOT_PRESENTED
)

func on(permit []byte, answer credentialv1.LoginAnswer) *credentialv1.ReportRequest {
	return &credentialv1.ReportRequest{Login: &credentialv1.ReportRequest_Permit{Permit: permit}, Answer: answer}
}

func onLogin(id []byte, answer credentialv1.LoginAnswer) *credentialv1.ReportRequest {
	return &credentialv1.ReportRequest{Login: &credentialv1.ReportRequest_LoginId{LoginId: id}, Answer: answer}
}

func (s *served) report(request *credentialv1.ReportRequest) bool {
	s.t.Helper()
	got, err := s.logins.Report(s.t.Context(), request)
	if err != nil {
		s.t.Fatalf("Report %v: %v", request.GetAnswer(), err)
	}
	return got.GetOtherMaterial()
}

// refuse reports a refusal with little time for the answer: it counts nevertheless.
func (s *served) refuse(shown *credentialv1.PresentResponse) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := s.logins.Report(ctx, on(shown.GetPermit(), refused)); err != nil && code(err) != codes.DeadlineExceeded {
		s.t.Fatalf("Report: %v", err)
	}
}

// open returns how many permits are out.
func (s *served) open() int64 { return s.guard.Counters().Permits }

func (s *served) until(what string, there func() bool) {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); !there(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("not in time: %s", what)
		}
	}
}

func code(err error) codes.Code { return status.Code(err) }
