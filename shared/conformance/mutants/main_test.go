//go:build unix

package main

import (
	"os"
	"strings"
	"testing"
)

// sample are faults of each kind of those whose checks take little time, by the starts of their names.
const sample = "^(id-(lower|trim|clean|nfkc|glob)|log-(plain|hex-spaced|base64-twice|gzip)|leak-(stdout|trailer|file-tmp|version-id)|value-(trims-password|expired|version-random)|" +
	"reason-(missing-denied|outage-missing|proxy-404)|batch-(by-id|malformed-missing)|list-(empty-in-outage|token-once|token-trimmed)|validate-ignores-id|cache-forever|" +
	"configure-connects|child-session|exit-1|settings-(case|hidden)|unknown-fields|two-infos|tls-any)$"

// The kit finds what it was made to find. `make mutants` measures it with the whole table.
func TestSample(t *testing.T) {
	if os.Getenv("MUTANTS_MEASURED") != "" {
		t.Skip("MUTANTS_MEASURED is set: the sample was measured already")
	}
	var out strings.Builder
	found, count, err := measure(t.Context(), &out, sample, 4, checks{})
	t.Log("\n" + out.String())
	if err != nil || count < 30 || found != count {
		t.Errorf("%d of %d found, %v", found, count, err)
	}
}

func TestTable(t *testing.T) {
	all, err := readTable()
	if err != nil || len(all) < 150 {
		t.Errorf("%d faults, %v", len(all), err)
	}
}
