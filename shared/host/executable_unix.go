//go:build unix

package host

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// checkOwnership refuses a file that others can change: by its owner, its mode, or a folder above it. A folder with the
// sticky bit, such as /tmp, protects what is in it. Folders that a group may write to are allowed: a umask of 002 makes
// them, and the group is the administrator's choice.
func checkOwnership(path string, info fs.FileInfo, refuse func(string, ...any) *credential.Error) error {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
		return refuse("it belongs to user id %d, neither to root nor to this user", stat.Uid).WithHelp("chown root %s", path)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return refuse("it is writable by group or others (mode %04o)", info.Mode().Perm()).WithHelp("chmod go-w %s", path)
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		folder, err := os.Lstat(dir)
		if err != nil {
			return refuse("its folder %s can't be checked: %v", dir, err)
		}
		if folder.Mode().Perm()&0o002 != 0 && folder.Mode()&fs.ModeSticky == 0 {
			return refuse("its folder %s is writable by others (mode %04o)", dir, folder.Mode().Perm()).WithHelp("chmod o-w %s", dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// mayExecute says whether this process may execute the file; not on a file system mounted noexec, whatever its mode.
func mayExecute(path string) bool { return unix.Access(path, unix.X_OK) == nil }
