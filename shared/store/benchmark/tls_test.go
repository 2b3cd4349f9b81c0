package benchmark

import (
	"net/http"
	"sync"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/store/benchmark/internal/turns"
)

// callers are how many read at once, and readsEach how many reads each makes in a turn.
const (
	callers   = 64
	readsEach = 10
)

// BenchmarkCallers is 64 callers at once, uncached and over TLS, with a backend that takes 20 ms: the calls a second of host
// and provider to those of the plain SDK in this process with 100 idle connections a host. Here more is better.
//
// The SDK keeps 10 idle connections: ten-idle-ratio is what it would be if the provider had been left with them, by the plain SDK
// with 10 to the plain SDK with 100. Without TLS, or with 16 callers, that can't be seen.
func BenchmarkCallers(b *testing.B) {
	url, id := distantTLSBackend(b, 20*time.Millisecond)
	p := launch(b, url)
	defer func() { must(b, p.Close()) }()
	ours := func() {
		_, err := p.Get(b.Context(), credential.Request{ID: id})
		must(b, err)
	}
	hundred, ten := withIdle(b, 100), withIdle(b, 10)
	sides := []turns.Side{
		atOnce(ours),
		atOnce(func() { read(b, hundred, id) }),
		atOnce(func() { read(b, ten, id) }),
	}
	for _, side := range sides {
		side() // connections
	}
	times := turns.Take(b, sides...)
	turns.Ratio(b, times[1], times[0], 0.9)
	b.ReportMetric(float64(times[1])/float64(times[2]), "ten-idle-ratio")
	b.ReportMetric(callers*readsEach/times[0].Seconds(), "calls/s")
}

// atOnce has all callers make their reads.
func atOnce(read func()) turns.Side {
	return turns.Timed(func() {
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				for range readsEach {
					read()
				}
			})
		}
		all.Wait()
	})
}

// withIdle is the plain SDK with so many idle connections a host.
func withIdle(b *testing.B, connections int) *secretsmanager.Client {
	b.Helper()
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = connections })
	base, err := config.LoadDefaultConfig(b.Context(), config.WithHTTPClient(client))
	must(b, err)
	return secretsmanager.NewFromConfig(base)
}
