//go:build unix

package host

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// maxLinks is how many symbolic links a path may have.
const maxLinks = 40

// mayExecute reports whether this process may execute the file; not on a file system mounted noexec, whatever its mode.
func mayExecute(path string) bool { return unix.Access(path, unix.X_OK) == nil }

// follow resolves a path from the root on, and checks each directory before anything in it is looked at: what only root and
// this user can change stays as it was found. The error is fs.ErrNotExist or a refusal. what names the file in messages.
func follow(what, path string, refuse func(string, ...any) *credential.Error) (string, error) {
	current, rest := "/", strings.Split(filepath.Clean(path), "/")[1:]
	if err := checkDir(what, current, refuse); err != nil {
		return "", err
	}
	for links := 0; len(rest) > 0; {
		next := filepath.Join(current, rest[0])
		rest = rest[1:]
		info, err := os.Lstat(next)
		if err != nil {
			if os.IsNotExist(err) {
				return "", fs.ErrNotExist
			}
			return "", refuse("%s can't be looked at: %v", what, err)
		}
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			if links++; links > maxLinks {
				return "", refuse("%s has more than %d symbolic links in its path", what, maxLinks)
			}
			if err := checkOwner("the symbolic link "+next, next, info, refuse); err != nil {
				return "", err
			}
			target, err := os.Readlink(next)
			if err != nil {
				return "", refuse("the symbolic link %s can't be read: %v", next, err)
			}
			if filepath.IsAbs(target) {
				current = "/"
			}
			rest = append(strings.Split(strings.Trim(filepath.Clean(target), "/"), "/"), rest...)
		case len(rest) == 0:
			current = next
		case !info.IsDir():
			return "", fs.ErrNotExist
		default:
			if err := checkDir(what, next, refuse); err != nil {
				return "", err
			}
			current = next
		}
	}
	return current, nil
}

// checkDir refuses a directory in which another user could put something else. One with the sticky bit, such as /tmp, protects
// what is in it, except from its owner. A directory that its group may write to is allowed: a umask of 002 makes them, and the
// group is the administrator's choice.
func checkDir(what, dir string, refuse func(string, ...any) *credential.Error) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return refuse("the directory %s of %s can't be looked at: %v", dir, what, err)
	}
	name := "its directory " + dir
	if what != "it" {
		name = "the directory " + dir + " of " + what
	}
	if err := checkOwner(name, dir, info, refuse); err != nil {
		return err
	}
	if info.Mode()&fs.ModeSticky != 0 {
		return nil
	}
	if info.Mode().Perm()&0o002 != 0 {
		return refuse("%s is writable by others (mode %04o)", name, info.Mode().Perm()).WithHelp("chmod o-w %s", dir)
	}
	return checkAccessList(name, dir, refuse)
}

// checkOwner refuses what belongs neither to root nor to this user: its owner can change it, whatever its mode.
func checkOwner(name, path string, info fs.FileInfo, refuse func(string, ...any) *credential.Error) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || trusted(stat.Uid) {
		return nil
	}
	return refuse("%s belongs to user id %d, neither to root nor to this user (%d)", name, stat.Uid, os.Geteuid()).
		WithHelp("chown -h root %s", path).
		WithHelp("or put the provider where only root or this user may write, such as /usr/local/libexec/tom/plugins")
}

func trusted(uid uint32) bool { return uid == 0 || int(uid) == os.Geteuid() }

// checkFile refuses a file that another user can change, and one that can't be executed.
func checkFile(what, path string, info fs.FileInfo, refuse func(string, ...any) *credential.Error) error {
	if !info.Mode().IsRegular() {
		return refuse("%s is not a regular file", what)
	}
	if err := checkOwner(what, path, info, refuse); err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 {
		return refuse("%s is writable by group or others (mode %04o)", what, info.Mode().Perm()).WithHelp("chmod go-w %s", path)
	}
	if err := checkAccessList(what, path, refuse); err != nil {
		return err
	}
	if mayExecute(path) {
		return nil
	}
	if info.Mode().Perm()&0o111 != 0 && onNoexec(path) {
		return refuse("%s is not executable: %s is on a file system mounted noexec", what, path).
			WithHelp("put it on another file system, or mount this one with exec: mount -o remount,exec %s", filepath.Dir(path))
	}
	return refuse("%s is not executable", what).WithHelp("chmod 0755 %s", path)
}
