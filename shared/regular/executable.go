package regular

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// WriteExecutable makes a new executable file of what from has; perm is as for os.OpenFile. No process of this program is started
// while the file is open for writing: that one would have it open too until it executes its own program, and nothing could execute
// the file then (ETXTBSY). A file that exists is an error, and stays as it is.
func WriteExecutable(path string, from io.Reader, perm os.FileMode) (err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm) //nolint:gosec // the caller names it
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, from)
	return err
}
