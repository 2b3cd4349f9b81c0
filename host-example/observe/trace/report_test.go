package trace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/tom-worker/credential-provider/host-example/observe/trace/tracetest"
)

// moody is an exporter that fails as it is told.
type moody struct {
	sdk.SpanExporter
	err error
}

func (m *moody) ExportSpans(context.Context, []sdk.ReadOnlySpan) error { return m.err }

// However long the collector is unavailable, and however often it comes and goes, the log has a few lines about it.
func TestOutageInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		log := &later{}
		log.to(hclog.New(&hclog.LoggerOptions{Output: &text, DisableTime: true}))
		collector := &moody{}
		r := &reporting{SpanExporter: collector, log: log}
		export := func(times int, err error) {
			t.Helper()
			collector.err = err
			for range times {
				time.Sleep(5 * time.Second)
				if got := r.ExportSpans(t.Context(), make([]sdk.ReadOnlySpan, 3)); got != nil {
					t.Error(got)
				}
			}
		}
		export(10, nil)
		export(10, fmt.Errorf("no answer (%w)", errors.New("body: "+strings.Repeat("x", 1000))))
		export(1, nil)
		for range 5 { // within ten minutes
			export(1, errors.New("no answer"))
			export(1, nil)
		}
		want := "[WARN]  the trace collector doesn't take spans; they are dropped: error=\"no answer\"\n" +
			"[INFO]  the trace collector takes spans again: lost=30\n"
		if text.String() != want {
			t.Errorf("got\n%s\nwant\n%s", &text, want)
		}
		text.Reset()
		export(240, errors.New("no answer")) // twenty minutes
		if got := strings.Count(text.String(), "\n"); got != 2 {
			t.Errorf("%d lines:\n%s", got, &text)
		}
	})
}

// A collector that says no, hangs or isn't there costs the log one line, and the end of the worker a bounded time.
func TestCollectorThatIsOut(t *testing.T) {
	for name, out := range map[string]func(*tracetest.Collector){
		"refuses": func(c *tracetest.Collector) { c.Refuse(http.StatusUnauthorized) },
		"gone":    func(c *tracetest.Collector) { c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			c := collector(t)
			out(c)
			traces, log := fromEnvironment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL(), "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=1")
			for range 20 {
				_, span := traces.Command(t.Context(), "get")
				span.End(nil)
			}
			traces.Close(t.Context())
			if got := log.String(); strings.Count(got, "\n") != 1 || strings.Contains(got, tracetest.RefusalBody) {
				t.Errorf("the log says\n%s", got)
			}
		})
	}
	t.Run("hangs", func(t *testing.T) {
		c := collector(t)
		c.Hang()
		traces, log := fromEnvironment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL())
		_, span := traces.Command(t.Context(), "get")
		span.End(nil)
		ctx, cancel := context.WithCancel(t.Context())
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			traces.close(ctx, time.Hour)
		}()
		<-c.Hanging()
		cancel() // the second signal
		<-closed
		if got := log.String(); !strings.Contains(got, "didn't take the last spans in time") {
			t.Errorf("the log says\n%s", got)
		}
		c.Recover()
	})
	t.Run("hangs until the time is up", func(t *testing.T) {
		c := collector(t)
		c.Hang()
		traces, _ := fromEnvironment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL())
		_, span := traces.Command(t.Context(), "get")
		span.End(nil)
		traces.close(t.Context(), time.Millisecond)
		<-c.Hanging()
		c.Recover()
	})
}

// A log that is known late gets what was said before.
func TestLater(t *testing.T) {
	var text bytes.Buffer
	log := &later{}
	for i := range 20 {
		log.say(hclog.Warn, "early", "number", i)
	}
	log.to(hclog.New(&hclog.LoggerOptions{Output: &text}))
	log.say(hclog.Warn, "on time")
	if got := text.String(); strings.Count(got, "early") != 10 || strings.Count(got, "on time") != 1 {
		t.Errorf("got\n%s", got)
	}
}
