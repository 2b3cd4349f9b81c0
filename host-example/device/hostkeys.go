package device

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/tom-worker/credential-provider/host-example/job"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// HostKeys are the host keys of a known_hosts file, in OpenSSH's format, with its hashed names, authorities and revoked
// keys. The file is read again when it has changed. A HostKeys may be used concurrently.
type HostKeys struct {
	path      string
	acceptNew bool

	mu          sync.Mutex
	known       ssh.HostKeyCallback
	authorities map[int]bool // the numbers of the file's lines that name some
	changed     time.Time
	size        int64
}

// OpenHostKeys reads the file. With acceptNew, keys of hosts that aren't in it are accepted and added to it, and it need not
// be there yet; another key than the one in it is refused all the same.
func OpenHostKeys(path string, acceptNew bool) (*HostKeys, error) {
	h := &HostKeys{path: path, acceptNew: acceptNew}
	if err := h.load(); err != nil {
		return nil, err
	}
	return h, nil
}

// load reads the file if it isn't as it was. The caller holds the lock, or is the only one.
func (h *HostKeys) load() error {
	info, err := os.Stat(h.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && h.acceptNew:
		h.known, err = knownhosts.New()
		h.changed, h.size = time.Time{}, 0
		return err
	case err != nil:
		return fmt.Errorf("read the known hosts: %w", err)
	case h.known != nil && info.ModTime().Equal(h.changed) && info.Size() == h.size:
		return nil
	}
	text, err := os.ReadFile(h.path)
	if err != nil {
		return fmt.Errorf("read the known hosts: %w", err)
	}
	known, err := knownhosts.New(h.path)
	if err != nil {
		return fmt.Errorf("read the known hosts: %w", err)
	}
	h.known, h.authorities = known, authorities(text)
	h.changed, h.size = info.ModTime(), info.Size()
	return nil
}

func authorities(text []byte) map[int]bool {
	lines, number := map[int]bool{}, 0
	for line := range bytes.Lines(text) {
		if number++; bytes.HasPrefix(bytes.TrimSpace(line), []byte("@cert-authority")) {
			lines[number] = true
		}
	}
	return lines
}

// algorithms are those for which the host's key is known, of the allowed ones: asked for another one, a host shows a key
// that isn't in the file, and looks like an impostor. A certificate is asked for where there is an authority for the host.
func (h *HostKeys) algorithms(address string, allowed []string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.load() != nil {
		return allowed
	}
	var wanted *knownhosts.KeyError
	if !errors.As(h.known(address, &net.TCPAddr{}, noKey{}), &wanted) {
		return allowed
	}
	ofAuthority := func(k knownhosts.KnownKey) bool { return h.authorities[k.Line] }
	certified := slices.ContainsFunc(wanted.Want, ofAuthority)
	keys := slices.DeleteFunc(wanted.Want, ofAuthority)
	var fit []string
	for _, algorithm := range allowed {
		certificate := strings.HasSuffix(algorithm, "-cert-v01@openssh.com")
		if certificate && certified || slices.ContainsFunc(keys, func(k knownhosts.KnownKey) bool { return fits(algorithm, k.Key.Type()) }) {
			fit = append(fit, algorithm)
		}
	}
	if len(keys) == 0 || len(fit) == 0 {
		return allowed
	}
	return fit
}

func fits(algorithm, keyType string) bool {
	if keyType == ssh.KeyAlgoRSA {
		return slices.Contains([]string{ssh.KeyAlgoRSA, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512}, algorithm)
	}
	return algorithm == keyType
}

// check says what is wrong with a host's key, and adds the key of a new host where that is allowed.
func (h *HostKeys) check(address string, remote net.Addr, key ssh.PublicKey) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.load(); err != nil {
		return credential.Errorf(job.HostKeyUnknown, "device %s: %w", address, err)
	}
	err := h.known(address, remote, key)
	var mismatch *knownhosts.KeyError
	var revoked *knownhosts.RevokedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &revoked):
		return credential.Errorf(job.HostKeyChanged, "device %s shows a host key that %s says is revoked", address, h.path)
	case errors.As(err, &mismatch) && len(mismatch.Want) > 0:
		first := mismatch.Want[0]
		return credential.Errorf(job.HostKeyChanged, "device %s shows another host key (%s) than the one in %s:%d", address, ssh.FingerprintSHA256(key), first.Filename, first.Line).
			WithHelp("find out why: it may be another device. If it is right, remove the line and add the new key")
	case !errors.As(err, &mismatch):
		return credential.Errorf(job.HostKeyChanged, "device %s: its host key can't be trusted: %w", address, err)
	case !h.acceptNew:
		return credential.Errorf(job.HostKeyUnknown, "device %s has a host key (%s) that isn't in %s", address, ssh.FingerprintSHA256(key), h.path).
			WithHelp("compare the key with the device's, then add it: ssh-keyscan gives the line").
			WithHelp("or accept the keys of new hosts: ssh_host_keys: accept-new")
	}
	return h.add(address, key)
}

// add appends a key to the file.
func (h *HostKeys) add(address string, key ssh.PublicKey) error {
	failed := func(err error) error {
		return credential.Errorf(job.HostKeyUnknown, "device %s: add its host key to the known hosts: %w", address, err)
	}
	if err := os.MkdirAll(filepath.Dir(h.path), 0o700); err != nil {
		return failed(err)
	}
	text, err := os.ReadFile(h.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failed(err)
	}
	line := knownhosts.Line([]string{knownhosts.Normalize(address)}, key) + "\n" //nolint:misspell // the package spells it so
	if len(text) > 0 && !strings.HasSuffix(string(text), "\n") {
		line = "\n" + line
	}
	file, err := os.OpenFile(h.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return failed(err)
	}
	_, err = file.WriteString(line)
	if err := errors.Join(err, file.Close()); err != nil {
		return failed(err)
	}
	h.known = nil // the file's time may not tell
	return h.load()
}

// noKey is no host's key: asking for it yields those that are known.
type noKey struct{}

// Type implements ssh.PublicKey.
func (noKey) Type() string { return "none" }

// Marshal implements ssh.PublicKey.
func (noKey) Marshal() []byte { return []byte("none") }

// Verify implements ssh.PublicKey.
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }
