//go:build unix

package host

import (
	"crypto/sha256"
	"errors"
	"fmt"
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
		{"under a sticky folder", executableFile(t, sticky, "x", 0o755), "", ""},
		{"under a folder that a group may write to", executableFile(t, filepath.Join(dir, "group"), "x", 0o755), "", ""},
		{"a relative path", "good", credential.ProviderRefused, "not absolute"},
		{"nothing there", filepath.Join(dir, "nothing"), credential.ProviderNotFound, "does not exist"},
		{"a folder", sticky, credential.ProviderRefused, "not a regular file"},
		{"a pipe", fifo, credential.ProviderRefused, "not a regular file"},
		{"not executable", executableFile(t, dir, "plain", 0o644), credential.ProviderRefused, "not executable"},
		{"writable by the group", executableFile(t, dir, "group-file", 0o775), credential.ProviderRefused, "writable by group or others"},
		{"writable by others", executableFile(t, dir, "others", 0o757), credential.ProviderRefused, "writable by group or others"},
		{"under an open folder", filepath.Join(open, "x"), credential.ProviderRefused, "folder " + open},
		{"a link into an open folder", badLink, credential.ProviderRefused, "folder " + open},
	} {
		t.Run(c.name, func(t *testing.T) {
			resolved, err := checkExecutable(c.path)
			if c.reason == "" {
				if err != nil {
					t.Fatal(err)
				}
				if info, err := os.Lstat(resolved); err != nil || !info.Mode().IsRegular() {
					t.Errorf("resolved to %s", resolved)
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
		t.Skip("only root can give a file to somebody else")
	}
	path := executableFile(t, t.TempDir(), "foreign", 0o755)
	if err := os.Chown(path, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if _, err := checkExecutable(path); !errors.Is(err, credential.ProviderRefused) || !strings.Contains(err.Error(), "65534") {
		t.Errorf("error %v", err)
	}
}

func TestPinnedCopyIsExecuted(t *testing.T) {
	dir := t.TempDir()
	path := executableFile(t, dir, "tom-credential-x", 0o755)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := prepare(path, fmt.Sprintf("%x", sha256.Sum256(content)))
	if err != nil {
		t.Fatal(err)
	}
	if exe.path == path {
		t.Error("the file itself would be executed")
	}
	// What happens to the file later doesn't matter.
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho evil\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(exe.path); err != nil || string(got) != string(content) {
		t.Errorf("the copy is %q (%v)", got, err)
	}
	if info, err := os.Stat(filepath.Dir(exe.path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the copy's folder has mode %v", info.Mode())
	}
	exe.discard()
	if _, err := os.Stat(exe.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the copy is still there: %v", err)
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
			if _, err := prepare(path, digest); !errors.Is(err, credential.ProviderRefused) {
				t.Errorf("error %v", err)
			}
		})
	}
	if left, _ := os.ReadDir(os.Getenv("XDG_RUNTIME_DIR")); len(left) != 0 {
		t.Errorf("%d folders are left behind", len(left))
	}
}

func TestSocketFolder(t *testing.T) {
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
		t.Errorf("folder %s, another one than %s", dir.path, short)
	}
	if left, _ := os.ReadDir(long); len(left) != 0 {
		t.Errorf("%d folders are left behind", len(left))
	}
}
