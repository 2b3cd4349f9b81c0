package terminal

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"
)

// Run types a command and returns when the device shows its prompt again. With an error, the result has what was printed
// until then.
func (t *Terminal) Run(ctx context.Context, command Command) (Result, error) {
	if command.Most <= 0 {
		command.Most = defaultMost
	}
	what := "the prompt after " + quoted(command.Text)
	t.out, t.echo = nil, nil
	if err := t.typed(ctx, command.Text); err != nil {
		return Result{Prompt: t.screen.String()}, t.failed("the echo of "+quoted(command.Text), err)
	}
	out := &output{most: command.Most}
	t.out, t.passed, t.pressed = out, nil, false
	defer func() { t.out = nil }()
	for key, known := range t.pagers {
		known.left = 0
		t.pagers[key] = known
	}
	lull := t.lull
	t.lull = t.lull * 7 / 10 // pauses are forgotten slowly
	if err := t.enter(command.Text); err != nil {
		return Result{}, t.failed(what, err)
	}
	rest, err := t.prompted(ctx, &command)
	if err != nil {
		out.add(rest)
		var known *WaitError
		if !errors.As(err, &known) {
			err = t.failed(what, err)
		}
		return Result{Output: out.String(), Truncated: out.truncated, Prompt: t.screen.String()}, err
	}
	t.lull = max(t.lull, lull*7/10)
	text := t.withoutPagers(t.at.without(t.withoutPassed(out.String()))) + rest
	return Result{Output: text, Truncated: out.truncated, Prompt: t.Prompt()}, nil
}

func quoted(command string) string {
	const longest = 40
	if runes := []rune(command); len(runes) > longest {
		command = string(runes[:longest]) + "..."
	}
	return `"` + command + `"`
}

// typed types a command, and returns when it has been echoed, or when the device doesn't go on with that.
func (t *Terminal) typed(ctx context.Context, command string) error {
	for { // what was written since the last command belongs to none
		select {
		case piece, ok := <-t.pieces:
			if ok {
				t.screen.write(piece)
				continue
			}
		default:
		}
		break
	}
	if err := t.send(command); err != nil {
		return err
	}
	silence := silenceEcho
	if t.mutes > 1 {
		silence = silenceMute
	}
	for !t.received || !echoed(t.screen.String(), command) {
		still := t.silence(silence)
		if !t.received {
			still = t.reaction(silence)
		}
		got, err := t.wait(ctx, still)
		if err != nil {
			return err
		}
		if !got && !t.received {
			t.mutes++
			return nil
		}
		if !got {
			break
		}
	}
	t.mutes = 0
	return nil
}

// step is what to do when the device is silent for a time. A time of 0 is forever.
type step struct {
	silence time.Duration
	do      func(ctx context.Context) (done bool, err error)
}

// prompted returns when the device shows a prompt. rest is what stands before it on its line.
func (t *Terminal) prompted(ctx context.Context, command *Command) (rest string, err error) {
	var refused string // a line that was tried and is no prompt
	for {
		got, err := t.wait(ctx, silenceGlance) // while it writes, nothing is looked for
		if err != nil {
			return t.view(), err
		}
		if got {
			continue
		}
		line := t.view()
		next := t.next(line, command, &rest, &refused)
		if next.silence > 0 {
			next.silence -= silenceGlance
		}
		if got, err = t.wait(ctx, next.silence); err != nil {
			return line, err
		}
		if got {
			continue
		}
		done, err := next.do(ctx)
		if done || err != nil {
			return rest, err
		}
	}
}

