//go:build unix

package python

import (
	"context"
	"crypto/elliptic"
	"encoding/base64"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
)

// TestHost runs host_test.py: a host in Python uses the AWS provider and others, and is put upon by programs that are none.
func TestHost(t *testing.T) {
	t.Parallel()
	backend := awssmtest.StartTest(t, awssmtest.Options{})
	backend.PutSecret("tom/credentials/lab", `{"username":"admin","password":"canary-4711"}`)
	backend.Rotate("tom/credentials/lab", `{"username":"admin","password":"canary-<4712>","enable_password":"canary-4713"}`)
	backend.PutSecret("tom/credentials/core", `{"username":"netops","password":"canary-4714"}`)
	backend.PutSecret("tom/credentials/broken", `{"username":"admin","password":["canary-4715"]}`)

	around := environ(t)
	directory := install(t, "testdata/tom-credential-specimen", "host_test.py")
	_, plugins := built(t)
	for _, name := range []string{"tom-credential-aws_secrets_manager", "tom-credential-yaml"} {
		copyFile(t, filepath.Join(plugins, name), filepath.Join(directory, name), 0o755)
	}
	text := func(curve elliptic.Curve) string { return base64.RawStdEncoding.EncodeToString(certificate(t, curve)) }

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, python(t), filepath.Join(directory, "host_test.py"), "-v")
	command.Env = append(backend.Env(), around...)
	command.Env = append(command.Env, "PYTHONPATH="+directory, "PYTHONWARNINGS=error", "GRPC_VERBOSITY=NONE", "TEST_PLUGINS="+directory,
		"TEST_ENDPOINT="+backend.URL(), "TEST_CERTIFICATE="+text(elliptic.P256()), "TEST_P521="+text(elliptic.P521()))
	output, err := command.CombinedOutput()
	if err != nil || strings.Contains(string(output), "skipped") || strings.Contains(string(output), "ResourceWarning") {
		t.Errorf("%v\n%s", err, output)
	}
	t.Logf("%s", output)
}
