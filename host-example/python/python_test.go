//go:build unix

package python

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tom-worker/credential-provider/shared/regular"
)

// netrcProvider is the example of a provider in Python.
const netrcProvider = "../providers/netrc/tom-credential-netrc"

func TestMain(m *testing.M) {
	if socket := os.Getenv(emptyServer); socket != "" {
		panic(serveEmpty(socket))
	}
	flag.Parse()
	// The tests wait for processes in Python, for most of their time.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	var err error
	if parts, err = os.MkdirTemp("", "parts-"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(parts)
		os.Exit(code)
	}))
}

// parts is the directory of the executables that tests share: host-example, and plugins.
var parts string

// built returns host-example and the directory of the AWS and the YAML provider, which are built once for all tests.
func built(t testing.TB) (hostExample, plugins string) {
	t.Helper()
	building.Do(func() {
		if notBuilt = os.Mkdir(filepath.Join(parts, "plugins"), 0o700); notBuilt != nil {
			return
		}
		for name, source := range map[string]string{
			"host-example": "..", "plugins/tom-credential-yaml": "../providers/yaml", "plugins/tom-credential-aws_secrets_manager": "../../plugin-awssm",
		} {
			output, err := exec.Command("go", "build", "-o", filepath.Join(parts, name), source).CombinedOutput()
			// A host refuses what others than its owner may write to, whatever the umask.
			if err := errors.Join(err, os.Chmod(filepath.Join(parts, name), 0o755)); err != nil {
				notBuilt = fmt.Errorf("build %s: %w\n%s", name, err, output)
			}
		}
	})
	if notBuilt != nil {
		t.Fatal(notBuilt)
	}
	return filepath.Join(parts, "host-example"), filepath.Join(parts, "plugins")
}

var (
	building sync.Once
	notBuilt error
)

// python is the Python that the environment variable PYTHON names, else python3. Without one that has the modules the test
// is skipped, unless CI=true.
func python(t *testing.T) string {
	t.Helper()
	name := os.Getenv("PYTHON")
	if name == "" {
		name = "python3"
	}
	path, err := exec.LookPath(name)
	if err == nil {
		err = modules(path)
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("set PYTHON to a Python 3.11 with grpcio, protobuf and cryptography (pip install ./host-example/python): %v", err)
	}
	return path
}

// modules says what the Python lacks, once for all tests.
func modules(path string) error {
	asked.Do(func() {
		output, err := exec.Command(path, "-c", "import sys, grpc, cryptography, google.protobuf; assert sys.version_info >= (3, 11)").CombinedOutput()
		if err != nil {
			lacks = fmt.Errorf("%s: %w: %s", path, err, output)
		}
	})
	return lacks
}

var (
	asked sync.Once
	lacks error
)

// install copies the package and the files into a directory of the form that a host accepts, whatever the umask of the clone.
func install(t *testing.T, files ...string) string {
	t.Helper()
	directory := t.TempDir()
	for _, part := range []string{"tom_credential", "tom_credential/tom"} {
		if err := os.Mkdir(filepath.Join(directory, part), 0o755); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(part + "/*.*")
		if err != nil || len(files) == 0 {
			t.Fatalf("the package: %v", err)
		}
		for _, file := range files {
			copyFile(t, file, filepath.Join(directory, file), 0o644)
		}
	}
	for _, file := range files {
		copyFile(t, file, filepath.Join(directory, filepath.Base(file)), 0o755)
	}
	return directory
}

func copyFile(t *testing.T, from, to string, mode os.FileMode) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, content, mode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// environ is an environment in which python3 is the Python of the tests.
func environ(t *testing.T) []string {
	t.Helper()
	directory := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\nexec '%s' \"$@\"\n", python(t))
	if err := regular.WriteExecutable(filepath.Join(directory, "python3"), strings.NewReader(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return []string{"PATH=" + directory + ":" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + os.TempDir()}
}

// eventually waits for something that other processes bring about.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for !happened() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: did not happen", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// certificate makes a self-signed certificate with a key on the curve, in DER form.
func certificate(t *testing.T, curve elliptic.Curve) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// The authors of providers are promised that it takes them less than forty lines.
func TestAuthorsPartIsShort(t *testing.T) {
	text, err := os.ReadFile(netrcProvider)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.SplitN(string(text), `"""`, 3) // what is in the middle is the description
	lines := 0
	for line := range strings.Lines(parts[len(parts)-1]) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines++
		}
	}
	if len(parts) != 3 || lines >= 40 || lines < 10 {
		t.Errorf("%d lines", lines)
	}
}
