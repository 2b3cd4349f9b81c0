package relay

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/host"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// Source is what is served. Its methods are called concurrently, with the context of the client's call.
type Source interface {
	// Get reads one credential.
	Get(ctx context.Context, request credential.Request) (*credential.Credential, error)
	// GetBatch reads 1 to 100 credentials: results in the order of the requests, one for each.
	GetBatch(ctx context.Context, requests []credential.Request) ([]credential.Result, error)
	// List returns a page of 1 to 1,000 ids.
	List(ctx context.Context, pageSize int, pageToken string) (credential.Page, error)
	// Validate has the provider check its backend; id may be empty.
	Validate(ctx context.Context, id string) (credential.Report, error)
}

// Provider is one that runs elsewhere.
type Provider struct {
	// Metadata returns what the provider says of itself now: a reload may change it.
	Metadata func() host.Metadata
	// Source is what is served.
	Source Source
}

// Register adds the provider and the health service to a server that has [ServerOptions].
func Register(server grpc.ServiceRegistrar, provider Provider) {
	credentialv1.RegisterCredentialProviderServer(server, &service{provider: provider})
	status := health.NewServer()
	status.SetServingStatus(wire.HealthService, grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(server, status)
}

// ServerOptions returns what a server of the contract needs: the sizes of its messages, and errors in the contract's form. A
// panic in a call becomes INTERNAL; log gets its stack, and nothing gets its value. around is called for each call, and may
// call the next one with another context.
func ServerOptions(log hclog.Logger, around grpc.UnaryServerInterceptor) []grpc.ServerOption {
	answer := func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (response any, err error) {
		defer func() {
			if value := recover(); value != nil {
				log.Error("panic in a call", "call", info.FullMethod, "type", fmt.Sprintf("%T", value), "stack", string(debug.Stack()))
				response, err = nil, wire.StatusError(credential.Errorf(credential.Internal, "the call panicked; the log has the stack"))
			}
		}()
		response, err = around(ctx, request, info, handler)
		if err != nil {
			return nil, statusError(err)
		}
		return response, nil
	}
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(wire.MaxMessageSize),
		grpc.MaxSendMsgSize(wire.MaxMessageSize),
		grpc.UnaryInterceptor(answer),
	}
}

// statusError is the form of an error on the wire. The reasons that a host adds are no provider's: to a client the agent is the
// provider, and the process behind it is the backend.
func statusError(err error) error {
	var e *credential.Error
	if !errors.As(err, &e) || e.Reason.FromProvider() {
		return wire.StatusError(err)
	}
	switch e.Reason {
	case credential.CredentialRejected: // of a login
		return wire.Status(e)
	case credential.ProviderCrashed, credential.ProviderUnresponsive:
		return wire.Status(credential.Errorf(credential.BackendUnavailable, "%s", e.Error()).With("stage", "provider"))
	default:
		return wire.Status(credential.Errorf(credential.Internal, "%s: %s", e.Reason, e.Error()))
	}
}

// Message is the form of a credential on the wire. It reveals the secrets: what it returns must go nowhere else, and into no
// log.
func Message(c *credential.Credential) *credentialv1.Credential { return wire.CredentialToProto(c) }

// Credential is the inverse of [Message], for clients.
func Credential(message *credentialv1.Credential) *credential.Credential {
	return wire.CredentialFromProto(message)
}

// Error turns the error of a client's call into a [*credential.Error]; nil stays nil. A connection that was lost is
// PROVIDER_CRASHED.
func Error(err error) error { return wire.FromAgent(err) }

type service struct {
	credentialv1.UnimplementedCredentialProviderServer
	provider Provider
}

func (s *service) GetMetadata(context.Context, *credentialv1.GetMetadataRequest) (*credentialv1.GetMetadataResponse, error) {
	metadata := s.provider.Metadata()
	response := &credentialv1.GetMetadataResponse{Name: metadata.Name, Version: metadata.Version, Description: metadata.Description, SettingsSchema: metadata.Schema}
	for _, capability := range metadata.Capabilities {
		response.Capabilities = append(response.Capabilities, string(capability))
	}
	return response, nil
}

