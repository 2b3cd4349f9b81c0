package trace

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	api "go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"

	"github.com/tom-worker/credential-provider/host-example/observe"
	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// Source puts a span around each call of a provider, and sends the trace's id along with it.
func (t *Traces) Source(of observe.Provider) observe.Provider {
	if !t.on() {
		return of
	}
	return &source{of: of, propagated: t.propagated}
}

type source struct {
	of         observe.Provider
	propagated bool
}

// Serve puts a span around a call that this process serves, below the client's where it has sent one. The returned function is
// called with the call's error.
func (t *Traces) Serve(ctx context.Context, method string) (context.Context, func(error)) {
	if !t.on() {
		return ctx, func(error) {}
	}
	if sent, ok := metadata.FromIncomingContext(ctx); ok {
		headers := propagation.MapCarrier{}
		if parent := sent.Get("traceparent"); len(parent) == 1 {
			headers["traceparent"] = parent[0]
		}
		ctx = propagation.TraceContext{}.Extract(ctx, headers)
	}
	name := strings.TrimPrefix(method, "/")
	ctx, span := t.provider.Tracer(scope).Start(ctx, name, api.WithSpanKind(api.SpanKindServer),
		api.WithAttributes(attribute.String("rpc.system.name", "grpc"), attribute.String("rpc.method", name)))
	served := &call{Span{span}}
	return ctx, served.End
}

// call starts a call's span.
func (s *source) call(ctx context.Context, method string) (context.Context, *call) {
	name := credentialv1.CredentialProvider_ServiceDesc.ServiceName + "/" + method
	ctx, span := start(ctx, name, api.WithSpanKind(api.SpanKindClient),
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

// Get implements store.Source.
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

// GetBatch implements store.BatchSource.
func (s *source) GetBatch(ctx context.Context, requests []credential.Request) ([]credential.Result, error) {
	ctx, call := s.call(ctx, "BatchGetCredentials")
	call.SetNumber("tom.credential.count", len(requests))
	results, err := s.of.GetBatch(ctx, requests)
	call.End(err)
	return results, err
}

// List implements observe.Provider.
func (s *source) List(ctx context.Context, pageSize int, pageToken string) (credential.Page, error) {
	ctx, call := s.call(ctx, "ListCredentials")
	page, err := s.of.List(ctx, pageSize, pageToken)
	call.SetNumber("tom.credential.count", len(page.Credentials))
	call.End(err)
	return page, err
}

// Validate implements observe.Provider.
func (s *source) Validate(ctx context.Context, id string) (credential.Report, error) {
	ctx, call := s.call(ctx, "Validate")
	call.Set(CredentialID, id)
	report, err := s.of.Validate(ctx, id)
	call.End(err)
	return report, err
}
