package guard

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The table of logins a second by which users choose a budget: each of its cells is what the guard does, with more workers than
// it lets through. Twice each budget is less than the threshold that its column names.
func TestLoginsASecond(t *testing.T) {
	document, err := os.ReadFile("../../host-example/deploy/README.md")
	if err != nil {
		t.Fatal(err)
	}
	columns := regexp.MustCompile(`budget (\d+), locks after (\d+)`).FindAllStringSubmatch(string(document), -1)
	rows := regexp.MustCompile(`(?m)^\| ([\d.]+) s \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$`).FindAllStringSubmatch(string(document), -1)
	if len(columns) != 3 || len(rows) < 3 {
		t.Fatalf("the document has %d columns and %d rows", len(columns), len(rows))
	}
	number := func(text string) float64 {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for i, column := range columns {
		budget, threshold := int(number(column[1])), int(number(column[2]))
		if 2*budget >= threshold {
			t.Errorf("budget %d for accounts that lock after %d", budget, threshold)
		}
		for _, row := range rows {
			takes, want := time.Duration(number(row[1])*float64(time.Second)), number(row[2+i])
			t.Run(fmt.Sprintf("budget %d, %v", budget, takes), func(t *testing.T) {
				if got := loginsASecond(t, budget, takes); got < 0.95*want || got > 1.05*want {
					t.Errorf("%.2f logins a second, not %v", got, want)
				}
			})
		}
	}
}

// loginsASecond is how many logins 40 workers get through, at devices that are known to accept the password.
func loginsASecond(t *testing.T, budget int, takes time.Duration) (rate float64) {
	t.Helper()
	const workers, minutes = 40, 5
	synctest.Test(t, func(t *testing.T) {
		source := newBackend()
		source.put("lab", "right")
		g := newGuard(t, source, Options{Key: make([]byte, 32), Budgets: []Budget{{Pattern: "*", Failures: budget}}})
		d := &device{password: "right", takes: takes}
		login := func(ctx context.Context, i int) error { return g.Login(ctx, "lab", fmt.Sprint("sw", i), d.login) }
		for i := range workers {
			if err := login(t.Context(), i); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), minutes*time.Minute)
		defer cancel()
		var done atomic.Int64
		var all sync.WaitGroup
		for i := range workers {
			all.Go(func() {
				for login(ctx, i) == nil {
					done.Add(1)
				}
			})
		}
		all.Wait()
		rate = float64(done.Load()) / (minutes * 60)
	})
	return rate
}
