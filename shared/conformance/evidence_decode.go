package conformance

import (
	"bytes"
	"compress/bzip2"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/ascii85"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"html"
	"io"
	"math"
	"math/big"
	"mime/quotedprintable"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// decoding is one way to undo an encoding. decode returns nothing where there is nothing of the encoding.
type decoding struct {
	name   string
	decode func([]byte) [][]byte
}

// onceOnly is how many decodings, the last of the list, are tried on what the provider wrote, and not below or above others.
const onceOnly = 7

var decodings = []decoding{
	{"escaped", unescape},
	{"in a URL", unpercent},
	{"in HTML", unHTML},
	{"in hexadecimal", unhex},
	{"as numbers", unnumber},
	{"in base64", unbase64},
	{"in base32", unbase32},
	{"compressed", decompress},
	{"in quoted-printable", unquotedPrintable},
	{"in UTF-16", unUTF16},
	{"in base85", unbase85},
	{"in base58", func(text []byte) [][]byte { return unbase(text, base58Run, base58) }},
	{"as a number", func(text []byte) [][]byte { return unbase(text, digitsRun, digits10) }},
	{"in letters that look alike", func(text []byte) [][]byte { return changed(text, norm.NFKC.Bytes(text)) }},
	{"with separators", func(text []byte) [][]byte { return changed(text, []byte(stripped(string(text)))) }},
	{"reversed", func(text []byte) [][]byte {
		backwards := bytes.Clone(text)
		slices.Reverse(backwards)
		return append(append(unbase64(backwards), unhex(backwards)...), backwards)
	}},
	{"in ROT13", func(text []byte) [][]byte { return [][]byte{bytes.Map(rot13, text)} }},
}

// changed is a decoded text if it differs.
func changed(before, after []byte) [][]byte {
	if bytes.Equal(before, after) {
		return nil
	}
	return [][]byte{after}
}

var escape = regexp.MustCompile(`\\(?:u\{[0-9a-fA-F]{1,6}\}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|[0-7]{3}|.)|[uU]\+[0-9a-fA-F]{4}\s?`)

// unescape undoes what JSON, Go, C, Python, Rust and shells put a backslash before.
func unescape(text []byte) [][]byte {
	if !bytes.ContainsAny(text, `\+`) {
		return nil
	}
	return changed(text, escape.ReplaceAllFunc(text, func(found []byte) []byte {
		digits := strings.TrimSpace(strings.Trim(string(found[1:]), `uUx+{}`))
		base := 16
		switch kind := found[1]; {
		case found[0] != '\\', kind == 'u', kind == 'U':
			if point, err := strconv.ParseUint(digits, 16, 32); err == nil && point <= utf8.MaxRune {
				return utf8.AppendRune(nil, rune(point))
			}
			return found
		case kind >= '0' && kind <= '7' && len(digits) == 3:
			base = 8
		case kind != 'x':
			if at := strings.IndexByte("ntr", kind); at >= 0 {
				return []byte{"\n\t\r"[at]}
			}
			return found[1:]
		}
		value, err := strconv.ParseUint(digits, base, 8)
		if err != nil {
			return found
		}
		return []byte{byte(value)}
	}))
}

var (
	percent      = regexp.MustCompile(`%[0-9a-fA-F]{2}`)
	percentTwice = regexp.MustCompile(`%(?:25)+[0-9a-fA-F]{2}`)
)

// unpercent decodes once and, where that was encoded, twice; with + for a blank, and for itself.
func unpercent(text []byte) [][]byte {
	if !bytes.Contains(text, []byte("%")) {
		return nil
	}
	value := func(found []byte) []byte {
		value, _ := strconv.ParseUint(string(found[len(found)-2:]), 16, 8)
		return []byte{byte(value)}
	}
	all := changed(text, percent.ReplaceAllFunc(text, value))
	all = append(all, percent.ReplaceAllFunc(bytes.ReplaceAll(text, []byte("+"), []byte(" ")), value))
	if percentTwice.Match(text) {
		all = append(all, percentTwice.ReplaceAllFunc(text, value))
	}
	return all
}

func unHTML(text []byte) [][]byte {
	if !bytes.Contains(text, []byte("&")) {
		return nil
	}
	return changed(text, []byte(html.UnescapeString(string(text))))
}

var (
	hexRun  = regexp.MustCompile(`(?i)(?:(?:0x|\\x|%|&#x|=)?[0-9a-f]{2}(?:[\s,:;.\-_|+"'\[\](){}]{1,4})?){8,}`)
	hexMark = regexp.MustCompile(`(?i)0x|\\x|&#x|[^0-9a-f]`)
)

func unhex(text []byte) [][]byte {
	var all [][]byte
	for _, run := range hexRun.FindAll(text, -1) {
		digits := hexMark.ReplaceAll(run, nil)
		for offset := range 2 { // a digit of something else may stand before it
			var decoded []byte
			for n := offset; n+2 <= len(digits); n += 2 {
				value, _ := strconv.ParseUint(string(digits[n:n+2]), 16, 8)
				decoded = append(decoded, byte(value))
			}
			all = append(all, decoded)
		}
	}
	return all
}

var (
	numberRun = regexp.MustCompile(`(?:[0-9]{1,3}[^0-9A-Za-z]{1,4}){7,}[0-9]{1,3}`)
	bitRun    = regexp.MustCompile(`(?:[01]{8}[^0-9A-Za-z]{0,2}){8,}`)
	digits    = regexp.MustCompile(`[0-9]+`)
	bits      = regexp.MustCompile(`[01]{8}`)
)

// unnumber reads lists of numbers as bytes: decimal, octal and binary.
func unnumber(text []byte) [][]byte {
	var all [][]byte
	read := func(run []byte, each *regexp.Regexp, base int) {
		var decoded []byte
		for _, number := range each.FindAll(run, -1) {
			if value, err := strconv.ParseUint(string(number), base, 8); err == nil {
				decoded = append(decoded, byte(value))
			}
		}
		all = append(all, decoded)
	}
	for _, run := range numberRun.FindAll(text, -1) {
		read(run, digits, 10)
		read(run, digits, 8)
	}
	for _, run := range bitRun.FindAll(text, -1) {
		read(run, bits, 2)
	}
	return all
}

var (
	base64Run = regexp.MustCompile(`[A-Za-z0-9+/_\-]{11,}`)
	// broken is base64 in pieces: letter by letter, or in lines.
	broken    = regexp.MustCompile(`(?:[A-Za-z0-9+/_\-]{1,76}\s{1,2})+[A-Za-z0-9+/_\-]+`)
	blanks    = regexp.MustCompile(`\s+`)
	base32Run = regexp.MustCompile(`(?i)[A-Z2-7]{13,}`)
	toStd     = strings.NewReplacer("-", "+", "_", "/")
)

// unbase64 decodes every run at every offset, for what stands before it may look like a part of it.
func unbase64(text []byte) [][]byte {
	var all [][]byte
	runs := base64Run.FindAll(text, -1)
	for _, run := range broken.FindAll(text, 64) {
		if run = blanks.ReplaceAll(run, nil); len(run) >= shortestSecret {
			runs = append(runs, run)
		}
	}
	for _, run := range runs {
		std := toStd.Replace(string(run))
		for offset := range 4 {
			part := std[offset:]
			if len(part)%4 == 1 {
				part = part[:len(part)-1]
			}
			if decoded, err := base64.RawStdEncoding.DecodeString(part); err == nil {
				all = append(all, decoded)
			}
		}
	}
	return all
}

func unbase32(text []byte) [][]byte {
	var all [][]byte
	for _, run := range base32Run.FindAll(text, -1) {
		upper := strings.ToUpper(string(run))
		for offset := range min(8, len(upper)) {
			part := upper[offset:]
			for len(part) > 0 {
				decoded, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(part)
				if err == nil {
					all = append(all, decoded)
					break
				}
				part = part[:len(part)-1]
			}
		}
	}
	return all
}

var base85Run = regexp.MustCompile(`[!-uz]{10,}`)

func unbase85(text []byte) [][]byte {
	var all [][]byte
	for _, run := range base85Run.FindAll(text, 64) {
		for offset := range min(5, len(run)) {
			decoded := make([]byte, 4*len(run))
			n, _, _ := ascii85.Decode(decoded, bytes.TrimPrefix(run[offset:], []byte("<~")), true)
			if n >= shortestSecret {
				all = append(all, decoded[:n])
			}
		}
	}
	for _, alphabet := range []string{z85, pythons} {
		for _, run := range bytes.Fields(text) {
			for offset := range min(40, len(run)) { // what stands before it may look like a part of it
				if decoded := fiveToFour(run[offset:], alphabet); len(decoded) >= shortestSecret {
					all = append(all, decoded)
				}
			}
		}
	}
	return all
}

// The alphabets of ZeroMQ, of Python, of Bitcoin, and of numbers.
const (
	z85      = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
	pythons  = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
	base58   = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	digits10 = "0123456789"
)

// fiveToFour decodes five letters to four bytes each, as far as they are of the alphabet.
func fiveToFour(text []byte, alphabet string) []byte {
	var all []byte
	for ; len(text) >= 5; text = text[5:] {
		n := uint64(0)
		for _, letter := range text[:5] {
			digit := strings.IndexByte(alphabet, letter)
			if digit < 0 {
				return all
			}
			n = n*85 + uint64(digit)
		}
		if n > math.MaxUint32 {
			return all
		}
		all = binary.BigEndian.AppendUint32(all, uint32(n))
	}
	return all
}

var (
	base58Run = regexp.MustCompile(`[1-9A-HJ-NP-Za-km-z]{11,200}`)
	digitsRun = regexp.MustCompile(`[0-9]{19,400}`)
)

// unbase reads runs of digits as one number each.
func unbase(text []byte, runs *regexp.Regexp, alphabet string) [][]byte {
	var all [][]byte
	base := big.NewInt(int64(len(alphabet)))
	for _, run := range runs.FindAll(text, 64) {
		n := new(big.Int)
		for _, digit := range run {
			n.Add(n.Mul(n, base), big.NewInt(int64(strings.IndexByte(alphabet, digit))))
		}
		all = append(all, n.Bytes())
	}
	return all
}

// maxUnpacked bounds what is read of compressed bytes.
const maxUnpacked = 1 << 20

func decompress(text []byte) [][]byte {
	var all [][]byte
	read := func(from io.Reader, err error) {
		if err != nil {
			return
		}
		if unpacked, _ := io.ReadAll(io.LimitReader(from, maxUnpacked)); len(unpacked) > 0 {
			all = append(all, unpacked)
		}
	}
	from := func(mark string, open func(io.Reader) (io.Reader, error)) {
		for start := 0; ; start++ {
			at := bytes.Index(text[start:], []byte(mark))
			if at < 0 || len(all) > 8 {
				return
			}
			start += at
			read(open(bytes.NewReader(text[start:])))
		}
	}
	from("\x1f\x8b", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) })
	from("\x78", func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) })
	from("BZh", func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil })
	if len(text) > 0 && len(text) < 1<<14 && !utf8.Valid(text) { // raw deflate has no mark
		read(flate.NewReader(bytes.NewReader(text)), nil)
	}
	return all
}

var quotedByte = regexp.MustCompile(`=[0-9A-F]{2}`)

func unquotedPrintable(text []byte) [][]byte {
	if !quotedByte.Match(text) {
		return nil
	}
	decoded, _ := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(text)))
	return changed(text, decoded)
}

func unUTF16(text []byte) [][]byte {
	if bytes.Count(text, []byte{0}) < shortestSecret/2 {
		return nil
	}
	return [][]byte{bytes.ReplaceAll(text, []byte{0}, nil)}
}

// separators are what a secret may be spelt out with.
const separators = " \t\r\n,;:.-_|/\"'[](){}*"

// stripped is a string without separators.
func stripped(text string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(separators, r) || unicode.In(r, unicode.Cf, unicode.Zs) {
			return -1
		}
		return r
	}, text)
}

func rot13(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z':
		return 'a' + (r-'a'+13)%26
	case r >= 'A' && r <= 'Z':
		return 'A' + (r-'A'+13)%26
	}
	return r
}
