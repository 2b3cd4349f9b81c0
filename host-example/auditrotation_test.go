//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The audit log's file is renamed under a worker that runs, as logrotate does, and SIGHUP makes it start a new one.
func TestAuditLogIsRotated(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	path := filepath.Join(directory, "audit.log")
	for name, text := range map[string]string{
		"creds.yml": "lab: {username: admin, password: one}\n", "known_hosts": "",
		"worker.yaml": "credential_plugin: yaml\nplugin_yaml_credential_file: creds.yml\nssh_known_hosts: known_hosts\naudit_log: ~/audit.log\n",
	} {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	worker := startProcess(t, directory, []string{"HOME=" + directory, "PATH=" + os.Getenv("PATH"), "TOM_WORKER_CREDENTIAL_PLUGIN_DIRS=" + exampleDir}, "run", "--config", "worker.yaml")
	job := func(id string) {
		t.Helper()
		result := worker.do(`{"id":"` + id + `","host":"127.0.0.1","port":1,"credential_id":"none","commands":["show version"]}` + "\n")
		if result.Error == nil || result.Error.Reason != "CREDENTIAL_NOT_FOUND" {
			t.Errorf("job %s: %+v", id, result)
		}
	}

	job("first")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	job("second")
	if err := worker.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	worker.until("it is reloaded", func() bool { return strings.Contains(worker.log.String(), "reloaded") })
	job("third")
	worker.end()

	if old := auditLines(t, path+".1"); len(old) != 2 || old[0].Job != "first" || old[1].Job != "second" {
		t.Errorf("the old file has %+v", old)
	}
	if fresh := auditLines(t, path); len(fresh) != 1 || fresh[0].Job != "third" {
		t.Errorf("the new file has %+v", fresh)
	}
}
