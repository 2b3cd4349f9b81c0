//go:build unix

// Package rust_test examines the provider in Rust.
package rust_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/conformance"
	"github.com/tom-worker/credential-provider/shared/regular"
)

// build builds the provider, outside of the repository. Where that can't be done the test is skipped, unless CI=true.
func build(t *testing.T) string {
	t.Helper()
	target := os.Getenv("CARGO_TARGET_DIR")
	if target == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			cache = os.TempDir()
		}
		target = filepath.Join(cache, "tom-credential-provider", "rust")
	}
	command := exec.Command("cargo", "build", "--locked", "--quiet", "--target-dir", target)
	if output, err := command.CombinedOutput(); err != nil {
		const message = "the provider in Rust needs cargo, Rust 1.88 and crates.io (https://rustup.rs): %v\n%s"
		if os.Getenv("CI") == "true" {
			t.Fatalf(message, err, output)
		}
		t.Skipf(message, err, output)
	}
	// A copy, with permissions that a host accepts whatever the umask.
	program, err := os.ReadFile(filepath.Join(target, "debug", "tom-credential-json"))
	path := filepath.Join(t.TempDir(), "tom-credential-json")
	if err == nil {
		err = regular.WriteExecutable(path, bytes.NewReader(program), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// skipped are the checks that the kit leaves out: of versions, of a server, of credentials that are slow, denied or deleted one by
// one. A file has none of these.
var skipped = []string{"CP-CONFIGURE-011", "CP-GET-007", "CP-GET-008", "CP-BATCH-007", "CP-VERSION-001", "CP-VERSION-002", "CP-VERSION-004",
	"CP-VERSION-005", "CP-VERSION-006", "CP-ID-004", "CP-VALIDATE-005", "CP-DEADLINE-001", "CP-CONCURRENT-002", "CP-BACKEND-006", "CP-BACKEND-007",
	"CP-BACKEND-008", "CP-BACKEND-009", "CP-BACKEND-010", "CP-SHUTDOWN-002", "CP-LIFELINE-002", "CP-CHANGE-003", "CP-CHANGE-004", "CP-SESSION-001"}

func TestConformance(t *testing.T) {
	t.Parallel()
	file := write(t, "credentials.json", `{
		"lab": {"username": "admin", "password": "canary-<4711>", "enable_password": "canary-4712", "port": 22, "none": null},
		"site/core": {"username": "netops", "password": " canary-4713 \"ü\" "},
		"keyed": {"username": "k", "private_key": "-----BEGIN\ncanary4714\n"},
		"broken": {"username": "admin", "password": ["canary-4715"]},
		"lines": {"username": "admin", "password": "canary-4716\n"}
	}`)
	other := write(t, "other.json", `{"lab": {"username": "admin", "password": "canary-4717"}, "new": {"username": "n", "password": "canary-4718"}}`)
	saved := file + ".saved"
	report, err := conformance.Examine(t.Context(), conformance.Options{
		Plugin:   build(t),
		Settings: map[string]any{"file": file},
		Environ:  []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + os.TempDir()},
		Fixtures: conformance.Fixtures{
			Credentials: map[string]conformance.Credential{
				"lab":       {Username: "admin", Password: new("canary-<4711>"), Extra: map[string]string{"enable_password": "canary-4712", "port": "22"}},
				"site/core": {Username: "netops", Password: new(` canary-4713 "ü" `), Extra: map[string]string{}},
				"keyed":     {Username: "k", Extra: map[string]string{"private_key": "-----BEGIN\ncanary4714\n"}},
			},
			Missing:     []string{"absent"},
			Malformed:   map[string][]string{"broken": {"canary-4715"}, "lines": {"canary-4716"}},
			BackendGone: &conformance.Variation{Settings: map[string]any{"file": "/nowhere/credentials.json"}},
			Events: []conformance.Event{{
				Command: []string{"sh", "-c", "cp -p " + file + " " + saved + " && cp " + other + " " + file},
				Undo:    []string{"mv", saved, file},
				Missing: []string{"site/core"},
				Credentials: map[string]conformance.Credential{
					"lab": {Username: "admin", Password: new("canary-4717")},
					"new": {Username: "n", Password: new("canary-4718")},
				},
			}},
		},
		Observe: func(result conformance.Result) {
			t.Logf("%-18s %-8s %v %s", result.ID, result.Verdict, result.Duration.Round(time.Millisecond), result.Detail)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range report.Results {
		if result.Verdict != conformance.Passed && (result.Verdict != conformance.Skipped || !slices.Contains(skipped, result.ID)) {
			t.Errorf("%s %s: %s", result.ID, result.Verdict, result.Detail)
		}
	}
}

// TestLength holds the provider to what proto/README.md says of its length.
func TestLength(t *testing.T) {
	files, err := filepath.Glob("src/*.rs")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, name := range append(files, "build.rs") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines += bytes.Count(text, []byte("\n"))
	}
	if lines >= 450 || lines < 200 {
		t.Errorf("%d lines of Rust", lines)
	}
}
