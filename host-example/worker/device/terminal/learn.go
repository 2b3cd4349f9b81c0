package terminal

import (
	"context"
	"strings"
	"time"
)

const afterLogin = "the prompt after the login"

// learn finds out what the device shows when Enter is pressed, twice the same. What is plainly a prompt is known when it is
// shown again; what has lines above it, or changes, takes a second Enter.
func (t *Terminal) learn(ctx context.Context) error {
	if err := t.greeted(ctx); err != nil {
		return err
	}
	least := silenceEnter
	var before *form
	for range maxEnters {
		shown, early, err := t.press(ctx, least)
		if err != nil {
			return t.failed(afterLogin, err)
		}
		switch {
		case early: // the device had not written its line to the end
			least = min(max(3*least, silenceAtLogin), 2*longestLull)
			shown = nil
		case shown == nil:
		case isLoginQuestion(shown.line), isPager(shown.line), t.answer(shown.line) != nil:
			if err := t.greeted(ctx); err != nil {
				return err
			}
			shown = nil
		case before == nil && !t.echo.first && len(shown.frame) == 0 && isPlainPrompt(shown.line) && shown.matches(t.echo.before):
			t.forms, t.at = []*form{shown}, shown
			return nil
		case before != nil && alike(before, shown):
			shown.counts = shown.line != before.line
			if shown.counts && !before.counts {
				break // once more: what has numbers may be progress
			}
			t.forms, t.at = []*form{shown}, shown
			return nil
		}
		before = shown
	}
	return t.failed(afterLogin, errManyEnters)
}

// repeats reports whether a device that doesn't end the line shows its prompt again on it. Others are still writing there.
func repeats(before, line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || hasWord(line) && strings.HasSuffix(strings.TrimSpace(before), line)
}

// alike reports whether two answers to Enter are the same, but for numbers.
func alike(a, b *form) bool {
	if len(a.frame) != len(b.frame) || shape(a.line) != shape(b.line) {
		return false
	}
	for i := range a.frame {
		if shape(a.frame[i]) != shape(b.frame[i]) {
			return false
		}
	}
	return true
}

// greeted returns when the device is silent after what it shows at login.
func (t *Terminal) greeted(ctx context.Context) error {
	doubts := 0
	for {
		line := strings.TrimSpace(t.view())
		silence := t.silence(silenceAtLogin)
		switch {
		case line == "":
			silence = t.silence(silenceEmpty)
		case isPlainPrompt(line):
			silence = t.silence(silencePlain)
		}
		if t.pending() {
			silence = 0
		}
		got, err := t.wait(ctx, silence)
		switch {
		case err != nil:
			return t.failed(afterLogin, err)
		case got:
			doubts = 0
			continue
		}
		answer := t.answer(line)
		switch {
		case line == "":
			return nil
		case answer != nil:
			if err := t.respond(ctx, answer); err != nil {
				return t.failed(afterLogin, err)
			}
		case isPager(line):
			if err := t.turn(ctx); err != nil {
				return t.failed(afterLogin, err)
			}
		case isLoginQuestion(line):
			if doubts++; doubts > 2 {
				return t.asked(afterLogin)
			}
		default:
			return nil
		}
	}
}

// press presses Enter and returns what the device shows then, nil if it is nothing. early is set when the line before wasn't
// the whole one yet.
func (t *Terminal) press(ctx context.Context, least time.Duration) (shown *form, early bool, err error) {
	t.lines, t.listed = nil, true
	defer func() { t.listed = false }()
	if err := t.enter(""); err != nil {
		return nil, false, err
	}
	entered := time.Now()
	for first := true; ; {
		line := t.view()
		silence := t.silence(least)
		if strings.TrimSpace(line) == "" {
			silence = t.silence(silenceEmpty)
		}
		got, err := t.wait(ctx, silence)
		if err != nil {
			return nil, false, err
		}
		if got {
			if first {
				t.delay = max(t.delay, min(time.Since(entered), longestLull))
			}
			first = false
			continue
		}
		early = t.echo.unlike || t.echo.first && !repeats(t.echo.before, line)
		if strings.TrimSpace(line) == "" {
			return nil, early, nil
		}
		return &form{frame: t.lines, line: line}, early, nil
	}
}
