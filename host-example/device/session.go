package device

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tom-worker/credential-provider/host-example/job"
	"github.com/tom-worker/credential-provider/host-example/trace"
	"github.com/tom-worker/credential-provider/shared/credential"
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

// Session is a device that somebody is logged in to.
type Session struct {
	client  *ssh.Client
	conn    net.Conn
	address string
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

// cut ends the session at once.
func (s *Session) cut() { _ = s.client.Close() }

// Run runs commands one after the other, until one fails, and returns the outputs, that of the failed one included. The end
// of ctx ends the session. Errors are *credential.Error values: COMMAND_FAILED, CONNECTION_LOST, CANCELLED.
//
// With shell the commands are typed into a terminal. What belongs to a command is then told by the device's prompt, so
// there are no exit statuses, and a command that changes the device's name, or asks something, runs until ctx ends. Pages
// are turned where the device waits with "--More--" or the like.
func (s *Session) Run(ctx context.Context, commands []string, shell bool) ([]job.Output, error) {
	defer context.AfterFunc(ctx, s.cut)()
	if ctx.Err() != nil { // the login has taken all the time
		return nil, s.ended(ctx, nil)
	}
	run := s.exec
	if shell {
		t, err := s.openTerminal(ctx)
		if err != nil {
			return nil, s.ended(ctx, err)
		}
		defer t.close()
		run = t.run
	}
	var outputs []job.Output
	left := MaxOutputs
	for i, command := range commands {
		ctx, span := trace.Begin(ctx, "ssh command") // which has no text of it: commands may hold secrets
		span.SetNumber(trace.CommandNumber, i+1)
		span.SetNumber(trace.CommandCount, len(commands))
		output, err := run(ctx, command, min(max(left, leastOutput), MaxOutput))
		left -= len(output.Output)
		if output.ExitStatus != nil {
			span.SetNumber(trace.CommandStatus, *output.ExitStatus)
		}
		span.End(err)
		outputs = append(outputs, output)
		if err != nil {
			return outputs, s.ended(ctx, err)
		}
	}
	return outputs, nil
}

// ended prefers the end of ctx, which closes the connection, to what came of that.
func (s *Session) ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return credential.Errorf(credential.Cancelled, "device %s: broken off before the commands had ended", s.address)
	}
	return err
}

func (s *Session) lost(what string) *credential.Error {
	return credential.Errorf(job.ConnectionLost, "device %s: %s", s.address, what)
}

// exec runs a command on a channel of its own, and keeps the beginning of its output.
func (s *Session) exec(_ context.Context, command string, most int) (job.Output, error) {
	result := job.Output{Command: command}
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
		return result, credential.Errorf(job.CommandFailed, "device %s: the command was ended by signal %s", s.address, clip(exit.Signal()))
	case errors.As(err, &exit):
		status := exit.ExitStatus()
		result.ExitStatus = &status
		return result, credential.Errorf(job.CommandFailed, "device %s: the command ended with status %d", s.address, status)
	case errors.As(err, &missing):
		// Many devices give no status. But a connection that is gone looks the same, and then the output isn't whole.
		if !s.alive() {
			return result, s.lost("the connection ended with the command").WithHelp(`if the device always does that: "shell": true`)
		}
		return result, nil
	case !s.alive():
		return result, s.lost("the connection ended")
	}
	return result, credential.Errorf(job.CommandFailed, "device %s doesn't run commands without a terminal", s.address).WithHelp(`in the job: "shell": true`)
}

// alive asks the device anything: any answer will do.
func (s *Session) alive() bool {
	_, _, err := s.client.SendRequest("keepalive@openssh.com", true, nil)
	return err == nil
}

// capture keeps the beginning of what is written to it, by two goroutines.
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
