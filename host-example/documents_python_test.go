//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest/externaltool"
	"github.com/tom-worker/credential-provider/shared/regular"
)

// pythonPath is a PATH on which python3 has the package tom-credential.
func pythonPath(t *testing.T) string {
	t.Helper()
	python := externaltool.Tool(t, os.Getenv("PYTHON"), "PYTHON", "python3", "python3 -m venv and pip install ./host-example/python")
	if err := exec.Command(python, "-c", "import grpc, google.protobuf, cryptography").Run(); err != nil {
		const message = "%s has no grpcio, protobuf and cryptography; pip install ./host-example/python"
		if os.Getenv("CI") == "true" {
			t.Fatalf(message, python)
		}
		t.Skipf(message, python)
	}
	bin := t.TempDir() // it stands for the virtual environment's
	script := fmt.Sprintf("#!/bin/sh\nPYTHONPATH='%s/host-example/python' exec '%s' \"$@\"\n", repository(t), python)
	if err := regular.WriteExecutable(filepath.Join(bin, "python3"), strings.NewReader(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return "PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH")
}

const pythonProvider = "host-example/providers/netrc"

// pythonTyped is typed at the top of the repository, in an environment that has the libraries.
func pythonTyped(t *testing.T, r *reader, text string) {
	path := pythonPath(t)
	r.layOut(t, "bin/")
	r.sh(t, "", fmt.Sprintf("mkdir -p %[2]s && cp -r %[1]s/%[2]s/. %[2]s/ && chmod -R go-w %[2]s", repository(t), pythonProvider))
	var kept []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "make ") && !strings.HasPrefix(line, "python3 -m venv") && !strings.HasPrefix(line, "venv/") && !strings.HasPrefix(line, "export PATH=") {
			kept = append(kept, line)
		}
	}
	if said := r.sh(t, "", strings.Join(kept, ""), path); !strings.Contains(said, "credential_id   lab_creds") {
		t.Errorf("it says %s", said)
	}
}

// pythonConformance takes the example for the author's own.
func pythonConformance(t *testing.T, r *reader, text string) {
	r.write(t, "netrc", "machine lab login admin password made-up-4711\n")
	r.write(t, "settings.yaml", "file: "+filepath.Join(r.directory, "netrc")+"\n")
	r.write(t, "fixtures.yaml", "credentials:\n  lab: {username: admin, password: made-up-4711}\nmissing: [nowhere]\n")
	text = strings.Replace(text, "./tom-credential-mine", pythonProvider+"/tom-credential-netrc", 1)
	r.sh(t, "", strings.TrimSpace(text)+" --run CP-GET", pythonPath(t))
}

// pythonPacked is typed in the example's directory, with another root.
func pythonPacked(t *testing.T, _ *reader, text string) {
	path := pythonPath(t)
	r := newReader(t)
	r.sh(t, "", fmt.Sprintf("mkdir -p host-example/providers plugins && cp -r %[1]s/host-example/python host-example/ && cp -r %[1]s/%[2]s host-example/providers/", repository(t), pythonProvider))
	python := strings.TrimSpace(r.sh(t, "", "command -v python3", path))
	text = strings.NewReplacer("/usr/local/libexec/tom/", r.directory+"/", "/opt/tom/venv/bin/python3", python).Replace(text)
	r.write(t, "netrc", "machine lab login admin password made-up-4711\n")
	r.sh(t, "", text, path)
	got := r.sh(t, "", `TOM_WORKER_CREDENTIAL_PLUGIN_SHA256=$(sha256sum plugins/tom-credential-netrc) host-example get lab --reveal --field password`, path,
		"TOM_WORKER_CREDENTIAL_PLUGIN=netrc", "TOM_WORKER_CREDENTIAL_PLUGIN_DIRS="+r.directory+"/plugins", "TOM_WORKER_PLUGIN_NETRC_FILE="+r.directory+"/netrc")
	if got != "made-up-4711\n" {
		t.Errorf("password %q", got)
	}
}

// pythonHost has a worker in Python read a credential, in the directory that pythonTyped has laid out.
func pythonHost(t *testing.T, r *reader, text string) {
	r.backend.PutSecret("tom/credentials/lab_creds", labCreds)
	r.write(t, "worker.py", "def login(*given):\n    print(*given)\n\n"+text)
	said := r.sh(t, "", "python3 worker.py", append(r.backend.Env(), pythonPath(t))...)
	if !strings.Contains(said, "REDACTED") || !strings.Contains(said, "admin your-password") {
		t.Errorf("it says %s", said)
	}
}

func pythonGet(t *testing.T, r *reader, text string) {
	r.backend.PutSecret("tom/credentials/lab_creds", labCreds)
	if said := r.sh(t, "", text, append(r.backend.Env(), pythonPath(t))...); !strings.Contains(said, "admin") || strings.Contains(said, "your-password") {
		t.Errorf("it says %s", said)
	}
}

// pythonAgent has a worker in Python log in through an agent.
func pythonAgent(t *testing.T, r *reader, text string) {
	r.backend.PutSecret("tom/credentials/lab_creds", labCreds)
	short, err := os.MkdirTemp("/tmp", "tom-agent-") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(short) }()
	device := "class dial:\n    def __init__(self, *address):\n        pass\n\n    def login(self, *given):\n        print(*given)\n        return True\n\n\n"
	r.write(t, "worker.py", device+strings.ReplaceAll(text, "/run/tom-agent", short))
	script := "host-example agent --socket " + short + "/agent.sock &\nstatus=0; python3 worker.py || status=$?\nkill $!; wait $! || status=$?\nexit $status"
	if said := r.sh(t, "", script, append(r.withBackend(), pythonPath(t))...); !strings.Contains(said, "admin your-password") {
		t.Errorf("it says %s", said)
	}
}
