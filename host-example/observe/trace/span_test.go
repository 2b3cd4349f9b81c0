package trace

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/metadata"

	"github.com/tom-worker/credential-provider/host-example/observe"
	"github.com/tom-worker/credential-provider/host-example/observe/trace/tracetest"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
	"github.com/tom-worker/credential-provider/shared/store"
)

const canary = "canary-password-9d20"

var secret = &credential.Credential{ID: "lab", Username: "admin", Password: credential.Password(canary), VersionID: "v1", BackendRequestID: "r1"}

// backend is a provider that remembers what was sent along.
type backend struct {
	err  error
	sent []metadata.MD
}

func (b *backend) note(ctx context.Context) error {
	sent, _ := metadata.FromOutgoingContext(ctx)
	b.sent = append(b.sent, sent)
	return b.err
}

func (b *backend) Get(ctx context.Context, _ credential.Request) (*credential.Credential, error) {
	return secret, b.note(ctx)
}

func (b *backend) GetBatch(ctx context.Context, requests []credential.Request) ([]credential.Result, error) {
	return make([]credential.Result, len(requests)), b.note(ctx)
}

func (b *backend) List(ctx context.Context, _ int, _ string) (credential.Page, error) {
	return credential.Page{Credentials: make([]credential.Summary, 2)}, b.note(ctx)
}

func (b *backend) Validate(ctx context.Context, _ string) (credential.Report, error) {
	return credential.Report{}, b.note(ctx)
}

// wallet is what jobs get credentials from.
type wallet struct{ err error }

func (w *wallet) Get(context.Context, string) (store.Result, error) {
	return store.Result{Credential: secret, Freshness: store.Stale, Age: 1500 * time.Millisecond}, w.err
}

func (w *wallet) Login(ctx context.Context, id, _ string, do func(context.Context, observe.Present) error) error {
	if err := do(ctx, func(ctx context.Context) (store.Result, error) { return w.Get(ctx, id) }); err != nil {
		return credential.Errorf(credential.CredentialRejected, "%w, %s", err, canary)
	}
	return nil
}

// named are the spans by name; of two with one name, the later one.
func named(spans []tracetest.Span) map[string]tracetest.Span {
	m := map[string]tracetest.Span{}
	for _, span := range spans {
		m[span.Name] = span
	}
	return m
}

func has(t *testing.T, span tracetest.Span, want map[string]string) {
	t.Helper()
	if !maps.Equal(span.Attributes, want) {
		t.Errorf("span %q has %v, want %v", span.Name, span.Attributes, want)
	}
}

const service = "tom.credential.v1.CredentialProvider/"

