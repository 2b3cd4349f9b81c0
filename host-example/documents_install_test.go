//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// installed runs the commands with another root, where the worker then finds its providers by itself.
func installed(t *testing.T, r *reader, text string) {
	r.layOut(t, "bin/")
	root := t.TempDir()
	r.tool(t, "sudo", `exec "$@"`)
	if err := os.MkdirAll(filepath.Join(root, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.sh(t, "", strings.ReplaceAll(text, "/usr/local", root), r.toolPath())
	found := r.sh(t, "", "host-example providers --output json", "TOM_WORKER_CREDENTIAL_PLUGIN_DIRS="+root+"/libexec/tom/plugins")
	if strings.Count(found, `"status": "ok"`) != 2 {
		t.Errorf("found %s", found)
	}
	r.sh(t, "", root+"/bin/host-example version")
}

func ciRelease(t *testing.T, _ *reader, _ string) {
	if script := read(t, ".ci/release"); !strings.Contains(script, "sha256sum --check") || !strings.Contains(script, "rootfs.sh") {
		t.Error(".ci/release doesn't try it")
	}
}

// pinnedSettings takes a line with a real digest.
func pinnedSettings(t *testing.T, r *reader, text string) {
	digest := r.sh(t, "", "sha256sum "+filepath.Join(pluginDir, "tom-credential-aws_secrets_manager"))[:64]
	if !strings.Contains(text, "<digest>") {
		t.Fatal("no <digest> to replace")
	}
	r.write(t, "tom_worker_config.yaml", "credential_plugin: aws_secrets_manager\n"+strings.Replace(text, "<digest>", digest, 1))
	r.sh(t, "", "host-example validate --offline")
}

// serviceInstalled runs the commands with another root, and in the place of systemd and an editor with commands that note how
// they were called.
func serviceInstalled(t *testing.T, _ *reader, text string) {
	r := newReader(t)
	r.layOut(t, "./")
	r.sh(t, "", fmt.Sprintf("cp -r %s deploy", filepath.Join(repository(t), "host-example/deploy")))
	for _, name := range []string{"systemctl", "systemd-sysusers", "systemd-tmpfiles", "editor"} {
		r.tool(t, name, fmt.Sprintf(`echo %s "$@" >>%s/called`, name, r.folder))
	}
	root := t.TempDir()
	for _, folder := range []string{"/usr/local/bin", "/etc/systemd/system", "/etc/sysusers.d", "/etc/tmpfiles.d"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	moved := regexp.MustCompile(`(/usr/local|/etc)/`).ReplaceAllString(text, root+"$1/")
	r.sh(t, "", moved, r.toolPath())
	called := r.sh(t, "", "cat called")
	if !strings.Contains(called, "systemctl enable --now tom-worker.socket tom-worker.service") || !strings.Contains(called, "editor "+root+"/etc/tom-worker/tom_worker_config.yaml") {
		t.Errorf("called: %s", called)
	}
	for _, path := range []string{"/usr/local/bin/host-example", "/usr/local/libexec/tom/plugins/tom-credential-aws_secrets_manager", "/etc/systemd/system/tom-worker.service", "/etc/sysusers.d/tom-worker.conf"} {
		if _, err := os.Stat(filepath.Join(root, path)); err != nil {
			t.Error(err)
		}
	}
	// systemd opens the file of the results before it makes any folder itself.
	unit := read(t, "host-example/deploy/tom-worker.service")
	results := regexp.MustCompile(`(?m)^StandardOutput=append:(.+)/[^/\n]+$`).FindStringSubmatch(unit)
	made, err := os.ReadFile(filepath.Join(root, "/etc/tmpfiles.d/tom-worker.conf"))
	if err != nil || results == nil || !strings.Contains(string(made), "\nd "+results[1]+" ") {
		t.Errorf("nobody makes the folder %q before the service starts: %v", results, err)
	}
	if sysusers, tmpfiles := strings.Index(called, "systemd-sysusers"), strings.Index(called, "systemd-tmpfiles --create tom-worker.conf"); sysusers < 0 || tmpfiles < sysusers || strings.Index(called, "systemctl") < tmpfiles {
		t.Errorf("called: %s", called)
	}
}
