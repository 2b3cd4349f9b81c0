// Package terminal types commands into a device's command line and tells what each one printed. It knows no device: it
// learns the prompt by pressing Enter, obeys the control sequences that change the line, turns pagers and takes echoes away.
//
//	t, err := terminal.Open(ctx, stdin, stdout, terminal.Options{Width: 511})
//	if err != nil {
//		return err // *WaitError: what was waited for, and the screen
//	}
//	defer t.Close()
//	result, err := t.Run(ctx, terminal.Command{Text: "show version"})
//
// A prompt is what the device shows again when Enter is pressed, and Enter is pressed only where nothing runs: a line that
// could be a prompt in another mode is tried once, and known from then on. While a command runs nothing is typed but what
// turns a pager, and the answers that the caller has given.
package terminal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"time"
)

// How long a device has to be silent, at least. A device that has paused for longer before is waited for longer.
const (
	silenceAtLogin = 500 * time.Millisecond  // before Enter is pressed for the first time
	silencePlain   = 400 * time.Millisecond  // the same behind what is plainly a prompt: banners that look like one pause for 300 ms
	silenceEmpty   = 2 * time.Second         // the same where the line is empty
	silenceEnter   = 100 * time.Millisecond  // after Enter alone
	silencePrompt  = 50 * time.Millisecond   // behind a prompt that is known
	silenceVariant = 250 * time.Millisecond  // behind one that could be
	silenceAnswer  = 150 * time.Millisecond  // behind a question that has an answer
	silencePager   = 400 * time.Millisecond  // behind a pager that is met for the first time
	silenceGlance  = 10 * time.Millisecond   // before what it shows is looked at
	silenceTurned  = 30 * time.Millisecond   // behind one that is known
	silenceEcho    = 400 * time.Millisecond  // while a command is echoed
	silenceMute    = 50 * time.Millisecond   // the same where the device hasn't echoed before
	silenceStrange = 3 * time.Second         // behind a prompt that has nothing in common with the known ones
	silencePassed  = time.Second             // below a prompt that a message has pushed up
	silenceKey     = 1500 * time.Millisecond // before a pager gets another key
	longestLull    = time.Second
	// patience is for a prompt after login.
	patience = 20 * time.Second
)

const (
	defaultWidth = 511
	maxScreen    = 8       // lines
	maxBanner    = 1 << 16 // bytes
	defaultMost  = 4 << 20
	maxEnters    = 16
)

// Options are how a terminal is used. The zero value is a terminal of 511 columns that answers nothing.
type Options struct {
	// Width is the terminal's, in columns. 0: 511.
	Width int
	// Answers are for questions that the device asks, at login and of commands.
	Answers []Answer
}

// Answer answers a question.
type Answer struct {
	// Prompt matches the line on which the device waits.
	Prompt *regexp.Regexp
	// Send is typed there, and Enter pressed if the device still waits then. A line feed is Enter.
	Send string
}

// Terminal is a device's command line. It must be used by one goroutine at a time.
type Terminal struct {
	w       io.Writer
	pieces  chan []byte // closed when the device ends the terminal
	stop    context.CancelFunc
	answers []Answer

	screen  screen
	recent  []string // lines that have ended
	out     *output  // of lines that end now; nil: nowhere
	lines   []string // the same, while Enter is answered
	listed  bool
	echo    *echo
	forms   []*form          // the prompts that are known
	at      *form            // the one that is shown
	passed  *form            // one that is a line of the output now
	pressed bool             // it was shown again when Enter was pressed
	pagers  map[string]pager // by shape
	replies int
	mutes   int // commands without an echo, in a row
	// answered is the line that was answered last, until the device ends it.
	answered string

	// lull is the longest pause that the device has made lately while it wrote, and delay the longest time that it took to
	// answer Enter.
	lull     time.Duration
	delay    time.Duration
	last     time.Time
	received bool // anything since something was typed
	writing  error
}

// pager is what is known of a pager's text.
type pager struct {
	erased bool   // the device takes it away
	left   int    // how often it didn't
	key    string // what turned it last
}

// Command is a line to type.
type Command struct {
	Text string
	// Most bounds the output that is kept, in bytes; of more, the start and the end are. 0: 4 MiB.
	Most int
	// Secret, unless nil, is asked once for what to type, hidden, where the device asks for a password.
	Secret func(prompt string) (string, error)
}

// Result is what a command gave.
type Result struct {
	// Output is what it printed, with a line feed behind each line.
	Output string
	// Truncated is set when there was more than is kept.
	Truncated bool
	// Prompt is the line that the device shows now.
	Prompt string
}

// WaitError is a wait that ended without what was waited for.
type WaitError struct {
	// For is what was waited for: "the prompt after the login".
	For string
	// Question is set when the device asks something that has no answer.
	Question bool
	// Screen is what the device shows, the last lines of it.
	Screen string
	// Err is why the wait ended: of the context, or io.EOF when the device has ended the terminal. nil: the device
	// has said something else.
	Err error
}

