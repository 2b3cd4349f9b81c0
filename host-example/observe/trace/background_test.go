package trace

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/tom-worker/credential-provider/host-example/observe"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/store"
)

// slow is a provider that answers when it is let.
type slow struct {
	backend
	answers chan struct{}
}

func (s *slow) Get(ctx context.Context, request credential.Request) (*credential.Credential, error) {
	<-s.answers
	return s.backend.Get(ctx, request)
}

// A read in the background is in the trace of the job that caused it, even if it ends after that.
func TestBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exported := tracetest.NewInMemoryExporter()
		traces := &Traces{provider: sdk.NewTracerProvider(sdk.WithSyncer(exported)), propagated: true, log: &later{}}
		options := store.Options{TTL: 5 * time.Minute, Jitter: -1}
		provider := &slow{answers: make(chan struct{}, 1)}
		credentials := store.New(traces.Source(provider), options)
		defer credentials.Close()
		get := func(id string) {
			watch := traces.Watch()(&job.Job{ID: id}, time.Now())
			if _, err := traces.Credentials(observe.Guarded(credentials, nil)).Get(watch.Context(t.Context()), "lab"); err != nil {
				t.Error(err)
			}
			watch.End(job.Result{})
		}
		provider.answers <- struct{}{}
		get("1")
		time.Sleep(options.TTL * 9 / 10)
		get("2") // it is served, and read again
		time.Sleep(time.Second)
		provider.answers <- struct{}{}
		synctest.Wait()

		var calls []tracetest.SpanStub
		byID := map[string]tracetest.SpanStub{}
		for _, span := range exported.GetSpans() {
			byID[span.SpanContext.SpanID().String()] = span
			if span.Name == service+"GetCredential" {
				calls = append(calls, span)
			}
		}
		if len(calls) != 2 {
			t.Fatalf("%d calls", len(calls))
		}
		if calls[0].SpanContext.TraceID() == calls[1].SpanContext.TraceID() {
			t.Error("both are in one trace")
		}
		if parent := byID[calls[1].Parent.SpanID().String()]; parent.Name != "credential" || !parent.EndTime.Before(calls[1].EndTime) {
			t.Errorf("the second call's parent is %+v", parent)
		}
	})
}
