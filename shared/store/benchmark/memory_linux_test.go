package benchmark

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/host"
)

// BenchmarkProviderMemory is the provider's resident memory: idle, which is after its start and one call, of the 30 MiB that
// it may have; and what 100,000 calls by 8 callers do to it, after them to after the first 1,000, when all connections and
// buffers are there.
func BenchmarkProviderMemory(b *testing.B) {
	server, ids := backend(b, 100, 0)
	path, err := buildProvider()
	must(b, err)
	calls := func(p *host.Provider, n, callers int) {
		var all sync.WaitGroup
		for caller := range callers {
			all.Go(func() {
				for i := caller; i < n; i += callers {
					if _, err := p.Get(b.Context(), credential.Request{ID: ids[i%len(ids)]}); err != nil {
						b.Error(err)
					}
				}
			})
		}
		all.Wait()
	}
	b.Run("idle", func(b *testing.B) {
		const budget = 30 << 20
		var idle int64
		for b.Loop() {
			p := launch(b, server.URL())
			calls(p, 1, 1)
			idle = max(idle, resident(b, path))
			must(b, p.Close())
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(idle)/budget, "ratio")
		b.ReportMetric(1, "budget")
		b.ReportMetric(float64(idle)/(1<<20), "MiB")
	})
	b.Run("after-100000-calls", func(b *testing.B) {
		for b.Loop() {
			p := launch(b, server.URL())
			calls(p, 1000, 8)
			<-time.After(time.Second)
			before := resident(b, path)
			calls(p, 100_000, 8)
			<-time.After(time.Second)
			after := resident(b, path)
			must(b, p.Close())
			b.ReportMetric(float64(after)/float64(before), "ratio")
			b.ReportMetric(1.1, "budget")
			b.ReportMetric(float64(after)/(1<<20), "MiB")
		}
		b.ReportMetric(0, "ns/op")
	})
}

// resident is the resident memory of the process that executes the file, in bytes.
func resident(b *testing.B, path string) int64 {
	b.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	must(b, err)
	for _, link := range links {
		if target, err := os.Readlink(link); err != nil || target != path {
			continue // it has ended, isn't ours, or is another one
		}
		status, err := os.ReadFile(filepath.Join(filepath.Dir(link), "statm"))
		must(b, err)
		pages, err := strconv.ParseInt(strings.Fields(string(status))[1], 10, 64)
		must(b, err)
		return pages * int64(os.Getpagesize())
	}
	b.Fatalf("no process executes %s", path)
	return 0
}
