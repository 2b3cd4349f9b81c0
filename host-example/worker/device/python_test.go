package device_test

import (
	"os"
	"os/exec"
	"testing"
)

// python is an interpreter with netmiko and scrapli: what PYTHON names, or python3.
func python(t testing.TB) string {
	t.Helper()
	path := os.Getenv("PYTHON")
	if path == "" {
		path = "python3"
	}
	if out, err := exec.Command(path, "-c", "import netmiko, scrapli, asyncssh").CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no netmiko, scrapli and asyncssh (pip install netmiko scrapli asyncssh): %v\n%s", err, out)
		}
		t.Skip("no netmiko, scrapli and asyncssh (pip install netmiko scrapli asyncssh, or name an interpreter in PYTHON)")
	}
	return path
}
