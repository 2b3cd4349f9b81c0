package main

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/tom-worker/credential-provider/"

// arrows are the packages that each part of the repository may import of this module, as prefixes: command line -> observe ->
// worker -> shared. The first part that a package's path starts with is its own.
var arrows = []struct {
	part    string
	imports []string
}{
	{"proto/", nil},
	{"shared/credential", nil},
	{"shared/", []string{"shared/", "proto/"}},
	{"plugin-awssm", []string{"plugin-awssm", "shared/"}},
	{"host-example/providers/", []string{"host-example/providers/", "shared/", "proto/"}},
	{"host-example/worker/device", []string{"host-example/worker/device", "shared/"}},
	{"host-example/worker/", []string{"host-example/worker/", "shared/"}},
	{"host-example/observe", []string{"host-example/observe", "host-example/worker/", "shared/", "proto/"}},
	{"host-example/agent", []string{"host-example/observe", "host-example/worker/", "shared/", "proto/"}},
	{"host-example/config", []string{"host-example/worker/", "shared/"}},
}

// TestArrows holds the direction of imports. Tests may import more.
func TestArrows(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	tried := make([]bool, len(arrows))
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		name := strings.TrimPrefix(words[0], module)
		for i, arrow := range arrows {
			if !strings.HasPrefix(name, arrow.part) {
				continue
			}
			tried[i] = true
			for _, imported := range words[1:] {
				if of, ours := strings.CutPrefix(imported, module); ours && !startsWithAny(of, arrow.imports) {
					t.Errorf("%s imports %s; it may import only what starts with one of %q", name, of, arrow.imports)
				}
			}
			break
		}
	}
	for i, arrow := range arrows {
		if !tried[i] {
			t.Errorf("there is no package %s", arrow.part)
		}
	}
}

func startsWithAny(text string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}
