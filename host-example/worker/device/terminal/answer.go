package terminal

import (
	"context"
	"strings"
	"time"
)

// answer returns the first answer that fits a line.
func (t *Terminal) answer(line string) *Answer {
	for i := range t.answers {
		if strings.TrimSpace(line) != "" && t.answers[i].Prompt.MatchString(line) {
			return &t.answers[i]
		}
	}
	return nil
}

// pending reports whether the device has a line's answer, and hasn't gone on yet.
func (t *Terminal) pending() bool {
	return t.answered != "" && !t.screen.ended && strings.HasPrefix(t.screen.String(), t.answered)
}

// respond types an answer, and presses Enter if the device still waits on the line then.
func (t *Terminal) respond(ctx context.Context, answer *Answer) error {
	const still = 300 * time.Millisecond
	before := t.screen.String()
	t.answered, t.screen.ended = before, false
	text, entered := strings.ReplaceAll(answer.Send, "\n", "\r"), strings.HasSuffix(answer.Send, "\n")
	if err := t.send(text); err != nil {
		return err
	}
	for text != "" && !entered {
		got, err := t.wait(ctx, t.reaction(still))
		if err != nil {
			return err
		}
		if !t.pending() {
			return nil
		}
		if !got {
			break
		}
	}
	if entered {
		return nil
	}
	return t.send("\r")
}

// secret types a password where the device asks for it, once.
func (t *Terminal) secret(command *Command, line string) error {
	ask := command.Secret
	command.Secret = func(string) (string, error) {
		return "", &WaitError{For: "the prompt after the password", Question: true, Screen: t.shown()}
	}
	text, err := ask(line)
	if err != nil {
		return err
	}
	t.answered, t.screen.ended = t.screen.String(), false
	return t.send(text + "\r")
}

// turn presses the key that turns a pager.
func (t *Terminal) turn(ctx context.Context) error {
	line := strings.TrimSpace(t.screen.String())
	t.screen.turn()
	order := keys(line)
	if known := t.pagers[shape(line)].key; known != "" {
		order = append([]string{known}, order...)
	}
	for _, key := range order {
		if err := t.send(key); err != nil {
			return err
		}
		got, err := t.wait(ctx, t.reaction(silenceKey))
		if got {
			known := t.pagers[shape(line)]
			known.key = key
			t.pagers[shape(line)] = known
		}
		if got || err != nil {
			return err
		}
	}
	t.screen.stay()
	_, err := t.wait(ctx, 0)
	return err
}

// withoutPagers takes out of an output what the device left standing of a pager that was turned more than once.
func (t *Terminal) withoutPagers(text string) string {
	for _, known := range t.pagers {
		if known.left > 1 && !known.erased {
			var kept strings.Builder
			for line := range strings.Lines(text) {
				if p := t.pagers[shape(strings.TrimSpace(line))]; p.left < 2 || p.erased {
					kept.WriteString(line)
				}
			}
			return kept.String()
		}
	}
	return text
}
