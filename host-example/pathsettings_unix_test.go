//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pathSettings are the settings and variables that name a file, each with what makes the worker read it.
var pathSettings = map[string][]string{
	"TOM_WORKER_CONFIG_FILE":                 nil,
	"TOM_WORKER_ENV_FILE":                    nil,
	"TOM_WORKER_SSH_KNOWN_HOSTS":             nil,
	"TOM_WORKER_DEVICE_PLATFORMS":            {"TOM_WORKER_SSH_KNOWN_HOSTS=/dev/null"},
	"TOM_WORKER_AUDIT_LOG":                   nil,
	"TOM_WORKER_CREDENTIAL_PLUGIN_PATH":      nil,
	"TOM_WORKER_PLUGIN_YAML_CREDENTIAL_FILE": nil,
	"TOM_WORKER_LOGIN_GUARD_KEY_FILE":        {"TOM_WORKER_LOGIN_GUARD=redis"},
	"TOM_WORKER_REDIS_TLS_CA_CERTS":          {"TOM_WORKER_LOGIN_GUARD=redis", "TOM_WORKER_LOGIN_GUARD_KEY_FILE=@", "TOM_WORKER_REDIS_USE_TLS=true"},
	"TOM_WORKER_REDIS_TLS_CERTFILE":          {"TOM_WORKER_LOGIN_GUARD=redis", "TOM_WORKER_LOGIN_GUARD_KEY_FILE=@", "TOM_WORKER_REDIS_USE_TLS=true", "TOM_WORKER_REDIS_TLS_KEYFILE=@"},
	"TOM_WORKER_REDIS_TLS_KEYFILE":           {"TOM_WORKER_LOGIN_GUARD=redis", "TOM_WORKER_LOGIN_GUARD_KEY_FILE=@", "TOM_WORKER_REDIS_USE_TLS=true", "TOM_WORKER_REDIS_TLS_CERTFILE=@"},
	"AWS_CONFIG_FILE":                        {"TOM_WORKER_CREDENTIAL_PLUGIN=aws_secrets_manager"},
	"AWS_SHARED_CREDENTIALS_FILE":            {"TOM_WORKER_CREDENTIAL_PLUGIN=aws_secrets_manager"},
	"AWS_CA_BUNDLE":                          {"TOM_WORKER_CREDENTIAL_PLUGIN=aws_secrets_manager"},
	"TOM_WORKER_PLUGIN_VAULT_TOKEN_FILE":     {"TOM_WORKER_CREDENTIAL_PLUGIN=vault", "TOM_WORKER_PLUGIN_VAULT_ADDRESS=x"},
}

// A file that the worker may not read is told from one that isn't there.
var (
	forbidden = regexp.MustCompile(`permission denied|may not read it|not executable`)
	absent    = regexp.MustCompile(`(?m)^ +make (it|the file) `)
)

// No setting that names a file holds the worker or its provider, or fills them, whatever is there: it ends, and names the path.
func TestPathSettings(t *testing.T) {
	t.Parallel()
	worker, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	key, pipe, long, closed := filepath.Join(dir, "key"), filepath.Join(dir, "pipe"), filepath.Join(dir, "long"), filepath.Join(dir, "closed")
	err = errors.Join(os.WriteFile(key, []byte("lab: {username: admin, password: your-password}\n"), 0o600), syscall.Mkfifo(pipe, 0o755),
		os.WriteFile(long, nil, 0o755), os.Truncate(long, 8<<30), //nolint:gosec // it may be a program
		os.WriteFile(closed, []byte("lab: {username: admin, password: your-password}\n"), 0))
	if err != nil {
		t.Fatal(err)
	}
	for name, with := range pathSettings {
		for _, path := range []string{pipe, dir, "/dev/zero", long, closed} {
			if name == "TOM_WORKER_AUDIT_LOG" && (path == "/dev/zero" || path == long) || name == "TOM_WORKER_CREDENTIAL_PLUGIN_PATH" && path == long {
				continue // what is written has no end, and what is executed isn't read
			}
			t.Run(name+" is "+filepath.Base(path), func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				cmd := exec.CommandContext(ctx, worker, "run")
				if path == closed && os.Geteuid() == 0 { // root reads everything, unless it may not any more
					cmd = exec.CommandContext(ctx, setpriv(t), "--bounding-set=-dac_override,-dac_read_search", worker, "run")
				}
				cmd.Dir = dir
				cmd.Env = []string{
					"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "AWS_EC2_METADATA_DISABLED=true", "AWS_REGION=us-east-1",
					"AWS_ENDPOINT_URL=http://127.0.0.1:1", "TOM_WORKER_CREDENTIAL_PLUGIN_DIRS=" + pluginDir + "," + exampleDir,
					"TOM_WORKER_CREDENTIAL_PLUGIN=yaml", "TOM_WORKER_PLUGIN_YAML_CREDENTIAL_FILE=" + key,
				}
				for _, variable := range with {
					cmd.Env = append(cmd.Env, strings.ReplaceAll(variable, "@", key))
				}
				cmd.Env = append(cmd.Env, name+"="+path)
				begin := time.Now()
				said, _ := cmd.CombinedOutput()
				if status := cmd.ProcessState.ExitCode(); status != statusUsage && status != statusFailed {
					t.Errorf("it ended with %v after %v", cmd.ProcessState, time.Since(begin))
				}
				if !strings.Contains(string(said), path) {
					t.Errorf("it doesn't name %s:\n%s", path, said)
				}
				if path == closed && (!forbidden.Match(said) || absent.Match(said)) {
					t.Errorf("it doesn't say which permission it lacks:\n%s", said)
				}
				if strings.Contains(string(said), "environment variable") && !strings.Contains(string(said), "environment variable "+name+":") {
					t.Errorf("it names another setting than %s:\n%s", name, said)
				}
			})
		}
	}
}

// setpriv is the program that takes from root what lets it read every file. The test is skipped without it, unless CI=true.
func setpriv(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("setpriv")
	if err != nil {
		const reason = "root reads every file, and there is no setpriv (package util-linux) to change that"
		if os.Getenv("CI") == "true" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	return path
}
