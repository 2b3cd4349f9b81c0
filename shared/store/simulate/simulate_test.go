package simulate

import (
	"encoding/csv"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// chart is where the whole simulation writes its figures; without it a small fleet is simulated.
var chart = flag.String("chart", "", "simulate the whole fleet, and write a CSV file for the chart")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fleets are those that are compared.
var fleets = []struct {
	name string
	hire func(*world) worker
}{
	{"a read for every job", func(w *world) worker { return direct{w} }},
	{"a cache of 5 minutes", func(w *world) worker { return &plain{world: w, kept: make(map[string]entry)} }},
	{"the store", newGuarded},
}

// TestFleet: the store's workers send no wrong password to a device twice, and to no more devices than they may.
func TestFleet(t *testing.T) {
	p := plan{workers: 20, slots: 4, credentials: 50, devices: 20, lasts: 2 * time.Hour, pause: 10 * time.Second}
	if *chart != "" {
		p = plan{workers: 1000, slots: 4, credentials: 500, devices: 20, lasts: 2 * time.Hour, pause: 10 * time.Second}
	}
	if testing.Short() {
		t.Skip("it simulates two hours of a fleet; run without -short")
	}
	worlds := make([]*world, len(fleets))
	var table strings.Builder
	table.WriteString("| | " + strings.Join(names(), " | ") + " |\n| --- |" + strings.Repeat(" ---: |", len(fleets)) + "\n")
	results := make([]result, len(fleets))
	for i, fleet := range fleets {
		synctest.Test(t, func(*testing.T) {
			worlds[i] = newWorld(p)
			results[i] = sum(worlds[i], run(worlds[i], fleet.hire))
		})
	}
	for i, name := range results[0].names() {
		table.WriteString("| " + name)
		for _, r := range results {
			table.WriteString(" | " + r.values()[i])
		}
		table.WriteString(" |\n")
	}
	fmt.Print(table.String())

	guarded, plain := results[2], results[1]
	if guarded.tally.most > 1 {
		t.Errorf("a worker sent a wrong password to one device %d times", guarded.tally.most)
	}
	if guarded.tally.more > 1 {
		t.Errorf("when a device had refused a password, a worker sent it to %d more", guarded.tally.more)
	}
	if guarded.tally.mostDevices > max(2, p.slots) {
		t.Errorf("a worker sent a wrong password to %d devices", guarded.tally.mostDevices)
	}
	if guarded.tally.attempts == 0 || plain.tally.most < 2 {
		t.Error("the simulation has no wrong passwords to prevent")
	}
	if guarded.served <= plain.served || guarded.mean >= results[0].mean {
		t.Error("the store is of no use")
	}
	if *chart != "" {
		if err := write(*chart, worlds); err != nil {
			t.Fatal(err)
		}
	}
}

func names() (all []string) {
	for _, f := range fleets {
		all = append(all, f.name)
	}
	return all
}

// result is what one fleet did.
type result struct {
	jobs, served, steady, all float64
	mean, peak                float64 // backend calls a second
	tally                     *tally
}

func sum(w *world, t *tally) result {
	r := result{tally: t}
	var calls, jobs, okay, inOutage, okInOutage int64
	for i := range w.calls {
		n := w.calls[i].Load()
		calls += n
		r.peak = max(r.peak, float64(n)/bucket.Seconds())
		jobs += w.seen[i].Load()
		okay += w.ok[i].Load()
		if at := time.Duration(i) * bucket; at >= outageAfter && at < outageAfter+outageFor {
			inOutage += w.seen[i].Load()
			okInOutage += w.ok[i].Load()
		}
	}
	r.mean = float64(calls) / w.plan.lasts.Seconds()
	r.jobs, r.all = float64(jobs), float64(okay)/float64(jobs)
	r.served = float64(okInOutage) / float64(inOutage)
	r.steady = float64(w.steadyOK.Load()) / float64(w.steady.Load())
	return r
}

func (result) names() []string {
	return []string{
		"jobs", "backend calls a second, mean", "backend calls a second, peak (10 s)", "jobs served in the outage", "the same, of jobs whose credential isn't rotated in it", "jobs served in all",
		"wrong passwords sent, in all", "to one device by one worker, at most", "to how many devices by one worker, at most",
		"to how many more once a device had refused it", "to one device by the whole fleet, at most",
	}
}

func (r result) values() []string {
	return []string{
		grouped(int(r.jobs)), fmt.Sprintf("%.0f", r.mean), fmt.Sprintf("%.0f", r.peak), fmt.Sprintf("%.1f %%", 100*r.served), fmt.Sprintf("%.1f %%", 100*r.steady),
		fmt.Sprintf("%.1f %%", 100*r.all),
		grouped(r.tally.attempts), strconv.Itoa(r.tally.most), strconv.Itoa(r.tally.mostDevices),
		strconv.Itoa(r.tally.more), strconv.Itoa(r.tally.ofFleet()),
	}
}

// grouped writes a number with a comma between thousands.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// write writes a line for each bucket: its time in minutes, then for each fleet its calls a second and its share of jobs
// served.
func write(path string, worlds []*world) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if closed := file.Close(); err == nil {
			err = closed
		}
	}()
	out := csv.NewWriter(file)
	heading := []string{"minute"}
	for _, name := range names() {
		heading = append(heading, name+": calls a second", name+": % of jobs served")
	}
	_ = out.Write(heading)
	for i := range len(worlds[0].calls) - 1 {
		line := []string{fmt.Sprintf("%.3f", (time.Duration(i) * bucket).Minutes())}
		for _, w := range worlds {
			line = append(line, fmt.Sprintf("%.1f", float64(w.calls[i].Load())/bucket.Seconds()),
				fmt.Sprintf("%.2f", 100*float64(w.ok[i].Load())/float64(max(1, w.seen[i].Load()))))
		}
		_ = out.Write(line)
	}
	out.Flush()
	return out.Error()
}
