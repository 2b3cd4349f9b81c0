package trace

import (
	"bytes"
	"cmp"
	"context"
	"runtime"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/host-example/observe"
	"github.com/tom-worker/credential-provider/host-example/observe/trace/tracetest"
)

func TestWanted(t *testing.T) {
	for _, test := range []struct {
		environ string
		want    bool
		ignored string
	}{
		{"", false, ""},
		{"OTEL_SERVICE_NAME=worker OTEL_TRACES_SAMPLER=always_on", false, ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318", true, ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=", false, ""},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://localhost:4318/v1/traces", true, ""},
		{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://localhost:4318/v1/metrics", false, ""},
		{"OTEL_TRACES_EXPORTER=otlp", true, ""},
		{"OTEL_TRACES_EXPORTER=none OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318", false, ""},
		{"OTEL_TRACES_EXPORTER=otlp OTEL_SDK_DISABLED=TRUE", false, ""},
		{"OTEL_TRACES_EXPORTER=otlp OTEL_SDK_DISABLED=false", true, ""},
		{"OTEL_TRACES_EXPORTER=zipkin,otlp", true, "zipkin"},
		{"OTEL_TRACES_EXPORTER=console OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318", false, "console"},
	} {
		t.Run(test.environ, func(t *testing.T) {
			got, ignored := variablesOf(strings.Fields(test.environ)).wanted()
			if got != test.want || strings.Join(ignored, ",") != test.ignored {
				t.Errorf("got %v, ignored %v", got, ignored)
			}
		})
	}
}

func TestMisnamed(t *testing.T) {
	for value, want := range map[string]bool{"": false, "http://localhost:4318": false, "https://a:b@collector": false, "unix:///run/otel": false, "localhost:4318": true, "localhost": true, "::::": true} {
		if got := len(variables{"OTEL_EXPORTER_OTLP_ENDPOINT": value}.misnamed()) == 1; got != want {
			t.Errorf("%q: got %v", value, got)
		}
	}
}

// The collector's address without http:// is told by the variable's name.
func TestAddressWithoutScheme(t *testing.T) {
	traces, log := fromEnvironment(t, "OTEL_EXPORTER_OTLP_ENDPOINT=canary.invalid:4318")
	if traces == nil || !strings.Contains(log.String(), "OTEL_EXPORTER_OTLP_ENDPOINT: must be a URL") || strings.Contains(log.String(), "canary") {
		t.Errorf("the log says %q", log)
	}
}

func TestPropagated(t *testing.T) {
	for value, want := range map[string]bool{"": true, "tracecontext,baggage": true, "b3, tracecontext": true, "none": false, "b3": false} {
		if got := (variables{"OTEL_PROPAGATORS": value}).propagated(); got != want {
			t.Errorf("%q: got %v", value, got)
		}
	}
}

// fromEnvironment is [FromEnvironment] for variables that are those of this process too.
func fromEnvironment(t *testing.T, environ ...string) (*Traces, *bytes.Buffer) {
	t.Helper()
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	log := &bytes.Buffer{}
	traces := FromEnvironment(environ, "worker", "1.2.3")
	traces.LogTo(hclog.New(&hclog.LoggerOptions{Output: log}))
	t.Cleanup(func() { traces.Close(context.WithoutCancel(t.Context())) })
	return traces, log
}

func collector(t *testing.T) *tracetest.Collector {
	t.Helper()
	c, err := tracetest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Without the variables there is nothing: no goroutine, no wrapper, and no memory for spans that are not started.
func TestOff(t *testing.T) {
	before := runtime.NumGoroutine()
	traces, log := fromEnvironment(t, "OTEL_SERVICE_NAME=worker")
	if traces != nil || log.Len() > 0 || runtime.NumGoroutine() > before {
		t.Fatalf("got %v, %d goroutines, %q", traces, runtime.NumGoroutine()-before, log)
	}
	var of observe.Credentials = &wallet{}
	var from observe.Provider = &backend{}
	if traces.Credentials(of) != of || traces.Source(from) != from || traces.Watch() != nil {
		t.Error("something is wrapped")
	}
	ctx, n := t.Context(), 0
	allocations := testing.AllocsPerRun(100, func() {
		ctx, span := Start(ctx, "ssh command")
		span.SetNumber(CommandNumber, n)
		span.Set(CredentialID, "lab")
		span.End(nil)
		n += len(ID(ctx))
	})
	if allocations > 0 || n > 0 {
		t.Errorf("%v allocations, ids of %d bytes", allocations, n)
	}
}

func BenchmarkOff(b *testing.B) {
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		_, span := Start(ctx, "ssh command")
		span.SetNumber(CommandNumber, 1)
		span.End(nil)
	}
}

// What is wrong with the variables is told without their values, which may be secret, and disturbs nothing.
func TestVariablesThatAreWrong(t *testing.T) {
	c := collector(t)
	const canary = "canary-token"
	for name, test := range map[string]struct {
		environ []string
		says    string
		spans   int
	}{
		"headers":   {[]string{"OTEL_EXPORTER_OTLP_HEADERS=authorization " + canary}, `a variable OTEL_* isn't understood: problem="parse headers"`, 1},
		"escape":    {[]string{"OTEL_EXPORTER_OTLP_HEADERS=authorization=" + canary + "%zz"}, `a variable OTEL_* isn't understood: problem="escape header value"`, 1},
		"resource":  {[]string{"OTEL_RESOURCE_ATTRIBUTES=" + canary}, "OTEL_RESOURCE_ATTRIBUTES: not all of it", 1},
		"protocol":  {[]string{"OTEL_EXPORTER_OTLP_PROTOCOL=carrier/pigeon"}, "no traces are exported: error=", 0},
		"exporter":  {[]string{"OTEL_TRACES_EXPORTER=zipkin"}, "only otlp can be had here: ignored=zipkin", 0},
		"sampler":   {[]string{"OTEL_TRACES_SAMPLER=sometimes"}, "unsupported sampler: sometimes", 1},
		"one right": {[]string{"OTEL_TRACES_EXPORTER=console,otlp"}, "ignored=console", 1},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(c.Spans())
			traces, log := fromEnvironment(t, append(test.environ, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL())...)
			_, span := traces.Command(t.Context(), "get")
			span.End(nil)
			traces.Close(t.Context())
			if got := len(c.Spans()) - before; got != test.spans {
				t.Errorf("%d spans", got)
			}
			if !strings.Contains(log.String(), test.says) || strings.Contains(log.String(), canary) {
				t.Errorf("the log says %q", log)
			}
		})
	}
}

