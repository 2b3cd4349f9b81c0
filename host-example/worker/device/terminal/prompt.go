package terminal

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// nameLength is how much of a prompt stays the same when the mode changes: IOS cuts there.
	nameLength = 20
	// longestPrompt bounds prompts, in runes.
	longestPrompt = 200
	usualMarks    = ">#$"
)

// form is one prompt of the device.
type form struct {
	// frame are the lines above the prompt's last one.
	frame []string
	line  string
	// counts is set where numbers in it change from prompt to prompt.
	counts bool
}

// matches reports whether a line is this prompt's last one.
func (f *form) matches(line string) bool {
	if f.counts {
		return shape(strings.TrimSpace(line)) == shape(strings.TrimSpace(f.line))
	}
	return strings.TrimSpace(line) == strings.TrimSpace(f.line)
}

// without takes the lines above the prompt's last one off the end of an output. Empty ones alone are output.
func (f *form) without(output string) string {
	if !slices.ContainsFunc(f.frame, isFilled) {
		return output
	}
	for _, line := range slices.Backward(f.frame) {
		body, ok := strings.CutSuffix(output, "\n")
		if !ok {
			return output
		}
		at := strings.LastIndexByte(body, '\n') + 1
		if !sameFrame(line, body[at:]) {
			return output
		}
		output = output[:at]
	}
	return output
}

func isFilled(line string) bool { return strings.TrimSpace(line) != "" }

// sameFrame reports whether a line above a prompt is the other one, or says the same of another mode: "[edit]" and "[edit system]".
func sameFrame(known, line string) bool {
	known, line = strings.TrimSpace(known), strings.TrimSpace(line)
	if shape(known) == shape(line) {
		return true
	}
	if known == "" || line == "" {
		return false
	}
	last, _ := utf8.DecodeLastRuneInString(known)
	other, _ := utf8.DecodeLastRuneInString(line)
	return last == other && !isWord(last)
}

// name is what the device's prompts have in common: the first word of the first one.
func (f *form) name() string {
	text := strings.TrimLeftFunc(f.line, isNoWord)
	end := strings.IndexFunc(text, func(r rune) bool { return !isWord(r) && !strings.ContainsRune("-_.@/:+,", r) })
	if end >= 0 {
		text = text[:end]
	}
	text = strings.TrimRight(text, "-.@/:+,")
	if runes := []rune(text); len(runes) > nameLength {
		text = string(runes[:nameLength])
	}
	return text
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' }

// marks are the characters that a prompt of this device may end with.
func (f *form) marks() string {
	line := strings.TrimSpace(f.line)
	last, _ := utf8.DecodeLastRuneInString(line)
	marks := usualMarks + string(last)
	if strings.Contains(line, "<") && last == '>' {
		marks += "]" // Comware and VRP: <name>, and [name] in configuration mode
	}
	return marks
}

// ends reports whether a line ends as a prompt of the device does.
func (f *form) ends(line string) bool {
	line = strings.TrimSpace(line)
	last, _ := utf8.DecodeLastRuneInString(line)
	return line != "" && strings.ContainsRune(f.marks(), last) && utf8.RuneCountInString(line) <= longestPrompt
}

// varies reports whether a line may be the same device's prompt in another mode: it starts with the name, as IOS cuts it, or
// has a part of it as a word.
func (f *form) varies(line string) bool {
	name := f.name()
	if name == "" || !f.ends(line) {
		return false
	}
	if utf8.RuneCountInString(name) >= nameLength && strings.HasPrefix(strings.TrimLeftFunc(line, isNoWord), name) {
		return true
	}
	words := strings.FieldsFunc(line, func(r rune) bool { return isNoWord(r) && !strings.ContainsRune("-_.", r) })
	parts := strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune("@:/", r) })
	return slices.ContainsFunc(words, func(word string) bool {
		return slices.ContainsFunc(parts, func(part string) bool {
			rest, ok := strings.CutPrefix(word, part)
			next, _ := utf8.DecodeRuneInString(rest)
			return ok && !isWord(next)
		})
	})
}

func isNoWord(r rune) bool { return !isWord(r) }

// renamed reports whether a line may be the prompt of a device that got its new name from the command.
func (f *form) renamed(line, command string) bool {
	if !f.ends(line) {
		return false
	}
	other := form{line: line}
	name := other.name()
	return len(name) > 1 && slices.ContainsFunc(strings.Fields(command), func(word string) bool {
		return strings.HasPrefix(strings.Trim(word, `"'`), name)
	})
}

// alone reports whether a line that stays is likely to be another program's prompt: one word that ends as the device's prompts
// do, the prompt with another word in the place of the name, a mark alone, or what shells show.
func (f *form) alone(line string) bool {
	line = strings.TrimSpace(line)
	if barePrompt.MatchString(line) {
		return true
	}
	if !f.ends(line) || strings.HasSuffix(line, "%") || !hasWord(line) {
		return false
	}
	return !strings.ContainsAny(line, " \t") || blanked(line) == blanked(strings.TrimSpace(f.line)) || strings.Contains(line, "@") || strings.HasPrefix(line, "[")
}

// plainPrompt is one word that ends as most prompts do: neither progress nor a question ends so.
var plainPrompt = regexp.MustCompile(`^[<*\pL]\S{0,60}[>#$]$`)

// isPlainPrompt reports whether a line that the device has left open at login looks like a prompt, and like nothing else.
func isPlainPrompt(line string) bool {
	line = strings.TrimSpace(line)
	return plainPrompt.MatchString(line) && hasWord(line) && !isLoginQuestion(line) && !isPager(line)
}

// barePrompt is a prompt without a name.
var barePrompt = regexp.MustCompile(`^[%#$>]{1,2}$`)

var words = regexp.MustCompile(`[\pL\pN_.-]*[\pL\pN_]`)

// blanked is a line with one letter in the place of each word.
func blanked(line string) string { return words.ReplaceAllString(line, "w") }

// retyped reports whether a line is this prompt with a command that the device has typed again, for the user to mend.
func (f *form) retyped(line, command string) bool {
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), strings.TrimSpace(f.line))
	return ok && command != "" && squash(rest) == squash(command)
}
