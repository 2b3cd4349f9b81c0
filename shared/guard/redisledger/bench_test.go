//go:build unix

package redisledger

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/guard"
)

// login is one login's way through a ledger: Begin and End.
func login(b *testing.B, l guard.Ledger, i int) {
	q := request(1, i%1000, 1)
	q.Device[2] = byte(i >> 8)
	q.Permit[0], q.Permit[1], q.Permit[2], q.Permit[3] = byte(i), byte(i>>8), byte(i>>16), 1
	d, err := l.Begin(context.Background(), q)
	if err != nil || d.Verdict != guard.Granted {
		b.Fatal(d, err)
	}
	if err := l.End(context.Background(), guard.Report{
		Permit: q.Permit, Device: q.Device, Current: q.Current, ID: q.ID, Version: q.Version, Limits: q.Limits,
		Shown: []guard.Shown{{Material: q.Current, Answer: guard.Accepted}},
	}); err != nil {
		b.Fatal(err)
	}
}

// Budget: 3 us, and no allocation that grows with the devices.
func BenchmarkLedgerMemory(b *testing.B) {
	l := guard.NewMemory()
	for i := range 100_000 { // devices that have records
		login(b, l, i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		login(b, l, i)
	}
}

// Budget: a login's two round trips are at most four times a bare PING each. The sides are run in turns, in random order.
func BenchmarkLedgerRedis(b *testing.B) {
	l := New(Options{dial: startRedis(b).dial})
	defer func() { _ = l.Close() }()
	ctx := context.Background()
	for i := range 100 {
		login(b, l, i)
	}
	var times [2][]time.Duration
	n := 0
	sides := [2]func(){
		func() { n++; login(b, l, n) },
		func() {
			if err := l.client.Ping(ctx).Err(); err != nil {
				b.Fatal(err)
			}
		},
	}
	for b.Loop() {
		for _, side := range rand.Perm(2) {
			start := time.Now()
			sides[side]()
			times[side] = append(times[side], time.Since(start))
		}
	}
	var median [2]time.Duration
	for i := range times {
		slices.Sort(times[i])
		median[i] = times[i][len(times[i])/2]
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(median[0])/2/float64(median[1]), "ratio")
	b.ReportMetric(4, "budget")
}

// BenchmarkLogins has 50 logins at a time with one account at devices that answer after 100 ms, for a second at each budget.
func BenchmarkLogins(b *testing.B) {
	const answer = 100 * time.Millisecond
	done := make(map[int]int)
	budgets := []int{1, 2, 4, 0}
	for b.Loop() {
		for _, at := range rand.Perm(len(budgets)) {
			budget := budgets[at]
			l := guard.NewMemory()
			var wait sync.WaitGroup
			var mu sync.Mutex
			end := time.Now().Add(time.Second)
			for worker := range 50 {
				wait.Go(func() {
					for i := 0; time.Now().Before(end); i++ {
						q := request(1, 1, 1)
						q.Budget = budget
						q.Permit[0], q.Permit[1], q.Permit[2] = byte(worker), byte(i), byte(i>>8)
						news := l.Watch(q.Current)
						if d, _ := l.Begin(context.Background(), q); d.Verdict != guard.Granted {
							select {
							case <-news:
							case <-time.After(answer):
							}
							continue
						}
						time.Sleep(answer)
						_ = l.End(context.Background(), reportOf(q, guard.Accepted))
						mu.Lock()
						done[budget]++
						mu.Unlock()
					}
				})
			}
			wait.Wait()
		}
	}
	b.ReportMetric(0, "ns/op")
	for _, budget := range budgets {
		b.ReportMetric(float64(done[budget])/float64(b.N), fmt.Sprintf("budget%d_logins/s", budget))
	}
}
