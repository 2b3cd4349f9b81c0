package host

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// executable is a file that has been checked and may be started, also again after a crash.
type executable struct {
	// path is what is started: the file itself with symbolic links resolved, or a private copy of it.
	path string
	// origin is the path as it was found, for people.
	origin string
	// folder holds the copy; nil without one.
	folder *folder
}

// prepare checks the file at path and, if there is a digest, pins it: what is executed is a copy that was hashed while
// it was made, so nobody can change the file between the check and the start, or before a restart.
func prepare(path, digest string) (*executable, error) {
	resolved, err := checkExecutable(path)
	if err != nil {
		return nil, err
	}
	exe := &executable{path: resolved, origin: path}
	if digest == "" {
		return exe, nil
	}
	digits, _, _ := strings.Cut(strings.TrimSpace(digest), " ")
	want, err := hex.DecodeString(digits)
	if err != nil || len(want) != sha256.Size {
		return nil, credential.Errorf(credential.ProviderRefused, "the checksum of provider %s must be %d hexadecimal digits", path, 2*sha256.Size).
			WithHelp("print it with: sha256sum %s", path)
	}
	if err := exe.pin(want); err != nil {
		exe.discard()
		return nil, err
	}
	return exe, nil
}

// pin replaces exe.path by a private copy whose digest is want.
func (exe *executable) pin(want []byte) error {
	var noexec []string
	for _, dir := range runtimeDirs() {
		made, err := makeFolder(dir)
		if err != nil {
			continue
		}
		exe.folder = made
		copied := filepath.Join(made.path, filepath.Base(exe.path))
		got, err := copyHashed(exe.path, copied)
		if err != nil {
			return credential.Errorf(credential.ProviderRefused, "copy provider %s for its checksum: %w", exe.origin, err)
		}
		if subtle.ConstantTimeCompare(got, want) != 1 {
			return credential.Errorf(credential.ProviderRefused, "provider %s has checksum %x, not %x as the settings demand", exe.origin, got, want).
				WithHelp("if the file was replaced on purpose, update credential_plugin_sha256; otherwise find out who changed it")
		}
		if mayExecute(copied) {
			exe.path = copied
			return nil
		}
		noexec = append(noexec, dir)
		exe.discard()
	}
	return credential.Errorf(credential.ProviderRefused, "the checked copy of provider %s can't be executed: no folder for it (%s)", exe.origin, strings.Join(noexec, ", ")).
		WithHelp("these folders are mounted noexec; point TMPDIR or RUNTIME_DIRECTORY to one that isn't")
}

// copyHashed copies and hashes in one pass over one open file.
func copyHashed(from, to string) (digest []byte, err error) {
	in, err := os.Open(from)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }()
	// No process is started meanwhile: until it executes its own program it would have the copy open for writing, and nobody
	// could execute that then (ETXTBSY).
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(out, hash), in); err != nil {
		return nil, err
	}
	return hash.Sum(nil), nil
}

// discard removes the copy.
func (exe *executable) discard() {
	exe.folder.remove()
	exe.folder = nil
}

// checkExecutable resolves symbolic links and refuses a file that somebody else could have put there or could change.
func checkExecutable(path string) (string, error) {
	refuse := func(format string, args ...any) *credential.Error {
		return credential.Errorf(credential.ProviderRefused, "provider %s is not launched: %s", path, fmt.Sprintf(format, args...))
	}
	if !filepath.IsAbs(path) {
		return "", refuse("its path is not absolute")
	}
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return "", credential.Errorf(credential.ProviderNotFound, "provider %s does not exist", path)
		}
		return "", refuse("its path can't be followed: %v", err)
	}
	info, err := os.Lstat(resolved)
	if err != nil {
		return "", refuse("%v", err)
	}
	if !info.Mode().IsRegular() {
		return "", refuse("it is not a regular file")
	}
	if !mayExecute(resolved) {
		return "", refuse("it is not executable").WithHelp("chmod 0755 %s", resolved)
	}
	if err := checkOwnership(resolved, info, refuse); err != nil {
		return "", err
	}
	return resolved, nil
}
