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

// installed runs the commands with another root, where the worker then finds its providers without settings.
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
		r.tool(t, name, fmt.Sprintf(`echo %s "$@" >>%s/called`, name, r.directory))
	}
	root := t.TempDir()
	for _, directory := range []string{"/usr/local/bin", "/etc/systemd/system", "/etc/sysusers.d", "/etc/tmpfiles.d"} {
		if err := os.MkdirAll(filepath.Join(root, directory), 0o755); err != nil {
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
	// systemd opens the file of the results before it makes any directory itself.
	unit := read(t, "host-example/deploy/tom-worker.service")
	results := regexp.MustCompile(`(?m)^StandardOutput=append:(.+)/[^/\n]+$`).FindStringSubmatch(unit)
	made, err := os.ReadFile(filepath.Join(root, "/etc/tmpfiles.d/tom-worker.conf"))
	if err != nil || results == nil || !strings.Contains(string(made), "\nd "+results[1]+" ") {
		t.Errorf("nothing makes the directory %q before the service starts: %v", results, err)
	}
	if sysusers, tmpfiles := strings.Index(called, "systemd-sysusers"), strings.Index(called, "systemd-tmpfiles --create tom-worker.conf"); sysusers < 0 || tmpfiles < sysusers || strings.Index(called, "systemctl") < tmpfiles {
		t.Errorf("called: %s", called)
	}
}

// composePrepared makes what docker compose needs, beside a release. Only root can give files away.
func composePrepared(t *testing.T, r *reader, text string) {
	r.sh(t, "", fmt.Sprintf("mkdir -p tom-credential && cp -r %s tom-credential/", filepath.Join(repository(t), "host-example/deploy")))
	r.tool(t, "chown", `[ -f "$2" ]`)
	r.sh(t, "", text, r.toolPath())
	if key := r.sh(t, "", "wc -c <login-guard.key; ls -l login-guard.key"); !strings.HasPrefix(strings.TrimSpace(key), "32\n-r--------") {
		t.Errorf("the key is %s", key)
	}
}

// composeTyped has the files there that docker compose is told to read: Tom's own, and that which has been copied.
func composeTyped(t *testing.T, r *reader, text string) {
	r.write(t, "docker-compose.yml", "services: {}\n")
	r.tool(t, "docker", `[ "$1 $2 $4" = "compose -f -f" ] && cat "$3" "$5" && echo "$@"`)
	if got := r.sh(t, "", strings.TrimPrefix(strings.TrimSpace(text), "$ "), r.toolPath()); !strings.Contains(got, "agent-socket:") || !strings.HasSuffix(got, "up --build --detach\n") {
		t.Errorf("got %s", got)
	}
}
