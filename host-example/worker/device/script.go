package device

import (
	"context"
	"regexp"
	"strings"

	"github.com/tom-worker/credential-provider/host-example/worker/device/platform"
	"github.com/tom-worker/credential-provider/host-example/worker/device/terminal"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/text"
)

// enablePasswordField is the key of a credential's extra fields that "enable" takes.
const enablePasswordField = "enable_password"

// Script is what to do at a device that is logged in to. At least one of Commands and Config has a line.
type Script struct {
	// Commands are run one after the other, behind Config.
	Commands []string
	// Config are lines of configuration. They are typed in configuration mode, which is left behind them, also when a line is
	// rejected; where the platform commits, what was typed is discarded then.
	Config []string
	// Enable gets privileges first, with the credential's extra field enable_password.
	Enable bool
	// Shell has the commands typed into a terminal instead of run on a channel each. Config and Enable always do.
	Shell bool
	// Platform is the device's. nil: nothing is known of it; Enable and Config are then those of [platform.Generic].
	Platform *platform.Platform
	// Errors are lines by which the device says that it rejects a command, besides those of the platform.
	Errors []*regexp.Regexp
}

// steps is a script in progress.
type steps struct {
	Script
	session *Session
	shell   *shell // nil: each command has a channel
	outputs []Output
	left    int // bytes
	number  int
}

// Run carries out a script, until a command fails, and returns the outputs, that of the failed one included. The end of ctx
// ends the session. Errors are *credential.Error values: COMMAND_FAILED, COMMAND_REJECTED, ENABLE_REFUSED, PROMPT_NOT_FOUND,
// CONNECTION_LOST, CANCELLED.
//
// What is typed into a terminal has no exit status; what belongs to a command is told by the device's prompt, which is
// learned. Pages are turned.
func (s *Session) Run(ctx context.Context, script Script) ([]Output, error) {
	defer context.AfterFunc(ctx, s.cut)()
	if ctx.Err() != nil { // the login has taken all the time
		return nil, s.ended(ctx, nil)
	}
	r := &steps{Script: script, session: s, left: MaxOutputs}
	if script.Shell || script.Enable || len(script.Config) > 0 {
		c, err := s.openShell(ctx, s.answers)
		if err != nil {
			return nil, s.ended(ctx, err)
		}
		defer c.close()
		r.shell = c
	}
	err := r.all(ctx)
	return r.outputs, s.ended(ctx, err)
}

// all does the steps. The outputs are in r even with an error.
func (r *steps) all(ctx context.Context) error {
	if r.Enable {
		if err := r.enable(ctx); err != nil {
			return err
		}
	}
	if r.shell != nil && r.Platform != nil {
		for _, command := range r.Platform.Setup {
			if _, err := r.shell.run(ctx, command, leastOutput); err != nil {
				return err
			}
		}
	}
	if len(r.Config) > 0 {
		if err := r.configure(ctx); err != nil {
			return err
		}
	}
	for _, command := range r.Commands {
		if err := r.command(ctx, command, false); err != nil {
			return err
		}
	}
	return nil
}

// command runs one command and keeps its output.
func (r *steps) command(ctx context.Context, command string, config bool) error {
	r.number++
	ctx, done := r.session.observe(ctx, r.number, max(r.number, len(r.Commands)+len(r.Config)))
	if ctx.Err() != nil {
		err := r.session.ended(ctx, nil)
		done(nil, err)
		return err
	}
	run := r.session.exec
	if r.shell != nil {
		run = r.shell.run
	}
	output, err := run(ctx, command, min(max(r.left, leastOutput), MaxOutput))
	output.Config = config
	if line := r.Platform.Rejection(output.Output, r.Errors); line != "" && ctx.Err() == nil {
		err = credential.Errorf(CommandRejected, "device %s rejects %s: %s", r.session.address, text.Quote(command, maxCommand), quoted(r.session.hide(line)))
	}
	done(output.ExitStatus, err)
	r.left -= len(output.Output)
	r.outputs = append(r.outputs, output)
	return err
}

// maxCommand bounds what is repeated of a command, in bytes.
const maxCommand = 100

// configure types the lines of configuration.
func (r *steps) configure(ctx context.Context) error {
	p := r.Platform
	if p == nil {
		p = generic()
	}
	if len(p.Enter) == 0 {
		return credential.Errorf(CommandFailed, "platform %s has no configuration mode", p.Name).
			WithHelp("give the lines as commands")
	}
	before := r.shell.terminal.Prompt()
	if err := r.each(ctx, p.Enter); err != nil {
		return err
	}
	if r.shell.terminal.Prompt() == before {
		return credential.Errorf(CommandRejected, "device %s doesn't enter configuration mode: its prompt is still %s", r.session.address, text.Quote(before, maxCommand)).
			WithHelp(`say what it is, in the job: "device_type"; or get privileges first: "enable": true`)
	}
	err := r.each(ctx, r.Config)
	if err == nil {
		err = r.each(ctx, p.Commit)
	}
	if err == nil {
		return r.each(ctx, p.Leave)
	}
	if credential.ReasonOf(err) == CommandRejected { // the device still listens
		if r.each(ctx, p.Discard) == nil {
			_ = r.each(ctx, p.Leave)
		}
	}
	return err
}

// each types lines of configuration mode.
func (r *steps) each(ctx context.Context, lines []string) error {
	for _, line := range lines {
		if err := r.command(ctx, line, true); err != nil {
			return err
		}
	}
	return nil
}

// enable gets privileges. The password is typed once, into the prompt that asks for it.
func (r *steps) enable(ctx context.Context) error {
	p := r.Platform
	if p == nil {
		p = generic()
	}
	address := r.session.address
	if p.Enable == "" || p.Enabled(r.shell.terminal.Prompt()) {
		return nil
	}
	asked := false
	result, err := r.shell.terminal.Run(ctx, terminal.Command{Text: p.Enable, Most: leastOutput, Secret: func(string) (string, error) {
		asked = true
		password, ok := r.session.extra(enablePasswordField)
		if !ok {
			return "", credential.Errorf(EnableRefused, "device %s asks for the enable password, and the credential has no field %s", address, enablePasswordField).
				WithHelp("store it beside the password: \"%s\"", enablePasswordField)
		}
		return password, nil
	}})
	switch {
	case credential.ReasonOf(err) == EnableRefused:
		return err
	case err != nil && asked && ctx.Err() == nil && isQuestion(err):
		return r.refused("asks again after the enable password")
	case err != nil:
		return r.session.waited(ctx, err)
	}
	if line := p.Rejection(result.Output, r.Errors); line != "" {
		return r.refused("says " + text.Quote(r.session.hide(line), maxCommand))
	}
	if !p.Enabled(result.Prompt) {
		return r.refused("still has the prompt " + text.Quote(result.Prompt, maxCommand) + " after " + strings.TrimSpace(text.Quote(p.Enable, maxCommand)))
	}
	return nil
}

func (r *steps) refused(what string) error {
	return credential.Errorf(EnableRefused, "device %s %s", r.session.address, what).
		WithHelp("look at the credential's field %s, and whether the user may have privileges", enablePasswordField)
}
