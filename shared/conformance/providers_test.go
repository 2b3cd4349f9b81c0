//go:build unix

package conformance_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/shared/conformance"
)

// build builds a provider of this module.
func build(t *testing.T, source, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tom-credential-"+name)
	if output, err := exec.Command("go", "build", "-o", path, source).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", source, err, output)
	}
	return path
}

// environ is the machine's environment without what might lead a provider out of the test.
func environ(t *testing.T, more ...string) []string {
	t.Helper()
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + os.TempDir()}, more...)
}

// conform examines a provider, of which every check must pass or be one of those skipped for a reason that is known.
func conform(t *testing.T, options conformance.Options, skipped ...string) {
	t.Helper()
	options.Observe = func(result conformance.Result) {
		t.Logf("%-18s %-8s %v %s", result.ID, result.Verdict, result.Duration.Round(time.Millisecond), result.Detail)
	}
	report, err := conformance.Examine(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, id := range skipped {
		known[id] = true
	}
	for _, result := range report.Results {
		if result.Verdict != conformance.Passed && (result.Verdict != conformance.Skipped || !known[result.ID]) {
			t.Errorf("%s %s: %s", result.ID, result.Verdict, result.Detail)
		}
		if result.Verdict == conformance.Passed && known[result.ID] {
			t.Errorf("%s was made, contrary to what this test believes", result.ID)
		}
	}
	if !report.Conforms() {
		t.Error("it does not conform")
	}
}

func TestYAMLProvider(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "creds.yml")
	err := os.WriteFile(file, []byte(`
lab: {username: admin, password: "canary-<4711>", enable_password: canary-4712}
core: {username: netops, password: 'canary-4713 "x"'}
keyed: {username: k, private_key: "-----BEGIN\ncanary4714\n"}
broken: {username: admin, password: [canary-4715]}
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other.yml")
	if err := os.WriteFile(other, []byte("lab: {username: admin, password: canary-4716}\nnew: {username: n, password: canary-4717}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	saved := file + ".saved"
	replace := []string{"sh", "-c", "cp -p " + file + " " + saved + " && cp " + other + " " + file}
	restore := []string{"mv", saved, file}
	conform(t, conformance.Options{
		Plugin:   build(t, "../../host-example/providers/yaml", "yaml"),
		Settings: map[string]any{"credential_file": file},
		Environ:  environ(t),
		Fixtures: conformance.Fixtures{
			Credentials: map[string]conformance.Credential{
				"lab":   {Username: "admin", Password: new("canary-<4711>"), Extra: map[string]string{"enable_password": "canary-4712"}},
				"core":  {Username: "netops", Password: new(`canary-4713 "x"`), Extra: map[string]string{}},
				"keyed": {Username: "k", Extra: map[string]string{"private_key": "-----BEGIN\ncanary4714\n"}},
			},
			Missing:     []string{"absent"},
			Malformed:   map[string][]string{"broken": {"canary-4715"}},
			BackendGone: &conformance.Variation{Settings: map[string]any{"credential_file": "/nowhere/creds.yml"}},
			Events: []conformance.Event{
				{Command: replace, Undo: restore, Missing: []string{"core"}, Credentials: map[string]conformance.Credential{
					"lab": {Username: "admin", Password: new("canary-4716")}, "new": {Username: "n", Password: new("canary-4717")}}},
			},
		},
	}, "CP-CONFIGURE-011", "CP-CONFIGURE-012", "CP-GET-007", "CP-GET-008", "CP-BATCH-007", "CP-VERSION-001", "CP-VERSION-002", "CP-VERSION-004",
		"CP-VERSION-005", "CP-VERSION-006", "CP-ID-004", "CP-VALIDATE-005", "CP-DEADLINE-001", "CP-CONCURRENT-002", "CP-BACKEND-006", "CP-BACKEND-007", "CP-BACKEND-008",
		"CP-BACKEND-009", "CP-BACKEND-010", "CP-SHUTDOWN-002", "CP-LIFELINE-002", "CP-CHANGE-003", "CP-CHANGE-004", "CP-SESSION-001")
}

func TestAWSProvider(t *testing.T) {
	t.Parallel()
	backend := awssmtest.StartTest(t, awssmtest.Options{})
	backend.PutSecret("tom/credentials/lab", `{"username":"admin","password":"canary-4711"}`)
	backend.Rotate("tom/credentials/lab", `{"username":"admin","password":"canary-<4712>","enable_password":"canary-4713"}`)
	backend.PutSecret("tom/credentials/core", `{"username":"netops","password":"canary-4714 \"x\""}`)
	backend.PutSecret("tom/credentials/broken", `{"username":"admin","password":["canary-4715"]}`)
	backend.PutSecret("tom/credentials/stalled", `{"username":"admin","password":"canary-4716"}`)
	backend.Inject(awssmtest.Fault{Operation: "GetSecretValue", SecretID: "tom/credentials/stalled", Stall: true})
	conform(t, conformance.Options{
		Plugin:   build(t, "../../plugin-awssm", "aws_secrets_manager"),
		Settings: map[string]any{"region": "us-east-1", "endpoint_url": backend.URL()},
		Environ:  environ(t, backend.Env()...),
		Fixtures: conformance.Fixtures{
			Credentials: map[string]conformance.Credential{
				"lab":  {Username: "admin", Password: new("canary-<4712>"), Extra: map[string]string{"enable_password": "canary-4713"}},
				"core": {Username: "netops", Password: new(`canary-4714 "x"`), Extra: map[string]string{}},
			},
			Missing:    []string{"absent"},
			Malformed:  map[string][]string{"broken": {"canary-4715"}},
			InvalidIDs: []string{"../x", "arn:aws:secretsmanager:us-east-1:123456789012:secret:x"},
			Slow:       []string{"stalled"},
			Versions: []conformance.Version{{CredentialID: "lab", VersionLabel: "AWSPREVIOUS",
				Credential: conformance.Credential{Username: "admin", Password: new("canary-4711"), Extra: map[string]string{}}}},
			BackendGone: &conformance.Variation{Settings: map[string]any{"endpoint_url": "http://127.0.0.1:9"}},
		},
	}, "CP-CONFIGURE-012", "CP-GET-007", "CP-GET-008", "CP-CHANGE-001", "CP-CHANGE-002", "CP-CHANGE-003", "CP-CHANGE-004", "CP-SESSION-001")
}
