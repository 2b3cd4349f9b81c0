package device

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/text"
)

// How much of what a device prints is kept, in bytes.
const (
	// MaxOutput is for one command.
	MaxOutput = 4 << 20
	// MaxOutputs is for all commands of one [Session.Run] together; when they have had that, each keeps little more than the
	// place where it is cut.
	MaxOutputs  = 16 << 20
	leastOutput = 1 << 10
)

// Session is a device that is logged in to.
type Session struct {
	client  *ssh.Client
	conn    net.Conn
	address string
	observe CommandObserver
	secrets []string // that the device may have been shown
	cred    *credential.Credential
	answers []Answer
}

// CommandObserver is called before each command of a [Session.Run], with the command's number, counted from 1, and how many
// there are. It returns the context for the command and a function that is called when the command has ended, with its exit
// status, nil if there is none, and its error. If that context is done, the command isn't sent, and the session ends. The
// command itself is not passed: it may hold a secret.
type CommandObserver func(ctx context.Context, number, count int) (context.Context, func(exitStatus *int, err error))

func unobserved(ctx context.Context, _, _ int) (context.Context, func(*int, error)) {
	return ctx, func(*int, error) {}
}

// goodbye is how long a device may take to notice that a session is over.
const goodbye = 500 * time.Millisecond

// Close ends the session, and waits a moment until the device has noticed: many devices have room for a few sessions only,
// and the next one may follow at once. It may be called more than once.
func (s *Session) Close() {
	if half, ok := s.conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		impatient := time.AfterFunc(goodbye, s.cut)
		defer impatient.Stop()
		_ = s.client.Wait()
	}
	s.cut()
}

// extra returns a field of the credential that the login had.
func (s *Session) extra(field string) (string, bool) {
	if s.cred == nil || s.cred.Extra[field].IsEmpty() {
		return "", false
	}
	return s.cred.Extra[field].Reveal(), true
}

// cut ends the session at once.
func (s *Session) cut() { _ = s.client.Close() }

// ended prefers the end of ctx, which closes the connection, to what came of that.
func (s *Session) ended(ctx context.Context, err error) error {
	if err == nil && ctx.Err() == nil {
		return nil
	}
	if reason := credential.ReasonOf(err); ctx.Err() != nil && reason != credential.Cancelled && reason != PromptNotFound {
		return credential.Errorf(credential.Cancelled, "device %s: broken off before the commands had ended", s.address)
	}
	return err
}

func (s *Session) lost(what string) *credential.Error {
	return credential.Errorf(ConnectionLost, "device %s: %s", s.address, what)
}

// exec runs a command on its own channel, and keeps the start of its output.
func (s *Session) exec(_ context.Context, command string, most int) (Output, error) {
	result := Output{Command: command}
	channel, err := s.client.NewSession()
	if err != nil {
		return result, s.lost("it opens no channel for a command").WithHelp(`if it allows one command a connection: "shell": true`)
	}
	defer func() { _ = channel.Close() }()
	output := capture{most: most}
	channel.Stdout, channel.Stderr = &output, &output
	err = channel.Run(command)
	result.Output, result.Truncated = output.text()

	var exit *ssh.ExitError
	var missing *ssh.ExitMissingError
	switch {
	case err == nil:
		result.ExitStatus = new(int)
		return result, nil
	case errors.As(err, &exit) && exit.Signal() != "":
		return result, credential.Errorf(CommandFailed, "device %s: the command was ended by signal %s", s.address, text.Truncate(text.Line(exit.Signal()), maxQuoted))
	case errors.As(err, &exit):
		status := exit.ExitStatus()
		result.ExitStatus = &status
		return result, credential.Errorf(CommandFailed, "device %s: the command ended with status %d", s.address, status)
	case errors.As(err, &missing):
		// Many devices give no status. But a connection that is gone looks the same, and then the output isn't whole.
		if !s.alive() {
			return result, s.lost("the connection ended with the command").WithHelp(`if the device always does that: "shell": true`)
		}
		return result, nil
	case !s.alive():
		return result, s.lost("the connection ended")
	}
	return result, credential.Errorf(CommandFailed, "device %s doesn't run commands without a terminal", s.address).WithHelp(`in the job: "shell": true`)
}

// alive asks the device anything: any answer will do.
func (s *Session) alive() bool {
	_, _, err := s.client.SendRequest("keepalive@openssh.com", true, nil)
	return err == nil
}

// capture keeps the start of what is written to it, by two goroutines.
type capture struct {
	most int // bytes
	mu   sync.Mutex
	kept []byte
	more bool
}

// Write implements io.Writer.
func (c *capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fits := min(len(p), c.most-len(c.kept))
	c.kept = append(c.kept, p[:fits]...)
	c.more = c.more || fits < len(p)
	return len(p), nil
}

func (c *capture) text() (text string, truncated bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.ToValidUTF8(string(c.kept), "\ufffd"), c.more
}
