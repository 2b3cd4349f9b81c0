//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest/peer"
)

// pythonPath is a PATH on which python3 has what requirements.txt asks for.
func pythonPath(t *testing.T) string {
	t.Helper()
	python := peer.Tool(t, os.Getenv("PYTHON"), "PYTHON", "python3", "python3 -m venv and pip install -r requirements.txt")
	if err := exec.Command(python, "-c", "import grpc, google.protobuf, cryptography").Run(); err != nil {
		const message = "%s has no grpcio, protobuf and cryptography; pip install -r host-example/providers/python/requirements.txt"
		if os.Getenv("CI") == "true" {
			t.Fatalf(message, python)
		}
		t.Skipf(message, python)
	}
	return "PATH=" + filepath.Dir(python) + string(os.PathListSeparator) + os.Getenv("PATH")
}

const pythonProvider = "host-example/providers/python"

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
	r.write(t, "settings.yaml", "file: "+filepath.Join(r.folder, "netrc")+"\n")
	r.write(t, "fixtures.yaml", "credentials:\n  lab: {username: admin, password: made-up-4711}\nmissing: [nowhere]\n")
	text = strings.Replace(text, "./tom-credential-mine", pythonProvider+"/tom-credential-netrc", 1)
	r.sh(t, "", strings.TrimSpace(text)+" --run CP-GET", pythonPath(t))
}

// pythonPacked is typed in the example's folder, with another root.
func pythonPacked(t *testing.T, _ *reader, text string) {
	path := pythonPath(t)
	r := newReader(t)
	r.sh(t, "", fmt.Sprintf("cp -r %s/%s/. . && mkdir -p plugins", repository(t), pythonProvider))
	python := strings.TrimSpace(r.sh(t, "", "command -v python3", path))
	text = strings.NewReplacer("/usr/local/libexec/tom/", r.folder+"/", "/opt/tom/venv/bin/python3", python).Replace(text)
	r.write(t, "netrc", "machine lab login admin password made-up-4711\n")
	r.sh(t, "", text, path)
	got := r.sh(t, "", `TOM_WORKER_CREDENTIAL_PLUGIN_SHA256=$(sha256sum plugins/tom-credential-netrc) host-example get lab --reveal --field password`, path,
		"TOM_WORKER_CREDENTIAL_PLUGIN=netrc", "TOM_WORKER_CREDENTIAL_PLUGIN_DIRS="+r.folder+"/plugins", "TOM_WORKER_PLUGIN_NETRC_FILE="+r.folder+"/netrc")
	if got != "made-up-4711\n" {
		t.Errorf("password %q", got)
	}
}

// pythonHost has a worker in Python read a credential, in the folder that pythonTyped has laid out.
func pythonHost(t *testing.T, r *reader, text string) {
	r.backend.PutSecret("tom/credentials/lab_creds", labCreds)
	r.write(t, "worker.py", "def login(*given):\n    print(*given)\n\n"+text)
	said := r.sh(t, "", "PYTHONPATH="+pythonProvider+" python3 worker.py", append(r.backend.Env(), pythonPath(t))...)
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