// Error implements error.
func (e *WaitError) Error() string {
	text := "waited for " + e.For
	if e.Question {
		text += ", but the device asks something"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns why the wait ended.
func (e *WaitError) Unwrap() error { return e.Err }

// Open learns the device's prompt. w and r are the terminal's two directions; r has to end when the terminal is closed.
// [Terminal.Close] ends what Open starts.
func Open(ctx context.Context, w io.Writer, r io.Reader, options Options) (*Terminal, error) {
	if options.Width <= 0 {
		options.Width = defaultWidth
	}
	running, stop := context.WithCancel(context.Background())
	t := &Terminal{w: w, pieces: make(chan []byte), stop: stop, answers: options.Answers, pagers: make(map[string]pager)}
	t.screen = screen{width: options.Width, emit: t.line, reply: t.reply}
	go t.pump(running, r)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := t.learn(ctx); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// Close releases the terminal. It closes neither of its directions.
func (t *Terminal) Close() { t.stop() }

// Prompt is the line that the device shows when it waits for a command.
func (t *Terminal) Prompt() string { return strings.TrimSpace(t.at.line) }

// pump passes on what the device writes.
func (t *Terminal) pump(running context.Context, r io.Reader) {
	defer close(t.pieces)
	buffer := make([]byte, 16<<10)
	for {
		n, err := r.Read(buffer)
		if n > 0 {
			select {
			case t.pieces <- bytes.Clone(buffer[:n]):
			case <-running.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// wait takes what the device writes next. It returns false when the device has been silent for so long; 0 is forever.
func (t *Terminal) wait(ctx context.Context, silence time.Duration) (bool, error) {
	var over <-chan time.Time
	if silence > 0 {
		timer := time.NewTimer(silence)
		defer timer.Stop()
		over = timer.C
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	var piece []byte
	var ok bool
	select {
	case piece, ok = <-t.pieces:
	case <-over:
		select {
		case piece, ok = <-t.pieces:
		default:
			return false, nil
		}
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if !ok {
		return false, io.EOF
	}
	now := time.Now()
	if t.received {
		t.lull = max(t.lull, min(now.Sub(t.last), longestLull))
	}
	t.received, t.last = true, now
	t.screen.write(piece)
	return true, t.writing
}

// silence is how long this device has to be silent.
func (t *Terminal) silence(least time.Duration) time.Duration {
	return max(least, t.lull+t.lull/2)
}

// reaction is how long the device has to be silent after something was typed: it may be far away.
func (t *Terminal) reaction(least time.Duration) time.Duration {
	return max(t.silence(least), least+t.delay+t.delay/2)
}

// send types something.
func (t *Terminal) send(text string) error {
	t.received = false
	_, err := io.WriteString(t.w, text)
	return err
}

// reply answers the device's questions to its terminal, a few times: an answer may be taken for a command.
func (t *Terminal) reply(answer string) {
	const most = 8
	if t.replies++; t.replies <= most {
		_, t.writing = io.WriteString(t.w, answer)
	}
}

// line takes a line that has ended, or the start of a long one.
func (t *Terminal) line(text string, ended bool) {
	if !ended {
		if t.out != nil && !t.listed {
			t.out.add(text)
		}
		return
	}
	if t.recent = append(t.recent, text); len(t.recent) > maxScreen {
		t.recent = t.recent[1:]
	}
	t.settle()
	if t.echo != nil {
		output, keep, over := t.echo.line(text)
		if over {
			t.echo.rest = ""
		}
		if !keep {
			return
		}
		text = output
	}
	switch {
	case t.listed:
		if len(t.lines) < 100 {
			t.lines = append(t.lines, text)
		}
	case t.out != nil:
		for _, known := range t.forms {
			if known.matches(text) {
				t.passed = known
			}
		}
		t.out.add(text + "\n")
	}
}

// settle learns whether the device takes its pager's text away.
func (t *Terminal) settle() {
	if t.screen.ghost == nil {
		return
	}
	text := t.screen.ghost
	if t.screen.touched {
		text = text[t.screen.kept:]
	}
	key := shape(strings.TrimSpace(render(text)))
	known := t.pagers[key]
	if t.screen.touched {
		known.erased = true
	} else {
		known.left++
	}
	t.pagers[key] = known
}

// view is what the device has written on the line that it has left open.
func (t *Terminal) view() string {
	line := t.screen.String()
	if t.echo == nil || !t.echo.first {
		return line
	}
	if !t.screen.printed {
		return ""
	}
	if rest, ok := strings.CutPrefix(line, t.echo.before); ok && !t.screen.moved {
		return rest
	}
	return line
}

// enter presses Enter behind what is typed.
func (t *Terminal) enter(command string) error {
	prompt := ""
	if t.at != nil {
		prompt = t.at.line
	}
	t.echo = &echo{before: t.screen.String(), prompt: prompt, rest: squash(command), first: true}
	t.screen.printed, t.screen.moved = false, false
	return t.send("\r")
}

// failed is a wait that err has ended.
func (t *Terminal) failed(what string, err error) error {
	return &WaitError{For: what, Screen: t.shown(), Err: err}
}

func (t *Terminal) asked(what string) error {
	return &WaitError{For: what, Question: true, Screen: t.shown()}
}

// shown is the end of what the device has written.
func (t *Terminal) shown() string {
	lines := append(append([]string(nil), t.recent...), t.screen.String())
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

var errManyEnters = errors.New("pressing Enter shows something else each time")
