//go:build unix

package host

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// pinned prepares a script with its digest.
func pinned(t *testing.T) (*executable, string) {
	t.Helper()
	path := executableFile(t, t.TempDir(), "tom-credential-x", 0o755)
	content := "#!/bin/sh\necho the one that was checked\n"
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	exe, err := prepare(t.Context(), path, fmt.Sprintf("%x", sha256.Sum256([]byte(content))), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(exe.discard)
	return exe, path
}

// inFile makes copies in files for one test, as where there are none in memory.
func inFile(t *testing.T) {
	makeSealed = func(string, []byte) *os.File { return nil }
	t.Cleanup(func() { makeSealed = sealed })
}

func execute(t *testing.T, exe *executable) string {
	t.Helper()
	run, err := exe.open()
	if err != nil {
		t.Fatal(err)
	}
	defer run.close()
	cmd := exec.Command(run.path)
	if run.inherit != nil {
		cmd.ExtraFiles = []*os.File{run.inherit}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// What happens to the file after the check doesn't matter, wherever the copy is.
func TestPinnedCopyIsExecuted(t *testing.T) {
	for name, prepare := range map[string]func(*testing.T){"in memory": func(*testing.T) {}, "in a file": inFile} {
		t.Run(name, func(t *testing.T) {
			prepare(t)
			exe, path := pinned(t)
			if err := os.WriteFile(path, []byte("#!/bin/sh\necho evil\n"), 0o755); err != nil { //nolint:gosec // it is a program
				t.Fatal(err)
			}
			for range 2 {
				if got := execute(t, exe); got != "the one that was checked\n" {
					t.Errorf("executed: %q", got)
				}
			}
			if exe.copy.dir != nil {
				dir := exe.copy.dir.path
				if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
					t.Errorf("the copy's directory has mode %v (%v)", info.Mode(), err)
				}
				exe.discard()
				if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("the copy is still there: %v", err)
				}
			}
		})
	}
}

// A provider runs as the same user as its host, and so may write where the copy is.
func TestCopyThatItsProviderRewrote(t *testing.T) {
	inFile(t)
	exe, _ := pinned(t)
	other := []byte("#!/bin/sh\necho evil, of the same length\n")
	for name, rewrite := range map[string]func() error{
		"in place":  func() error { return os.WriteFile(exe.copy.path, other, 0o700) }, //nolint:gosec // it is a program
		"by rename": func() error { return os.Rename(executableFile(t, t.TempDir(), "other", 0o700), exe.copy.path) },
		"removed":   func() error { return os.Remove(exe.copy.path) },
		"a pipe": func() error {
			return errors.Join(os.Remove(exe.copy.path), syscall.Mkfifo(exe.copy.path, 0o700))
		},
		"a directory": func() error { return errors.Join(os.RemoveAll(exe.copy.path), os.Mkdir(exe.copy.path, 0o700)) },
		"endless":     func() error { return errors.Join(os.RemoveAll(exe.copy.path), os.Symlink("/dev/zero", exe.copy.path)) },
	} {
		if err := rewrite(); err != nil {
			t.Fatal(name, err)
		}
		if _, err := exe.open(); !errors.Is(err, credential.ProviderRefused) || !strings.Contains(err.Error(), "checked copy") {
			t.Errorf("%s: error %v", name, err)
		}
		_ = os.RemoveAll(exe.copy.path)
		_ = os.WriteFile(exe.copy.path, other, 0o700) //nolint:gosec // it is a program
	}
}

// A sealed copy can't be rewritten by a process that has it open.
func TestSealedCopyCannotBeWritten(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has sealed files in memory")
	}
	exe, _ := pinned(t)
	if exe.copy.sealed == nil {
		t.Skip("this kernel lets no file in memory be executed")
	}
	for _, err := range []error{
		func() error { _, err := exe.copy.sealed.WriteAt([]byte("#!"), 0); return err }(),
		exe.copy.sealed.Truncate(0),
	} {
		if err == nil {
			t.Error("the copy can be changed")
		}
	}
}

// What is read as a whole has a bound.
func TestPinnedFileIsBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tom-credential-x")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755) //nolint:gosec // it is a program
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(file.Truncate(maxPinned+1), file.Close()); err != nil { // sparse
		t.Fatal(err)
	}
	if _, err := prepare(t.Context(), path, strings.Repeat("ab", 32), ""); !errors.Is(err, credential.ProviderRefused) || !strings.Contains(err.Error(), "MiB") {
		t.Errorf("error %v", err)
	}
}
