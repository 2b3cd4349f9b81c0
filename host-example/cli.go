package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tom-worker/credential-provider/host-example/observe/trace"
)

// program is the name by which the help and its examples call the program.
const program = "host-example"

// cli is one command line at work.
type cli struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string

	// out is what goes to stdout, all at once when the command has ended: a failure leaves nothing half-done there. Only
	// run, whose results can't wait, writes to stdout itself.
	out bytes.Buffer

	configFile, logLevel, logFormat string // the global flags
	unsafeAttach                    string // of the commands that use a provider; nothing but this flag sets it
	digestKey                       []byte // of an agent, for a ledger in memory; nil: a random one
	output                          format
	running                         bool // the command line was understood
	logsJSON                        bool // the settings have been read, and say so
	traces                          *trace.Traces
}

// run executes one command line and returns the exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string) int {
	c := &cli{stdin: stdin, stdout: stdout, stderr: stderr, environ: environ, output: textFormat}
	root := c.root()
	root.SetArgs(args)
	root.SetOut(&c.out)
	root.SetErr(stderr)
	defer func() { c.traces.Close(context.WithoutCancel(ctx)) }() // when the output has been written

	command, err := root.ExecuteContextC(ctx)
	if err != nil && !c.running {
		err = usagef("%v", err).WithHelp("%s --help", command.CommandPath())
		if wantsJSON(args) { // the flags may not have been read that far
			c.output = jsonFormat
		}
	}
	status := c.report(err)
	if c.out.Len() == 0 { // an empty write can block or fail too
		return status
	}
	if _, err := stdout.Write(c.out.Bytes()); err != nil {
		_, _ = fmt.Fprintf(stderr, "error: write the output: %v\n", err)
		return max(status, statusFailed)
	}
	return status
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:           program,
		Short:         "A worker that gets device credentials from a provider",
		Version:       versionLine(),
		SilenceUsage:  true,
		SilenceErrors: true,
		// Without these two cobra words the error for a mistyped command itself, over several lines.
		Args:                       knownCommand,
		SuggestionsMinimumDistance: 2,
		RunE:                       func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	root.SetVersionTemplate("{{.Version}}\n")
	helpOfCommand := root.HelpFunc()
	root.SetHelpFunc(func(command *cobra.Command, args []string) {
		if command == root {
			c.out.WriteString(rootHelp(root))
			return
		}
		helpOfCommand(command, args)
	})
	flags := root.PersistentFlags()
	flags.StringVar(&c.configFile, "config", "", "YAML `file` with the settings")
	flags.StringVar(&c.logLevel, "log-level", "", "`level` of the log: trace, debug, info, warning, error, critical or off")
	flags.StringVar(&c.logFormat, "log-format", "", "`format` of the log: text or json")
	complete(root, "log-level", "trace", "debug", "info", "warning", "error", "critical", "off")
	complete(root, "log-format", "text", "json")
	root.AddCommand(c.getCommand(), c.listCommand(), c.validateCommand(), c.runCommand(), c.agentCommand(), c.fleetCommand(), c.quarantineCommand(), c.providersCommand(), c.conformanceCommand(), c.versionCommand())
	return root
}

// knownCommand refuses what is no command, with a suggestion.
func knownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("unknown command %q; did you mean %s?", args[0], strings.Join(near, " or "))
	}
	return fmt.Errorf("unknown command %q", args[0])
}

// action is a command's work. Until it starts, every error is one of usage.
func (c *cli) action(do func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(command *cobra.Command, args []string) error {
		c.running = true
		return do(command.Context(), args)
	}
}

// traced is action for a command whose work is one trace.
func (c *cli) traced(name string, do func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return c.action(func(ctx context.Context, args []string) error {
		c.traces = trace.FromEnvironment(c.environ, program, version)
		ctx, span := c.traces.Command(ctx, program+" "+name)
		err := do(ctx, args)
		if err != nil {
			shown, _ := classify(err)
			span.End(shown)
			return err
		}
		span.End(nil)
		return nil
	})
}

// format is the form of a command's results.
type format string

const (
	textFormat format = "text"
	jsonFormat format = "json"
)

// String implements pflag.Value.
func (f *format) String() string { return string(*f) }

// Type implements pflag.Value.
func (f *format) Type() string { return "format" }

// Set implements pflag.Value.
func (f *format) Set(value string) error {
	if value != string(textFormat) && value != string(jsonFormat) {
		return fmt.Errorf("must be text or json")
	}
	*f = format(value)
	return nil
}

func (c *cli) outputFlag(command *cobra.Command) {
	command.Flags().VarP(&c.output, "output", "o", "`format` of the result: text or json")
	complete(command, "output", string(textFormat), string(jsonFormat))
}

// attachFlag is for a provider's author.
func (c *cli) attachFlag(command *cobra.Command) {
	command.Flags().StringVar(&c.unsafeAttach, "unsafe-attach", "",
		"UNSAFE, for a provider's author: launch nothing, use the provider in debug mode that wrote this `file`")
	check := command.PreRunE
	command.PreRunE = func(command *cobra.Command, args []string) error {
		if command.Flags().Changed("unsafe-attach") && c.unsafeAttach == "" {
			return usagef("--unsafe-attach is empty")
		}
		if check == nil {
			return nil
		}
		return check(command, args)
	}
}

// wantsJSON looks for --output json in a command line that could not be parsed.
func wantsJSON(args []string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	for i, arg := range args {
		switch {
		case arg == "--output=json", arg == "-ojson", arg == "-o=json":
			return true
		case (arg == "--output" || arg == "-o") && i+1 < len(args) && args[i+1] == "json":
			return true
		}
	}
	return false
}

// complete offers the values of a flag to the shell.
func complete(command *cobra.Command, flag string, values ...string) {
	if err := command.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // a flag that isn't there: a slip of this program
	}
}

// argument checks that a command has one argument, or at most one.
func argument(what string, optional bool) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		switch {
		case len(args) > 1:
			return fmt.Errorf("%s takes one %s, not %d: %s", command.Name(), what, len(args), strings.Join(quoteAll(args), " "))
		case len(args) == 0 && !optional:
			return fmt.Errorf("%s needs a %s", command.Name(), what)
		}
		return nil
	}
}
