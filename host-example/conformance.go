package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tom-worker/credential-provider/shared/conformance"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/regular"
)

// conformanceOptions are the flags of conformance.
type conformanceOptions struct {
	plugin, attach, settings, fixtures string
	run, skip                          string
	output                             string
	list, init                         bool
	timeout, checkTimeout              time.Duration
}

// reports are the forms of a report.
var reports = []string{"text", "json", "junit"}

func (c *cli) conformanceCommand() *cobra.Command {
	options := conformanceOptions{output: "text"}
	command := &cobra.Command{
		Use:   "conformance {--plugin PATH | --attach unix:PATH} {--fixtures FILE | --init}",
		Short: "Check that a provider's executable keeps the contract",
		Long: `Check that a provider's executable keeps the contract, in whatever language it is written. Each check has an id, a level
(MUST or SHOULD) and a reason; --list shows them.

SETTINGS is a YAML file with the provider's settings, without a prefix. FIXTURES is a YAML file that says what the backend
holds; --init writes one for a provider from its own metadata, with comments, to be filled in. Its values should be made up for
the purpose, since they are searched for in everything that the provider writes. Those of fewer than 8 bytes aren't.

  credentials:
    lab_creds: {username: admin, password: canary-4711, extra: {port: "22"}}    # without extra it isn't looked at
    git: {username: git, extra: {private_key: canary-4714}}                     # without password it must be absent
  missing: [absent]
  # and, if there are any, for more checks:
  malformed: {broken: [canary-4712]}          # exists but is no credential; the secrets in it
  invalid_ids: [...]                          # ids that the backend can't have
  slow: [...]                                 # ids that take the backend longer than ten seconds
  denied: [...]                               # ids that the provider may not read
  deleted: [...]                              # ids of deleted credentials
  versions: [{credential_id: lab_creds, version_label: OLD, username: admin, password: canary-4713}]   # or version_id
  backend_gone: {settings: {url: "http://127.0.0.1:9"}, environment: {NAME: value}}
  events:                                     # what happens to the backend while the provider runs, and what differs then
    - command: [./change-password, lab_creds] # its environment: the provider's, and SETTING_<NAME> for each setting
      undo: [./change-password, lab_creds, --back]
      credentials: {lab_creds: {username: admin, password: canary-4715}}   # or missing, deleted, denied, slow: [...]
    - {command: [./end-sessions], session_ended: true}                     # the provider signs in again
  environment: {NAME: value}                  # for the provider, in every launch

With --attach the checks are made on something that serves credentials already, such as an agent. Nothing is launched, and the checks
that are about processes, settings and changes of the backend are skipped.

Each result is printed when its check has ended, with its time. Warnings say what the fixtures are too poor to prove.
The settings of the worker itself are not used. Exit status: 0 if no MUST failed, 1 if one did, 2 for wrong usage or files.`,
		Example: `  host-example conformance --plugin bin/plugins/tom-credential-yaml --settings settings.yaml --fixtures fixtures.yaml
  host-example conformance --plugin ./tom-credential-mine --fixtures fixtures.yaml --run '^CP-(GET|LIST)-' --output junit
  host-example conformance --plugin ./tom-credential-mine --init >fixtures.yaml
  host-example conformance --attach unix:/run/tom-agent/agent.sock --fixtures fixtures.yaml
  host-example conformance --list`,
		Args: cobra.NoArgs,
	}
	flags := command.Flags()
	flags.StringVar(&options.plugin, "plugin", "", "the provider's executable, a `file` called tom-credential-<name>")
	flags.StringVar(&options.attach, "attach", "", "`address` of something that runs already: unix: and the absolute path of its socket")
	flags.StringVar(&options.settings, "settings", "", "YAML `file` with the provider's settings")
	flags.StringVar(&options.fixtures, "fixtures", "", "YAML `file` that says what the backend holds")
	flags.StringVar(&options.run, "run", "", "make only the checks whose ids match this regular `expression`")
	flags.StringVar(&options.skip, "skip", "", "leave out the checks whose ids match this regular `expression`")
	flags.StringVarP(&options.output, "output", "o", "text", "`format` of the report: text, json or junit")
	flags.BoolVar(&options.list, "list", false, "list the checks")
	flags.BoolVar(&options.init, "init", false, "write a file of fixtures for the provider to stdout, and make no checks")
	flags.DurationVar(&options.timeout, "timeout", 15*time.Minute, "`time` for all checks; those that it leaves no time for are skipped")
	flags.DurationVar(&options.checkTimeout, "check-timeout", time.Minute, "`time` for one check")
	complete(command, "output", reports...)
	command.RunE = c.action(func(ctx context.Context, _ []string) error {
		if options.output == string(jsonFormat) {
			c.output = jsonFormat
		}
		return c.conformance(ctx, options)
	})
	return command
}