func TestSpans(t *testing.T) {
	c := collector(t)
	traces, _ := fromEnvironment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL())
	provider, of := &backend{}, &wallet{}
	source, credentials := traces.Source(provider), traces.Credentials(of)

	read := time.Now().Add(-time.Minute)
	watch := traces.Watch()(&job.Job{ID: "1", Host: "10.0.0.1", Port: 22, CredentialID: "lab"}, read)
	var log bytes.Buffer
	ctx := watch.Context(hclog.WithContext(t.Context(), hclog.New(&hclog.LoggerOptions{Output: &log})))
	hclog.FromContext(ctx).Info("a line")
	if _, err := credentials.Get(ctx, "lab"); err != nil {
		t.Error(err)
	}
	if _, err := source.Get(ctx, credential.Request{ID: "lab"}); err != nil {
		t.Error(err)
	}
	_ = credentials.Login(ctx, "lab", "10.0.0.1:22", func(ctx context.Context, present observe.Present) error {
		_, _ = present(ctx)
		return fmt.Errorf("%s: %w", canary, guard.ErrRefused)
	})
	watch.End(job.Result{Status: job.StatusFailed, Attempts: 1, CredentialVersion: "v1", Error: &job.Failure{Reason: job.TimedOut, Message: canary}})

	// What goes on in the background ends after what caused it.
	provider.err = credential.Errorf(credential.AccessDenied, "no: %s", canary)
	_, _ = source.GetBatch(ctx, make([]credential.Request, 3))
	_, _ = source.List(ctx, 100, "")
	_, _ = source.Validate(ctx, "lab")
	traces.Close(t.Context())

	spans := named(c.Spans())
	root := spans["job"]
	if root.Parent != "" || root.Kind != "SPAN_KIND_CONSUMER" || root.Start.Sub(read).Abs() > time.Millisecond || root.Status != "DEADLINE_EXCEEDED JOB_TIMED_OUT" {
		t.Errorf("the root is %+v", root)
	}
	has(t, root, map[string]string{
		"tom.job.id": "1", "tom.credential.id": "lab", "server.address": "10.0.0.1", "server.port": "22",
		"tom.job.status": "failed", "tom.job.attempts": "1", "tom.credential.version": "v1", "error.type": "JOB_TIMED_OUT",
	})
	has(t, spans["credential"], map[string]string{"tom.credential.id": "lab", "tom.credential.version": "v1", "tom.credential.outcome": "stale", "tom.credential.age": "1.5"})
	has(t, spans["login"], map[string]string{"tom.credential.id": "lab", "error.type": "CREDENTIAL_REJECTED"})
	has(t, spans["ssh login"], map[string]string{
		"tom.credential.version": "v1", "tom.credential.outcome": "stale", "tom.credential.age": "1.5", "error.type": "CREDENTIAL_REJECTED",
	})
	has(t, spans[service+"GetCredential"], map[string]string{
		"rpc.system.name": "grpc", "rpc.method": service + "GetCredential", "rpc.response.status_code": "OK",
		"tom.credential.id": "lab", "tom.credential.version": "v1", "tom.backend.request.id": "r1",
	})
	for method, own := range map[string]string{"BatchGetCredentials": "tom.credential.count=3", "ListCredentials": "tom.credential.count=2", "Validate": "tom.credential.id=lab"} {
		span := spans[service+method]
		if span.Status != "PERMISSION_DENIED ACCESS_DENIED" || span.Attributes["rpc.response.status_code"] != "PERMISSION_DENIED" || span.Kind != "SPAN_KIND_CLIENT" {
			t.Errorf("%s: got %+v", method, span)
		}
		if name, value, _ := strings.Cut(own, "="); span.Attributes[name] != value {
			t.Errorf("%s: no %s in %v", method, own, span.Attributes)
		}
	}
	if len(spans) != 9 {
		t.Errorf("got %d spans", len(spans))
	}
	parents := map[string]string{"job": "", "ssh login": spans["login"].ID, "login permit": spans["ssh login"].ID}
	for name, span := range spans {
		parent, ok := parents[name]
		if !ok {
			parent = root.ID
		}
		if span.Trace != root.Trace || span.Parent != parent {
			t.Errorf("span %q isn't where it should be: %+v", name, span)
		}
	}
	if want := "trace_id=" + root.Trace; !bytes.Contains(log.Bytes(), []byte(want)) {
		t.Errorf("no %s in %s", want, &log)
	}
	for i, method := range []string{"GetCredential", "BatchGetCredentials", "ListCredentials", "Validate"} {
		if got, want := provider.sent[i]["traceparent"], "00-"+root.Trace+"-"+spans[service+method].ID+"-01"; len(got) != 1 || got[0] != want {
			t.Errorf("%s: got traceparent %q, want %s", method, got, want)
		}
	}
	if bytes.Contains(c.Raw(), []byte(canary)) {
		t.Error("a secret was exported")
	}
}

// OTEL_PROPAGATORS can keep the trace's id from the provider.
func TestNotPropagated(t *testing.T) {
	c := collector(t)
	traces, _ := fromEnvironment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL(), "OTEL_PROPAGATORS=none")
	provider := &backend{}
	ctx, span := traces.Command(t.Context(), "get")
	_, _ = traces.Source(provider).Get(ctx, credential.Request{ID: "lab"})
	span.End(nil)
	if provider.sent[0].Len() > 0 {
		t.Errorf("sent %v", provider.sent)
	}
}

// A panic's value may be anything; it goes nowhere.
func TestPanic(t *testing.T) {
	c := collector(t)
	traces, _ := fromEnvironment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL())
	func() {
		defer func() { _ = recover() }()
		_, span := traces.Command(t.Context(), "get")
		defer span.span.End() // which no caller does here
		panic(canary)
	}()
	traces.Close(t.Context())
	if len(c.Spans()) != 1 || bytes.Contains(c.Raw(), []byte(canary)) {
		t.Errorf("got %d spans: %q", len(c.Spans()), c.Raw())
	}
}