// next is what to do with the line that the device has left open.
func (t *Terminal) next(line string, command *Command, rest, refused *string) step {
	trimmed := strings.TrimSpace(line)
	if trimmed == "" && t.passed != nil {
		return step{t.silence(silencePassed), t.again}
	}
	if t.pending() || trimmed == "" {
		return step{}
	}
	try := func(ctx context.Context) (bool, error) {
		ok, err := t.try(ctx, line, rest)
		if !ok {
			*refused = line
		}
		return ok, err
	}
	if len(line) > 8*longestPrompt { // output that wasn't ended
		if line != *refused && t.behind(line) > 0 {
			return step{t.silence(silenceVariant), try}
		}
		return step{}
	}
	for _, known := range t.forms {
		if known.matches(line) {
			return step{t.silence(silencePrompt), func(context.Context) (bool, error) {
				t.at = known
				return true, nil
			}}
		}
	}
	if answer := t.answer(line); answer != nil {
		return step{t.silence(silenceAnswer), func(ctx context.Context) (bool, error) { return false, t.respond(ctx, answer) }}
	}
	if command.Secret != nil && AsksSecret(line) {
		return step{t.silence(silenceAnswer), func(context.Context) (bool, error) { return false, t.secret(command, line) }}
	}
	base := t.forms[0]
	switch {
	case line == *refused:
	case t.at != nil && t.at.retyped(line, command.Text) && !t.echo.first:
		return step{t.silence(silenceVariant), func(ctx context.Context) (bool, error) { return false, t.wipe(ctx, line, refused) }}
	case isQuestion(line):
	case base.varies(line), base.renamed(line, command.Text), t.behind(line) > 0:
		return step{t.silence(silenceVariant), try}
	case isPager(line):
		silence := silencePager
		if t.pagers[shape(trimmed)].erased {
			silence = silenceTurned
		}
		return step{t.silence(silence), func(ctx context.Context) (bool, error) { return false, t.turn(ctx) }}
	case base.alone(line):
		return step{silenceStrange, try}
	}
	return step{}
}

// wipe takes back what the device has typed behind its prompt.
func (t *Terminal) wipe(ctx context.Context, line string, refused *string) error {
	const killLine, erase = "\x15", "\b"
	for _, key := range []string{killLine, strings.Repeat(erase, len(line))} {
		if err := t.send(key); err != nil {
			return err
		}
		for {
			got, err := t.wait(ctx, t.reaction(silenceVariant))
			if err != nil {
				return err
			}
			if !got {
				break
			}
		}
		if t.view() != line {
			return nil
		}
	}
	*refused = line
	return nil
}

// behind returns where a known prompt starts that stands behind output without a line feed; 0 if there is none.
func (t *Terminal) behind(line string) int {
	const least = 3 // characters: a mark alone is output
	for _, known := range t.forms {
		if prompt := strings.TrimSpace(known.line); len(prompt) >= least {
			if before, ok := strings.CutSuffix(strings.TrimRight(line, " "), prompt); ok {
				return len(before)
			}
		}
	}
	return 0
}

// try presses Enter behind what may be a prompt, or the end of it. It is one if the device shows it again.
func (t *Terminal) try(ctx context.Context, line string, rest *string) (bool, error) {
	shown, _, err := t.press(ctx, silenceEnter)
	if err != nil {
		return false, err
	}
	switch before := t.behind(line); {
	case shown == nil:
	case shape(strings.TrimSpace(line)) == shape(strings.TrimSpace(shown.line)):
		shown.counts = strings.TrimSpace(shown.line) != strings.TrimSpace(line)
		t.forms, t.at = append(t.forms, shown), shown
		return true, nil
	case before > 0:
		for _, known := range t.forms {
			if known.matches(shown.line) {
				t.at, *rest = known, line[:before]
				return true, nil
			}
		}
	}
	if t.echo.first {
		return false, nil // the device says nothing: it is busy
	}
	t.out.add(line + "\n")
	for _, line := range t.lines {
		t.out.add(line + "\n")
	}
	return false, nil
}

// again presses Enter where the device has shown its prompt and then, on lines below it, a message: logging does that.
func (t *Terminal) again(ctx context.Context) (bool, error) {
	shown, _, err := t.press(ctx, silenceEnter)
	if err != nil {
		return false, err
	}
	for _, known := range t.forms {
		if shown != nil && known.matches(shown.line) {
			t.at, t.pressed = known, true
			return true, nil
		}
	}
	t.passed = nil
	for _, line := range t.lines {
		t.out.add(line + "\n")
	}
	return false, nil
}

// message is a line that a device logs: with a severity, or with the time.
var message = regexp.MustCompile(`%?\b[A-Z0-9_]+-\d-[A-Z0-9_]+\b|\d:\d\d:\d\d`)

// withoutPassed takes the prompt out of an output that was followed by a message. Without one, the device may have printed it.
func (t *Terminal) withoutPassed(text string) string {
	if t.passed == nil {
		return text
	}
	kept, at := "", 0
	for line := range strings.Lines(text) {
		if t.passed.matches(line) && (t.pressed || message.MatchString(text[at+len(line):])) {
			kept = text[:at] + text[at+len(line):]
		}
		at += len(line)
	}
	if kept == "" {
		return text
	}
	return kept
}
