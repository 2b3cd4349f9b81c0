//go:build linux

package main

import (
	"bytes"
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFleetOfTomsWorkers runs what "make demo-fleet" shows: it fails unless all jobs of the fleet with the guard are answered
// and its wrong passwords are few. (On an idle machine all are done; on a busy one a job's time may be up.)
func TestFleetOfTomsWorkers(t *testing.T) {
	worker, _ := build(t)
	var output bytes.Buffer
	err := demonstrateFleet(t.Context(), &output, worker, "..", cmp.Or(os.Getenv("PYTHON"), "python3"))
	if lacks := (errParts{}); errors.As(err, &lacks) && os.Getenv("CI") != "true" {
		t.Skip(lacks.lacks)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, &output)
	}
	t.Log(output.String())
	if strings.Contains(output.String(), "made-up") {
		t.Errorf("it shows a password:\n%s", &output)
	}
	if left, err := filepath.Glob("/tmp/tom-fleet-*"); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestFleetOfTomsWorkersLacks looks at what is said where a part isn't installed.
func TestFleetOfTomsWorkersLacks(t *testing.T) {
	none := filepath.Join(t.TempDir(), "python3")
	err := demonstrateFleet(t.Context(), nil, "host-example", "..", none)
	if lacks := (errParts{}); !errors.As(err, &lacks) || !strings.Contains(err.Error(), "pip install") {
		t.Errorf("without a Python: %v", err)
	}
}
