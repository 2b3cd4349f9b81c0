// Package text prepares strings of foreign origin - a provider's messages, a device's output, a line of a settings file -
// for a terminal, a log, an error message or the wire. A foreign string may be long, may not be UTF-8, and may have
// characters that a terminal obeys or that hide other text.
//
//	fmt.Fprintln(os.Stderr, text.Printable(err.Error()))        // what a provider has answered
//	fmt.Errorf("unknown setting %s", text.Quote(key, 60))       // what stands in a file
//
// Nothing here hides a secret: a password stays readable. Secrets are of type credential.Redacted.
//
// All functions may be called concurrently. Version 1 promises what each function removes and that no result is longer
// than the limit given; how a removed character is written may change.
package text

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/agext/levenshtein"
)

// ellipsis marks where something is left out.
const ellipsis = "..."

// Truncate returns s as valid UTF-8 of at most limit bytes. A string that is too long ends with "...", which counts; no
// character is cut in two. A limit below 3 leaves nothing of a longer string but dots.
func Truncate(s string, limit int) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if len(s) <= limit {
		return s
	}
	cut := limit - len(ellipsis)
	if cut <= 0 {
		return ellipsis[:max(0, limit)]
	}
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + ellipsis
}

// Printable returns s with an escape such as \x1b or \u202e in place of each character that a terminal obeys or that
// hides text. Line feeds stay.
func Printable(s string) string { return printable(s, func(r rune) bool { return r == '\n' }) }

// Line is [Printable] for what has to stay on one line: line feeds and tabs become spaces.
func Line(s string) string {
	return printable(strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ").Replace(s), func(rune) bool { return false })
}

func printable(s string, keep func(rune) bool) string {
	hides := func(r rune) bool { return !keep(r) && hidden(r) }
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if !strings.ContainsFunc(s, hides) {
		return s
	}
	var shown strings.Builder
	for _, r := range s {
		if hides(r) {
			shown.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		} else {
			shown.WriteRune(r)
		}
	}
	return shown.String()
}

// hidden reports whether r is a control character, a formatting one such as those that reverse the direction of writing,
// or a separator of lines.
func hidden(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }

// Quote returns s truncated to limit bytes, in Go's quotes, with escapes for what can't be printed. The quotes and escapes
// come on top of the limit.
func Quote(s string, limit int) string { return strconv.Quote(Truncate(s, limit)) }

// Nearest returns the name that was probably meant by typed: the one that differs in the fewest letters, if these are at
// most a quarter of typed's, and at least one. It returns "" if there is none, and for strings of more than 100 bytes.
func Nearest(typed string, names []string) string {
	const longest = 100 // a comparison costs the product of both lengths
	if len(typed) > longest {
		return ""
	}
	best, fewest := "", max(1, len(typed)/3)+1
	for _, name := range names {
		if len(name) > longest {
			continue
		}
		if d := levenshtein.Distance(typed, name, nil); d < fewest {
			best, fewest = name, d
		}
	}
	return best
}
