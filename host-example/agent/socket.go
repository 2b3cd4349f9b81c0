//go:build linux || darwin

package agent

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Socket is where an agent is reached. It is a listener; Close makes room for the next agent.
type Socket struct {
	net.Listener
	path string
	lock *os.File // nil where another program has made the socket
	key  []byte
}

// maxSocketPath is the longest path of a Unix socket on every system that is served, in bytes.
const maxSocketPath = 103

// Listen makes the socket. Its directory must belong to this user, or to root, and be closed to others: mode 0700, or 0750 for
// the members of its group. A lock beside the socket (path + ".lock") is held while an agent serves; a socket that an agent
// left behind which was killed is replaced. The error has the reason AGENT_RUNNING if another agent holds the lock.
func Listen(path string) (_ *Socket, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("the socket's path has %d bytes; at most %d are possible", len(path), maxSocketPath)
	}
	if err := checkDirectory(filepath.Dir(path)); err != nil {
		return nil, err
	}
	lock, err := takeLock(path + ".lock")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = lock.Close()
		}
	}()
	key, err := readKey(path + ".key")
	if err != nil {
		return nil, err
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSocket == 0 {
		return nil, fmt.Errorf("%s is there already, and is no socket", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false) // under the lock
	if err := os.Chmod(path, 0o666); err != nil {        //nolint:gosec // the directory and the rules decide
		_ = listener.Close()
		return nil, err
	}
	return &Socket{Listener: listener, path: path, lock: lock, key: key}, nil
}

// Adopt takes a socket that another program, such as systemd, listens at. The key is beside it.
func Adopt(listener net.Listener) (*Socket, error) {
	address, ok := listener.Addr().(*net.UnixAddr)
	if !ok {
		return nil, fmt.Errorf("the inherited socket is a %s socket, not a Unix socket", listener.Addr().Network())
	}
	if err := checkDirectory(filepath.Dir(address.Name)); err != nil {
		return nil, err
	}
	key, err := readKey(address.Name + ".key")
	if err != nil {
		return nil, err
	}
	return &Socket{Listener: listener, path: address.Name, key: key}, nil
}

// Path is the socket's.
func (s *Socket) Path() string { return s.path }

// Key derives a key for a purpose from the key file beside the socket (path + ".key"), which outlives the agent.
func (s *Socket) Key(purpose string) []byte {
	mac := hmac.New(sha256.New, s.key)
	_, _ = io.WriteString(mac, purpose)
	return mac.Sum(nil)
}

// Close ends the listening, removes the socket, unless another program has made it, and lets the next agent have its place.
// It may be called more than once.
func (s *Socket) Close() error {
	err := s.Listener.Close()
	if s.lock != nil && err == nil {
		err = os.Remove(s.path)
		_ = s.lock.Close()
	}
	return err
}

// checkDirectory refuses a directory into which others can put a socket, or in which they can reach one.
func checkDirectory(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the socket's directory %s doesn't exist; make it with: install -d -m 0700 %s", path, path)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is no directory", path)
	}
	owner, own := info.Sys().(*syscall.Stat_t), os.Geteuid()
	if own >= 0 && owner.Uid != 0 && owner.Uid != uint32(own) {
		return fmt.Errorf("the socket's directory %s belongs to user %d, who could replace the socket", path, owner.Uid)
	}
	if info.Mode().Perm()&0o027 != 0 {
		return fmt.Errorf("the socket's directory %s has mode %04o; it must be 0700, or 0750 for its group: chmod go-rwx %s", path, info.Mode().Perm(), path)
	}
	return nil
}

// Running is the reason of a socket at which another agent serves already.
const Running credential.Reason = "AGENT_RUNNING"

// takeLock takes the lock that one agent at a time has. Its file stays: two agents that lock two files would both serve.
func takeLock(path string) (*os.File, error) {
	file, err := openPrivate(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, credential.Errorf(Running, "another agent serves at this socket: it holds %s", path)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return file, nil
}

// keySize is the size of the key file, in bytes.
const keySize = 32

// readKey reads the key file, and makes it where there is none. The caller holds the lock, or is alone.
func readKey(path string) ([]byte, error) {
	file, err := openPrivate(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	key, err := io.ReadAll(io.LimitReader(file, keySize+1))
	if err != nil {
		return nil, err
	}
	switch len(key) {
	case keySize:
		return key, nil
	case 0:
		key = make([]byte, keySize)
		_, _ = rand.Read(key)
		if _, err := file.WriteAt(key, 0); err != nil {
			return nil, err
		}
		return key, file.Sync()
	}
	return nil, fmt.Errorf("%s is not a key that an agent has made: it has another size than %d bytes; remove it", path, keySize)
}

// openPrivate opens a file of this user alone, or makes it.
func openPrivate(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", path)
	}
	if err == nil && (info.Mode().Perm()&0o077 != 0 || info.Sys().(*syscall.Stat_t).Uid != uint32(max(0, os.Geteuid()))) {
		err = fmt.Errorf("%s must belong to the agent's user, with mode 0600", path)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}
