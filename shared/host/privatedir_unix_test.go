//go:build unix

package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// What a killed host leaves behind goes with the next start, and what belongs to a living one or to none stays.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "host") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	start := func() (kill func()) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), envBehave+"=host", envHosted+"=memory", envPIDs+"="+filepath.Join(dir, "pids"), "TMPDIR="+dir, "XDG_RUNTIME_DIR=", "RUNTIME_DIRECTORY=")
		ready, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill = func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		t.Cleanup(kill)
		if _, err := ready.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		return kill
	}
	dirs := func() map[string]bool {
		found, err := filepath.Glob(filepath.Join(dir, dirName+"*"))
		if err != nil {
			t.Fatal(err)
		}
		all := make(map[string]bool)
		for _, path := range found {
			all[path] = true
		}
		return all
	}
	somebodys := filepath.Join(dir, dirName+"elsewhere")
	if err := os.Mkdir(somebodys, 0o700); err != nil {
		t.Fatal(err)
	}

	start()
	living := dirs()
	kill := start()
	if both := dirs(); len(both) != len(living)+1 {
		t.Fatalf("two hosts have %v, the first one alone had %v", both, living)
	}
	kill()
	if left := dirs(); len(left) != len(living)+1 {
		t.Fatalf("a killed host has removed its directory, of which this test knows nothing: %v", left)
	}
	start()
	now := dirs()
	if len(now) != len(living)+1 {
		t.Errorf("left over: %v", now)
	}
	for path := range living {
		if !now[path] {
			t.Errorf("%s is gone, and was in use or no host's", path)
		}
	}
}

// systemd-tmpfiles removes old files from a temporary directory, but nothing below a directory that is locked.
func TestDirIsLockedAgainstCleaners(t *testing.T) {
	made, err := makePrivateDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cleaner, err := os.Open(made.path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cleaner.Close() }()
	if err := unix.Flock(int(cleaner.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
		t.Error("a cleaner gets the lock of a directory in use")
	}
	made.remove()
	if err := unix.Flock(int(cleaner.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Errorf("the directory's lock outlives it: %v", err)
	}
}
