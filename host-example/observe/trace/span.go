package trace

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	api "go.opentelemetry.io/otel/trace"

	"github.com/tom-worker/credential-provider/host-example/observe/audit"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
	"github.com/tom-worker/credential-provider/shared/store"
)

// scope names who made the spans.
const scope = "github.com/tom-worker/credential-provider/host-example/observe/trace"

// Span is something that takes time. The zero value is not recorded.
type Span struct{ span api.Span }

// Start starts a span below that in ctx, and does nothing if there is none there. It must be ended.
func Start(ctx context.Context, name string) (context.Context, Span) { return start(ctx, name) }

func start(ctx context.Context, name string, options ...api.SpanStartOption) (context.Context, Span) {
	parent := api.SpanFromContext(ctx)
	if !parent.SpanContext().IsValid() {
		return ctx, Span{}
	}
	ctx, span := parent.TracerProvider().Tracer(scope).Start(ctx, name, options...)
	return ctx, Span{span}
}

// Set adds what is known about it. Nothing secret, and no text of which it isn't known.
func (s Span) Set(name, value string) {
	if s.span != nil && value != "" {
		s.span.SetAttributes(attribute.String(name, value))
	}
}

// SetNumber is [Span.Set] with a number.
func (s Span) SetNumber(name string, value int) {
	if s.span != nil {
		s.span.SetAttributes(attribute.Int(name, value))
	}
}

// result adds what is known of a credential that was handed out.
func (s Span) result(result store.Result) {
	if s.span != nil {
		s.span.SetAttributes(attribute.String(CredentialVersion, result.VersionID), attribute.String(CredentialOutcome, result.Freshness.String()),
			attribute.Float64(CredentialAge, result.Age.Seconds()))
	}
}

// End ends it. Of an error it notes the code and the reason.
func (s Span) End(err error) {
	if s.span == nil {
		return
	}
	if err != nil {
		s.failed(reasonOf(err))
	}
	s.span.End()
}

func (s Span) failed(reason credential.Reason) {
	s.span.SetAttributes(attribute.String("error.type", string(reason)))
	s.span.SetStatus(codes.Error, codeOf(reason)+" "+string(reason))
}

func reasonOf(err error) credential.Reason {
	if errors.Is(err, guard.ErrRefused) {
		return credential.CredentialRejected
	}
	return credential.ReasonOf(err)
}

// codeOf returns the name of the gRPC code that belongs to a reason.
func codeOf(reason credential.Reason) string {
	status, ok := audit.Code(reason)
	if !ok {
		status = job.Code(reason)
	}
	return status
}

// ID is the id of the trace that ctx belongs to, for logs; empty if there is none.
func ID(ctx context.Context) string {
	if of := api.SpanContextFromContext(ctx); of.HasTraceID() {
		return of.TraceID().String()
	}
	return ""
}

// Names of attributes that aren't the standard's.
const (
	JobID             = "tom.job.id"
	JobStatus         = "tom.job.status"
	JobAttempts       = "tom.job.attempts"
	CredentialID      = "tom.credential.id"
	CredentialVersion = "tom.credential.version"
	CredentialOutcome = "tom.credential.outcome" // fresh, cached or stale
	CredentialAge     = "tom.credential.age"     // seconds since the backend was asked
	BackendRequestID  = "tom.backend.request.id"
	CommandNumber     = "tom.command.number" // from 1
	CommandCount      = "tom.command.count"
	CommandStatus     = "tom.command.exit_status"
)
