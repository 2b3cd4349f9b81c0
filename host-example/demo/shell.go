package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
)

// step is one command of the worker.
type step struct {
	why    string
	args   []string
	status int
}

// shell runs commands as a user would in a terminal, and shows them and what they print.
type shell struct {
	out       io.Writer
	directory string
	worker    string // absolute
	environ   []string
}

func newShell(out io.Writer, directory, worker string, backend *awssmtest.Server) (*shell, error) {
	worker, err := filepath.Abs(worker)
	if err != nil {
		return nil, err
	}
	// Nothing of this machine's AWS settings or of a real worker's may get in.
	environ := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name := strings.ToUpper(variable)
		return strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "TOM_") || strings.HasPrefix(name, "HOME=") || strings.HasPrefix(name, "USERPROFILE=")
	})
	environ = append(environ, backend.Env()...) // with AWS_EC2_METADATA_DISABLED=true
	environ = append(environ, "HOME="+directory, "USERPROFILE="+directory)
	return &shell{out: out, directory: directory, worker: worker, environ: environ}, nil
}

// say prints a line of explanation.
func (s *shell) say(text string) {
	_, _ = fmt.Fprintf(s.out, "# %s\n", text)
}

// export sets environment variables for the commands that follow, and shows them.
func (s *shell) export(variables ...string) {
	s.environ = append(s.environ, variables...)
	_, _ = fmt.Fprintf(s.out, "$ export %s\n", strings.Join(variables, " "))
}

// show prints a file.
func (s *shell) show(file string) error {
	text, err := os.ReadFile(filepath.Join(s.directory, file))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "$ cat %s\n%s\n", file, text)
	return err
}

// run runs the worker. Both of its outputs are shown, in the order in which they come.
func (s *shell) run(ctx context.Context, step step) error {
	if step.why != "" {
		s.say(step.why)
	}
	line := "host-example " + strings.Join(step.args, " ")
	_, _ = fmt.Fprintf(s.out, "$ %s\n", line)
	command := exec.CommandContext(ctx, s.worker, step.args...)
	command.Dir, command.Env = s.directory, s.environ
	command.Stdout, command.Stderr = s.out, s.out
	err := command.Run()
	_, _ = fmt.Fprintln(s.out)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	if status := command.ProcessState.ExitCode(); status != step.status {
		return fmt.Errorf("%q ended with status %d, not %d", line, status, step.status)
	}
	return nil
}
