//go:build unix

package conformance

import (
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/regular"
)

// script is a program of this text.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tom-credential-script")
	if err := regular.WriteExecutable(path, strings.NewReader(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// What a failed check says must be enough to find the mistake.
func TestMessages(t *testing.T) {
	for _, test := range []struct {
		name, plugin, specimen, run string
		says                        []string
	}{
		{"a start that fails", script(t, "#!/bin/sh\necho 'no module grpc' >&2\necho 'token canary-4714' >&2\nexit 3\n"), "", "CP-HANDSHAKE-003",
			[]string{"exit status 3", "\n  no module grpc\n", "(left out: it holds a secret)"}},
		{"a silent start that fails", script(t, "#!/bin/sh\nexit 3\n"), "", "CP-HANDSHAKE-003", []string{"exit status 3", "nothing on standard error"}},
		{"a text", script(t, "hello\n"), "", "CP-HANDSHAKE-003", []string{"neither a program for this system nor a script"}},
		{"an interpreter that isn't there", script(t, "#!/nowhere/node\n"), "", "CP-HANDSHAKE-003", []string{"#!"}},
		{"another certificate", "", "CP-TLS-001 shows another certificate", "CP-TLS-001", []string{"failed to verify certificate"}},
		{"settings that it refuses", "", "CP-CONFIGURE-001 refuses everything", "CP-CONFIGURE-001", []string{"SETTINGS_INVALID, for "}},
		{"a process that dies", "", "CP-GET-005 dies of NUL", "CP-GET-005", []string{"its process has ended (exit status 3)"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			options := rightOptions(t, test.specimen, "^"+test.run+"$")
			if test.plugin != "" {
				options.Plugin = test.plugin
			}
			report, err := Examine(t.Context(), options)
			if err != nil {
				t.Fatal(err)
			}
			result := report.Results[0]
			if result.Verdict != Failed || strings.Contains(result.Detail, "canary") {
				t.Errorf("%s: %s", result.Verdict, result.Detail)
			}
			for _, text := range test.says {
				if !strings.Contains(result.Detail, text) {
					t.Errorf("%q doesn't say %q", result.Detail, text)
				}
			}
		})
	}
}

func TestOutcomeWithoutAnErrorInfo(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		says string
	}{
		{"no details", status.Error(codes.NotFound, ""), "status NOT_FOUND without details"},
		{"other details", detailed(codes.NotFound, "", &errdetails.RetryInfo{}), "of which none has the type"},
		{"another domain", detailed(codes.NotFound, "", &errdetails.ErrorInfo{Domain: "example.com", Reason: string(credential.CredentialNotFound)}), "whose domain isn't credential.tom"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := outcome(test.err); !strings.Contains(got, test.says) {
				t.Errorf("%q doesn't say %q", got, test.says)
			}
		})
	}
}
