package markdowntest

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Published is where documents clone from. In a [ReadersEnvironment] git takes this working tree instead.
const Published = "https://github.com/tom-worker/credential-provider"

// ReadersEnvironment is that of a user with an empty home directory, who has git and Go set up as this machine has. root is
// the repository's directory.
func ReadersEnvironment(t *testing.T, root string, more ...string) []string {
	t.Helper()
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + os.TempDir(), "LANG=C", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url." + snapshot(t, root) + ".insteadOf", "GIT_CONFIG_VALUE_0=" + Published}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOTOOLCHAIN"} {
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatalf("go env %s: %v", name, err)
		}
		env = append(env, name+"="+strings.TrimSpace(string(value)))
	}
	return append(env, more...)
}

// snapshot makes a repository of the working tree, with what isn't committed yet.
func snapshot(t *testing.T, root string) string {
	t.Helper()
	list, err := exec.Command("git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatalf("this isn't a git working tree, so nothing can be cloned: %v", err)
	}
	directory := filepath.Join(t.TempDir(), "snapshot")
	for name := range strings.SplitSeq(strings.Trim(string(list), "\x00"), "\x00") {
		content, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed, and not committed yet
		}
		target := filepath.Join(directory, name)
		info, infoErr := os.Stat(filepath.Join(root, name))
		if err := errors.Join(err, infoErr, os.MkdirAll(filepath.Dir(target), 0o755)); err != nil { //nolint:gosec // what is public anyway
			t.Fatal(err)
		}
		if err := os.WriteFile(target, content, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	for _, arguments := range [][]string{
		{"init", "--quiet"},
		{"add", "--all", "--force"},
		{"-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false", "commit", "--quiet", "--message", "the working tree"},
	} {
		if output, err := exec.Command("git", append([]string{"-C", directory}, arguments...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", arguments, err, output)
		}
	}
	return directory
}
