package host

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// openChecked leaves ownership to the access control list of the directory, which an installer sets: only administrators write
// below Program Files. A file that is executed can't be changed, and it is executed by its path.
func openChecked(what, path string, refuse func(string, ...any) *credential.Error) (*runnable, error) {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		if os.IsNotExist(err) {
			return nil, fs.ErrNotExist
		}
		return nil, refuse("the path of %s can't be followed: %v", what, err)
	}
	info, err := os.Lstat(resolved)
	switch {
	case err != nil:
		return nil, refuse("%v", err).WithHelp("%s", openRemedy(err, resolved))
	case !info.Mode().IsRegular():
		return nil, refuse("%s is not a regular file", what)
	case !mayExecute(resolved):
		return nil, refuse("%s is not executable: its name doesn't end in .exe", what)
	}
	return &runnable{path: resolved, name: resolved}, nil
}

func (*runnable) head(string) []byte { return nil }

func (*runnable) script(bool) {}

func mayExecute(path string) bool { return strings.EqualFold(filepath.Ext(path), ".exe") }
