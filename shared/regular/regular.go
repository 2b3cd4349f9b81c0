// Package regular opens files that a user has named in a setting, for hosts and for providers. A named pipe would hold its
// reader until another process writes to it, and no signal ends that wait; a device such as /dev/zero has no end.
//
// What v1 promises: the errors can be told by errors.Is, and what is refused stays refused.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// What Open refuses.
var (
	// ErrDirectory is a directory.
	ErrDirectory = errors.New("it is a directory")
	// ErrNotRegular is a named pipe, a socket or a device.
	ErrNotRegular = errors.New("it is not a regular file but a named pipe, a socket or a device; write its content to a file")
)

// Open opens a regular file, or os.DevNull, for reading. It doesn't wait for another process. Its errors are those of os.Open,
// and ErrDirectory and ErrNotRegular in an *fs.PathError.
func Open(path string) (*os.File, error) {
	// What opens a pipe without O_NONBLOCK waits for a writer. For a regular file the flag means nothing.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the user names it
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = &fs.PathError{Op: "open", Path: path, Err: ErrDirectory}
	}
	if err == nil && !info.Mode().IsRegular() && path != os.DevNull {
		err = &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// Read reads a file as Open opens it, of at most limit bytes. A longer one is an error in an *fs.PathError, and isn't read to
// its end.
func Read(path string, limit int64) ([]byte, error) {
	file, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(content)) > limit {
		err = &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("it has more than %d bytes", limit)}
	}
	if err != nil {
		return nil, err
	}
	return content, nil
}
