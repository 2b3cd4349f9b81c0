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
)

// BenchmarkProviderMemory is the provider's resident memory: idle after its start, and what 100,000 calls by 8 callers do
// to it. The ratio is after them to after the first 1,000, when all connections and buffers are there.
func BenchmarkProviderMemory(b *testing.B) {
	const budgetIdle, budgetGrowth = 30 << 20, 1.1
	server, ids := backend(b, 100, 0)
	for b.Loop() {
		p := launch(b, server.URL())
		path, err := buildProvider()
		must(b, err)
		calls := func(n int) {
			var callers sync.WaitGroup
			for caller := range 8 {
				callers.Go(func() {
					for i := caller; i < n; i += 8 {
						if _, err := p.Get(b.Context(), credential.Request{ID: ids[i%len(ids)]}); err != nil {
							b.Error(err)
						}
					}
				})
			}
			callers.Wait()
		}
		_, err = p.Get(b.Context(), credential.Request{ID: ids[0]})
		must(b, err)
		idle := resident(b, path)
		calls(1000)
		<-time.After(time.Second)
		before := resident(b, path)
		calls(100_000)
		<-time.After(time.Second)
		after := resident(b, path)
		must(b, p.Close())
		b.ReportMetric(float64(idle)/budgetIdle, "idle-of-30MiB")
		b.ReportMetric(float64(after)/float64(before), "ratio")
		b.ReportMetric(budgetGrowth, "budget")
		b.ReportMetric(float64(idle)/(1<<20), "idle-MiB")
		b.ReportMetric(float64(after)/(1<<20), "after-MiB")
	}
	b.ReportMetric(0, "ns/op")
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
