package device

import (
	"context"
	"io"
	"regexp"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tom-worker/credential-provider/host-example/job"
)

// settle is how long a device has to be silent after what looks like its prompt for it to be one.
const settle = 100 * time.Millisecond

var (
	// prompt is what a line looks like behind which a device waits for a command: "router1#", "user@host:/tmp$ ", "<switch1>",
	// "[switch1-Vlanif1]".
	prompt = regexp.MustCompile(`^([\w.@:/~()\[\]<* -]{0,100}[>#$%]\s?|\[[\w.@:/~*-]{1,100}\]\s?)$`)
	// pager is what it looks like when it waits before the next page.
	pager = regexp.MustCompile(`(?i)^\W*(<?-+ ?\(?more\)? ?-*>?|press any key to continue.*|lines \d+-\d+.*)\W*(\d+%\W*)?$`)
	// escape is a terminal's control sequence.
	escape = regexp.MustCompile(`\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[()][A-Z0-9]|[=>])`)
	// name is the part of a prompt that stays the same when a command changes the mode.
	name = regexp.MustCompile(`^[\w.@-]+`)
)

// terminal is a device's command line.
type terminal struct {
	session *Session
	channel *ssh.Session
	in      io.Writer
	out     chan []byte // closed when the device ends it
	end     context.CancelFunc
	name    string // how the prompt begins; may be empty
}

// openTerminal returns when the device has shown its prompt.
func (s *Session) openTerminal(ctx context.Context) (*terminal, error) {
	channel, err := s.client.NewSession()
	if err != nil {
		return nil, s.lost("it opens no channel for a terminal")
	}
	ctx, end := context.WithCancel(ctx)
	t := &terminal{session: s, channel: channel, out: make(chan []byte), end: end}
	in, err := channel.StdinPipe()
	if err != nil {
		t.close()
		return nil, s.lost("no terminal")
	}
	t.in = in
	out, err := channel.StdoutPipe()
	if err != nil {
		t.close()
		return nil, s.lost("no terminal")
	}
	// Wide and high, so that as little as possible is wrapped or paged.
	err = channel.RequestPty("vt100", 10000, 511, ssh.TerminalModes{})
	if err == nil {
		err = channel.Shell()
	}
	if err != nil {
		t.close()
		return nil, s.lost("it gives no terminal")
	}
	go t.pump(ctx, out)
	screen, _, err := t.until(ctx, MaxOutput, func(string) bool { return true })
	if err != nil {
		t.close()
		return nil, err
	}
	t.name = name.FindString(lastLine(screen))
	return t, nil
}

func (t *terminal) close() {
	_ = t.channel.Close()
	t.end()
}

// pump passes on what the device writes. It ends with the channel, or with ctx.
func (t *terminal) pump(ctx context.Context, r io.Reader) {
	defer close(t.out)
	for {
		piece := make([]byte, 16<<10)
		n, err := r.Read(piece)
		if n > 0 {
			select {
			case t.out <- piece[:n]:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// run types a command and waits for the prompt. It keeps the beginning and the end of the output.
func (t *terminal) run(ctx context.Context, command string, most int) (job.Output, error) {
	result := job.Output{Command: command}
	if _, err := io.WriteString(t.in, command+"\n"); err != nil {
		return result, t.session.lost("the connection ended")
	}
	screen, truncated, err := t.until(ctx, most, func(line string) bool { return strings.HasPrefix(line, t.name) })
	result.Truncated = truncated
	result.Output = withoutFrame(screen, command, err == nil)
	return result, err
}

// until reads up to a prompt that is the one.
func (t *terminal) until(ctx context.Context, most int, isOne func(line string) bool) (screen string, truncated bool, err error) {
	var raw []byte
	var silence <-chan time.Time
	for {
		select {
		case piece, ok := <-t.out:
			if !ok {
				return render(raw), truncated, t.session.lost("it ended the terminal")
			}
			raw = append(raw, piece...)
			if excess := len(raw) - most; excess > 0 {
				raw, truncated = append(raw[:most/2], raw[most/2+excess:]...), true // the end has the prompt
			}
			silence = nil
			tail := render(raw[max(0, len(raw)-1024):])
			switch line := lastLine(tail); {
			case pager.MatchString(line):
				raw = raw[:strings.LastIndexByte(string(raw), '\n')+1]
				if _, err := io.WriteString(t.in, " "); err != nil {
					return render(raw), truncated, t.session.lost("the connection ended")
				}
			case prompt.MatchString(line) && isOne(line):
				silence = time.After(settle)
			}
		case <-silence:
			return render(raw), truncated, nil
		case <-ctx.Done():
			return render(raw), truncated, ctx.Err()
		}
	}
}

// render is what a person would read: without control sequences, and with what was overwritten gone.
func render(raw []byte) string {
	text := escape.ReplaceAllString(strings.ToValidUTF8(string(raw), "\ufffd"), "")
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i, line := range lines {
		line = strings.TrimRight(line, "\r")
		if at := strings.LastIndexByte(line, '\r'); at >= 0 {
			line = line[at+1:]
		}
		if strings.ContainsAny(line, "\b\x00\a") {
			line = overtype(line)
		}
		lines[i] = line
	}
	return strings.Join(lines, "\n")
}

func overtype(line string) string {
	var shown []rune
	for _, r := range line {
		switch {
		case r == '\b' && len(shown) > 0:
			shown = shown[:len(shown)-1]
		case r >= ' ' || r == '\t':
			shown = append(shown, r)
		}
	}
	return string(shown)
}

func lastLine(text string) string { return text[strings.LastIndexByte(text, '\n')+1:] }

// withoutFrame takes away the command's echo and the prompt.
func withoutFrame(screen, command string, prompted bool) string {
	if first, rest, ok := strings.Cut(screen, "\n"); ok && strings.HasSuffix(strings.TrimSpace(first), strings.TrimSpace(command)) {
		screen = rest
	}
	if prompted {
		screen = screen[:strings.LastIndexByte(screen, '\n')+1]
	}
	return screen
}
