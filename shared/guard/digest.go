package guard

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"strings"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/regular"
	"github.com/tom-worker/credential-provider/shared/store"
)

// digester makes keyed digests. Each kind of thing has its own domain, so that no two kinds share a digest.
type digester struct{ key []byte }

// shortestKey is how many bytes a key has at least.
const shortestKey = 32

// longestKey bounds a key file, in bytes.
const longestKey = 1 << 20

// ReadKey reads a key file for [Options.Key]: at least 32 bytes, all of which count. Every worker that shares a ledger needs
// the same file, and only they should be able to read it.
//
//	head -c 32 /dev/urandom >guard.key; chmod 600 guard.key
func ReadKey(path string) ([]byte, error) {
	key, err := regular.Read(path, longestKey)
	if err != nil {
		return nil, fmt.Errorf("the key of the login guard: %w", err)
	}
	if err := checkKey(key); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

func checkKey(key []byte) error {
	if len(key) < shortestKey {
		return errors.New("the key of the login guard has fewer than 32 bytes: make one with `head -c 32 /dev/urandom`")
	}
	return nil
}

func randomKey() []byte {
	key := make([]byte, shortestKey)
	_, _ = rand.Read(key) // never fails: without randomness the process ends
	return key
}

// material returns the digest of a login material: username, password and private key, and nothing else.
func (d digester) material(c *credential.Credential) Digest {
	password, hasPassword := c.Password.Get()
	present := "absent"
	if hasPassword {
		present = "present"
	}
	return d.of("material", c.Username, present, password.Reveal(), c.Extra[credential.PrivateKeyField].Reveal())
}

func (d digester) device(name string) Digest { return d.of("device", name) }

func (d digester) id(id string) Digest { return d.of("id", id) }

// version is that of an id. Versions that a store has made up differ from worker to worker for the same material: they say no
// more than that the backend has none.
func (d digester) version(id, version string) Digest {
	if strings.HasPrefix(version, store.LocalVersion) {
		version = ""
	}
	return d.of("version", id, version)
}

func (d digester) of(parts ...string) (sum Digest) {
	mac := hmac.New(sha256.New, d.key)
	for _, part := range parts {
		writePart(mac, part)
	}
	copy(sum[:], mac.Sum(nil))
	return sum
}

// writePart writes a part after its length, so that no two lists of parts look alike.
func writePart(mac hash.Hash, part string) {
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(part)))
	_, _ = mac.Write(length[:])
	_, _ = mac.Write([]byte(part))
}

func newPermit() (p Permit) {
	_, _ = rand.Read(p[:])
	return p
}
