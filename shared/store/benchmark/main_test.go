package benchmark

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestMain takes the machine's AWS settings away, and removes what was built.
func TestMain(m *testing.M) {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "AWS_") {
			_ = os.Unsetenv(name)
		}
	}
	_ = os.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	if id := os.Getenv(envBackend); id != "" {
		serveBackend(id)
		return
	}
	code := m.Run()
	for _, directory := range built {
		_ = os.RemoveAll(directory)
	}
	os.Exit(code)
}

// built are the directories of executables, to be removed at the end.
var built []string

// environment is what the tests were started with. Benchmarks give HOME another value, and with it Go would not find
// what it has compiled before: it would compile the AWS SDK anew for minutes.
var environment = os.Environ()

// buildProvider and buildEmpty build the two sides in the same way: as make build does.
var (
	buildProvider = sync.OnceValues(func() (string, error) { return build("tom-credential-aws_secrets_manager", "../../../plugin-awssm") })
	buildEmpty    = sync.OnceValues(func() (string, error) { return build("empty", "./testdata/empty") })
)

func build(name, source string) (string, error) {
	directory, err := os.MkdirTemp("", "benchmark")
	if err != nil {
		return "", err
	}
	built = append(built, directory)
	path := filepath.Join(directory, name)
	command := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, source)
	command.Env = append(slices.Clone(environment), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", source, err, out)
	}
	return path, os.Chmod(path, 0o755)
}
