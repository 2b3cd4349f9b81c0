package terminal

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// maxWords bounds what a device asks on one line, in runes.
const maxWords = 200

var (
	pagerWords = regexp.MustCompile(`(?i)\bmore\b|\bnext (page|line|screen|entry)|\b(press|hit|type|push|strike)\b.*(\bkey\b|space|enter\b|return\b|<cr>)|\bcontinue\b|\bquit\b|\(q\)|^\s*:\s*$|\(end\)|^lines? \d+|\bpage \d+|^\s*-- ?[\[(]?q\b|\bscroll\b|\{.*<cr>.*\}\s*:|继续|下一页|続ける|\bweiter\b|\bsuite\b|\bcontinuar\b`)
	// lastPage is where a space does nothing.
	lastPage = regexp.MustCompile(`(?i)\(end\)`)
	enterKey = regexp.MustCompile(`(?i)\b(enter|return)\b|<cr>`)
	spaceKey = regexp.MustCompile(`(?i)space|\bmore\b|(any|other) key`)
	// enterForMore is Enter for what others do with a space, and letterForMore a letter.
	enterForMore  = regexp.MustCompile(`(?i)(\benter\b|\breturn\b|<cr>|<enter>|<return>) (for|to) (more|continue|see|the next page)`)
	letterForMore = regexp.MustCompile(`(?i)\b(?:press|hit|type|enter)\s+['"<\[(]([a-mo-xz])['">\])]\s+(?:for|to)\s+(?:more|continue|see|the next)`)
	// showsMore is a question that is a pager: yes does nothing but show the rest.
	showsMore = regexp.MustCompile(`(?i)\b(display|show|view|see|list)\b.*\b(next|more|all|rest|remaining)\b.*\b(entries|entry|items?|lines?|pages?|rows|screens?|records)\b|\bmore\b\W*[\[(]?y(es)?/no?\b`)

	choice   = regexp.MustCompile(`(?i)[\[(<]\s*(y|yes)\s*[/|,]\s*(n|no)\b|\b(y|yes)/(n|no)\b|\bconfirm\b`)
	asks     = regexp.MustCompile(`\?\s*([\[(][^\])]*[\])])?\s*:?\s*$`)
	account  = regexp.MustCompile(`(?i)\b(pass(word|phrase|code)?|user ?(name)?|login|secret|pin|token|otp|code|account|passwort|kennwort)\b[^:>#$]*:\s*$`)
	consents = regexp.MustCompile(`(?i)\b(accept|agree|acknowledge|decline)`)
	// wants is a line that wants a word, or an account's secret, whatever it ends with.
	wants = regexp.MustCompile(`(?i)\b(type|enter|input|press)\s+['"<\[(]?(yes|no|ok|okay|y|n|confirm|agree|accept|proceed|[a-z]{2,}['"])['">\])]?\s+(to|or|and|for)\b|^\W*(please )?(enter|type|select|choose|your)\b.*\b(choice|option|selection|number|code|token|password|pin)\W*$|^\W*(enter )?(your )?(password|passcode|user ?name|token|pin|otp)\s*[>?]\s*$`)
	// selects is a line that asks for one word; a prompt of one word may end like it.
	selects = regexp.MustCompile(`\S\s+\S.*:\s*$`)
)

// isQuestion reports whether a line that the device has left open asks for an answer that only the user knows.
func isQuestion(line string) bool {
	if utf8.RuneCountInString(line) > maxWords {
		return false
	}
	if choice.MatchString(line) {
		return !showsMore.MatchString(line)
	}
	return wants.MatchString(line) || asks.MatchString(line) && hasWord(line) || account.MatchString(line)
}

// isLoginQuestion does the same for a line that stands where the prompt should be.
func isLoginQuestion(line string) bool {
	return isQuestion(line) || consents.MatchString(line) || selects.MatchString(line) && !isPager(line)
}

func hasWord(line string) bool { return strings.ContainsFunc(line, isWord) }

// isPager reports whether a line that the device has left open says how to see more.
func isPager(line string) bool {
	line = lastWords(line)
	if choice.MatchString(line) {
		return showsMore.MatchString(line)
	}
	return pagerWords.MatchString(line) && !isQuestion(line) && !consents.MatchString(line)
}

// lastWords is the end of a line: a pager may stand behind output.
func lastWords(line string) string {
	if excess := utf8.RuneCountInString(line) - maxWords; excess > 0 {
		line = string([]rune(line)[excess:])
	}
	return line
}

// keys are what turns a pager, the likeliest first.
func keys(pager string) []string {
	pager = lastWords(pager)
	letter := letterForMore.FindStringSubmatch(pager)
	switch {
	case lastPage.MatchString(pager):
		return []string{"q", " "}
	case letter != nil:
		return []string{letter[1], letter[1] + "\r", " "}
	case choice.MatchString(pager):
		return []string{"y", "\r"}
	case enterForMore.MatchString(pager):
		return []string{"\r", " "}
	case enterKey.MatchString(pager) && !spaceKey.MatchString(pager):
		return []string{"\r", " "}
	}
	return []string{" ", "\r"}
}

var digits = regexp.MustCompile(`\d+`)

// shape is a text with one digit in the place of each number.
func shape(line string) string { return digits.ReplaceAllString(line, "0") }
