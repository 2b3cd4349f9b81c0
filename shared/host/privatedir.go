package host

import (
	"os"
	"path/filepath"
	"strings"
)

// dirName is how the names of private directories start; the rest is random digits.
const dirName = "tom-"

// lockName is a file in a private directory that its host holds a lock on for as long as it lives. The system lets go of the
// lock of a host that was killed: so others can tell what is left over from what is in use.
const lockName = ".host"

// privateDir is a private one, for one launch's socket or for the copy of an executable.
type privateDir struct {
	path string
	lock *os.File // nil where the file system has no locks: it never counts as left over then
	sign *os.File // the directory itself, locked as a sign to what cleans temporary directories up; nil where there are no locks
}

// makePrivateDir makes one in dir.
func makePrivateDir(dir string) (*privateDir, error) {
	path, err := os.MkdirTemp(dir, dirName)
	if err != nil {
		return nil, err
	}
	return &privateDir{path: path, lock: holdLock(path), sign: holdSign(path)}, nil
}

// remove removes it, with all that is in it. There need not be one.
func (f *privateDir) remove() {
	if f == nil {
		return
	}
	_ = os.RemoveAll(f.path)
	for _, file := range []*os.File{f.lock, f.sign} {
		if file != nil {
			_ = file.Close()
		}
	}
}

// removeLeftovers removes this user's private directories whose hosts are gone. A host that is killed can't do so itself, and
// one that is killed again and again would fill what may be memory: a copied executable has tens of megabytes.
func removeLeftovers() {
	for _, dir := range runtimeDirs() {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, entry := range entries {
			path := filepath.Join(dir, entry.Name())
			if strings.HasPrefix(entry.Name(), dirName) && entry.IsDir() && isLeftOver(path) {
				_ = os.RemoveAll(path)
			}
		}
	}
}
