package trace

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/hashicorp/go-hclog"
)

// variables are the environment.
type variables map[string]string

func variablesOf(environ []string) variables {
	v := variables{}
	for _, variable := range environ {
		if name, value, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "OTEL_") {
			v[name] = strings.TrimSpace(value)
		}
	}
	return v
}

// wanted reports whether there shall be traces: OTEL_TRACES_EXPORTER says so, or a collector is named. ignored are the
// exporters that aren't here.
func (v variables) wanted() (wanted bool, ignored []string) {
	if strings.EqualFold(v["OTEL_SDK_DISABLED"], "true") {
		return false, nil
	}
	exporters := v["OTEL_TRACES_EXPORTER"]
	if exporters == "" {
		return v["OTEL_EXPORTER_OTLP_ENDPOINT"] != "" || v["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] != "", nil
	}
	for exporter := range strings.SplitSeq(exporters, ",") {
		switch exporter = strings.TrimSpace(exporter); exporter {
		case "otlp":
			wanted = true
		case "none", "":
		default:
			ignored = append(ignored, exporter)
		}
	}
	return wanted, ignored
}

// propagated reports whether the trace's id goes along to the provider.
func (v variables) propagated() bool {
	propagators := v["OTEL_PROPAGATORS"]
	return propagators == "" || slices.ContainsFunc(strings.Split(propagators, ","), func(name string) bool {
		return strings.TrimSpace(name) == "tracecontext"
	})
}

// misnamed are the variables of the collector's address whose value has no scheme. The libraries would go on with a part of it.
func (v variables) misnamed() []string {
	var all []string
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
		scheme, _, found := strings.Cut(v[name], "://")
		if v[name] != "" && (!found || strings.ContainsAny(scheme, ":/@")) {
			all = append(all, name)
		}
	}
	return all
}

// exporter makes what the variables ask for. It doesn't connect yet.
func (v variables) exporter(ctx context.Context) (sdk.SpanExporter, error) {
	protocol := v["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"]
	if protocol == "" {
		protocol = v["OTEL_EXPORTER_OTLP_PROTOCOL"]
	}
	switch protocol {
	case "", "http/protobuf", "http/json":
		return otlptracehttp.New(ctx)
	case "grpc":
		return otlptracegrpc.New(ctx)
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf, http/json or grpc, not %q", protocol)
	}
}

// FromEnvironment sets up what the standard's variables in environ ask for; nil, which is fine to use, if they ask for
// nothing. environ is to be that of this process, for the OpenTelemetry libraries read the details there: headers,
// certificates, the sampler, limits, how spans are batched. service is what the worker calls itself where OTEL_SERVICE_NAME
// doesn't.
//
// What is wrong with the variables goes to the log and disturbs nothing. There may be one at a time in a process.
func FromEnvironment(environ []string, service, version string) *Traces {
	v := variablesOf(environ)
	wanted, ignored := v.wanted()
	if !wanted && len(ignored) == 0 {
		return nil
	}
	log := &later{}
	t := &Traces{log: log, propagated: v.propagated()}
	if len(ignored) > 0 {
		log.say(hclog.Warn, "OTEL_TRACES_EXPORTER: only otlp can be had here", "ignored", strings.Join(ignored, ","))
	}
	if !wanted {
		return t
	}
	otel.SetLogger(quiet(log))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		if !errors.Is(err, resource.ErrPartialResource) { // it quotes the variable, and is told of below
			log.say(hclog.Warn, "OpenTelemetry", "error", withoutBody(err))
		}
	}))
	for _, name := range v.misnamed() { // without the value: there may be a password in it
		log.say(hclog.Warn, name+": must be a URL that says how to connect, such as http://localhost:4318")
	}
	ctx := context.Background()
	exporter, err := v.exporter(ctx)
	if err != nil {
		log.say(hclog.Warn, "no traces are exported", "error", withoutBody(err))
		return t
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", service), attribute.String("service.version", version)),
		resource.WithHost(), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if errors.Is(err, resource.ErrPartialResource) {
		log.say(hclog.Warn, "OTEL_RESOURCE_ATTRIBUTES: not all of it is of the form name=value,name=value")
	}
	t.provider = sdk.NewTracerProvider(sdk.WithBatcher(&reporting{SpanExporter: exporter, log: log}), sdk.WithResource(about), sdk.WithoutPanicRecording())
	return t
}
