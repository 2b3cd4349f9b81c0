//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tom-worker/credential-provider/host-example/worker/job"
)

// TestSIGHUP reloads a worker that runs: with settings that have changed, and with settings that are wrong, which leave
// everything as it was.
func TestSIGHUP(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(directory, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const settings = "credential_plugin: yaml\nplugin_yaml_credential_file: "
	write("a.yml", "lab: {username: admin, password: \"one\"}\n")
	write("b.yml", "lab: {username: admin, password: \"two\"}\n")
	write("known_hosts", "")
	write("worker.yaml", settings+"a.yml\n")

	worker := startProcess(t, directory, []string{"HOME=" + directory, "PATH=" + os.Getenv("PATH"), "TOM_WORKER_CREDENTIAL_PLUGIN_DIRS=" + exampleDir, "TOM_WORKER_SSH_KNOWN_HOSTS=known_hosts", "TOM_WORKER_METRICS_ADDRESS=127.0.0.1:0"},
		"run", "--config", "worker.yaml", "--log-level", "info")
	alive := func(when string) {
		t.Helper()
		if result := worker.do("no job\n"); result.Error == nil || result.Error.Reason != job.Invalid {
			t.Fatalf("%s: %+v", when, result)
		}
	}
	hangUp := func(says string) {
		t.Helper()
		before := worker.log.Len()
		if err := worker.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		worker.until("it says "+says, func() bool { return strings.Contains(worker.log.String()[before:], says) })
	}

	alive("at start")
	hangUp("settings_changed=false")
	alive("after a reload")
	write("worker.yaml", settings+"b.yml\n")
	hangUp("settings_changed=true")
	alive("after new settings")
	hangUp("the backend is reached") // what it said before counts no longer
	write("worker.yaml", settings+"b.yml\nplugin_yaml_colour: red\n")
	hangUp("everything stays as it was")
	alive("after settings that are wrong")

	if _, log := worker.end(); worker.cmd.ProcessState.ExitCode() != 0 {
		t.Errorf("the worker ended with %v\n%s", worker.cmd.ProcessState, log)
	}
}
