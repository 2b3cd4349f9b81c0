package device

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/tom-worker/credential-provider/host-example/worker/device/platform"
	"github.com/tom-worker/credential-provider/host-example/worker/device/terminal"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/text"
)

// shell is a device's command line on its own channel.
type shell struct {
	session  *Session
	channel  *ssh.Session
	terminal *terminal.Terminal
}

// terminalHeight is so large that as little as possible is paged.
const terminalWidth, terminalHeight = 511, 10000

// openShell returns when the device has shown its prompt.
func (s *Session) openShell(ctx context.Context, answers []terminal.Answer) (*shell, error) {
	channel, err := s.client.NewSession()
	if err != nil {
		return nil, s.lost("it opens no channel for a terminal")
	}
	in, err := channel.StdinPipe()
	var out io.Reader
	if err == nil {
		out, err = channel.StdoutPipe()
	}
	if err == nil {
		err = channel.RequestPty("vt100", terminalHeight, terminalWidth, ssh.TerminalModes{})
	}
	if err == nil {
		err = channel.Shell()
	}
	if err != nil {
		_ = channel.Close()
		return nil, s.lost("it gives no terminal")
	}
	t, err := terminal.Open(ctx, in, out, terminal.Options{Width: terminalWidth, Answers: answers})
	if err != nil {
		_ = channel.Close()
		return nil, s.waited(ctx, err)
	}
	return &shell{s, channel, t}, nil
}

func (c *shell) close() {
	_ = c.channel.Close()
	c.terminal.Close()
}

// run types a command and waits for the prompt.
func (c *shell) run(ctx context.Context, command string, most int) (Output, error) {
	result, err := c.terminal.Run(ctx, terminal.Command{Text: command, Most: most})
	output := Output{Command: command, Output: result.Output, Truncated: result.Truncated}
	if err != nil {
		return output, c.session.waited(ctx, err)
	}
	return output, nil
}

// waited is the error of a wait for the device's prompt.
func (s *Session) waited(ctx context.Context, err error) error {
	var wait *terminal.WaitError
	if !errors.As(err, &wait) {
		return err
	}
	reason, what := PromptNotFound, "waited for "+wait.For
	switch {
	case wait.Question:
		what += ", but the device asks something that has no answer"
	case errors.Is(wait.Err, io.EOF):
		reason, what = ConnectionLost, what+", but the device ended the terminal"
	case ctx.Err() != nil:
		reason, what = credential.Cancelled, what+" when the time was up"
	case errors.Is(wait.Err, context.DeadlineExceeded):
		what += ", which didn't come"
	case wait.Err != nil:
		what += ": " + wait.Err.Error()
	}
	if wait.Screen != "" {
		what += "; its screen: " + quoteScreen(s.hide(wait.Screen))
	} else {
		what += "; its screen is empty"
	}
	e := credential.Errorf(reason, "device %s: %s", s.address, what)
	if wait.Question {
		return e.WithHelp(`answer it in the job: "answers": [{"prompt": "a regular expression", "send": "y"}]`)
	}
	return e
}

// isQuestion reports whether a wait ended because the device asks something.
func isQuestion(err error) bool {
	var wait *terminal.WaitError
	return errors.As(err, &wait) && wait.Question
}

// generic is the platform of devices of which nothing is known.
var generic = sync.OnceValue(func() *platform.Platform {
	all, err := platform.Load("")
	if err != nil {
		panic(err) // it is built in
	}
	return all[platform.Generic]
})

// quoteScreen shows the end of a screen in one line.
func quoteScreen(screen string) string {
	const longest = 600
	if runes := []rune(screen); len(runes) > longest {
		screen = "..." + string(runes[len(runes)-longest:])
	}
	lines := strings.Split(screen, "\n")
	for i, line := range lines {
		lines[i] = text.Line(line)
	}
	return `"` + strings.Join(lines, ` | `) + `"`
}

// hide takes the login's secrets out of what the device shows.
func (s *Session) hide(screen string) string {
	for _, secret := range s.secrets {
		screen = strings.ReplaceAll(screen, secret, "[REDACTED]")
	}
	return screen
}
