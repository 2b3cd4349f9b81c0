// Package providertest runs a provider inside a test, in one call:
//
//	p := providertest.Serve(t, definition, map[string]any{"path": file})
//	cred, err := p.Get(t.Context(), credential.Request{ID: "lab"})
//
// The calls go through real gRPC and through everything that the SDK does around a provider: settings are checked against
// the schema, requests and answers against the contract, panics become errors, errors get their form on the wire and
// lose their causes. So a test sees what a host would see. What belongs to the process (handshake, certificates, its end) is
// tested by package conformance on the executable.
package providertest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/structpb"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
	"github.com/tom-worker/credential-provider/shared/provider"
)

// Provider is a provider under test. Its methods return what a host's would: errors are [*credential.Error] values with a
// reason. They may be called concurrently.
type Provider struct {
	client credentialv1.CredentialProviderClient
	log    *logBuffer
}

// Serve starts a provider with settings (nil: all defaults) and ends it with the test. If the settings are refused the test
// fails; [Start] is for tests of that.
func Serve[S any, P provider.Provider](t testing.TB, definition provider.Definition[S, P], settings map[string]any) *Provider {
	t.Helper()
	p := Start(t, definition)
	if err := p.Configure(context.Background(), settings); err != nil {
		t.Fatalf("configure provider %s: %v", definition.Name, err)
	}
	return p
}

// Start is Serve without settings: the provider waits for Configure.
func Start[S any, P provider.Provider](t testing.TB, definition provider.Definition[S, P]) *Provider {
	t.Helper()
	log := &logBuffer{}
	server, closeProvider, err := provider.NewServer(definition, hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: log, JSONFormat: true}))
	if err != nil {
		t.Fatalf("provider %q: %v", definition.Name, err)
	}
	listener := bufconn.Listen(1 << 20)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // until Stop
	}()
	t.Cleanup(func() {
		server.Stop()
		<-served
		closeProvider()
	})
	conn, err := grpc.NewClient("passthrough:///provider",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessageSize), grpc.MaxCallSendMsgSize(wire.MaxMessageSize)),
	)
	if err != nil {
		t.Fatalf("connect to provider %s: %v", definition.Name, err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &Provider{client: credentialv1.NewCredentialProviderClient(conn), log: log}
}

// Client makes calls as they are on the wire, for what the other methods hide.
func (p *Provider) Client() credentialv1.CredentialProviderClient { return p.client }

// Log is what the provider has logged so far, at every level, as JSON lines.
func (p *Provider) Log() string { return p.log.String() }

// Metadata describes the provider.
func (p *Provider) Metadata(ctx context.Context) (*credentialv1.GetMetadataResponse, error) {
	response, err := p.client.GetMetadata(ctx, &credentialv1.GetMetadataRequest{})
	return response, wire.FromStatus(err)
}

// Configure hands over settings: texts, numbers, booleans and lists of texts. Refused ones are credential.SettingsInvalid,
// with a violation each.
func (p *Provider) Configure(ctx context.Context, settings map[string]any) error {
	values := map[string]any{}
	for name, value := range settings {
		if list, ok := value.([]string); ok {
			items := make([]any, len(list))
			for i, item := range list {
				items[i] = item
			}
			value = items
		}
		values[name] = value
	}
	message, err := structpb.NewStruct(values)
	if err != nil {
		return fmt.Errorf("settings must be texts, numbers, booleans or lists of texts: %w", err)
	}
	_, err = p.client.Configure(ctx, &credentialv1.ConfigureRequest{Settings: message})
	return wire.FromStatus(err)
}

// Get reads one credential.
func (p *Provider) Get(ctx context.Context, request credential.Request) (*credential.Credential, error) {
	response, err := p.client.GetCredential(ctx, wire.RequestToProto(request))
	if err != nil {
		return nil, wire.FromStatus(err)
	}
	return wire.CredentialFromProto(response.GetCredential()), nil
}

// GetBatch reads many credentials.
func (p *Provider) GetBatch(ctx context.Context, requests []credential.Request) ([]credential.Result, error) {
	message := &credentialv1.BatchGetCredentialsRequest{}
	for _, request := range requests {
		message.Requests = append(message.Requests, wire.RequestToProto(request))
	}
	response, err := p.client.BatchGetCredentials(ctx, message)
	if err != nil {
		return nil, wire.FromStatus(err)
	}
	results := make([]credential.Result, len(response.GetResults()))
	for i, result := range response.GetResults() {
		results[i] = wire.ResultFromProto(result)
	}
	return results, nil
}

// List reads one page of a listing; 0 lets the provider decide how large it is.
func (p *Provider) List(ctx context.Context, pageSize int, pageToken string) (credential.Page, error) {
	response, err := p.client.ListCredentials(ctx, &credentialv1.ListCredentialsRequest{PageSize: int32(pageSize), PageToken: pageToken})
	if err != nil {
		return credential.Page{}, wire.FromStatus(err)
	}
	page := credential.Page{NextToken: response.GetNextPageToken()}
	for _, summary := range response.GetCredentials() {
		page.Credentials = append(page.Credentials, wire.SummaryFromProto(summary))
	}
	return page, nil
}

// Validate lets the provider check its backend; id, if it isn't empty, is a credential to read as a proof.
func (p *Provider) Validate(ctx context.Context, id string) (credential.Report, error) {
	request := &credentialv1.ValidateRequest{}
	if id != "" {
		request.CredentialId = &id
	}
	response, err := p.client.Validate(ctx, request)
	if err != nil {
		return credential.Report{}, wire.FromStatus(err)
	}
	return wire.ReportFromProto(response), nil
}

// logBuffer keeps what the provider logs.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(line)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Clone(b.text.String())
}
