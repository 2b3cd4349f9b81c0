//go:build unix

package conformance

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// specimen is a provider that was made without the SDK and without go-plugin, right in all points but those that its
// fields change.
type specimen struct {
	byHand    func()                                              // instead of the explanation
	curve     func() tls.Certificate                              // another kind of certificate
	admits    tls.ClientAuthType                                  // instead of the one right way
	listens   func() string                                       // the socket's folder
	line      func(address string, cert tls.Certificate) string   // the handshake line
	prints    string                                              // on standard output, after the handshake
	logs      []string                                            // on standard error
	health    grpc_health_v1.HealthCheckResponse_ServingStatus    // 0: SERVING
	answers   grpc.UnaryServerInterceptor                         // in the way of the right answer
	small     bool                                                // gRPC's own bounds on messages
	deaf      bool                                                // Shutdown does nothing
	outlives  bool                                                // the end of standard input does nothing
	talkative bool                                                // logs whatever the level
	traceless bool                                                // knows nothing of trace ids
	oneOnly   bool                                                // knows a host that speaks version 1 only
	change    func(*model)                                        // another model
	describes func(*credentialv1.GetMetadataResponse, bool)       // told differently; true: has settings
	refuse    func([]credential.Violation) []credential.Violation // what it says of wrong settings
}

// model is what the specimens serve.
type model struct {
	credentialv1.UnimplementedCredentialProviderServer
	specimen specimen

	mu         sync.Mutex
	configured bool
	refused    int
	gone       bool
	again      bool // Configure may be called again
	stubborn   bool // and not after a refusal
	early      bool // Validate works without settings
}

