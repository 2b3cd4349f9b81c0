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

// The audit log's file is renamed under a worker that runs, as logrotate does, and SIGHUP makes it begin a new one.
func TestAuditLogIsRotated(t *testing.T) {
	folder := t.TempDir()
	binary, path := filepath.Join(folder, "host-example"), filepath.Join(folder, "audit.log")
	if err := build(".", binary); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"creds.yml": "lab: {username: admin, password: one}\n", "known_hosts": "",
		"worker.yaml": "credential_plugin: yaml\nplugin_yaml_credential_file: creds.yml\nssh_known_hosts: known_hosts\naudit_log: ~/audit.log\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(binary, "run", "--config", "worker.yaml")
	cmd.Dir = folder
	cmd.Env = []string{"HOME=" + folder, "PATH=" + os.Getenv("PATH"), "TOM_WORKER_CREDENTIAL_PLUGIN_DIRS=" + exampleDir}
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
	job := func(id string) {
		t.Helper()
		_, _ = io.WriteString(stdin, `{"id":"`+id+`","host":"127.0.0.1","port":1,"credential_id":"none","commands":["show version"]}`+"\n")
		if line, err := results.ReadString('\n'); err != nil || !strings.Contains(line, "CREDENTIAL_NOT_FOUND") {
			t.Fatalf("job %s: %q, %v\n%s", id, line, err, &stderr)
		}
	}

	job("first")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	job("second")
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(stderr.String(), "reloaded"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not reloaded:\n%s", &stderr)
		}
	}
	job("third")
	_ = stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("the worker ended with %v\n%s", err, &stderr)
	}

	if old := auditLines(t, path+".1"); len(old) != 2 || old[0].Job != "first" || old[1].Job != "second" {
		t.Errorf("the old file has %+v", old)
	}
	if fresh := auditLines(t, path); len(fresh) != 1 || fresh[0].Job != "third" {
		t.Errorf("the new file has %+v", fresh)
	}
}
