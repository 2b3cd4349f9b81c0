package provider

import (
	"bytes"
	"context"
	"errors"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

type options struct {
	Path  string              `json:"path,omitempty" jsonschema:"A path."`
	Token credential.Redacted `json:"token,omitempty" jsonschema:"A secret."`
	List  []string            `json:"list,omitempty" jsonschema:"A list."`
}

// plain can read single credentials and nothing else.
type plain struct {
	get func(context.Context, credential.Request) (*credential.Credential, error)
}

func (p *plain) Get(ctx context.Context, r credential.Request) (*credential.Credential, error) {
	if p.get == nil {
		return made(r.ID), nil
	}
	return p.get(ctx, r)
}

// able can do everything.
type able struct {
	plain
	list     func(context.Context, int, string) (credential.Page, error)
	batch    func(context.Context, []credential.Request) ([]credential.Result, error)
	validate func(context.Context, string) (credential.Report, error)
}

func (p *able) List(ctx context.Context, size int, token string) (credential.Page, error) {
	return p.list(ctx, size, token)
}

func (p *able) GetBatch(ctx context.Context, requests []credential.Request) ([]credential.Result, error) {
	return p.batch(ctx, requests)
}

func (p *able) Validate(ctx context.Context, id string) (credential.Report, error) {
	return p.validate(ctx, id)
}

func made(id string) *credential.Credential {
	return &credential.Credential{ID: id, Username: "admin", Password: credential.Password("password of " + id)}
}

// definition is a provider program around a value that exists already. It reads versions if it can list, too.
func definition[P Provider](p P) Definition[options, P] {
	return Definition[options, P]{
		Name: "fake", Version: "1.2.3", Description: "makes credentials up", Versions: can[Lister, P](),
		Defaults: options{Path: "default", List: []string{"a", "b"}},
		New:      func(options, hclog.Logger) (P, error) { return p, nil },
	}
}

// logs is a log that may be written and read at the same time.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type served struct {
	credentialv1.CredentialProviderClient
	conn *grpc.ClientConn
	log  *logs
}

// serveUnix serves a definition over gRPC on a Unix socket, as a process would, without the launch.
func serveUnix[S any, P Provider](t *testing.T, d Definition[S, P]) served {
	t.Helper()
	log := &logs{}
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: log, JSONFormat: true})
	s, err := newServer(d, logger)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "s")
	if len(path) > 100 { // a socket's path is bounded, and a test's directory bears its name
		t.Fatalf("the test's name makes the socket's path too long: %s", path)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(serverOptions(logger)...)
	credentialv1.RegisterCredentialProviderServer(server, s)
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	conn, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessageSize)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		<-done
	})
	return served{CredentialProviderClient: credentialv1.NewCredentialProviderClient(conn), conn: conn, log: log}
}

// configure hands over settings, given as for structpb.NewStruct.
func (s served) configure(t *testing.T, settings map[string]any) error {
	t.Helper()
	values, err := structpb.NewStruct(settings)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Configure(t.Context(), &credentialv1.ConfigureRequest{Settings: values})
	return err
}

// serveConfigured serves a definition that has its settings.
func serveConfigured[S any, P Provider](t *testing.T, d Definition[S, P]) served {
	t.Helper()
	s := serveUnix(t, d)
	if err := s.configure(t, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s served) get(t *testing.T, id string) (*credential.Credential, error) {
	t.Helper()
	response, err := s.GetCredential(t.Context(), &credentialv1.GetCredentialRequest{CredentialId: id})
	if err != nil {
		return nil, err
	}
	return wire.CredentialFromProto(response.GetCredential()), nil
}

func mustFail(t *testing.T, err error, want credential.Reason) {
	t.Helper()
	_ = failure(t, err, want)
}

// failure checks an error as a host sees it: its reason, its code, and that it is one of the contract.
func failure(t *testing.T, err error, want credential.Reason) *credential.Error {
	t.Helper()
	if !wire.HasReason(err) || status.Code(err) != wire.Code(want) {
		t.Errorf("%v has no reason of the contract or another code than %s", err, want.Code())
	}
	var e *credential.Error
	if !errors.As(wire.FromStatus(err), &e) || e.Reason != want {
		t.Fatalf("%v, want %s", wire.FromStatus(err), want)
	}
	return e
}

func TestHealthKeepsItsOwnStatuses(t *testing.T) {
	s := serveUnix(t, definition(&plain{}))
	_, err := grpc_health_v1.NewHealthClient(s.conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "no such service"})
	if status.Code(err) != codes.NotFound || wire.HasReason(err) {
		t.Errorf("the health service answers %v", err)
	}
}

