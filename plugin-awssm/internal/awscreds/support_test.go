package awscreds

import (
	"errors"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// canary is the secret part of what these tests set; no error, help or metadata may hold it.
const canary = "canary-7f3e9a41"

func TestMain(m *testing.M) {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			os.Unsetenv(name)
		}
	}
	os.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	goleak.VerifyTestMain(m)
}

// wantReason fails the test unless err is of the reason and keeps the canary to itself.
func wantReason(t *testing.T, err error, reason credential.Reason) *credential.Error {
	t.Helper()
	var e *credential.Error
	if !errors.As(err, &e) {
		t.Fatalf("error = %v (%T), want %s", err, err, reason)
	}
	text := e.Error() + strings.Join(e.Help, "\n")
	for key, value := range e.Metadata {
		text += key + value
	}
	if strings.Contains(text, canary) {
		t.Errorf("a secret leaked: %s", text)
	}
	if e.Reason != reason {
		t.Fatalf("reason = %s (%v), want %s", e.Reason, err, reason)
	}
	return e
}
