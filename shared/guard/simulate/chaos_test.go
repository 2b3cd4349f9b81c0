package simulate

import (
	"flag"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tom-worker/credential-provider/shared/guard"
)

var logins = flag.Int("logins", 80000, "logins of the random test with a ledger in memory")

// TestPromises has random fleets go through random events, with the ledger in memory, and looks for broken promises.
func TestPromises(t *testing.T) {
	const each = 2000
	for seed := range uint64(*logins / each) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var jumped atomic.Int64
				newMemory := func() *guard.Memory {
					return guard.NewMemoryAt(func() time.Time { return time.Now().Add(time.Duration(jumped.Load())) })
				}
				lost := &replaceable{}
				lost.memory.Store(newMemory())
				checker := NewChecker()
				c := Chaos(seed, each, checker, Faults{
					Lose: func() { lost.memory.Swap(newMemory()).Announce() },
					Jump: func(d time.Duration) { jumped.Add(int64(d)) },
				})
				c.Ledgers = func(worker int) guard.Ledger { return checker.Watch(lost, worker) }
				r := Run(c)
				for _, v := range checker.Violations() {
					t.Error(v)
				}
				if checker.Grants == 0 || r.Jobs < each/2 {
					t.Errorf("%d logins of %d jobs", checker.Grants, r.Jobs)
				}
			})
		})
	}
}
