//go:build unix

package python

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
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
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
		t.Skipf("set PYTHON to a Python 3.11 with grpcio, protobuf and cryptography (pip install -r requirements.txt): %v", err)
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

// install copies the package and the files into a folder of the form that a host accepts, whatever the umask of the clone.
func install(t *testing.T, files ...string) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "tom_credential"), 0o755); err != nil {
		t.Fatal(err)
	}
	parts, err := filepath.Glob("tom_credential/*.*")
	if err != nil || len(parts) == 0 {
		t.Fatalf("the package: %v", err)
	}
	for _, part := range parts {
		copyFile(t, part, filepath.Join(folder, part), 0o644)
	}
	for _, file := range files {
		copyFile(t, file, filepath.Join(folder, filepath.Base(file)), 0o755)
	}
	return folder
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
	folder := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\nexec '%s' \"$@\"\n", python(t))
	if err := os.WriteFile(filepath.Join(folder, "python3"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return []string{"PATH=" + folder + ":" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + os.TempDir()}
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
	text, err := os.ReadFile("tom-credential-netrc")
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
