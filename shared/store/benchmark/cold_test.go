package benchmark

import (
	"sync"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/store"
	"github.com/tom-worker/credential-provider/shared/store/benchmark/internal/turns"
)

// latency is how long the backend takes where it is said to take long.
const latency = 10 * time.Millisecond

// BenchmarkWarm reads 1,000 cold credentials, against one after the other through the same provider. The ratio is how many
// times faster it is: here more is better. One after the other is measured with 100 of them in each turn.
func BenchmarkWarm(b *testing.B) {
	const share = 10
	for _, way := range []struct {
		name   string
		denied []awssmtest.Denial
		budget float64
	}{
		{name: "batch", budget: 20},
		{name: "no-batch", denied: []awssmtest.Denial{{Action: "secretsmanager:BatchGetSecretValue"}}, budget: 6},
	} {
		b.Run(way.name, func(b *testing.B) {
			server, ids := backend(b, 1000, latency)
			for _, denial := range way.denied {
				server.Deny(denial)
			}
			p := launch(b, server.URL())
			defer func() { must(b, p.Close()) }()
			var calls int64
			warm := func() time.Duration {
				s := store.New(p, store.Options{})
				defer s.Close()
				server.ResetCalls()
				start := time.Now()
				for _, r := range s.Warm(b.Context(), ids) {
					must(b, r.Err)
				}
				took := time.Since(start)
				calls = max(calls, server.Count("GetSecretValue", "BatchGetSecretValue"))
				return took
			}
			single := turns.Timed(func() {
				for _, id := range ids[:len(ids)/share] {
					_, err := p.Get(b.Context(), credential.Request{ID: id})
					must(b, err)
				}
			})
			times := turns.Take(b, warm, single)
			turns.Ratio(b, times[1]*share, times[0], way.budget)
			b.ReportMetric(float64(calls), "backend-calls")
		})
	}
}

// BenchmarkHerd has 1,000 callers ask for one cold id at once. The ratio is backend calls to the one that is needed.
func BenchmarkHerd(b *testing.B) {
	server, ids := backend(b, 1, latency)
	p := launch(b, server.URL())
	defer func() { must(b, p.Close()) }()
	var most int64
	for b.Loop() {
		s := store.New(p, store.Options{})
		server.ResetCalls()
		var callers sync.WaitGroup
		gate := make(chan struct{})
		for range 1000 {
			callers.Go(func() {
				<-gate
				if _, err := s.Get(b.Context(), ids[0]); err != nil {
					b.Error(err)
				}
			})
		}
		close(gate)
		callers.Wait()
		most = max(most, server.Count())
		s.Close()
	}
	b.ReportMetric(float64(most), "ratio")
	b.ReportMetric(1, "budget")
}
