package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// pluginDir holds the real AWS provider, built once, for all tests.
var pluginDir string

func TestMain(m *testing.M) {
	// In a script the test binary is host-example itself, as a process of its own.
	testscript.Main(providerBuilt{m}, map[string]func(){
		program: func() { os.Exit(mainStatus()) },
	})
}

// providerBuilt builds the provider before the tests, in the process that runs them.
type providerBuilt struct{ m *testing.M }

func (p providerBuilt) Run() int {
	dir, err := os.MkdirTemp("", "host-example-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	pluginDir = dir
	path := filepath.Join(dir, "tom-credential-aws_secrets_manager")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if output, err := exec.Command("go", "build", "-o", path, "../plugin-awssm").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the provider: %v\n%s", err, output)
		return 1
	}
	if err := os.Chmod(path, 0o755); err != nil { // whatever the umask
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return p.m.Run()
}
