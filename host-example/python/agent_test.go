//go:build unix

package python

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAgent runs agent_test.py: a worker in Python reads credentials and logs in through host-example agent, which is killed
// under it, and cancels logins at any moment.
func TestAgent(t *testing.T) {
	t.Parallel()
	withAgent(t, python(t), "agent_test.py", patience, nil)
}

// TestLocalAgent runs local_test.py: agents that are started where none is named.
func TestLocalAgent(t *testing.T) {
	t.Parallel()
	withAgent(t, python(t), "local_test.py", patience, nil)
}

// patience is how long the tests of one file may take.
const patience = 5 * time.Minute

// withAgent runs tests in Python, of one file, or those of it that are named, with host-example and the YAML provider.
func withAgent(t *testing.T, interpreter, file string, patience time.Duration, environment []string, tests ...string) {
	t.Helper()
	directory := install(t, "agent_test.py", "local_test.py", "tom_test.py", "tom_device.py", "fleet_test.py", "fleet_world.py", "celery_test.py", "celery_example.py",
		"../worker/device/terminal/testdata/prompts.json")
	hostExample, _ := built(t)
	write := func(name, text string) string {
		path := filepath.Join(directory, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	credentials := write("creds.yml", "lab: {username: admin, password: canary-4711}\ncore: {username: netops, password: canary-4714}\n")
	settings := write("worker.yaml", fmt.Sprintf("credential_plugin: yaml\nplugin_yaml_credential_file: %s\nmetrics_address: 127.0.0.1:0\n", credentials))

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, interpreter, append([]string{filepath.Join(directory, file), "-v"}, tests...)...)
	command.WaitDelay = 10 * time.Second
	command.Env = append(environ(t), "PYTHONPATH="+directory, "PYTHONWARNINGS=error::ResourceWarning", "GRPC_VERBOSITY=NONE",
		"TEST_HOST_EXAMPLE="+hostExample, "TOM_WORKER_CONFIG_FILE="+settings)
	command.Env = append(command.Env, environment...)
	output, err := command.CombinedOutput()
	if err != nil || strings.Contains(string(output), "skipped") || strings.Contains(string(output), "ResourceWarning") {
		t.Errorf("%v\n%s", err, output)
	}
	t.Logf("%s", output)
}
