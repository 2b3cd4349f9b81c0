package store

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"hash"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// LocalVersion starts the version ids that the store makes up where a backend has none. They differ from process to process,
// so they are not for display.
const LocalVersion = "local-"

// material is a keyed digest of login material: what is remembered of passwords to tell that one has changed. Without the key, which is
// random and lives in one store only, nothing can be learnt from it.
type material [sha256.Size]byte

// same compares in constant time. Versions are never compared: a new one may hold the same password.
func (m material) same(other material) bool { return subtle.ConstantTimeCompare(m[:], other[:]) == 1 }

// version is what a credential gets whose backend has no versions.
func (m material) version() string { return LocalVersion + hex.EncodeToString(m[:8]) }

// digester makes digests with one random key.
type digester struct{ key []byte }

func newDigester() digester {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails: without randomness the process ends
	return digester{key}
}

func (d digester) material(c *credential.Credential) (m material) {
	mac := hmac.New(sha256.New, d.key)
	password, hasPassword := c.Password.Get()
	writePart(mac, c.Username)
	if hasPassword {
		writePart(mac, "password")
	} else {
		writePart(mac, "")
	}
	writePart(mac, password.Reveal())
	writePart(mac, c.Extra[credential.PrivateKeyField].Reveal())
	mac.Sum(m[:0])
	return m
}

// writePart writes a text after its length, so that no two lists of parts look alike.
func writePart(mac hash.Hash, text string) {
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(text)))
	_, _ = mac.Write(length[:])
	_, _ = mac.Write([]byte(text))
}