func TestGetMetadata(t *testing.T) {
	s := serveUnix(t, definition(&able{}))
	before, err := s.GetMetadata(t.Context(), &credentialv1.GetMetadataRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if before.GetName() != "fake" || before.GetVersion() != "1.2.3" || before.GetDescription() != "makes credentials up" || before.GetSettingsSchema() == "" {
		t.Errorf("%v", before)
	}
	if err := s.configure(t, nil); err != nil {
		t.Fatal(err)
	}
	after, err := s.GetMetadata(t.Context(), &credentialv1.GetMetadataRequest{})
	if err != nil || after.String() != before.String() {
		t.Errorf("after Configure it is %v, %v", after, err)
	}
}

type listing interface {
	Provider
	Lister
}

func TestCapabilitiesComeFromTheType(t *testing.T) {
	for name, test := range map[string]struct {
		of   func(t *testing.T) served
		want []string
	}{
		"plain":                     {func(t *testing.T) served { return serveUnix(t, definition(&plain{})) }, nil},
		"able":                      {func(t *testing.T) served { return serveUnix(t, definition(&able{})) }, []string{"LIST", "BATCH", "VERSION"}},
		"an interface":              {func(t *testing.T) served { return serveUnix(t, definition[listing](&able{})) }, []string{"LIST", "VERSION"}},
		"the bare interface, able":  {func(t *testing.T) served { return serveUnix(t, definition[Provider](&able{})) }, nil},
		"a value, methods on it":    {func(t *testing.T) served { return serveUnix(t, definition(byValue{})) }, []string{"LIST", "VERSION"}},
		"embedded pointer, all its": {func(t *testing.T) served { return serveUnix(t, definition(struct{ *able }{&able{}})) }, []string{"LIST", "BATCH", "VERSION"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := test.of(t)
			if err := s.configure(t, nil); err != nil {
				t.Fatal(err)
			}
			metadata, err := s.GetMetadata(t.Context(), &credentialv1.GetMetadataRequest{})
			if err != nil || !slices.Equal(metadata.GetCapabilities(), test.want) {
				t.Errorf("capabilities %v, %v; want %v", metadata.GetCapabilities(), err, test.want)
			}
			// What isn't advertised is UNSUPPORTED, whatever the value behind an interface could do.
			_, err = s.BatchGetCredentials(t.Context(), &credentialv1.BatchGetCredentialsRequest{})
			if has := slices.Contains(test.want, "BATCH"); has != (credential.ReasonOf(wire.FromStatus(err)) != credential.Unsupported) {
				t.Errorf("BatchGetCredentials: %v", err)
			}
			_, err = s.ListCredentials(t.Context(), &credentialv1.ListCredentialsRequest{PageSize: -1})
			if has := slices.Contains(test.want, "LIST"); has != (credential.ReasonOf(wire.FromStatus(err)) != credential.Unsupported) {
				t.Errorf("ListCredentials: %v", err)
			}
			_, err = s.GetCredential(t.Context(), &credentialv1.GetCredentialRequest{CredentialId: "lab", Version: &credentialv1.GetCredentialRequest_VersionId{VersionId: "1"}})
			if has := slices.Contains(test.want, "VERSION"); has != (err == nil) {
				t.Errorf("GetCredential of a version: %v", err)
			}
			if _, err := s.Validate(t.Context(), &credentialv1.ValidateRequest{}); err != nil && name == "plain" {
				t.Errorf("Validate of a provider that checks nothing: %v", err)
			}
		})
	}
}

func TestPreviousVersionLabel(t *testing.T) {
	d := definition(&able{})
	d.PreviousVersionLabel = "previous"
	metadata, err := serveUnix(t, d).GetMetadata(t.Context(), &credentialv1.GetMetadataRequest{})
	if err != nil || metadata.GetPreviousVersionLabel() != "previous" {
		t.Errorf("%v, %v", metadata, err)
	}
	d.Versions = false
	if _, err := newServer(d, hclog.NewNullLogger()); err == nil || !strings.Contains(err.Error(), "Versions is false") {
		t.Errorf("a label of versions that can't be read: %v", err)
	}
}

type byValue struct{}

func (byValue) List(context.Context, int, string) (credential.Page, error) {
	return credential.Page{}, nil
}

func (byValue) Get(_ context.Context, r credential.Request) (*credential.Credential, error) {
	return made(r.ID), nil
}
