package host

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// maxSocketPath is the most that the address of a Unix socket holds everywhere, in bytes (macOS: 104 with its NUL).
const maxSocketPath = 103

// socketName is the longest name that go-plugin gives a socket: "plugin" and a random number of 32 bits.
const socketName = "plugin4294967295"

// runtimeDirs are where short-lived private directories may be made, in order: what systemd gives a service
// (RuntimeDirectory=), what a login session has, and the temporary directory.
func runtimeDirs() []string {
	first, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":")
	var dirs []string
	for _, dir := range []string{first, os.Getenv("XDG_RUNTIME_DIR"), os.TempDir()} {
		if filepath.IsAbs(dir) {
			dirs = append(dirs, filepath.Clean(dir))
		}
	}
	return dirs
}

// socketDir makes a private directory for one launch's socket. The length is checked here, because a socket that can't be
// bound shows up late and as something else.
func socketDir() (*privateDir, error) {
	var tried []string
	for _, dir := range runtimeDirs() {
		made, err := makePrivateDir(dir)
		if err != nil {
			tried = append(tried, dir+" (not writable)")
			continue
		}
		if len(filepath.Join(made.path, socketName)) <= maxSocketPath {
			return made, nil
		}
		made.remove()
		tried = append(tried, dir+" (too long for a socket's address)")
	}
	return nil, credential.Errorf(credential.ProviderStartFailed, "there is no directory for the provider's socket: %s", strings.Join(tried, ", ")).
		WithHelp("set TMPDIR to a writable directory with a short name, such as /tmp")
}