func (c *cli) conformance(ctx context.Context, options conformanceOptions) error {
	if !slices.Contains(reports, options.output) {
		return usagef("--output must be text, json or junit")
	}
	if options.list {
		c.listChecks()
		return nil
	}
	if options.init {
		return c.initFixtures(ctx, options)
	}
	what, err := options.read()
	if err != nil {
		return err
	}
	what.Environ = c.environ
	what.Timeout, what.CheckTimeout = options.timeout, options.checkTimeout
	if options.output == "text" {
		what.Observe = func(result conformance.Result) { _ = result.WriteText(c.stdout) } // the summary's error is reported
	}
	report, err := conformance.Examine(ctx, what)
	if ctx.Err() != nil {
		return credential.Errorf(credential.Cancelled, "the checks were interrupted")
	}
	if err != nil {
		return usagef("%v", err)
	}
	switch options.output {
	case "json":
		err = report.WriteJSON(&c.out)
	case "junit":
		err = report.WriteJUnit(&c.out)
	default:
		err = report.WriteSummary(&c.out)
	}
	if err == nil && !report.Conforms() {
		return told(credential.Errorf(credential.ProviderMisbehaved, "%s does not conform", report.Plugin))
	}
	return err
}

func (c *cli) initFixtures(ctx context.Context, options conformanceOptions) error {
	if options.plugin == "" {
		return usagef("conformance --init needs --plugin")
	}
	text, err := conformance.Starter(ctx, conformance.Options{Plugin: options.plugin, Environ: c.environ})
	if err != nil {
		return usagef("%v", err)
	}
	c.out.Write(text)
	return nil
}

// read turns the flags and the files that they name into what the kit takes.
func (o conformanceOptions) read() (conformance.Options, error) {
	what := conformance.Options{Plugin: o.plugin, Attach: o.attach}
	if (o.plugin == "") == (o.attach == "") || o.fixtures == "" {
		return what, usagef("conformance needs one of --plugin and --attach, and --fixtures").WithHelp("%s conformance --help", program)
	}
	var err error
	for _, filter := range []struct {
		flag, text string
		into       **regexp.Regexp
	}{{"run", o.run, &what.Run}, {"skip", o.skip, &what.Skip}} {
		if filter.text == "" {
			continue
		}
		if *filter.into, err = regexp.Compile(filter.text); err != nil {
			return what, usagef("--%s is not a regular expression: %v", filter.flag, err)
		}
	}
	text, err := regular.Read(o.fixtures, maxDocument)
	if err != nil {
		return what, usagef("--fixtures: %v", err)
	}
	if what.Fixtures, err = conformance.ParseFixtures(text); err != nil {
		return what, usagef("--fixtures %s: %v", o.fixtures, err)
	}
	if o.settings == "" {
		return what, nil
	}
	if text, err = regular.Read(o.settings, maxDocument); err != nil {
		return what, usagef("--settings: %v", err)
	}
	if what.Settings, err = conformance.ParseSettings(text); err != nil {
		return what, usagef("--settings %s: %v", o.settings, err)
	}
	return what, nil
}

// maxDocument bounds the files of fixtures and of settings, in bytes.
const maxDocument = 16 << 20

func (c *cli) listChecks() {
	if c.output == jsonFormat {
		c.writeJSON(map[string]any{"checks": conformance.Checks()})
		return
	}
	for _, check := range conformance.Checks() {
		_, _ = fmt.Fprintf(&c.out, "%-18s %-7s %s\n%s", check.ID, check.Level, check.Title, indent(wrap(check.Reason, 100), "    "))
	}
}
