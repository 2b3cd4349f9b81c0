// Program costs computes the table of costs and quotas in the README of the AWS provider, and prints it; with -write it puts
// the table in its place in that file.
package main

//go:generate go run . -write ../README.md

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// AWS's prices in us-east-1 in US dollars, and its quotas a region. See https://aws.amazon.com/secrets-manager/pricing and
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html.
const (
	callPrice  = 0.05 / 10_000 // of one API call
	keyPrice   = 0.03 / 10_000 // of one use of a customer's own KMS key
	readsQuota = 10_000        // GetSecretValue and DescribeSecret, a second
)

// What the table assumes.
const (
	credentials = 50 // that each worker uses all the time
	month       = 30 * 24 * time.Hour
)

var (
	workers   = []int{10, 100, 1000}
	lifetimes = []time.Duration{time.Minute, 5 * time.Minute, time.Hour}
)

// row is one line of the table: what a number of workers costs that keep what they have read for a time.
type row struct {
	workers  int
	lifetime time.Duration
}

// rate is how many calls all workers make in a second, on average.
func (r row) rate() float64 { return float64(r.workers*credentials) / r.lifetime.Seconds() }

// calls is how many calls they make in a month.
func (r row) calls() float64 { return r.rate() * month.Seconds() }

// table is the table in Markdown.
func table() string {
	var text strings.Builder
	text.WriteString("| workers | kept for | calls a second | of the quota | calls a month | price of the calls | and of an own KMS key |\n")
	text.WriteString("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, n := range workers {
		for _, lifetime := range lifetimes {
			r := row{n, lifetime}
			fmt.Fprintf(&text, "| %s | %s | %.1f | %.3f %% | %s | $%s | $%s |\n", grouped(float64(n)), minutes(lifetime), r.rate(),
				100*r.rate()/readsQuota, grouped(r.calls()), grouped(r.calls()*callPrice), grouped(r.calls()*keyPrice))
		}
	}
	return text.String()
}

func minutes(d time.Duration) string {
	if d >= time.Hour {
		return strconv.Itoa(int(d.Hours())) + " h"
	}
	return strconv.Itoa(int(d.Minutes())) + " min"
}

// grouped writes a number without its fraction, and with commas; at least 1, since less than a dollar is no fraction to plan with.
func grouped(n float64) string {
	text := strconv.FormatFloat(max(1, n), 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// The lines between which the table stands.
const (
	start = "<!-- costs: start, made by plugin-awssm/costs -->\n"
	end   = "<!-- costs: end -->\n"
)

// inserted returns the document with the table in its place.
func inserted(document []byte) ([]byte, error) {
	before, rest, ok := bytes.Cut(document, []byte(start))
	_, after, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		return nil, fmt.Errorf("there is no place for the table: %q and %q", start, end)
	}
	return []byte(string(before) + start + "\n" + table() + "\n" + end + string(after)), nil
}

func main() {
	file := flag.String("write", "", "the `file` to put the table in")
	flag.Parse()
	if *file == "" {
		fmt.Print(table())
		return
	}
	if err := write(*file); err != nil {
		fmt.Fprintln(os.Stderr, "costs:", err)
		os.Exit(1)
	}
}

func write(file string) error {
	document, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if document, err = inserted(document); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, document, 0o644)
}
