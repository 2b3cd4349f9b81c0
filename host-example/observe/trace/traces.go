package trace

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// flushTime is how long the collector has at the end for what it hasn't got yet.
const flushTime = 3 * time.Second

// Traces are on their way to a collector. They never block: what can't be sent in time is dropped. nil is for no traces,
// and all methods do nothing then, or return what they were given.
type Traces struct {
	provider   *sdk.TracerProvider // nil if the variables ask for what can't be had
	propagated bool
	log        *later
	closing    sync.Once
}

func (t *Traces) on() bool { return t != nil && t.provider != nil }

// LogTo says where troubles with the collector are logged. Those before it is called are logged then.
func (t *Traces) LogTo(log hclog.Logger) {
	if t != nil {
		t.log.to(log)
	}
}

// Close sends what is left, for three seconds at most or until ctx ends. Spans that end later are lost. Later calls do
// nothing.
func (t *Traces) Close(ctx context.Context) {
	if t.on() {
		t.closing.Do(func() { t.close(ctx, flushTime) })
	}
}

func (t *Traces) close(ctx context.Context, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if t.provider.Shutdown(ctx) != nil {
		t.log.say(hclog.Warn, "the collector didn't take the last spans in time")
	}
}
