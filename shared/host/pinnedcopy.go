package host

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/regular"
)

// pinnedCopy is a private copy of an executable whose digest was checked. On Linux it is a file in memory that is sealed: its
// provider, which runs as the same user, can't change it either. Where that can't be had it is a file in a private directory,
// and is hashed again before each start.
type pinnedCopy struct {
	sealed *os.File // nil where there is none
	script bool

	path   string
	dir    *privateDir
	digest [sha256.Size]byte
}

// makeSealed is sealed; tests of the other way replace it.
var makeSealed = sealed

// makeCopy makes the copy of program. origin and base are the file's path, for messages, and its name.
func makeCopy(origin, base string, program []byte) (*pinnedCopy, error) {
	c := &pinnedCopy{digest: sha256.Sum256(program), script: shebang(program[:min(len(program), maxShebang)]) != ""}
	if c.sealed = makeSealed(base, program); c.sealed != nil {
		return c, nil
	}
	var tried []string
	for _, dir := range runtimeDirs() {
		made, err := makePrivateDir(dir)
		if err != nil {
			tried = append(tried, fmt.Sprintf("%s: %v", dir, err))
			continue
		}
		c.dir, c.path = made, filepath.Join(made.path, base)
		if err := regular.WriteExecutable(c.path, bytes.NewReader(program), 0o700); err != nil {
			tried = append(tried, fmt.Sprintf("%s: %v", dir, err))
		} else if mayExecute(c.path) {
			return c, nil
		} else {
			tried = append(tried, dir+": mounted noexec")
		}
		c.discard()
	}
	return nil, credential.Errorf(credential.ProviderRefused, "the checked copy of provider %s can't be executed: no directory for it (%s)", origin, strings.Join(tried, "; ")).
		WithHelp("point TMPDIR or RUNTIME_DIRECTORY to a directory with room, on a file system that isn't mounted noexec")
}

// open returns what is executed.
func (c *pinnedCopy) open(exe *executable) (*runnable, error) {
	if c.sealed != nil {
		return c.openSealed(exe.origin), nil
	}
	file, err := regular.Open(c.path) // its provider may have put anything in its place
	if errors.Is(err, regular.ErrNotRegular) || errors.Is(err, regular.ErrDirectory) {
		return nil, c.changed(exe)
	}
	if err != nil {
		return nil, credential.Errorf(credential.ProviderRefused, "the checked copy of provider %s is gone: %w", exe.origin, err).
			WithHelp("reload or restart the worker: it makes a new one; does something remove files in the temporary directory?")
	}
	program, err := io.ReadAll(io.LimitReader(file, maxPinned+1))
	if err != nil || sha256.Sum256(program) != c.digest {
		_ = file.Close()
		return nil, c.changed(exe)
	}
	return &runnable{path: c.path, name: c.path, files: []*os.File{file}}, nil
}

func (c *pinnedCopy) changed(exe *executable) error {
	return credential.Errorf(credential.ProviderRefused, "the checked copy of provider %s, %s, has been changed since and is not executed again", exe.origin, c.path).
		WithHelp("only this user can do so, and so the provider itself: find out what it did before the worker is restarted")
}

func (c *pinnedCopy) discard() {
	if c.sealed != nil {
		_ = c.sealed.Close()
	}
	c.dir.remove()
	c.dir = nil
}
