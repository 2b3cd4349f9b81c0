//go:build unix && !linux

package host

import (
	"io"
	"os"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// openChecked resolves and checks a file. It is executed by its path, since this system has no way to execute a descriptor: only
// root and this user can have changed anything on the way to it. Access control lists aren't read.
func openChecked(what, path string, refuse func(string, ...any) *credential.Error) (*runnable, error) {
	resolved, err := follow(what, path, refuse)
	if err != nil {
		return nil, err
	}
	info, err := os.Lstat(resolved)
	if err != nil {
		return nil, refuse("%s can't be opened: %v", what, err).WithHelp("%s", openRemedy(err, resolved))
	}
	if err := checkFile(what, resolved, info, refuse); err != nil {
		return nil, err
	}
	return &runnable{path: resolved, name: resolved}, nil
}

func (r *runnable) head(path string) []byte {
	file, err := os.Open(path) //nolint:gosec // it has been checked
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	head := make([]byte, maxShebang)
	n, _ := io.ReadFull(file, head)
	return head[:n]
}

func (*runnable) script(bool) {}

func onNoexec(string) bool { return false }

func checkAccessList(string, string, func(string, ...any) *credential.Error) error { return nil }
