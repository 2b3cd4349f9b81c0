//go:build unix

package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSIGHUP reloads a worker that runs: with settings that have changed, and with settings that are wrong, which leave
// everything as it was.
func TestSIGHUP(t *testing.T) {
	folder := t.TempDir()
	binary := filepath.Join(folder, "host-example")
	if err := build(".", binary); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const settings = "credential_plugin: yaml\nplugin_yaml_credential_file: "
	write("a.yml", "lab: {username: admin, password: \"one\"}\n")
	write("b.yml", "lab: {username: admin, password: \"two\"}\n")
	write("known_hosts", "")
	write("worker.yaml", settings+"a.yml\n")

	cmd := exec.Command(binary, "run", "--config", "worker.yaml", "--log-level", "info")
	cmd.Dir = folder
	cmd.Env = []string{"HOME=" + folder, "PATH=" + os.Getenv("PATH"), "TOM_WORKER_CREDENTIAL_PLUGIN_DIRS=" + exampleDir, "TOM_WORKER_SSH_KNOWN_HOSTS=known_hosts", "TOM_WORKER_METRICS_ADDRESS=127.0.0.1:0"}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr output
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	results := bufio.NewReader(stdout)
	alive := func(when string) {
		t.Helper()
		_, _ = io.WriteString(stdin, "no job\n")
		if line, err := results.ReadString('\n'); err != nil || !strings.Contains(line, "JOB_INVALID") {
			t.Fatalf("%s: %q, %v\n%s", when, line, err, &stderr)
		}
	}
	hangUp := func(says string) {
		t.Helper()
		before := stderr.Len()
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(20 * time.Second)
		for !strings.Contains(stderr.String()[before:], says) {
			if time.Now().After(deadline) {
				t.Fatalf("nobody says %q:\n%s", says, &stderr)
			}
			time.Sleep(5 * time.Millisecond)
		}
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

	_ = stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("the worker ended with %v\n%s", err, &stderr)
	}
}
