package terminal

import "strings"

// echo is what the device may still repeat of a command that was typed, once Enter is pressed.
type echo struct {
	// before is the line on which Enter was pressed.
	before string
	prompt string
	// rest is what wasn't seen yet of the command, without blanks.
	rest string
	// first is set until a line has ended.
	first bool
	// unlike is set when the line on which Enter was pressed ended otherwise: Enter was pressed too early.
	unlike bool
}

// line takes a line that has ended, and returns what of it is output. over is set when the echo has ended.
func (e *echo) line(text string) (output string, keep, over bool) {
	first := e.first
	e.first = false
	same := strings.TrimRight(text, " ") == strings.TrimRight(e.before, " ")
	if first && same {
		return "", false, true
	}
	e.unlike = e.unlike || first
	shown, prompted := strings.CutPrefix(squash(text), squash(e.prompt))
	if !prompted || squash(e.prompt) == "" {
		shown, prompted = squash(text), false
	}
	typed := squash(e.before) // as far as it was echoed before Enter
	for prompt := squash(e.prompt); prompt != "" && strings.HasPrefix(typed, prompt); {
		typed = typed[len(prompt):]
	}
	behind := first && e.before != "" && strings.HasPrefix(text, e.before)
	switch {
	case shown != "" && shown == e.rest:
		return "", false, true
	case shown != "" && (prompted || !first) && strings.HasPrefix(e.rest, shown):
		e.rest = e.rest[len(shown):]
		return "", false, false
	case behind && shown != "" && strings.HasSuffix(e.rest, shown):
		return "", false, true
	case prompted && first && strings.Contains(shown, "$") && scrolled(e.rest, shown):
		return "", false, true
	case prompted && first && (typed != "" && typed != e.rest || typed == "" && similar(e.rest, shown)):
		return "", false, true // the device has completed or changed what was typed
	case behind:
		return text[len(e.before):], true, true // nothing was printed between the command and its output
	}
	return text, true, true
}

// scrolled reports whether a line shows the end or the start of a command, and $ for the rest.
func scrolled(command, shown string) bool {
	shown = strings.Trim(shown, "$")
	return strings.HasSuffix(command, shown) || strings.HasPrefix(command, shown)
}

// similar reports whether a line may be a command with its words completed.
func similar(command, shown string) bool {
	const least = 2
	return len(command) >= least && strings.HasPrefix(shown, command[:least])
}

// echoed reports whether a line ends with the command that was typed behind the prompt.
func echoed(line, command string) bool {
	const tail = 10
	line, command = squash(line), squash(command)
	if strings.HasSuffix(line, command) {
		return true
	}
	return len(command) > tail && strings.Contains(line, "$") && strings.HasSuffix(line, command[len(command)-tail:])
}

// squash takes the blanks out of a text.
func squash(text string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' {
			return -1
		}
		return r
	}, text)
}
