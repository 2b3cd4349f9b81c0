package conformance

import (
	"bytes"
	"hash/maphash"
	"slices"
	"strings"
	"unicode/utf8"
)

// search finds secrets in what a provider sends and writes, however they are encoded. It decodes the bytes in all the ways
// of decode.go, again and again, and compares what comes out with the secrets.
type search struct {
	needles []needle
	known   map[string]bool
	seed    maphash.Seed
	seen    map[seenKey]bool
	public  []string // what the provider may say: ids, usernames, settings that aren't secret
	left    int      // how much may still be decoded; what comes after it is compared as it is
}

// seenKey is the hash of bytes with the depth to which they were searched.
type seenKey struct {
	hash  uint64
	depth int
}

func newSearch(public []string) *search {
	return &search{known: map[string]bool{}, seed: maphash.MakeSeed(), seen: map[seenKey]bool{}, public: public, left: manyDecoded}
}

// needle is a secret, or a part of one that is long enough not to be found by chance.
type needle struct {
	text []byte
	what string
}

// shortestSecret is the length from which a string that is found is surely the secret, in bytes.
const shortestSecret = 8

// vocabulary are words that a log may have even if a fixture's password is one of them.
const vocabulary = "password username private_key enable_password passphrase credential credentials provider settings version backend"

// add adds a secret with its parts. It reports whether the secret can be searched for.
func (s *search) add(text, what string) bool {
	if len(text) < shortestSecret || strings.Contains(vocabulary, text) {
		return false
	}
	clear(s.seen)
	add := func(part, form string) {
		lower := strings.ToLower(part)
		if len(lower) < shortestSecret || s.known[lower] || form != "" && s.isPublic(lower) {
			return
		}
		s.known[lower] = true
		s.needles = append(s.needles, needle{[]byte(lower), what + form})
	}
	add(text, "")
	for line := range strings.Lines(text) { // a private key may come out in as many lines as it has
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-----") {
			add(line, ", one line of it")
		}
	}
	add(stripped(text), ", with separators")
	add(latin1(text), ", in Latin-1")
	if line := strings.TrimSpace(text); !strings.Contains(line, "\n") { // a key's lines are parts enough
		for _, part := range parts(line) {
			add(part, ", a part of it")
		}
	}
	return true
}

// parts are the pieces of a secret that have three quarters of it. A long one has pieces of a fixed length.
func parts(text string) []string {
	const longest = 24
	length, step := (3*len(text)+3)/4, 1
	if length > longest {
		length, step = longest, longest/3
	}
	var all []string
	for start := 0; start+length <= len(text) && length < len(text); start += step {
		if part := text[start : start+length]; utf8.ValidString(part) {
			all = append(all, part)
		}
	}
	return all
}

// latin1 is a string in the encoding of old consoles; empty if it is ASCII or can't be written there.
func latin1(text string) string {
	var encoded []byte
	for _, r := range text {
		if r > 0xff {
			return ""
		}
		encoded = append(encoded, byte(r))
	}
	if string(encoded) == text {
		return ""
	}
	return string(encoded)
}

func (s *search) isPublic(lower string) bool {
	return slices.ContainsFunc(s.public, func(text string) bool { return strings.Contains(strings.ToLower(text), lower) })
}

// maxDepth is how many encodings may lie on top of each other.
const maxDepth = 3

// find returns which secret is in the bytes; empty if none is.
func (s *search) find(text []byte) string {
	if len(s.needles) == 0 || len(text) == 0 {
		return ""
	}
	if found := s.contains(bytes.ToLower(text)); found != "" {
		return found
	}
	if !s.seen[seenKey{maphash.Bytes(s.seed, text), maxDepth}] {
		if s.left--; s.left < 0 {
			return ""
		}
	}
	return s.findIn(text, maxDepth)
}

// manyDecoded is how many different lines of a process, or things of another kind, are decoded: what a provider gives away it
// mostly gives away at once, and thousands of log lines took a minute.
const manyDecoded = 200

// anew starts with another process or kind of things.
func (s *search) anew() { s.left = manyDecoded }

// findIn looks into what is encoded in the bytes. Bytes that nothing was found in are not looked at again: most of what
// providers write they write often.
func (s *search) findIn(text []byte, depth int) string {
	key := seenKey{maphash.Bytes(s.seed, text), depth}
	if s.seen[key] || depth == 0 || len(text) < shortestSecret {
		return ""
	}
	for n, d := range decodings {
		last := n >= len(decodings)-onceOnly
		if last && depth < maxDepth-1 {
			break
		}
		for _, decoded := range d.decode(text) {
			found := s.contains(bytes.ToLower(decoded))
			if found == "" && !last {
				found = s.deeper(decoded, depth-1)
			}
			if found != "" {
				return found + d.form(found)
			}
		}
	}
	s.seen[key] = true
	return ""
}

// deeper looks into decoded bytes. In those that are no text only what is compressed is looked for.
func (s *search) deeper(decoded []byte, depth int) string {
	if valid := bytes.ToValidUTF8(decoded, nil); len(decoded)-len(valid) <= 2 { // what stood before it looked like a part of it
		decoded = valid
	}
	if promising(decoded) {
		return s.findIn(decoded, depth)
	}
	for _, unpacked := range decompress(decoded) {
		if found := s.contains(bytes.ToLower(unpacked)); found != "" {
			return found
		}
	}
	return ""
}

// promising reports whether decoded bytes may be encoded once more: text is, and what is compressed. What comes out of
// bytes that were no encoding is neither.
func promising(decoded []byte) bool {
	if len(decoded) > 2 && (decoded[0] == 0x1f && decoded[1] == 0x8b || decoded[0] == 0x78 || string(decoded[:2]) == "BZ") {
		return true
	}
	odd := 0
	for _, b := range decoded {
		if b < ' ' && b != '\n' && b != '\r' && b != '\t' {
			odd++
		}
	}
	return utf8.Valid(decoded) && odd*2 <= len(decoded)
}

// form names the encoding, but only the innermost: it is enough to look for.
func (d decoding) form(found string) string {
	if strings.Contains(found, " (") {
		return ""
	}
	return " (" + d.name + ")"
}

func (s *search) contains(lower []byte) string {
	for _, needle := range s.needles {
		if bytes.Contains(lower, needle.text) {
			return needle.what
		}
	}
	return ""
}