// The details that the libraries read arrive where they should, by every protocol.
func TestProtocols(t *testing.T) {
	c := collector(t)
	for protocol, endpoint := range map[string]string{"": c.URL(), "http/protobuf": c.URL(), "http/json": c.URL(), "grpc": c.GRPC()} {
		t.Run(protocol, func(t *testing.T) {
			before := len(c.Spans())
			traces, log := fromEnvironment(t, "OTEL_EXPORTER_OTLP_PROTOCOL="+protocol, "OTEL_EXPORTER_OTLP_ENDPOINT="+endpoint,
				"OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=lab,service.version=9")
			ctx, span := traces.Command(t.Context(), "get")
			span.End(nil)
			traces.Close(t.Context())
			spans := c.Spans()[before:]
			if len(spans) != 1 || log.Len() > 0 {
				t.Fatalf("%d spans; the log says %q", len(spans), log)
			}
			if want := cmp.Or(protocol, "http/protobuf"); spans[0].Protocol != want || spans[0].Trace != ID(ctx) {
				t.Errorf("trace %s came by %s; it was %s", spans[0].Trace, spans[0].Protocol, ID(ctx))
			}
			about := spans[0].Resource
			if about["service.name"] != "worker" || about["service.version"] != "9" || about["deployment.environment.name"] != "lab" || about["host.name"] == "" {
				t.Errorf("got %v", about)
			}
		})
	}
	t.Run("the service's name", func(t *testing.T) {
		before := len(c.Spans())
		traces, _ := fromEnvironment(t, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="+c.URL()+"/v1/traces", "OTEL_SERVICE_NAME=tom")
		_, span := traces.Command(t.Context(), "get")
		span.End(nil)
		traces.Close(t.Context())
		if spans := c.Spans()[before:]; len(spans) != 1 || spans[0].Resource["service.name"] != "tom" {
			t.Errorf("got %+v", spans)
		}
	})
	t.Run("sampled out", func(t *testing.T) {
		before := len(c.Spans())
		traces, _ := fromEnvironment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL(), "OTEL_TRACES_SAMPLER=always_off")
		ctx, span := traces.Command(t.Context(), "get")
		if ID(ctx) == "" {
			t.Error("there is no id for logs")
		}
		span.End(nil)
		traces.Close(t.Context())
		if got := len(c.Spans()) - before; got != 0 {
			t.Errorf("%d spans", got)
		}
	})
}
