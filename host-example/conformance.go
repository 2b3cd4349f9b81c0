package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tom-worker/credential-provider/shared/conformance"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// conformanceOptions are the flags of conformance.
type conformanceOptions struct {
	plugin, settings, fixtures string
	run, skip                  string
	output                     string
	list                       bool
}

// reports are the forms of a report.
var reports = []string{"text", "json", "junit"}

func (c *cli) conformanceCommand() *cobra.Command {
	options := conformanceOptions{output: "text"}
	command := &cobra.Command{
		Use:   "conformance --plugin PATH --fixtures FILE",
		Short: "Check that a provider's executable keeps the contract",
		Long: `Check that a provider's executable keeps the contract, in whatever language it is written. Each check has an id, a level
(MUST or SHOULD) and a reason; --list shows them.

SETTINGS is a YAML file with the provider's settings, without a prefix. FIXTURES is a YAML file that says what the backend
holds; its values should be made up for the purpose, since they are looked for in every log line and error. Those of fewer
than 8 bytes aren't: they are found by chance too.

  credentials:
    lab_creds: {username: admin, password: canary-4711, extra: {port: "22"}}    # without extra it isn't looked at
    git: {username: git, extra: {private_key: canary-4714}}                     # without password it must be absent
  missing: [nobody]
  # and, if there are any, for more checks:
  malformed: {broken: [canary-4712]}          # exists but is no credential; the secrets in it
  invalid_ids: [...]                          # ids that the backend can't have
  slow: [...]                                 # ids that take the backend longer than ten seconds
  versions: [{credential_id: lab_creds, version_label: OLD, username: admin, password: canary-4713}]   # or version_id
  backend_gone: {settings: {url: "http://127.0.0.1:9"}, environment: {NAME: value}}
  environment: {NAME: value}                  # for the provider, in every launch

The settings of the worker itself are not used. Exit status: 0 if no MUST failed, 1 if one did, 2 for wrong usage or files.`,
		Example: `  host-example conformance --plugin bin/plugins/tom-credential-yaml --settings settings.yaml --fixtures fixtures.yaml
  host-example conformance --plugin ./tom-credential-mine --fixtures fixtures.yaml --run '^CP-(GET|LIST)-' --output junit
  host-example conformance --list`,
		Args: cobra.NoArgs,
	}
	flags := command.Flags()
	flags.StringVar(&options.plugin, "plugin", "", "the provider's executable, a `file` called tom-credential-<name>")
	flags.StringVar(&options.settings, "settings", "", "YAML `file` with the provider's settings")
	flags.StringVar(&options.fixtures, "fixtures", "", "YAML `file` that says what the backend holds")
	flags.StringVar(&options.run, "run", "", "make only the checks whose ids match this regular `expression`")
	flags.StringVar(&options.skip, "skip", "", "leave out the checks whose ids match this regular `expression`")
	flags.StringVarP(&options.output, "output", "o", "text", "`format` of the report: text, json or junit")
	flags.BoolVar(&options.list, "list", false, "list the checks")
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
	what, err := options.read()
	if err != nil {
		return err
	}
	what.Environ = c.environ
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
		err = report.WriteText(&c.out)
	}
	if err == nil && !report.Conforms() {
		return told(credential.Errorf(credential.ProviderMisbehaved, "%s does not conform", options.plugin))
	}
	return err
}

// read turns the flags and the files that they name into what the kit takes.
func (o conformanceOptions) read() (conformance.Options, error) {
	what := conformance.Options{Plugin: o.plugin}
	if o.plugin == "" || o.fixtures == "" {
		return what, usagef("conformance needs --plugin and --fixtures").WithHelp("%s conformance --help", program)
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
	text, err := os.ReadFile(filepath.Clean(o.fixtures))
	if err != nil {
		return what, usagef("--fixtures: %v", err)
	}
	if what.Fixtures, err = conformance.ParseFixtures(text); err != nil {
		return what, usagef("--fixtures %s: %v", o.fixtures, err)
	}
	if o.settings == "" {
		return what, nil
	}
	if text, err = os.ReadFile(filepath.Clean(o.settings)); err != nil {
		return what, usagef("--settings: %v", err)
	}
	if what.Settings, err = conformance.ParseSettings(text); err != nil {
		return what, usagef("--settings %s: %v", o.settings, err)
	}
	return what, nil
}

func (c *cli) listChecks() {
	if c.output == jsonFormat {
		c.writeJSON(map[string]any{"checks": conformance.Checks()})
		return
	}
	for _, check := range conformance.Checks() {
		_, _ = fmt.Fprintf(&c.out, "%-18s %-7s %s\n%s", check.ID, check.Level, check.Title, indent(wrap(check.Reason, 100), "    "))
	}
}
