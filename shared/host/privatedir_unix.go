//go:build unix

package host

import (
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// holdLock locks a private directory. The file gets its name with the lock on it: it is never seen without.
func holdLock(path string) *os.File {
	unnamed := filepath.Join(path, lockName+"-")
	file, err := os.OpenFile(unnamed, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil
	}
	if err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
		err = os.Rename(unnamed, filepath.Join(path, lockName))
	}
	if err != nil {
		_ = os.Remove(unnamed)
		_ = file.Close()
		return nil
	}
	return file
}

// holdSign locks the directory itself. systemd-tmpfiles, which removes from the temporary directory what was not touched for ten
// days, leaves a locked directory alone: without its pinned copy a provider could not be started again.
func holdSign(path string) *os.File {
	file, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil
	}
	if unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		_ = file.Close()
		return nil
	}
	return file
}

// isLeftOver reports whether a directory is a private one of this user's, and its host is gone.
func isLeftOver(path string) bool {
	info, err := os.Lstat(path)
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(stat.Uid) != os.Geteuid() || info.Mode().Perm() != 0o700 {
		return false
	}
	file, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	return unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}
