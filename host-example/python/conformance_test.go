//go:build unix

package python

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/tom-worker/credential-provider/shared/conformance"
)

func TestNetrcConformance(t *testing.T) {
	t.Parallel()
	conformance.Run(t, conformance.Options{
		Environ:  environ(t),
		Plugin:   filepath.Join(install(t, netrcProvider), "tom-credential-netrc"),
		Settings: map[string]any{"file": writeNetrc(t, netrcFile, 0o600)},
		Fixtures: conformance.Fixtures{
			Credentials: map[string]conformance.Credential{
				"lab":  {Username: "admin", Password: new("canary-<4711>"), Extra: map[string]string{}},
				"core": {Username: "netops", Password: new("canary-4713"), Extra: map[string]string{"account": "canary-4712"}},
			},
			Missing:     []string{"absent", "default"},
			Malformed:   map[string][]string{"half": nil, "lines": {"canary-4714"}},
			BackendGone: &conformance.Variation{Settings: map[string]any{"file": "/nowhere/netrc"}},
		},
	})
}

// TestSpecimenConformance is about the abilities that the netrc provider doesn't have.
func TestSpecimenConformance(t *testing.T) {
	t.Parallel()
	old := conformance.Credential{Username: "admin", Password: new("canary-4712")}
	options := conformance.Options{
		Environ:  environ(t),
		Plugin:   filepath.Join(install(t, "testdata/tom-credential-specimen"), "tom-credential-specimen"),
		Settings: map[string]any{"url": "https://localhost", "token": "canary-4716"},
		Fixtures: conformance.Fixtures{
			Credentials: map[string]conformance.Credential{
				"lab":   {Username: "admin", Password: new("canary-4711"), Extra: map[string]string{}},
				"keyed": {Username: "k", Extra: map[string]string{"private_key": "-----BEGIN\ncanary4714\n"}},
			},
			Missing: []string{"absent"},
			Slow:    []string{"stalled"},
			Versions: []conformance.Version{
				{CredentialID: "lab", VersionID: "1", Credential: old},
				{CredentialID: "lab", VersionLabel: "OLD", Credential: old},
			},
		},
	}
	report, err := conformance.Examine(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range report.Results {
		if wrong := result.Verdict == conformance.Failed || result.Verdict == conformance.Blocked; wrong {
			t.Errorf("%s %s: %s", result.ID, result.Verdict, result.Detail)
		}
		if made := []string{"CP-DEADLINE-001", "CP-VERSION-001", "CP-VERSION-002"}; result.Verdict == conformance.Skipped && slices.Contains(made, result.ID) {
			t.Errorf("%s was skipped: %s", result.ID, result.Detail)
		}
	}
}
