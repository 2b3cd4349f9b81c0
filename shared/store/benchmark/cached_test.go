package benchmark

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/store"
)

// The peer, aws-secretsmanager-caching-go, is not to be had as a module here. It took this long for a cached read of
// one id on the machine that the budgets are from, which was idle.
const (
	peersCachedRead = 165 * time.Nanosecond
	cachedBudget    = 0.6
)

// BenchmarkCachedGet reads what is kept, by one goroutine and by one a core. What a cache takes that is no more than a
// list, a map and a time to live is measured beside it: golang-lru's, as lru-ratio.
func BenchmarkCachedGet(b *testing.B) {
	// In one turn, of each goroutine: few enough for most turns not to be interrupted on a busy machine. Either side has to
	// bring what it reads into the processor's caches anew in each turn.
	const reads = 5000
	s, cache, ids := kept(b)
	for _, access := range []struct {
		name  string
		order []string
	}{{"one-id", ids[:1]}, {"zipf-10000-ids", zipf(ids)}} {
		for _, callers := range []int{1, runtime.GOMAXPROCS(0)} {
			name := "one-goroutine"
			if callers > 1 {
				name = "all-cores"
			}
			b.Run(access.name+"/"+name, func(b *testing.B) {
				ctx := b.Context()
				times := alternate(b,
					together(callers, reads, access.order, func(id string) bool {
						lease, err := s.Get(ctx, id)
						return err == nil && lease.Outcome == store.Cached
					}),
					together(callers, reads, access.order, func(id string) bool {
						_, ok := cache.Get(id)
						return ok
					}))
				each := times[0] / time.Duration(callers)
				ratio(b, each, peersCachedRead*reads, cachedBudget)
				b.ReportMetric(float64(each)/reads, "ns/get")
				b.ReportMetric(float64(times[0])/float64(times[1]), "lru-ratio")
				b.ReportMetric(testing.AllocsPerRun(1000, func() { _, _ = s.Get(ctx, access.order[0]) }), "allocs/get")
			})
		}
	}
}

// together is a side in which each of the callers reads so many times.
func together(callers, reads int, order []string, get func(string) bool) side {
	return timed(func() {
		var all sync.WaitGroup
		for range callers {
			begin := rand.IntN(len(order))
			all.Go(func() {
				for i, at := 0, begin; i < reads; i++ {
					if !get(order[at]) {
						panic("not cached: " + order[at])
					}
					if at++; at == len(order) {
						at = 0
					}
				}
			})
		}
		all.Wait()
	})
}

// memory is a provider that takes no time.
type memory struct{}

func (memory) Get(_ context.Context, r credential.Request) (*credential.Credential, error) {
	return &credential.Credential{ID: r.ID, Username: "admin", Password: credential.Some(credential.NewRedacted("example")), VersionID: "1"}, nil
}

// kept is a store and a cache that hold 10,000 credentials.
func kept(b *testing.B) (*store.Store, *expirable.LRU[string, *credential.Credential], []string) {
	b.Helper()
	ids := make([]string, 10_000)
	for i := range ids {
		ids[i] = fmt.Sprintf("site/rack/credential-%d", i)
	}
	options := store.DefaultOptions()
	options.TTL = time.Hour
	s := store.New(memory{}, options)
	b.Cleanup(s.Close)
	cache := expirable.NewLRU[string, *credential.Credential](len(ids), nil, time.Hour)
	for i, r := range s.Warm(b.Context(), ids) {
		must(b, r.Err)
		cache.Add(ids[i], r.Credential)
	}
	return s, cache, ids
}

// zipf is an order of access in which few ids are used often and many seldom.
func zipf(ids []string) []string {
	next := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, uint64(len(ids)-1))
	order := make([]string, 1<<16)
	for i := range order {
		order[i] = ids[next.Uint64()]
	}
	return order
}
