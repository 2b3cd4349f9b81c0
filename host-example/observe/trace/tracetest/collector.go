// Package tracetest has a trace collector in this process: it takes spans over OTLP, by HTTP and by gRPC, and keeps them.
//
//	collector, err := tracetest.Start()
//	defer collector.Close()
//	... a process with OTEL_EXPORTER_OTLP_ENDPOINT=collector.URL() ...
//	spans := collector.Spans()
package tracetest

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Span is one that has arrived.
type Span struct {
	Name, Kind        string
	Trace, ID, Parent string // in hexadecimal; Parent is empty for a root
	Attributes        map[string]string
	// Status is empty unless the span failed, then what it says about that.
	Status     string
	Start, End time.Time
	// Resource is about the process that it comes from.
	Resource map[string]string
	// Protocol is how it came: http/protobuf, http/json or grpc.
	Protocol string
}

// Collector is a running collector. Its methods may be called concurrently.
type Collector struct {
	collectorv1.UnimplementedTraceServiceServer

	http     *httptest.Server
	grpc     *grpc.Server
	listener net.Listener
	serving  sync.WaitGroup

	mu      sync.Mutex
	spans   []Span
	raw     []byte
	hangs   chan struct{} // closed when hanging requests may go on; nil if none hang
	hanging chan struct{} // gets one for each request that hangs
	down    int           // the HTTP status with which requests are refused; 0: they aren't
}

// Start starts a collector on free ports of the loopback interface. [Collector.Close] ends it.
func Start() (*Collector, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &Collector{grpc: grpc.NewServer(), listener: listener, hanging: make(chan struct{}, 1000)}
	c.http = httptest.NewServer(http.HandlerFunc(c.serveHTTP))
	collectorv1.RegisterTraceServiceServer(c.grpc, c)
	c.serving.Go(func() { _ = c.grpc.Serve(listener) })
	return c, nil
}

// Close ends the collector.
func (c *Collector) Close() {
	c.Recover()
	c.grpc.Stop()
	c.http.CloseClientConnections()
	c.http.Close()
	c.serving.Wait()
}

// URL is the endpoint for OTLP by HTTP.
func (c *Collector) URL() string { return c.http.URL }

// GRPC is the endpoint for OTLP by gRPC.
func (c *Collector) GRPC() string { return "http://" + c.listener.Addr().String() }

// Hang lets requests have no answer from now on, until [Collector.Recover].
func (c *Collector) Hang() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hangs = make(chan struct{})
}

// Hanging gets one for each request that has no answer.
func (c *Collector) Hanging() <-chan struct{} { return c.hanging }

// Refuse answers requests by HTTP with a status, and a body that a log shall not have.
func (c *Collector) Refuse(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = status
}

// Recover ends [Collector.Hang] and [Collector.Refuse].
func (c *Collector) Recover() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hangs != nil {
		close(c.hangs)
	}
	c.hangs, c.down = nil, 0
}

// Spans are those that have arrived, in the order in which they started.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	spans := slices.Clone(c.spans)
	slices.SortStableFunc(spans, func(a, b Span) int { return a.Start.Compare(b.Start) })
	return spans
}

// Raw is every byte of the messages that have arrived.
func (c *Collector) Raw() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.raw)
}

// RefusalBody is in the answer to a request that is refused.
const RefusalBody = "what-the-collector-answers"

func (c *Collector) serveHTTP(w http.ResponseWriter, r *http.Request) {
	kind := r.Header.Get("Content-Type")
	body, err := io.ReadAll(r.Body)
	var message *collectorv1.ExportTraceServiceRequest
	if err == nil {
		message, err = decode(kind, body)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, "no OTLP", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	down := c.down
	c.mu.Unlock()
	if down != 0 {
		http.Error(w, RefusalBody, down)
		return
	}
	w.Header().Set("Content-Type", kind)
	switch kind {
	case asProtobuf:
		_ = c.take(r.Context(), message, "http/protobuf")
	case asJSON:
		if c.take(r.Context(), message, "http/json") == nil {
			_, _ = io.WriteString(w, "{}")
		}
	}
}

// The forms of a message by HTTP.
const (
	asProtobuf = "application/x-protobuf"
	asJSON     = "application/json"
)

func decode(kind string, body []byte) (*collectorv1.ExportTraceServiceRequest, error) {
	message := &collectorv1.ExportTraceServiceRequest{}
	switch kind {
	case asProtobuf:
		return message, proto.Unmarshal(body, message)
	case asJSON:
		if err := protojson.Unmarshal(body, message); err != nil {
			return nil, err
		}
		return message, hexadecimal(message)
	}
	return nil, fmt.Errorf("no OTLP has the type %q", kind)
}

// hexadecimal puts right the ids of a message that was JSON: OTLP has them in hexadecimal, where protobuf's JSON has base64.
func hexadecimal(message *collectorv1.ExportTraceServiceRequest) error {
	for _, from := range message.GetResourceSpans() {
		for _, scope := range from.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				for _, id := range []*[]byte{&span.TraceId, &span.SpanId, &span.ParentSpanId} {
					var err error
					if *id, err = hex.DecodeString(base64.StdEncoding.EncodeToString(*id)); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// Export implements the OTLP service.
func (c *Collector) Export(ctx context.Context, message *collectorv1.ExportTraceServiceRequest) (*collectorv1.ExportTraceServiceResponse, error) {
	return &collectorv1.ExportTraceServiceResponse{}, c.take(ctx, message, "grpc")
}

// take keeps what has arrived.
func (c *Collector) take(ctx context.Context, message *collectorv1.ExportTraceServiceRequest, protocol string) error {
	c.mu.Lock()
	hangs := c.hangs
	c.mu.Unlock()
	if hangs != nil {
		c.hanging <- struct{}{}
		select {
		case <-hangs:
		case <-ctx.Done():
		}
		return errors.New("hung up")
	}
	raw, err := proto.Marshal(message)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw = append(c.raw, raw...)
	for _, from := range message.GetResourceSpans() {
		resource := texts(from.GetResource().GetAttributes())
		for _, scope := range from.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				s := Span{
					Name: span.GetName(), Kind: span.GetKind().String(), Resource: resource, Protocol: protocol,
					Trace: hex.EncodeToString(span.GetTraceId()), ID: hex.EncodeToString(span.GetSpanId()), Parent: hex.EncodeToString(span.GetParentSpanId()),
					Attributes: texts(span.GetAttributes()), Status: span.GetStatus().GetMessage(),
					Start: time.Unix(0, int64(span.GetStartTimeUnixNano())), End: time.Unix(0, int64(span.GetEndTimeUnixNano())), //nolint:gosec // it fits for 200 years
				}
				c.spans = append(c.spans, s)
			}
		}
	}
	return nil
}

func texts(attributes []*commonv1.KeyValue) map[string]string {
	m := map[string]string{}
	for _, a := range attributes {
		switch value := a.GetValue().GetValue().(type) {
		case *commonv1.AnyValue_StringValue:
			m[a.GetKey()] = value.StringValue
		case *commonv1.AnyValue_IntValue:
			m[a.GetKey()] = fmt.Sprint(value.IntValue)
		case *commonv1.AnyValue_DoubleValue:
			m[a.GetKey()] = fmt.Sprint(value.DoubleValue)
		default:
			m[a.GetKey()] = fmt.Sprintf("%T", value)
		}
	}
	return m
}
