package trace

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"
	api "go.opentelemetry.io/otel/trace"

	"github.com/tom-worker/credential-provider/host-example/worker/job"
)

// Watch is for a job.Queue: each job that has been read is a trace, from when it was read to its result.
func (t *Traces) Watch() func(*job.Job, time.Time) job.Watch {
	if !t.on() {
		return nil
	}
	return func(j *job.Job, read time.Time) job.Watch {
		ctx, span := t.root("job", api.WithTimestamp(read), api.WithSpanKind(api.SpanKindConsumer))
		span.Set(JobID, j.ID)
		span.Set(CredentialID, j.CredentialID)
		span.Set("server.address", j.Host)
		span.SetNumber("server.port", j.Port)
		return &jobSpan{ctx, span}
	}
}

// Command puts a span around each command at a device. It has no text of the command, which may hold a secret.
func Command(ctx context.Context, number, count int) (context.Context, func(exitStatus *int, err error)) {
	ctx, span := Start(ctx, "ssh command")
	span.SetNumber(CommandNumber, number)
	span.SetNumber(CommandCount, count)
	return ctx, func(exitStatus *int, err error) {
		if exitStatus != nil {
			span.SetNumber(CommandStatus, *exitStatus)
		}
		span.End(err)
	}
}

// root starts a trace.
func (t *Traces) root(name string, options ...api.SpanStartOption) (context.Context, Span) {
	ctx, span := t.provider.Tracer(scope).Start(context.Background(), name, options...)
	return ctx, Span{span}
}

// Command starts a trace for one command of the program.
func (t *Traces) Command(ctx context.Context, name string) (context.Context, Span) {
	if !t.on() {
		return ctx, Span{}
	}
	root, span := t.root(name)
	return api.ContextWithSpan(ctx, api.SpanFromContext(root)), span
}

// jobSpan is a job's.
type jobSpan struct {
	ctx  context.Context //nolint:containedctx // it has the span and nothing else
	span Span
}

// Context implements job.Watch.
func (s *jobSpan) Context(ctx context.Context) context.Context {
	ctx = api.ContextWithSpan(ctx, s.span.span)
	return hclog.WithContext(ctx, hclog.FromContext(ctx).With("trace_id", ID(ctx)))
}

// End implements job.Watch.
func (s *jobSpan) End(result job.Result) {
	s.span.Set(JobStatus, string(result.Status))
	s.span.Set(CredentialVersion, result.CredentialVersion)
	s.span.SetNumber(JobAttempts, result.Attempts)
	if result.Error != nil {
		s.span.failed(result.Error.Reason)
	}
	s.span.End(nil)
}
