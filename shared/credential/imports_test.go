package credential

import (
	"os/exec"
	"strings"
	"testing"
)

// TestImportsTheStandardLibraryOnly holds what the package promises: its importers do not depend on gRPC.
func TestImportsTheStandardLibraryOnly(t *testing.T) {
	const self = "github.com/tom-worker/credential-provider/shared/credential"
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(out)); got != self {
		t.Errorf("besides the standard library it depends on:\n%s", got)
	}
}