const modelSchema = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false,
	"properties": {
		"backend": {"type": "string", "description": "gone, or here.", "default": "here"},
		"token": {"type": "string", "description": "A secret.", "writeOnly": true},
		"tries": {"type": "integer", "description": "How often."}
	}
}`

// modelFixtures are what the model holds.
func modelFixtures() Fixtures {
	return Fixtures{
		Credentials: map[string]Credential{
			"lab":  {Username: "admin", Password: Text("canary-<4711>"), Extra: map[string]string{"enable_password": "canary-4712"}},
			"core": {Username: "netops", Password: Text(""), Extra: map[string]string{"private_key": "-----BEGIN KEY-----\ncanary-4718\n-----END KEY-----\n"}},
			"edge": {Username: "key", Extra: map[string]string{"private_key": "canary-4714"}},
		},
		Missing:     []string{"nobody"},
		Malformed:   map[string][]string{"broken": {"canary-4715"}},
		InvalidIDs:  []string{"a:b"},
		Slow:        []string{"slow"},
		Versions:    []Version{{CredentialID: "lab", VersionLabel: "OLD", Credential: Credential{Username: "admin", Password: Text("canary-4716")}}},
		BackendGone: &Variation{Settings: map[string]any{"backend": "gone"}},
	}
}

// live is the whole program.
func (s specimen) live() {
	if os.Getenv(wire.Handshake.MagicCookieKey) != wire.Handshake.MagicCookieValue {
		if s.byHand != nil {
			s.byHand()
		}
		fmt.Fprintln(os.Stderr, "this is a credential provider; a worker launches it")
		os.Exit(1)
	}
	versions := os.Getenv("PLUGIN_PROTOCOL_VERSIONS")
	if !slices.Contains(strings.Split(versions, ","), "1") || s.oneOnly && versions != "1" {
		os.Exit(1)
	}
	cert := must(wire.NewCertificate())
	if s.curve != nil {
		cert = s.curve()
	}
	config := must(wire.ServerTLS(cert, os.Getenv(wire.EnvClientCert)))
	if s.admits != tls.NoClientCert {
		config.ClientAuth = s.admits
	}
	config.NextProtos = []string{"h2"}
	folder := os.Getenv(wire.EnvSocketDir)
	if s.listens != nil {
		folder = s.listens()
	}
	address := filepath.Join(folder, "socket")
	listener := must(net.Listen("unix", address))
	server := s.server(config)

	line := fmt.Sprintf("1|1|unix|%s|grpc|%s", address, base64.RawStdEncoding.EncodeToString(cert.Certificate[0]))
	if s.line != nil {
		line = s.line(address, cert)
	}
	fmt.Println(line)
	fmt.Print(s.prints)
	for _, line := range s.logs {
		if os.Getenv(wire.EnvLogLevel) == "trace" {
			fmt.Fprintln(os.Stderr, line)
		}
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		if !s.outlives {
			os.Exit(0)
		}
	}()
	_ = server.Serve(listener)
}

func (s specimen) server(config *tls.Config) *grpc.Server {
	options := []grpc.ServerOption{grpc.Creds(credentials.NewTLS(config))}
	if !s.small {
		options = append(options, grpc.MaxRecvMsgSize(wire.MaxMessageSize))
	}
	if s.answers != nil {
		options = append(options, grpc.UnaryInterceptor(s.answers))
	}
	server := grpc.NewServer(options...)
	m := &model{specimen: s}
	if s.change != nil {
		s.change(m)
	}
	credentialv1.RegisterCredentialProviderServer(server, m)
	status := s.health
	if status == 0 {
		status = grpc_health_v1.HealthCheckResponse_SERVING
	}
	checker := health.NewServer()
	checker.SetServingStatus("plugin", status)
	grpc_health_v1.RegisterHealthServer(server, checker)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "plugin.GRPCController",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Shutdown", Handler: func(any, context.Context, func(any) error, grpc.UnaryServerInterceptor) (any, error) {
			if !s.deaf {
				go server.GracefulStop()
			}
			return &emptypb.Empty{}, nil
		}}},
	}, m)
	return server
}

func (m *model) log(ctx context.Context, level, message string) {
	if os.Getenv(wire.EnvLogLevel) == "trace" || m.specimen.talkative {
		fields := map[string]string{"@level": level, "@message": message, "@timestamp": time.Now().Format(time.RFC3339)}
		if sent := metadata.ValueFromIncomingContext(ctx, "traceparent"); len(sent) == 1 && !m.specimen.traceless {
			fields["trace_id"] = strings.Split(sent[0], "-")[1]
		}
		line, _ := json.Marshal(fields)
		fmt.Fprintln(os.Stderr, string(line))
	}
}

func refused(reason credential.Reason) error {
	return wire.StatusError(credential.Errorf(reason, "no: %s", reason))
}

func (m *model) state() (configured, gone bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.configured, m.gone
}

func (m *model) GetMetadata(context.Context, *credentialv1.GetMetadataRequest) (*credentialv1.GetMetadataResponse, error) {
	out := &credentialv1.GetMetadataResponse{
		Name: "model", Version: "1", Description: "makes credentials up",
		Capabilities: []string{"LIST", "BATCH", "VERSION", "OF THE FUTURE"}, SettingsSchema: modelSchema,
	}
	if m.specimen.describes != nil {
		configured, _ := m.state()
		m.specimen.describes(out, configured)
	}
	return out, nil
}

func (m *model) Configure(ctx context.Context, in *credentialv1.ConfigureRequest) (*credentialv1.ConfigureResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.configured && !m.again {
		return nil, refused(credential.AlreadyConfigured)
	}
	settings := in.GetSettings().AsMap()
	var violations []credential.Violation
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		_, text := settings[name].(string)
		_, number := settings[name].(float64)
		switch {
		case name != "backend" && name != "token" && name != "tries":
			violations = append(violations, credential.Violation{Setting: name, Problem: "no such setting"})
		case name == "tries" && !number, name != "tries" && !text:
			violations = append(violations, credential.Violation{Setting: name, Problem: "is of the wrong type"})
		}
	}
	if m.specimen.refuse != nil {
		violations = m.specimen.refuse(violations)
	}
	if len(violations) > 0 {
		m.refused++
		return nil, wire.StatusError(&credential.Error{Reason: credential.SettingsInvalid, Message: "refused", Violations: violations})
	}
	if m.stubborn && m.refused > 0 {
		return nil, refused(credential.AlreadyConfigured)
	}
	m.configured, m.gone = true, settings["backend"] == "gone"
	m.log(ctx, "info", "configured")
	return &credentialv1.ConfigureResponse{}, nil
}

func (m *model) Validate(_ context.Context, in *credentialv1.ValidateRequest) (*credentialv1.ValidateResponse, error) {
	configured, gone := m.state()
	if !configured && !m.early {
		return nil, refused(credential.NotConfigured)
	}
	check := &credentialv1.Check{Name: "backend", Status: credentialv1.CheckStatus_CHECK_STATUS_PASSED}
	if gone || in.CredentialId != nil && modelFixtures().Credentials[in.GetCredentialId()].Username == "" {
		check = &credentialv1.Check{Name: "read", Status: credentialv1.CheckStatus_CHECK_STATUS_FAILED, Reason: "BACKEND_UNAVAILABLE", Remedy: "repair it"}
	}
	return &credentialv1.ValidateResponse{Checks: []*credentialv1.Check{check}}, nil
}

func (m *model) GetCredential(ctx context.Context, in *credentialv1.GetCredentialRequest) (*credentialv1.GetCredentialResponse, error) {
	m.log(ctx, "debug", "read")
	configured, gone := m.state()
	id := in.GetCredentialId()
	switch {
	case !configured:
		return nil, refused(credential.NotConfigured)
	case id == "" || len(id) > 512 || strings.ContainsAny(id, ":\n\x00"):
		return nil, refused(credential.CredentialIDInvalid)
	case gone:
		return nil, refused(credential.BackendUnavailable)
	case id == "slow":
		return nil, wait(ctx)
	case id == "broken":
		return nil, refused(credential.CredentialMalformed)
	}
	found, ok := modelFixtures().Credentials[id]
	switch {
	case !ok:
		return nil, refused(credential.CredentialNotFound)
	case in.GetVersionId() != "" || in.GetVersionLabel() != "" && in.GetVersionLabel() != "OLD":
		return nil, refused(credential.VersionNotFound)
	case in.GetVersionLabel() == "OLD":
		found = modelFixtures().Versions[0].Credential
	}
	return &credentialv1.GetCredentialResponse{Credential: message(id, found)}, nil
}

func message(id string, c Credential) *credentialv1.Credential {
	return &credentialv1.Credential{CredentialId: id, Username: c.Username, Password: c.Password, Extra: c.Extra}
}

// wait waits for a backend that never answers, as long as that makes sense.
func wait(ctx context.Context) error {
	deadline, bounded := ctx.Deadline()
	if !bounded {
		<-ctx.Done()
		return refused(credential.Cancelled)
	}
	select {
	case <-ctx.Done():
		return refused(credential.Cancelled)
	case <-time.After(time.Until(deadline) / 2):
		return refused(credential.DeadlineExceeded)
	}
}

func (m *model) BatchGetCredentials(ctx context.Context, in *credentialv1.BatchGetCredentialsRequest) (*credentialv1.BatchGetCredentialsResponse, error) {
	if configured, _ := m.state(); !configured {
		return nil, refused(credential.NotConfigured)
	}
	if n := len(in.GetRequests()); n < 1 || n > 100 {
		return nil, refused(credential.RequestInvalid)
	}
	out := &credentialv1.BatchGetCredentialsResponse{}
	for _, request := range in.GetRequests() {
		found, err := m.GetCredential(ctx, request)
		result := &credentialv1.CredentialResult{Result: &credentialv1.CredentialResult_Credential{Credential: found.GetCredential()}}
		if err != nil {
			result = wire.ResultToProto(credential.Result{Err: wire.FromStatus(err)})
		}
		out.Results = append(out.Results, result)
	}
	return out, nil
}

func (m *model) ListCredentials(_ context.Context, in *credentialv1.ListCredentialsRequest) (*credentialv1.ListCredentialsResponse, error) {
	if configured, _ := m.state(); !configured {
		return nil, refused(credential.NotConfigured)
	}
	size := int(in.GetPageSize())
	if size < 0 {
		return nil, refused(credential.RequestInvalid)
	}
	if size == 0 || size > 1000 {
		size = 1000
	}
	ids := slices.Sorted(maps.Keys(modelFixtures().Credentials))
	begin := 0
	if token := in.GetPageToken(); token != "" {
		text, ok := strings.CutPrefix(token, "page-")
		number, err := strconv.Atoi(text)
		if !ok || err != nil || number < 1 || number > len(ids) {
			return nil, refused(credential.PageTokenInvalid)
		}
		begin = number
	}
	end := min(begin+size, len(ids))
	out := &credentialv1.ListCredentialsResponse{}
	for _, id := range ids[begin:end] {
		out.Credentials = append(out.Credentials, &credentialv1.CredentialSummary{CredentialId: id})
	}
	if end < len(ids) {
		out.NextPageToken = fmt.Sprintf("page-%d", end)
	}
	return out, nil
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
