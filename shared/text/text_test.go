package text_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/tom-worker/credential-provider/shared/text"
)

func TestTruncate(t *testing.T) {
	for _, test := range []struct {
		s     string
		limit int
		want  string
	}{
		{"", 10, ""},
		{"short", 5, "short"},
		{"longer", 5, "lo..."},
		{"ääää", 7, "ää..."},
		{"ääää", 6, "ä..."},
		{"a\xffb", 10, "a\uFFFDb"},
		{"密密密", 8, "密..."},
		{"密密", 5, "..."},
		{"longer", 3, "..."},
		{"longer", 1, "."},
		{"longer", 0, ""},
		{"longer", -1, ""},
	} {
		if got := text.Truncate(test.s, test.limit); got != test.want {
			t.Errorf("%q to %d bytes: %q, want %q", test.s, test.limit, got, test.want)
		}
	}
}

func TestPrintable(t *testing.T) {
	for s, want := range map[string]string{
		"":                      "",
		"plain, ünïcode, 日本":    "plain, ünïcode, 日本",
		"two\nlines":            "two\nlines",
		"\x1b[31mred\x1b[0m":    `\x1b[31mred\x1b[0m`,
		"over\rwritten":         `over\rwritten`,
		"a\tb":                  `a\tb`,
		"user\u202egnp.exe":     `user\u202egnp.exe`,
		"zero\u200bwidth\ufeff": `zero\u200bwidth\ufeff`,
		"line\u2028end\u2029":   `line\u2028end\u2029`,
		"c1 \u009b31m":          `c1 \u009b31m`,
		"del \x7f nul \x00":     `del \x7f nul \x00`,
		"not utf-8 \xff\xfe":    "not utf-8 \uFFFD",
	} {
		if got := text.Printable(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
	for s, want := range map[string]string{"two\nlines\r\nthree\tfour": "two lines three four", "\x1b[2J\n": `\x1b[2J `} {
		if got := text.Line(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
	if got, want := text.Quote("a\x1b\nlong", 5), `"a\x1b..."`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// FuzzForeignStrings holds every function to its promise, whatever it is given.
func FuzzForeignStrings(f *testing.F) {
	f.Add("a\x1b[0m\u202e\xff", 4)
	f.Add(strings.Repeat("ä", 100), 33)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit %= 200
		short := text.Truncate(s, limit)
		if len(short) > max(0, limit) || !utf8.ValidString(short) {
			t.Errorf("%q to %d bytes: %q", s, limit, short)
		}
		if len(s) <= limit && utf8.ValidString(s) && short != s {
			t.Errorf("%q became %q", s, short)
		}
		bad := func(r rune) bool {
			return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
		}
		for how, got := range map[string]string{"Printable": strings.ReplaceAll(text.Printable(s), "\n", ""), "Line": text.Line(s), "Quote": text.Quote(s, limit)} {
			if strings.ContainsFunc(got, bad) || !utf8.ValidString(got) {
				t.Errorf("%s of %q: %q", how, s, got)
			}
		}
	})
}

func TestNearest(t *testing.T) {
	names := []string{"region", "secret_prefix", "role_arn", "profile", strings.Repeat("x", 101)}
	for typed, want := range map[string]string{
		"regoin": "region", "regio": "region", "secret_prefx": "secret_prefix", "rolearn": "role_arn", "region": "region",
		"": "", "endpoint": "", "x": "", strings.Repeat("x", 101): "",
	} {
		if got := text.Nearest(typed, names); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
	// Any name with one letter changed is found again.
	for range 200 {
		name := names[rand.IntN(4)]
		at := rand.IntN(len(name))
		if typed := name[:at] + "#" + name[at+1:]; text.Nearest(typed, names) != name {
			t.Errorf("%q isn't taken for %s", typed, name)
		}
	}
}
