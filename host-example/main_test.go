package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// parallelTests is how many tests run side by side at least: most of the time they wait for processes.
const parallelTests = 5

// pluginDir holds the real AWS provider, exampleDir the providers in directory providers; built once, for all tests.
var pluginDir, exampleDir string

func TestMain(m *testing.M) {
	// In a script the test binary is host-example itself, as a process.
	testscript.Main(providersBuilt{m}, map[string]func(){
		program: func() { os.Exit(mainStatus()) },
	})
}

// providersBuilt builds the providers before the tests, in the process that runs them.
type providersBuilt struct{ m *testing.M }

func (p providersBuilt) Run() int {
	if n := runtime.GOMAXPROCS(0); n < parallelTests && flag.Lookup("test.parallel").Value.String() == fmt.Sprint(n) { // the default
		_ = flag.Set("test.parallel", fmt.Sprint(parallelTests))
	}
	dir, err := os.MkdirTemp("", "host-example-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	pluginDir, exampleDir = filepath.Join(dir, "plugins"), filepath.Join(dir, "examples")
	for _, provider := range []struct{ source, path string }{
		{"../plugin-awssm", filepath.Join(pluginDir, "tom-credential-aws_secrets_manager")},
		{"./providers/yaml", filepath.Join(exampleDir, "tom-credential-yaml")},
		{"./testdata/vault", filepath.Join(exampleDir, "tom-credential-vault")},
	} {
		if err := build(provider.source, provider.path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return p.m.Run()
}

func build(source, path string) error {
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if output, err := exec.Command("go", "build", "-o", path, source).CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", source, err, output)
	}
	return os.Chmod(path, 0o755) // whatever the umask
}
