package simulate

import (
	"cmp"
	"encoding/csv"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	all   = flag.Bool("all", false, "play all situations, with three seeds each, and print the table")
	only  = flag.String("only", "", "play situations whose name has this")
	seeds = flag.Int("seeds", 0, "seeds of each situation; 0: 3 with -all, else 1")
	chart = flag.String("chart", "", "write the chart's data to this file")
)

// sample are the situations that every run of the tests plays, and with how many seeds: what locks accounts in some of them only.
var sample = map[string]int{
	"first start, drift 10 %": 1, "devices first, secret 20 s later": 1, "AAA outage of a minute": 1,
	"secret first, AAA takes neither for 10 min": 10, "secret first, AAA takes neither for 10 min, drift 10 %": 10,
}

// No account is locked in any situation, but where it is said why that can't be promised.
func TestSituations(t *testing.T) {
	seeds := cmp.Or(*seeds, 1)
	if *all {
		seeds = max(seeds, 3)
	}
	printed := io.Discard // a row when its situation has been played
	if *all || *only != "" || testing.Verbose() {
		printed = os.Stdout
	}
	fmt.Fprintln(printed, Heading)
	for _, s := range Situations() {
		seeds := max(seeds, sample[s.Name])
		chosen := *all || sample[s.Name] > 0
		if *only != "" {
			chosen = strings.Contains(s.Name, *only)
		}
		if !chosen {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			var total Result
			for seed := range seeds {
				c := s.Config
				c.Seed = uint64(seed) + 1
				var r Result
				synctest.Test(t, func(*testing.T) { r = Run(c) })
				if r.Locks > 0 && s.Excused == "" {
					t.Errorf("seed %d: %d accounts locked", c.Seed, r.Locks)
				}
				total.add(r)
			}
			fmt.Fprintln(printed, total.mean(seeds).Row(s.Name))
		})
	}
}

// add sums what is counted, and takes the most of the rest.
func (r *Result) add(o Result) {
	r.Jobs += o.Jobs
	r.Done += o.Done
	r.Good += o.Good
	r.Rejected += o.Rejected
	r.TimedOut += o.TimedOut
	r.Failed += o.Failed
	r.Held += o.Held
	r.Wrong += o.Wrong
	r.Repeats += o.Repeats
	r.Locks += o.Locks
	r.PerSecond += o.PerSecond
	r.Longest, r.Streak, r.AtDevice = max(r.Longest, o.Longest), max(r.Streak, o.Streak), max(r.AtDevice, o.AtDevice)
	for len(r.Minutes) < len(o.Minutes) {
		r.Minutes = append(r.Minutes, [2]int{})
	}
	for i, m := range o.Minutes {
		r.Minutes[i][0] += m[0]
		r.Minutes[i][1] += m[1]
	}
}

func (r Result) mean(n int) Result {
	for _, p := range []*int{&r.Jobs, &r.Done, &r.Good, &r.Rejected, &r.TimedOut, &r.Failed, &r.Held, &r.Wrong, &r.Repeats} {
		*p /= n
	}
	r.PerSecond /= float64(n)
	return r
}

// TestChart writes the share of good jobs that are done, minute by minute, in three situations.
func TestChart(t *testing.T) {
	if *chart == "" {
		t.Skip("no file for the chart: see make simulate")
	}
	names := []string{"devices first, secret 20 s later", "AAA outage of a minute", "secret first, one by one in an hour, local"}
	rows := [][]string{{"minute"}}
	for _, name := range names {
		for _, s := range Situations() {
			if s.Name != name {
				continue
			}
			var total Result
			for seed := range uint64(3) {
				c := s.Config
				c.Seed = seed + 1
				synctest.Test(t, func(*testing.T) { total.add(Run(c)) })
			}
			rows[0] = append(rows[0], name)
			for minute := range 60 {
				if len(rows) <= minute+1 {
					rows = append(rows, []string{fmt.Sprint(minute)})
				}
				share := 100.0
				if m := total.Minutes[minute]; m[0] > 0 {
					share = 100 * float64(m[1]) / float64(m[0])
				}
				rows[minute+1] = append(rows[minute+1], fmt.Sprintf("%.1f", share))
			}
		}
	}
	file, err := os.Create(*chart)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if err := csv.NewWriter(file).WriteAll(rows); err != nil {
		t.Fatal(err)
	}
}
