package trace

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	api "go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"

	"github.com/tom-worker/credential-provider/host-example/access"
	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// Source puts a span around each call of a provider, and sends the trace's id along with it.
func (t *Traces) Source(of access.Provider) access.Provider {
	if !t.on() {
		return of
	}
	return &source{of: of, propagated: t.propagated}
}

type source struct {
	of         access.Provider
	propagated bool
}

// call begins a call's span.
func (s *source) call(ctx context.Context, method string) (context.Context, *call) {
	name := credentialv1.CredentialProvider_ServiceDesc.ServiceName + "/" + method
	ctx, span := begin(ctx, name, api.WithSpanKind(api.SpanKindClient),
		api.WithAttributes(attribute.String("rpc.system.name", "grpc"), attribute.String("rpc.method", name)))
	if s.propagated {
		headers := propagation.MapCarrier{}
		propagation.TraceContext{}.Inject(ctx, headers)
		for name, value := range headers {
			ctx = metadata.AppendToOutgoingContext(ctx, name, value)
		}
	}
	return ctx, &call{span}
}

// call is one call's span.
type call struct{ Span }

// End notes the code that the provider's answer has.
func (c *call) End(err error) {
	status := "OK"
	if err != nil {
		status = codeOf(reasonOf(err))
	}
	c.Set("rpc.response.status_code", status)
	c.Span.End(err)
}

// Get implements store.Provider.
func (s *source) Get(ctx context.Context, request credential.Request) (*credential.Credential, error) {
	ctx, call := s.call(ctx, "GetCredential")
	call.Set(CredentialID, request.ID)
	cred, err := s.of.Get(ctx, request)
	if err == nil && cred != nil {
		call.Set(CredentialVersion, cred.VersionID)
		call.Set(BackendRequestID, cred.BackendRequestID)
	}
	call.End(err)
	return cred, err
}

// GetBatch implements store.BatchProvider.
func (s *source) GetBatch(ctx context.Context, requests []credential.Request) ([]credential.Result, error) {
	ctx, call := s.call(ctx, "BatchGetCredentials")
	call.SetNumber("tom.credential.count", len(requests))
	results, err := s.of.GetBatch(ctx, requests)
	call.End(err)
	return results, err
}

// List implements access.Provider.
func (s *source) List(ctx context.Context, pageSize int, pageToken string) (credential.Page, error) {
	ctx, call := s.call(ctx, "ListCredentials")
	page, err := s.of.List(ctx, pageSize, pageToken)
	call.SetNumber("tom.credential.count", len(page.Credentials))
	call.End(err)
	return page, err
}

// Validate implements access.Provider.
func (s *source) Validate(ctx context.Context, id string) (credential.Report, error) {
	ctx, call := s.call(ctx, "Validate")
	call.Set(CredentialID, id)
	report, err := s.of.Validate(ctx, id)
	call.End(err)
	return report, err
}
