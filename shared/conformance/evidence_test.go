package conformance

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/ascii85"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"maps"
	"mime/quotedprintable"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// encoders are ways in which programs write bytes.
var encoders = map[string]func(string) string{
	"as it is":         func(s string) string { return s },
	"upper case":       strings.ToUpper,
	"hexadecimal":      func(s string) string { return hex.EncodeToString([]byte(s)) },
	"upper hex":        func(s string) string { return fmt.Sprintf("%X", s) },
	"spaced hex":       func(s string) string { return fmt.Sprintf("% x", s) },
	"hex with colons":  func(s string) string { return strings.ReplaceAll(fmt.Sprintf("% X", s), " ", ":") },
	"0x":               func(s string) string { return fmt.Sprintf("%# x", s) },
	"\\x":              func(s string) string { return `\x` + strings.ReplaceAll(fmt.Sprintf("% x", s), " ", `\x`) },
	"decimal":          func(s string) string { return fmt.Sprint([]byte(s)) },                                //nolint:staticcheck // the bytes as numbers are meant
	"decimal, commas":  func(s string) string { return strings.ReplaceAll(fmt.Sprint([]byte(s)), " ", ", ") }, //nolint:staticcheck // the bytes as numbers are meant
	"octal":            func(s string) string { return strings.Trim(fmt.Sprintf("%03o", []byte(s)), "[]") },
	"binary":           func(s string) string { return strings.Trim(fmt.Sprintf("%08b", []byte(s)), "[]") },
	"a URL":            url.QueryEscape,
	"percent":          func(s string) string { return percentEncoded(s, "%%%02X") },
	"percent twice":    func(s string) string { return percentEncoded(s, "%%25%02X") },
	"\\u":              func(s string) string { return percentEncoded(s, `\u%04x`) },
	"\\u{}":            func(s string) string { return percentEncoded(s, `\u{%x}`) },
	"U+":               func(s string) string { return percentEncoded(s, "U+%04X ") },
	"octal escapes":    func(s string) string { return percentEncoded(s, `\%03o`) },
	"HTML":             func(s string) string { return percentEncoded(s, "&#%d;") },
	"HTML hexadecimal": func(s string) string { return percentEncoded(s, "&#x%x;") },
	"HTML escapes":     html.EscapeString,
	"JSON":             func(s string) string { text, _ := json.Marshal(s); return string(text) },
	"JSON in JSON": func(s string) string {
		text, _ := json.Marshal(s)
		text, _ = json.Marshal(string(text))
		return string(text)
	},
	"Go":             strconv.Quote,
	"base64":         func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"base64 URL":     func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
	"base64 in more": func(s string) string { return base64.StdEncoding.EncodeToString([]byte("admin:" + s + "\n")) },
	"base32":         func(s string) string { return base32.StdEncoding.EncodeToString([]byte(s)) },
	"gzip":           packed(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }),
	"zlib":           packed(func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }),
	"deflate":        packed(func(w io.Writer) io.WriteCloser { f, _ := flate.NewWriter(w, 9); return f }),
	"quoted-printable": func(s string) string {
		var out strings.Builder
		w := quotedprintable.NewWriter(&out)
		w.Binary = true
		_, _ = w.Write([]byte("=" + s))
		_ = w.Close()
		return out.String()
	},
	"UTF-16": func(s string) string { return strings.Join(strings.Split(s, ""), "\x00") + "\x00" },
}

// once are those that are undone only where nothing is above or below them.
var once = map[string]func(string) string{
	"spaced":    func(s string) string { return strings.Join(strings.Split(s, ""), " ") },
	"dashes":    func(s string) string { return strings.Join(strings.Split(s, ""), "-") },
	"lines":     func(s string) string { return strings.Join(strings.Split(s, ""), "\n") },
	"JSON list": func(s string) string { text, _ := json.Marshal(strings.Split(s, "")); return string(text) },
	"reversed": func(s string) string {
		runes := []rune(s)
		slices.Reverse(runes)
		return string(runes)
	},
	"ROT13":        func(s string) string { return strings.Map(rot13, s) },
	"ASCII85":      func(s string) string { out := make([]byte, 200); return string(out[:ascii85.Encode(out, []byte(s))]) },
	"without ends": func(s string) string { return s[1 : len(s)-1] },
	"a part":       func(s string) string { return s[:(3*len(s)+3)/4] + "****" },
}

func packed(open func(io.Writer) io.WriteCloser) func(string) string {
	return func(s string) string {
		var out bytes.Buffer
		w := open(&out)
		_, _ = w.Write([]byte(s))
		_ = w.Close()
		return out.String()
	}
}

// fits reports whether an encoding can be put into another without a loss, by programs that do so.
func fits(encoded, outer, inner string) bool {
	binary := !utf8.ValidString(encoded) || strings.ContainsFunc(encoded, unicode.IsControl)
	if outer == "JSON in JSON" && inner == outer {
		return false // that's four
	}
	switch outer {
	case "upper case":
		return slices.Contains([]string{"as it is", "hexadecimal", "spaced hex", "decimal", "octal", "binary", "percent", "base32"}, inner)
	case "JSON", "JSON in JSON", "Go", "HTML escapes", "HTML", "HTML hexadecimal", "\\u", "\\u{}", "U+", "UTF-16", "gzip", "zlib", "deflate", "quoted-printable", "octal escapes":
		return !binary
	case "a URL":
		return inner != "U+" && !binary
	}
	return inner != "deflate" || outer != "percent twice" && outer != "base64 in more"
}

// Secrets are found in every encoding, and in every two on top of each other.
func TestSearch(t *testing.T) {
	for _, secret := range []string{"canary-4711", `canary+<&"%41 4712`, "cänary-4713", "Tr0ub4dor&3"} {
		s := newSearch([]string{"lab", "admin"})
		s.add(secret, "it")
		s.left = 1 << 20
		in := func(text string) string {
			line := `{"@level":"debug","@message":"reading credential lab: ` + text + ` (12 ms)","credential_id":"lab"}`
			return s.find([]byte(line))
		}
		for name, encode := range once {
			if (name == "a part" || name == "JSON list") && secret != "canary-4711" {
				continue
			}
			if in(encode(secret)) == "" {
				t.Errorf("%q in %s isn't found: %q", secret, name, encode(secret))
			}
		}
		for _, outer := range slices.Sorted(maps.Keys(encoders)) {
			for inner, encode := range encoders {
				if !fits(encode(secret), outer, inner) {
					continue
				}
				text := encoders[outer](encode(secret))
				if s.find([]byte(text)) == "" && in(text) == "" {
					t.Errorf("%q in %s in %s isn't found: %q", secret, inner, outer, text)
				}
			}
		}
	}
}

// What isn't a secret isn't one in any encoding.
func TestSearchFindsNothing(t *testing.T) {
	s := newSearch([]string{"canary-47", "admin"})
	s.add("canary-4711", "it")
	s.add("password", "a password that is a word")
	s.add("short", "a short one")
	for _, text := range []string{
		`{"@level":"debug","@message":"the password of admin","id":"canary-47"}`, "short", strings.Repeat("00 01 02 a0 ", 1000),
		base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("nothing to see "), 500)), strings.Repeat("canary ", 100), "canary-4799",
	} {
		if found := s.find([]byte(text)); found != "" {
			t.Errorf("%.60q holds %s", text, found)
		}
	}
}
