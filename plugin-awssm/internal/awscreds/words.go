package awscreds

import (
	"errors"
	"strings"
)

var (
	errOpenQuote  = errors.New("a quote is not closed")
	errLastEscape = errors.New("nothing follows the last backslash")
)

// SplitWords splits a line into words as a POSIX shell does, without expanding anything: quotes and backslashes group, blanks
// separate. Profile names and process lines are written like that.
func SplitWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	open, quote := false, rune(0) // a word has started; the quote that it is in
	escaped := false
	for _, r := range line {
		switch {
		case escaped:
			if quote == '"' && r != '"' && r != '\\' {
				word.WriteRune('\\')
			}
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			open, escaped = true, true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			open, quote = true, r
		case r == ' ' || r == '\t' || r == '\r' || r == '\n':
			if open {
				words = append(words, word.String())
				word.Reset()
				open = false
			}
		default:
			open = true
			word.WriteRune(r)
		}
	}
	switch {
	case escaped:
		return nil, errLastEscape
	case quote != 0:
		return nil, errOpenQuote
	case open:
		words = append(words, word.String())
	}
	return words, nil
}
