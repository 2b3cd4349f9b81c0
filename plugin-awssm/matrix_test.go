package main

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// outcome is what became of an operation. Without a reason all is well.
type outcome struct {
	reason credential.Reason
	warned bool // a check of Validate warns, and none fails
	err    *credential.Error
}

func (o outcome) String() string {
	switch {
	case o.reason == "":
		return "ok"
	case o.warned:
		return "warns of " + string(o.reason)
	default:
		return string(o.reason) + " (" + o.reason.Code() + ")"
	}
}

// operations are what a host can ask of the provider, all about the secret "lab"; the batch asks for "other" besides.
var operations = []struct {
	name string
	run  func(t *testing.T, p *awsProvider) outcome
}{
	{"GetCredential", func(t *testing.T, p *awsProvider) outcome {
		_, err := p.Get(within(t, operationTime), credential.Request{ID: "lab"})
		return outcomeOf(t, err)
	}},
	{"BatchGetCredentials", func(t *testing.T, p *awsProvider) outcome {
		results, err := p.GetBatch(within(t, operationTime), []credential.Request{{ID: "lab"}, {ID: "other"}})
		if err != nil {
			return outcomeOf(t, err)
		}
		if lab, other := results[0].Err, results[1].Err; lab != nil && other != nil && credential.ReasonOf(lab) != credential.ReasonOf(other) {
			t.Errorf("one batch, two kinds of failure: %v; %v", lab, other)
		}
		return outcomeOf(t, results[0].Err)
	}},
	{"ListCredentials", func(t *testing.T, p *awsProvider) outcome {
		_, err := p.List(within(t, operationTime), 100, "")
		return outcomeOf(t, err)
	}},
	{"Validate", func(t *testing.T, p *awsProvider) outcome {
		report, err := p.Validate(within(t, operationTime), "lab")
		if err != nil {
			return outcomeOf(t, err)
		}
		var warning outcome
		for _, check := range report.Checks {
			noCanary(t, check.Message+check.Remedy)
			switch {
			case check.Status == credential.StatusFailed:
				return outcome{reason: check.Reason}
			case check.Status == credential.StatusWarning && warning.reason == "":
				warning = outcome{reason: check.Reason, warned: true}
			}
		}
		return warning
	}},
}

// operationTime is what a caller gives each operation; the provider's own bounds are shorter.
const operationTime = 10 * time.Second

func outcomeOf(t *testing.T, err error) outcome {
	t.Helper()
	if err == nil {
		return outcome{}
	}
	reason := credential.ReasonOf(err)
	return outcome{reason: reason, err: wantReason(t, err, reason)}
}

// matrix is a table of what was tried and what became of it.
type matrix struct {
	mu    sync.Mutex
	lines [][]string
}

// newMatrix starts a table of which the last columns are the operations.
func newMatrix(head ...string) *matrix {
	for _, operation := range operations {
		head = append(head, operation.name)
	}
	return &matrix{lines: [][]string{head}}
}

func (m *matrix) add(cells ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lines = append(m.lines, cells)
}

// String is the table with aligned columns.
func (m *matrix) String() string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, cells := range m.lines {
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	_ = table.Flush()
	return text.String()
}

// sortedMap goes through a map in the order of its keys.
func sortedMap[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}
