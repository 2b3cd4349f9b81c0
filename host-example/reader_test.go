//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
)

// reader is a user who follows a document: an empty directory, the worker and its providers installed, and an account
// at a Secrets Manager.
type reader struct {
	directory string
	backend   *awssmtest.Server
}

func newReader(t *testing.T) *reader {
	return &reader{directory: t.TempDir(), backend: awssmtest.StartTest(t, awssmtest.Options{})}
}

// sh runs lines as a shell does, in the reader's directory, and returns what they print. variables come on top of the
// reader's.
func (r *reader) sh(t *testing.T, stdin, script string, variables ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "sh", "-eu", "-c", script)
	command.Dir = r.directory
	command.Stdin = strings.NewReader(stdin)
	command.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.directory, "AWS_EC2_METADATA_DISABLED=true",
		"GOCACHE=" + goEnv(t, "GOCACHE"), "GOMODCACHE=" + goEnv(t, "GOMODCACHE"),
		"TOM_WORKER_CREDENTIAL_PLUGIN_DIRS=" + pluginDir + "," + exampleDir,
	}, variables...)
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s%s", err, script, out, &stderr)
	}
	return string(out)
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func (r *reader) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(r.directory, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// withBackend are variables with which the AWS provider reaches the reader's Secrets Manager.
func (r *reader) withBackend() []string {
	return append(r.backend.Env(), "TOM_WORKER_CREDENTIAL_PLUGIN=aws_secrets_manager")
}

const labCreds = `{"username": "admin", "password": "your-password"}`

// layOut puts the executables where a build or an archive has them.
func (r *reader) layOut(t *testing.T, directory string) {
	t.Helper()
	worker, err := exec.LookPath("host-example")
	if err != nil {
		t.Fatal(err)
	}
	r.sh(t, "", fmt.Sprintf("mkdir -p %[1]splugins && cp %[2]s %[1]shost-example && cp %[3]s/* %[4]s/tom-credential-yaml %[1]splugins/", directory, worker, pluginDir, exampleDir))
}

// tool puts a command of our own before the machine's.
func (r *reader) tool(t *testing.T, name, script string) {
	t.Helper()
	r.write(t, "tools/"+name, "#!/bin/sh\n"+script+"\n")
	if err := os.Chmod(filepath.Join(r.directory, "tools", name), 0o700); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
}

func (r *reader) toolPath() string {
	return "PATH=" + filepath.Join(r.directory, "tools") + string(os.PathListSeparator) + os.Getenv("PATH")
}

func repository(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return path
}
