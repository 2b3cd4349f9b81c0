package main

import (
	"errors"
	"io"
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

func TestServersName(t *testing.T) {
	for _, test := range []struct{ args, environ, address, namespace string }{
		{"", "", "localhost:7233", "default"},
		{"", "TEMPORAL_ADDRESS=a:1 TEMPORAL_NAMESPACE=of-a", "a:1", "of-a"},
		{"--address b:2 --namespace of-b", "TEMPORAL_ADDRESS=a:1 TEMPORAL_NAMESPACE=of-a", "b:2", "of-b"},
	} {
		o, err := parse(strings.Fields("--agent-socket socket "+test.args), strings.Fields("HOME=/nowhere "+test.environ), io.Discard)
		if err != nil || o.temporal.HostPort != test.address || o.temporal.Namespace != test.namespace {
			t.Errorf("%+v: %+v, %v", test, o, err)
			continue
		}
		if said := o.unreachable(errors.New("away")).Error(); !strings.Contains(said, "server at "+test.address+" is") {
			t.Error(said)
		}
	}
}
