package device

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/regular"
)

// HostKeys are the host keys of a known_hosts file, in OpenSSH's format, with its hashed names, authorities and revoked
// keys. The file is read again when it has changed; of a file that has grown, what is new. A HostKeys may be used
// concurrently.
//
// Names are matched by an index of this package: those of x/crypto/ssh/knownhosts and of github.com/skeema/knownhosts look
// at every line for each login, which costs 30 ms with 50,000 hashed names.
type HostKeys struct {
	path      string
	acceptNew bool

	mu      sync.RWMutex
	index   *hostIndex
	info    fs.FileInfo // of the file as it was read; nil if there was none
	read    int64       // how much of it was read, in bytes
	last    []byte      // the end of that
	loading sync.Mutex
}

// tailSize is how much of a file's end is compared to find out that it has only grown.
const tailSize = 4 << 10

// OpenHostKeys reads the file. With acceptNew, keys of hosts that aren't in it are accepted and added to it, and it need not
// be there yet; another key than the one in it is refused nevertheless.
func OpenHostKeys(path string, acceptNew bool) (*HostKeys, error) {
	h := &HostKeys{path: path, acceptNew: acceptNew}
	if _, err := h.current(); err != nil {
		return nil, err
	}
	return h, nil
}

// current returns the index of the file as it is now.
func (h *HostKeys) current() (*hostIndex, error) {
	if index, ok := h.unchanged(); ok {
		return index, nil
	}
	h.loading.Lock()
	defer h.loading.Unlock()
	if index, ok := h.unchanged(); ok {
		return index, nil
	}
	index, err := h.load()
	if err != nil {
		return nil, fmt.Errorf("read the known hosts: %w", err)
	}
	return index, nil
}

// unchanged returns the index if it is the file's.
func (h *HostKeys) unchanged() (*hostIndex, bool) {
	info, err := os.Stat(h.path)
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.index == nil || h.info == nil || err != nil {
		return h.index, h.index != nil && h.info == nil && errors.Is(err, fs.ErrNotExist)
	}
	return h.index, info.ModTime().Equal(h.info.ModTime()) && info.Size() == h.info.Size() && os.SameFile(info, h.info)
}

// maxKnownHosts bounds the file, in bytes. A line has a few hundred.
const maxKnownHosts = 256 << 20

