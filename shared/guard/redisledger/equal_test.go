//go:build unix

package redisledger

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/guard"
)

func digest(kind byte, n int) (d guard.Digest) {
	d[0], d[1] = kind, byte(n)
	return d
}

// TestEqualsMemory has both ledgers go through the same random operations at the same times, and compares every answer.
func TestEqualsMemory(t *testing.T) {
	servers(t, func(t *testing.T, options Options) {
		operations := 6000
		if options.Address != "" { // the library is slow
			operations = 300
		}
		for seed := range uint64(4) {
			t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 1))
				now := time.Now()
				var clock atomic.Int64 // the listener reads it as well
				clock.Store(now.UnixMicro())
				options.now, options.Timeout = clock.Load, time.Minute // the machine may be busy
				options.Prefix = fmt.Sprintf("tom:{guard%d}:", seed)
				theirs := open(t, options)
				ours := guard.NewMemoryAt(func() time.Time { return now })
				equal(t, r, &now, func() { clock.Store(now.UnixMicro()) }, ours, theirs, operations, seed%2 == 1)
			})
		}
	})
}

func equal(t *testing.T, r *rand.Rand, now *time.Time, moved func(), ours, theirs guard.Ledger, operations int, many bool) {
	ctx := t.Context()
	type grant struct {
		q guard.Request
		d guard.Decision
	}
	var open, old []grant
	devices, accepted := 12, 2
	if many { // so many devices accept the materials that others are exceptions
		devices, accepted = 60, 12
	}
	permits := 0
	seen := make(map[guard.Verdict]int) // over all operations of one seed
	for i := range operations {
		switch n := r.IntN(100); {
		case n < 50:
			*now = now.Add(time.Duration(r.IntN(2000)) * time.Millisecond)
		case n < 60:
			*now = now.Add(time.Duration(r.IntN(60)) * time.Second)
		case n < 62:
			*now = now.Add(time.Duration(r.IntN(20)) * time.Minute)
		case n < 63 && r.IntN(4) == 0: // the clock is set back
			*now = now.Add(-time.Duration(r.IntN(3600)) * time.Second)
		}
		if i%500 == 499 { // so that hours of refusals are over
			*now = now.Add(5 * time.Hour)
		}
		moved()
		what := ""
		switch n := r.IntN(100); {
		case n < 55 || len(open) == 0:
			q := guard.Request{
				Device: digest('d', r.IntN(devices)), Current: digest('m', r.IntN(3)), ID: digest('i', r.IntN(2)), Version: digest('v', r.IntN(3)),
				PreviousKnown: r.IntN(10) > 0, CurrentShown: r.IntN(20) == 0, PreviousShown: r.IntN(20) == 0, Age: time.Duration(r.IntN(3)) * time.Duration(r.IntN(3000)) * time.Millisecond,
				Limits: guard.Limits{Budget: []int{2, 2, 2, 1, 3, 0}[r.IntN(6)], Pause: 15 * time.Minute, Life: 30 * time.Second},
			}
			if q.PreviousKnown && r.IntN(3) > 0 {
				q.Previous = digest('m', r.IntN(3))
			}
			if r.IntN(10) == 0 {
				q.Replaced = digest('m', r.IntN(3))
			}
			permits++
			q.Permit[0], q.Permit[1], q.Permit[2] = byte(permits), byte(permits>>8), byte(permits>>16)
			if len(open) > 0 && r.IntN(20) == 0 { // its answer was lost
				q = open[r.IntN(len(open))].q
			}
			a, err := ours.Begin(ctx, q)
			b, err2 := theirs.Begin(ctx, q)
			if err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
			what = fmt.Sprintf("begin %+v", q)
			if a != b {
				t.Fatalf("operation %d, %s:\n%+v\n%+v", i, what, a, b)
			}
			seen[a.Verdict]++
			if a.Verdict == guard.Granted && !slices.ContainsFunc(open, func(g grant) bool { return g.q.Permit == q.Permit }) {
				open = append(open, grant{q, a})
			}
		case n < 95:
			at := r.IntN(len(open))
			g := open[at]
			if len(old) > 0 && r.IntN(20) == 0 { // it is reported once more
				g = old[r.IntN(len(old))]
			} else if r.IntN(20) > 0 {
				open = slices.Delete(open, at, at+1)
				old = append(old, g)
			} // else the worker dies after the report, or repeats it
			report := guard.Report{
				Permit: g.q.Permit, Device: g.q.Device, Current: g.q.Current, Previous: g.q.Previous, ID: g.q.ID, Version: g.q.Version, Limits: g.q.Limits,
				Open: r.IntN(15) == 0,
			}
			order := []guard.Digest{g.q.Current}
			switch g.d.Order {
			case guard.PreviousOnly:
				order = []guard.Digest{g.q.Previous}
			case guard.CurrentPrevious:
				order = []guard.Digest{g.q.Current, g.q.Previous}
			case guard.PreviousCurrent:
				order = []guard.Digest{g.q.Previous, g.q.Current}
			}
			for _, m := range order[:r.IntN(len(order)+1)] {
				report.Shown = append(report.Shown, guard.Shown{Material: m, Answer: guard.Refused})
			}
			if n := len(report.Shown); n > 0 {
				report.Shown[n-1].Answer = guard.Accepted
				if k := r.IntN(accepted + 2); k < 2 {
					report.Shown[n-1].Answer = []guard.Answer{guard.Refused, guard.Unknown}[k]
				}
			}
			what = fmt.Sprintf("end %+v", report)
			if err, err2 := ours.End(ctx, report), theirs.End(ctx, report); err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
		case n < 97:
			m := digest('m', r.IntN(3))
			what = fmt.Sprint("forget ", m)
			if err, err2 := ours.Forget(ctx, m), theirs.Forget(ctx, m); err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
		default:
			open = open[:0] // all workers die
		}
		if a, b := snapshot(t, ours), snapshot(t, theirs); !slices.Equal(a, b) {
			t.Fatalf("operation %d, after %s:\n%+v\n%+v", i, what, a, b)
		}
	}
	for _, v := range []guard.Verdict{guard.Granted, guard.Held, guard.Behind, guard.Settling, guard.Paused, guard.Closed, guard.ReadAgain, guard.NeedPrevious} {
		if seen[v] == 0 && operations >= 5000 {
			t.Errorf("verdict %d never occurred", v)
		}
	}
}

// snapshot leaves out records that nothing was ever told of.
func snapshot(t *testing.T, l guard.Ledger) []guard.Record {
	t.Helper()
	records, err := l.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	records = slices.DeleteFunc(records, func(r guard.Record) bool {
		return r == guard.Record{Material: r.Material, Idle: -1}
	})
	slices.SortFunc(records, func(a, b guard.Record) int { return cmp.Compare(a.Material[1], b.Material[1]) })
	return records
}
