package host

import (
	"os"
	"path/filepath"
	"strings"
)

// folderName is how the names of private folders begin; the rest is random digits.
const folderName = "tom-"

// lockName is a file in a private folder that its host holds a lock on for as long as it lives. The system lets go of the
// lock of a host that was killed: so others can tell what is left over from what is in use.
const lockName = ".host"

// folder is a private one, for one launch's socket or for the copy of an executable.
type folder struct {
	path string
	lock *os.File // nil where the file system has no locks: nobody takes it for left over then
	sign *os.File // the folder itself, locked as a sign to what cleans temporary folders up; nil where there are no locks
}

// makeFolder makes one in dir.
func makeFolder(dir string) (*folder, error) {
	path, err := os.MkdirTemp(dir, folderName)
	if err != nil {
		return nil, err
	}
	return &folder{path: path, lock: holdLock(path), sign: holdSign(path)}, nil
}

// remove removes it, with all that is in it. There need not be one.
func (f *folder) remove() {
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

// removeLeftovers removes this user's private folders whose hosts are gone. A host that is killed can't do so itself, and
// one that is killed again and again would fill what may be memory: a copied executable has tens of megabytes.
func removeLeftovers() {
	for _, dir := range runtimeDirs() {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, entry := range entries {
			path := filepath.Join(dir, entry.Name())
			if strings.HasPrefix(entry.Name(), folderName) && entry.IsDir() && isLeftOver(path) {
				_ = os.RemoveAll(path)
			}
		}
	}
}
