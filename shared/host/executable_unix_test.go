//go:build unix

package host

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tom-worker/credential-provider/shared/credential"
)

func TestCheckExecutable(t *testing.T) {
	dir := t.TempDir()
	good := executableFile(t, dir, "good", 0o755)
	link := filepath.Join(dir, "link")
	if err := os.Symlink(good, link); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(dir, "open")
	sticky := filepath.Join(dir, "sticky")
	for path, mode := range map[string]os.FileMode{open: 0o777, sticky: os.ModeSticky | 0o777, filepath.Join(dir, "group"): 0o775} {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	badLink := filepath.Join(dir, "badlink")
	if err := os.Symlink(executableFile(t, open, "x", 0o755), badLink); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o755); err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct {
		name, path string
		reason     credential.Reason // empty: accepted
		says       string
	}{
		{"a good file", good, "", ""},
		{"a link to it", link, "", ""},
		{"under a sticky directory", executableFile(t, sticky, "x", 0o755), "", ""},
		{"under a directory that a group may write to", executableFile(t, filepath.Join(dir, "group"), "x", 0o755), "", ""},
		{"a relative path", "good", credential.ProviderRefused, "not absolute"},
		{"nothing there", filepath.Join(dir, "nothing"), credential.ProviderNotFound, "does not exist"},
		{"a directory", sticky, credential.ProviderRefused, "not a regular file"},
		{"a pipe", fifo, credential.ProviderRefused, "not a regular file"},
		{"not executable", executableFile(t, dir, "plain", 0o644), credential.ProviderRefused, "not executable"},
		{"writable by the group", executableFile(t, dir, "group-file", 0o775), credential.ProviderRefused, "writable by group or others"},
		{"writable by others", executableFile(t, dir, "others", 0o757), credential.ProviderRefused, "writable by group or others"},
		{"under an open directory", filepath.Join(open, "x"), credential.ProviderRefused, "directory " + open},
		{"a link into an open directory", badLink, credential.ProviderRefused, "directory " + open},
	} {
		t.Run(c.name, func(t *testing.T) {
			run, err := (&executable{origin: c.path, search: os.Getenv("PATH")}).check()
			if c.reason == "" {
				if err != nil {
					t.Fatal(err)
				}
				defer run.close()
				if info, err := os.Lstat(run.name); err != nil || !info.Mode().IsRegular() {
					t.Errorf("resolved to %s", run.name)
				}
				return
			}
			if !errors.Is(err, c.reason) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want %s that says %q", err, c.reason, c.says)
			}
		})
	}
}

func TestForeignOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file to another user")
	}
	path := executableFile(t, t.TempDir(), "foreign", 0o755)
	if err := os.Chown(path, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if _, err := (&executable{origin: path}).check(); !errors.Is(err, credential.ProviderRefused) || !strings.Contains(err.Error(), "65534") {
		t.Errorf("error %v", err)
	}
}

func TestWrongChecksum(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	path := executableFile(t, t.TempDir(), "tom-credential-x", 0o755)
	for name, digest := range map[string]string{
		"of another file": strings.Repeat("ab", 32),
		"too short":       "abcd",
		"not hexadecimal": strings.Repeat("zz", 32),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := prepare(t.Context(), path, digest, ""); !errors.Is(err, credential.ProviderRefused) {
				t.Errorf("error %v", err)
			}
		})
	}
	if left, _ := os.ReadDir(os.Getenv("XDG_RUNTIME_DIR")); len(left) != 0 {
		t.Errorf("%d directories are left behind", len(left))
	}
}

func TestSocketDir(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("long", 25))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("RUNTIME_DIRECTORY", long)
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("TMPDIR", long)
	if _, err := socketDir(); !errors.Is(err, credential.ProviderStartFailed) || !strings.Contains(err.Error(), "too long") {
		t.Errorf("error %v", err)
	}
	short := t.TempDir()
	t.Setenv("TMPDIR", short)
	dir, err := socketDir()
	if err != nil {
		t.Fatal(err)
	}
	defer dir.remove()
	if filepath.Dir(dir.path) != short {
		t.Errorf("directory %s, another one than %s", dir.path, short)
	}
	if left, _ := os.ReadDir(long); len(left) != 0 {
		t.Errorf("%d directories are left behind", len(left))
	}
}
