//go:build unix

package attach

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

func private(info fs.FileInfo) error {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("%w: it belongs to user id %d", ErrNotPrivate, stat.Uid)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%w: group or others have access (mode %04o)", ErrNotPrivate, info.Mode().Perm())
	}
	return nil
}
