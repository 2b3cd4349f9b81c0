package device

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what known_hosts files are hashed with
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

const (
	markAuthority = "cert-authority"
	markRevoked   = "revoked"
	// fewLines is up to how many hashed lines of one key are tried before the host's lines are looked for among all.
	fewLines = 16
)

// hostLine is a line of a known_hosts file.
type hostLine struct {
	number   int // from 1
	marker   string
	patterns []string // of names; nil where the name is hashed
	salt     []byte
	hash     []byte
	key      ssh.PublicKey
}

// hostIndex finds the lines of a host without reading all of them: by the host's name, and where names are hashed, by the
// key that a host shows. Only a host that shows a key that isn't there has its name hashed with the salt of each line,
// once. An index may be used concurrently.
//
// golang.org/x/crypto/ssh/knownhosts, which github.com/skeema/knownhosts wraps, hashes the name with each line's salt at each
// login: with 50,000 hashed names a check takes 5,000 times as long as with 50, and the file is parsed anew for each host that
// is added. It isn't used for that reason.
type hostIndex struct {
	mu       sync.RWMutex
	names    map[string][]hostLine // lines that name hosts without wildcards
	patterns []hostLine            // all others that aren't hashed
	hashed   []hostLine            // appended to only
	byKey    map[string][]int      // of hashed, by the key
	searched map[string][]hostLine // lines of hashed, by the name that was looked for
	revoked  map[string]int        // line numbers by key
	lines    int
}

func newHostIndex() *hostIndex {
	return &hostIndex{
		names: map[string][]hostLine{}, byKey: map[string][]int{}, searched: map[string][]hostLine{}, revoked: map[string]int{},
	}
}

// add takes the lines of a text, and reports the first one that is wrong. Nothing is added then.
func (x *hostIndex) add(text []byte) error {
	var lines []hostLine
	number := x.lines
	for row := range bytes.Lines(text) {
		number++
		line, ok, err := parseHostLine(row)
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if line.number = number; ok {
			lines = append(lines, line)
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.lines = number
	hashed := len(x.hashed)
	for _, line := range lines {
		x.put(line)
	}
	if len(x.hashed) > hashed {
		clear(x.searched)
	}
	return nil
}

// put adds a line. The caller holds the lock.
func (x *hostIndex) put(line hostLine) {
	key := string(line.key.Marshal())
	switch {
	case line.marker == markRevoked:
		x.revoked[key] = line.number
	case line.hash != nil:
		x.byKey[key] = append(x.byKey[key], len(x.hashed))
		x.hashed = append(x.hashed, line)
	case slices.ContainsFunc(line.patterns, func(p string) bool { return strings.ContainsAny(p, "*?!") }):
		x.patterns = append(x.patterns, line)
	default:
		for _, name := range line.patterns {
			x.names[name] = append(x.names[name], line)
		}
	}
}

// parseHostLine returns ok false for a line that names no host.
func parseHostLine(row []byte) (line hostLine, ok bool, err error) {
	marker, names, key, _, _, err := ssh.ParseKnownHosts(row)
	switch {
	case errors.Is(err, io.EOF):
		return line, false, nil
	case err != nil:
		return line, false, err
	}
	line.marker, line.key = marker, key
	if len(names) == 1 && strings.HasPrefix(names[0], "|1|") {
		salt, hash, found := strings.Cut(names[0][len("|1|"):], "|")
		if line.salt, err = base64.StdEncoding.DecodeString(salt); err == nil {
			line.hash, err = base64.StdEncoding.DecodeString(hash)
		}
		if !found || err != nil || len(line.hash) != sha1.Size {
			return line, false, errors.New("its hashed name can't be read")
		}
		return line, true, nil
	}
	for i, name := range names {
		names[i] = strings.ToLower(name)
	}
	line.patterns = names
	return line, true, nil
}

// find returns the lines of a name that are found without hashing, and whether these are all.
func (x *hostIndex) find(name string) (lines []hostLine, all bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	lines = append(lines, x.names[name]...)
	for _, line := range x.patterns {
		if line.names(name) {
			lines = append(lines, line)
		}
	}
	hashed, searched := x.searched[name]
	return append(lines, hashed...), searched || len(x.hashed) == 0
}

// hasHashed reports whether a line with a hashed name has the key for the name. known is false if there are so many lines
// with the key that all are to be searched.
func (x *hostIndex) hasHashed(name string, key ssh.PublicKey) (has, known bool) {
	x.mu.RLock()
	numbers, hashed := x.byKey[string(key.Marshal())], x.hashed
	x.mu.RUnlock()
	if len(numbers) > fewLines {
		return false, false
	}
	return slices.ContainsFunc(numbers, func(i int) bool { return hashed[i].marker == "" && hashed[i].hashes(name) }), true
}

// search returns the lines with hashed names that are of a name. It hashes the name with the salt of each.
func (x *hostIndex) search(name string) []hostLine {
	x.mu.RLock()
	hashed := x.hashed
	x.mu.RUnlock()
	var lines []hostLine
	for _, line := range hashed {
		if line.hashes(name) {
			lines = append(lines, line)
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(hashed) == len(x.hashed) {
		const most = 100_000 // names
		if len(x.searched) >= most {
			clear(x.searched)
		}
		x.searched[name] = lines
	}
	return lines
}

// isRevoked returns the line that revokes a key, 0 if none does.
func (x *hostIndex) isRevoked(key ssh.PublicKey) int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.revoked[string(key.Marshal())]
}

func (l *hostLine) hashes(name string) bool {
	digest := hmac.New(sha1.New, l.salt)
	_, _ = io.WriteString(digest, name)
	return hmac.Equal(digest.Sum(nil), l.hash)
}

// names reports whether the patterns of a line are about a name.
func (l *hostLine) names(name string) bool {
	named := false
	for _, pattern := range l.patterns {
		other, negated := strings.CutPrefix(pattern, "!")
		if !matchesPattern(other, name) {
			continue
		}
		if negated {
			return false
		}
		named = true
	}
	return named
}

// matchesPattern matches * and ?, as OpenSSH does.
func matchesPattern(pattern, name string) bool {
	for ; pattern != ""; pattern, name = pattern[1:], name[1:] {
		if pattern[0] == '*' {
			rest := strings.TrimLeft(pattern, "*")
			for i := range len(name) + 1 {
				if matchesPattern(rest, name[i:]) {
					return true
				}
			}
			return false
		}
		if name == "" || pattern[0] != '?' && pattern[0] != name[0] {
			return false
		}
	}
	return name == ""
}

// keyTypes are the types of the keys of lines, without those of authorities.
func keyTypes(lines []hostLine) []string {
	types := map[string]bool{}
	for _, line := range lines {
		if line.marker == "" {
			types[line.key.Type()] = true
		}
	}
	return slices.Sorted(maps.Keys(types))
}