func (s *service) Configure(context.Context, *credentialv1.ConfigureRequest) (*credentialv1.ConfigureResponse, error) {
	return nil, credential.Errorf(credential.AlreadyConfigured, "the agent has configured the provider already").
		WithHelp("change the agent's settings, and reload it")
}

func (s *service) Validate(ctx context.Context, in *credentialv1.ValidateRequest) (*credentialv1.ValidateResponse, error) {
	if in.CredentialId != nil {
		if err := wire.CheckID(in.GetCredentialId()); err != nil {
			return nil, err
		}
	}
	report, err := s.provider.Source.Validate(ctx, in.GetCredentialId())
	if err != nil {
		return nil, err
	}
	return wire.ReportToProto(report), nil
}

// check refuses what the provider could not answer.
func (s *service) check(in *credentialv1.GetCredentialRequest) error {
	if in.GetVersion() != nil {
		if metadata := s.provider.Metadata(); !metadata.Can(credential.CapabilityVersion) {
			return credential.Errorf(credential.Unsupported, "provider %s reads current versions only", metadata.Name)
		}
	}
	return wire.CheckID(in.GetCredentialId())
}

func (s *service) can(capability credential.Capability, what string) error {
	if metadata := s.provider.Metadata(); !metadata.Can(capability) {
		return credential.Errorf(credential.Unsupported, "provider %s doesn't support %s", metadata.Name, what)
	}
	return nil
}

func (s *service) GetCredential(ctx context.Context, in *credentialv1.GetCredentialRequest) (*credentialv1.GetCredentialResponse, error) {
	if err := s.check(in); err != nil {
		return nil, err
	}
	found, err := s.provider.Source.Get(ctx, wire.RequestFromProto(in))
	if err != nil {
		return nil, err
	}
	return &credentialv1.GetCredentialResponse{Credential: wire.CredentialToProto(found)}, nil
}

func (s *service) BatchGetCredentials(ctx context.Context, in *credentialv1.BatchGetCredentialsRequest) (*credentialv1.BatchGetCredentialsResponse, error) {
	if err := s.can(credential.CapabilityBatch, "BatchGetCredentials"); err != nil {
		return nil, err
	}
	if n := len(in.GetRequests()); n < 1 || n > credential.MaxBatch {
		return nil, credential.Errorf(credential.RequestInvalid, "a batch of %d credentials; ask for 1 to %d", n, credential.MaxBatch)
	}
	results := make([]credential.Result, len(in.GetRequests()))
	var requests []credential.Request
	var places []int
	for i, single := range in.GetRequests() {
		if results[i].Err = s.check(single); results[i].Err == nil {
			requests, places = append(requests, wire.RequestFromProto(single)), append(places, i)
		}
	}
	if len(requests) > 0 {
		answers, err := s.provider.Source.GetBatch(ctx, requests)
		if err != nil {
			return nil, err
		}
		for i, answer := range answers {
			results[places[i]] = answer
		}
	}
	out := &credentialv1.BatchGetCredentialsResponse{}
	for _, result := range results {
		out.Results = append(out.Results, wire.ResultToProto(result))
	}
	return out, nil
}

func (s *service) ListCredentials(ctx context.Context, in *credentialv1.ListCredentialsRequest) (*credentialv1.ListCredentialsResponse, error) {
	if err := s.can(credential.CapabilityList, "ListCredentials"); err != nil {
		return nil, err
	}
	size, err := wire.PageSize(in.GetPageSize())
	if err != nil {
		return nil, err
	}
	page, err := s.provider.Source.List(ctx, size, in.GetPageToken())
	if err != nil {
		return nil, err
	}
	out := &credentialv1.ListCredentialsResponse{NextPageToken: page.NextToken}
	for _, summary := range page.Credentials {
		out.Credentials = append(out.Credentials, wire.SummaryToProto(summary))
	}
	return out, nil
}

// CheckID refuses, with CREDENTIAL_ID_INVALID, ids that no credential has.
func CheckID(id string) error { return wire.CheckID(id) }
