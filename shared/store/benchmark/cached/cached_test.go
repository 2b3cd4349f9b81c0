package cached

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-secretsmanager-caching-go/v2/secretcache"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/store"
	"github.com/tom-worker/credential-provider/shared/store/benchmark/internal/turns"
)

const budget = 0.6

// BenchmarkCachedGet reads what is kept: one id, and 10,000 ids with Zipf access, by one goroutine and by one a core. A
// credential is whole when the store returns it; the peer returns the secret's JSON text.
func BenchmarkCachedGet(b *testing.B) {
	// In one turn, of each goroutine: few enough for most turns not to be interrupted on a busy machine. Either side has to
	// bring what it reads into the processor's caches anew in each turn.
	const reads = 5000
	ids := make([]string, 10_000)
	for i := range ids {
		ids[i] = fmt.Sprintf("site/rack/credential-%d", i)
	}
	s, cache := kept(b, ids), peer(b, ids)
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
				times := turns.Take(b,
					together(callers, reads, access.order, func(id string) bool {
						result, err := s.Get(ctx, id)
						return err == nil && result.Freshness == store.Cached
					}),
					together(callers, reads, access.order, func(id string) bool {
						text, err := cache.GetSecretString(id)
						return err == nil && text != ""
					}))
				turns.Ratio(b, times[0], times[1], budget)
				b.ReportMetric(float64(times[0])/float64(callers*reads), "ns/get")
				b.ReportMetric(float64(times[1])/float64(callers*reads), "peer-ns/get")
				b.ReportMetric(testing.AllocsPerRun(1000, func() { _, _ = s.Get(ctx, access.order[0]) }), "allocs/get")
			})
		}
	}
}

// together is a side in which each of the callers reads so many times.
func together(callers, reads int, order []string, get func(string) bool) turns.Side {
	return turns.Timed(func() {
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

// kept is a store that holds the credentials.
func kept(b *testing.B, ids []string) *store.Store {
	b.Helper()
	options := store.Options{TTL: time.Hour}
	s := store.New(memory{}, options)
	b.Cleanup(s.Close)
	for _, r := range s.Warm(b.Context(), ids) {
		if r.Err != nil {
			b.Fatal(r.Err)
		}
	}
	return s
}

// peer is aws-secretsmanager-caching-go with the secrets of the same names. Once it has read one it has no use for the
// backend for half an hour at least.
func peer(b *testing.B, ids []string) *secretcache.Cache {
	b.Helper()
	server := awssmtest.StartTest(b, awssmtest.Options{})
	b.Setenv("HOME", b.TempDir())
	for _, variable := range append(server.Env(), "AWS_EC2_METADATA_DISABLED=true") {
		name, value, _ := strings.Cut(variable, "=")
		b.Setenv(name, value)
	}
	base, err := config.LoadDefaultConfig(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	cache, err := secretcache.New(func(c *secretcache.Cache) {
		c.MaxCacheSize = len(ids)
		c.Client = secretsmanager.NewFromConfig(base)
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, id := range ids {
		server.PutSecret(id, `{"username":"admin","password":"example"}`)
		if _, err := cache.GetSecretString(id); err != nil {
			b.Fatal(err)
		}
	}
	return cache
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

// TestMain takes the machine's AWS settings away.
func TestMain(m *testing.M) {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "AWS_") {
			_ = os.Unsetenv(name)
		}
	}
	os.Exit(m.Run())
}
