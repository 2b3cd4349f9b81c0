package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/host-example/worker/job"
)

// The jobs that the README and the help show are jobs, and what they call by name is there.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, document := range map[string]string{"README.md": string(readme), "--help": usage} {
		jobs := regexp.MustCompile(`\{"id":.*\}`).FindAllString(document, -1)
		if len(jobs) == 0 {
			t.Errorf("%s shows no job", name)
		}
		for _, shown := range jobs {
			if _, err := job.Parse([]byte(shown)); err != nil {
				t.Errorf("%s: %s: %v", name, shown, err)
			}
		}
		for _, word := range []string{"--type " + jobWorkflow + " ", "--task-queue tom ", "--agent-socket"} {
			if !strings.Contains(document, word) {
				t.Errorf("%s doesn't say %q", name, word)
			}
		}
	}
}

func TestHelp(t *testing.T) {
	var out strings.Builder
	for _, args := range [][]string{{"--help"}, {"-h"}} {
		out.Reset()
		if status := run(t.Context(), t.Context(), args, nil, &out, &out); status != 0 || !strings.Contains(out.String(), "Exit status:") || !strings.Contains(out.String(), "-lease") {
			t.Errorf("status %d: %s", status, out.String())
		}
	}
	for _, test := range []struct{ args, says string }{
		{"", "where is the agent?"}, {"--agent-socket a b", `no argument "b"`}, {"--none", "not defined: -none"}, {"--agent-socket a --task-queue=", "must have a name"},
	} {
		out.Reset()
		if status := run(t.Context(), t.Context(), strings.Fields(test.args), nil, &out, &out); status != 2 || !strings.Contains(out.String(), test.says) || !strings.Contains(out.String(), "--help") {
			t.Errorf("%q: status %d: %s", test.args, status, out.String())
		}
	}
}