// load reads the file, or what was added to it. The caller holds the lock for loading.
func (h *HostKeys) load() (*hostIndex, error) {
	file, err := regular.Open(h.path)
	if errors.Is(err, fs.ErrNotExist) && h.acceptNew {
		index := newHostIndex()
		h.set(index, nil, 0, nil)
		return index, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	index, start := h.index, h.read
	if h.index == nil || !h.grown(file, info) {
		index, start = newHostIndex(), 0
	}
	if info.Size() > maxKnownHosts {
		return nil, fmt.Errorf("%s has more than %d MiB", h.path, maxKnownHosts>>20)
	}
	text, err := io.ReadAll(io.NewSectionReader(file, start, maxKnownHosts))
	if err != nil {
		return nil, err
	}
	if err := index.add(text); err != nil {
		return nil, fmt.Errorf("%s: %w", h.path, err)
	}
	h.set(index, info, start+int64(len(text)), text)
	return index, nil
}

// grown reports whether the file is the one that was read, with more at its end.
func (h *HostKeys) grown(file *os.File, info fs.FileInfo) bool {
	if h.info == nil || !os.SameFile(info, h.info) || info.Size() <= h.read || !bytes.HasSuffix(h.last, []byte("\n")) {
		return false
	}
	now := make([]byte, len(h.last))
	_, err := file.ReadAt(now, h.read-int64(len(h.last)))
	return err == nil && bytes.Equal(now, h.last)
}

func (h *HostKeys) set(index *hostIndex, info fs.FileInfo, read int64, text []byte) {
	last := append(slices.Clone(h.last), text...)
	if index != h.index {
		last = text
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.index, h.info, h.read = index, info, read
	h.last = slices.Clone(last[max(0, len(last)-tailSize):])
}

// knownHost is what is known of one host, for one connection.
type knownHost struct {
	keys    *HostKeys
	index   *hostIndex
	address string
	name    string
	lines   []hostLine
	all     bool // no other line is about the host
	err     error
	// otherTypes is set when the host shows a key of a type of which none is known, but others are.
	otherTypes bool
}

// host looks a host up, given as host:port.
func (h *HostKeys) host(address string) *knownHost {
	k := &knownHost{keys: h, address: address, name: strings.ToLower(knownhosts.Normalize(address))} //nolint:misspell // the package spells it so
	k.index, k.err = h.current()
	if k.err == nil {
		k.lines, k.all = k.index.find(k.name)
	}
	return k
}

// algorithms are those for which the host's key is known, of the allowed ones: asked for another one, a host shows a key
// that isn't in the file, and looks like an impostor. A certificate is asked for where there is an authority for the host.
func (k *knownHost) algorithms(allowed []string) []string {
	types := keyTypes(k.lines)
	if len(types) == 0 {
		return allowed
	}
	certified := slices.ContainsFunc(k.lines, func(l hostLine) bool { return l.marker == markAuthority })
	var fit []string
	for _, algorithm := range allowed {
		certificate := strings.HasSuffix(algorithm, "-cert-v01@openssh.com")
		if certificate && certified || slices.ContainsFunc(types, func(t string) bool { return fits(algorithm, t) }) {
			fit = append(fit, algorithm)
		}
	}
	if len(fit) == 0 {
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

// check returns what is wrong with a host's key, and adds the key of a new host where that is allowed.
func (k *knownHost) check(address string, remote net.Addr, key ssh.PublicKey) error {
	if k.err != nil {
		return credential.Errorf(HostKeyUnknown, "device %s: %w", k.address, k.err)
	}
	var plain error
	checker := ssh.CertChecker{
		IsHostAuthority: func(authority ssh.PublicKey, _ string) bool {
			k.search()
			return slices.ContainsFunc(k.lines, func(l hostLine) bool { return l.marker == markAuthority && sameKey(l.key, authority) })
		},
		IsRevoked: func(certificate *ssh.Certificate) bool {
			return k.index.isRevoked(certificate.SignatureKey) > 0 || k.index.isRevoked(certificate.Key) > 0
		},
		HostKeyFallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			plain = k.plain(key)
			return plain
		},
	}
	err := checker.CheckHostKey(address, remote, key)
	if err == nil || plain != nil {
		return plain
	}
	return credential.Errorf(HostKeyChanged, "device %s: its host key can't be trusted: %w", k.address, err)
}

// plain does that for a key that is no certificate.
func (k *knownHost) plain(key ssh.PublicKey) error {
	shown := key.Type() + " " + ssh.FingerprintSHA256(key)
	if line := k.index.isRevoked(key); line > 0 {
		return credential.Errorf(HostKeyChanged, "device %s shows a host key (%s) that %s:%d says is revoked", k.address, shown, k.keys.path, line)
	}
	if k.has(key) {
		return nil
	}
	if !k.all {
		if has, enough := k.index.hasHashed(k.name, key); has && enough {
			return nil
		}
		k.search()
		if k.has(key) {
			return nil
		}
	}
	if types := keyTypes(k.lines); len(types) > 0 {
		k.otherTypes = !slices.Contains(types, key.Type())
		at := slices.IndexFunc(k.lines, func(l hostLine) bool { return l.marker == "" })
		first := k.lines[at]
		return credential.Errorf(HostKeyChanged, "device %s shows another host key (%s) than the one in %s:%d (%s %s)", k.address, shown, k.keys.path, first.number, first.key.Type(), ssh.FingerprintSHA256(first.key)).
			WithHelp("find out why: it may be another device. If it is right, remove the line and add the new key")
	}
	if !k.keys.acceptNew {
		return credential.Errorf(HostKeyUnknown, "device %s has a host key (%s) that isn't in %s", k.address, shown, k.keys.path).
			WithHelp("compare the key with the device's, then add it: %s gives the line", keyscan(k.address)).
			WithHelp("or accept the keys of new hosts: ssh_host_keys: accept-new")
	}
	if err := k.keys.add(k.index, k.name, key); err != nil {
		return credential.Errorf(HostKeyUnknown, "device %s: add its host key to the known hosts: %w", k.address, err)
	}
	return nil
}

func keyscan(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "22" {
		return "ssh-keyscan " + host
	}
	return "ssh-keyscan -p " + port + " " + host
}

// search looks for the host among the hashed names.
func (k *knownHost) search() {
	if !k.all {
		k.lines, k.all = append(k.lines, k.index.search(k.name)...), true
	}
}

func (k *knownHost) has(key ssh.PublicKey) bool {
	return slices.ContainsFunc(k.lines, func(l hostLine) bool { return l.marker == "" && sameKey(l.key, key) })
}

func sameKey(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

// add appends a key to the file.
func (h *HostKeys) add(index *hostIndex, name string, key ssh.PublicKey) error {
	h.loading.Lock()
	defer h.loading.Unlock()
	if lines, _ := index.find(name); slices.ContainsFunc(lines, func(l hostLine) bool { return sameKey(l.key, key) }) {
		return nil // another login was faster
	}
	if err := os.MkdirAll(filepath.Dir(h.path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(h.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	line := knownhosts.Line([]string{name}, key) + "\n"
	if len(h.last) > 0 && !bytes.HasSuffix(h.last, []byte("\n")) {
		line = "\n" + line
	}
	_, err = file.WriteString(line)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	if h.info == nil || !bytes.HasSuffix(h.last, []byte("\n")) && len(h.last) > 0 {
		h.mu.Lock()
		h.index = nil // read anew: the file is new, or its last line has changed
		h.mu.Unlock()
	}
	_, err = h.load()
	return err
}
