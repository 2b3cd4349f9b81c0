package conformance

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// fileWatch opens each file that appears in a directory, so that it can be read when it is gone.
type fileWatch struct {
	events *os.File
	read   sync.WaitGroup

	mu   sync.Mutex
	dirs map[int32]string
	held []*os.File
}

// maxHeld is how many files are held open.
const maxHeld = 256

// watchFiles watches a directory and those in it; nil if the system doesn't tell.
func watchFiles(dir string) *fileWatch {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil
	}
	w := &fileWatch{events: os.NewFile(uintptr(fd), "inotify"), dirs: map[int32]string{}}
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			w.add(path)
		}
		return nil
	})
	w.read.Go(w.follow)
	return w
}

func (w *fileWatch) add(dir string) {
	connection, err := w.events.SyscallConn()
	if err != nil {
		return
	}
	_ = connection.Control(func(fd uintptr) {
		if id, err := unix.InotifyAddWatch(int(fd), dir, unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_ONLYDIR|unix.IN_DONT_FOLLOW); err == nil {
			w.mu.Lock()
			w.dirs[int32(id)] = dir //nolint:gosec // the kernel's are of that size
			w.mu.Unlock()
		}
	})
}

// follow reads events until the watch ends.
func (w *fileWatch) follow() {
	buffer := make([]byte, 64<<10)
	for {
		n, err := w.events.Read(buffer)
		if err != nil {
			return
		}
		for rest := buffer[:n]; len(rest) >= unix.SizeofInotifyEvent; {
			id, mask := int32(binary.NativeEndian.Uint32(rest)), binary.NativeEndian.Uint32(rest[4:]) //nolint:gosec // it is one
			end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(rest[12:]))
			name := string(bytes.TrimRight(rest[unix.SizeofInotifyEvent:end], "\x00"))
			rest = rest[end:]
			w.appeared(id, name, mask&unix.IN_ISDIR != 0)
		}
	}
}

func (w *fileWatch) appeared(id int32, name string, isDir bool) {
	w.mu.Lock()
	path, full := filepath.Join(w.dirs[id], name), len(w.held) >= maxHeld
	w.mu.Unlock()
	if isDir {
		w.add(path)
	}
	if isDir || full {
		return
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	w.mu.Lock()
	w.held = append(w.held, os.NewFile(uintptr(fd), path))
	w.mu.Unlock()
}

// opened are the files that appeared.
func (w *fileWatch) opened() []*os.File {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*os.File(nil), w.held...)
}

func (w *fileWatch) end() {
	if w == nil {
		return
	}
	_ = w.events.Close()
	w.read.Wait()
	for _, file := range w.held {
		_ = file.Close()
	}
}
