package trace

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/hashicorp/go-hclog"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/tom-worker/credential-provider/shared/text"
)

// tellEvery is how often, at most, it is logged that the collector is unavailable.
const tellEvery = 10 * time.Minute

// reporting is an exporter that logs when the collector is unavailable, and when it is back, and not each batch in between.
type reporting struct {
	sdk.SpanExporter
	log *later

	mu   sync.Mutex
	told time.Time
	out  bool // that was logged
	lost int
}

// ExportSpans implements sdk.SpanExporter. It reports an error nowhere else.
func (r *reporting) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := r.SpanExporter.ExportSpans(ctx, spans)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		if r.out {
			r.log.say(hclog.Info, "the trace collector takes spans again", "lost", r.lost)
		}
		r.out, r.lost = false, 0
		return nil
	}
	r.lost += len(spans)
	if r.told.IsZero() || time.Since(r.told) >= tellEvery {
		r.log.say(hclog.Warn, "the trace collector doesn't take spans; they are dropped", "error", withoutBody(err))
		r.out, r.told = true, time.Now()
	}
	return nil
}

// withoutBody leaves out what the collector has answered, and bounds the rest.
func withoutBody(err error) string {
	before, _, _ := strings.Cut(err.Error(), "body: ")
	return text.Truncate(strings.TrimRight(before, " ("), 300)
}

// later is a log that may come later than its first lines.
type later struct {
	mu   sync.Mutex
	log  hclog.Logger
	held []func(hclog.Logger)
}

func (l *later) say(level hclog.Level, message string, args ...any) {
	line := func(log hclog.Logger) { log.Log(level, message, args...) }
	l.mu.Lock()
	log := l.log
	if log == nil && len(l.held) < 10 {
		l.held = append(l.held, line)
	}
	l.mu.Unlock()
	if log != nil {
		line(log)
	}
}

func (l *later) to(log hclog.Logger) {
	l.mu.Lock()
	held := l.held
	l.log, l.held = log, nil
	l.mu.Unlock()
	for _, line := range held {
		line(log)
	}
}

// quiet is the logger for the OpenTelemetry libraries. What they find wrong with a variable they log with its value, which
// may be a secret: headers for the collector are variables too. So it passes on the message alone, and of errors only.
func quiet(log *later) logr.Logger { return logr.New(sink{log}) }

type sink struct{ log *later }

// Init implements logr.LogSink.
func (sink) Init(logr.RuntimeInfo) {}

// Enabled implements logr.LogSink.
func (sink) Enabled(int) bool { return false }

// Info implements logr.LogSink.
func (sink) Info(int, string, ...any) {}

// Error implements logr.LogSink.
func (s sink) Error(_ error, message string, _ ...any) {
	s.log.say(hclog.Warn, "OpenTelemetry: a variable OTEL_* isn't understood", "problem", message)
}

// WithValues implements logr.LogSink.
func (s sink) WithValues(...any) logr.LogSink { return s }

// WithName implements logr.LogSink.
func (s sink) WithName(string) logr.LogSink { return s }
