package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/text"
)

func (c *cli) validateCommand() *cobra.Command {
	var id string
	var offline bool
	command := &cobra.Command{
		Use:   "validate [CONFIG]",
		Short: "Check the settings, then what the provider can reach",
		Long: `Check the settings, all at once, each problem with its line; show those that are in effect and where they are from,
secrets masked; then let the provider check its backend: whether it is reached, who it takes us for, what we may do there.
What is wrong comes with what to do about it.

The settings are those of CONFIG (or --config), and of the environment, as every other command would use them.

With --output json there is one object with the members config_file, valid, provider (name, version, path), settings (a list
of key, value, from), checks (a list of name, status, message, remedy, reason), and problems, warnings and ignored (lists of
place, line, key, problem, remedy; line is 0 where there is none). error and backend_credentials_expire are there if there
is something to say.

Exit status: 0 if nothing failed, 1 if a check failed, 2 if the settings are wrong.`,
		Example: `  host-example validate
  host-example validate tom_worker_config.yaml --id lab_creds   # prove that this one can be read
  host-example validate --offline                               # the settings only`,
		Args: argument("configuration file", true),
	}
	command.Flags().StringVar(&id, "id", "", "also read the credential with this `id`")
	command.Flags().BoolVar(&offline, "offline", false, "check the settings only, not the backend")
	c.outputFlag(command)
	command.PreRunE = func(command *cobra.Command, args []string) error {
		switch {
		case len(args) == 1 && command.Flags().Changed("config"):
			return usagef("give the configuration file once: as an argument or with --config")
		case offline && id != "":
			return usagef("--id reads from the backend, which --offline forbids")
		case command.Flags().Changed("id") && id == "":
			return usagef("--id is empty")
		}
		return nil
	}
	c.attachFlag(command)
	command.RunE = c.traced("validate", func(ctx context.Context, args []string) error {
		file := c.configFile
		if len(args) == 1 {
			file = args[0]
		}
		return c.validate(ctx, file, id, offline)
	})
	return command
}

func (c *cli) validate(ctx context.Context, file, id string, offline bool) error {
	v := &validation{}
	l := c.load(file)
	o, err := l.open(ctx, c.environ)
	v.settings(l)
	if err == nil {
		defer o.close()
		v.accepted(o)
		err = v.backend(ctx, o, id, offline)
	}
	if c.output == jsonFormat {
		c.writeJSON(v.document(err))
	} else {
		v.print(c)
	}
	if err == nil || c.output == jsonFormat || len(v.problems) > 0 || v.failed() != nil {
		return told(err)
	}
	return err // the error isn't in what was printed
}

// told marks an error as one that the command has shown itself.
func told(err error) error {
	if err == nil {
		return nil
	}
	return reported{err}
}

// validation is what was found out so far.
type validation struct {
	file     string
	problems []config.Problem
	warnings []config.Problem
	others   []config.Problem // settings of providers that aren't selected
	effect   []setting
	name     string // the provider's; empty before it is known
	version  string
	path     string
	checks   []credential.Check
	expire   time.Time
}

// settings takes over what was found in the settings.
func (v *validation) settings(l *loaded) {
	v.file, v.problems, v.warnings = l.config.File, l.problems, l.warnings
	v.name = l.config.CredentialPlugin
	v.others = l.config.OfOthers(names(l.dirs()))
}

// accepted takes over what the provider has made of its settings.
func (v *validation) accepted(o *opened) {
	metadata := o.provider.Metadata()
	v.version, v.path = metadata.Version, metadata.Path
	v.effect = inEffect(o.config, metadata, o.settings)
	v.checks = append(v.checks, credential.Check{Name: "settings", Status: credential.StatusPassed, Message: "accepted by the provider"})
}

// backend lets the provider check. A failed check is an error.
func (v *validation) backend(ctx context.Context, o *opened, id string, offline bool) error {
	if offline {
		v.checks = append(v.checks, credential.Check{Name: "backend", Status: credential.StatusSkipped, Message: "not asked, because of --offline"})
		return nil
	}
	report, err := o.source.Validate(ctx, id)
	if err != nil {
		return err
	}
	v.checks = append(v.checks, report.Checks...)
	v.expire = report.BackendCredentialsExpire
	if check := v.failed(); check != nil {
		return checkError(check)
	}
	return nil
}

func checkError(check *credential.Check) *credential.Error {
	e := credential.Errorf(check.Reason, "check %q failed: %s", check.Name, check.Message)
	if check.Remedy != "" {
		e.Help = strings.Split(check.Remedy, "\n")
	}
	return e
}

// failed is the first check that failed, or nil.
func (v *validation) failed() *credential.Check {
	for i := range v.checks {
		if v.checks[i].Status == credential.StatusFailed {
			return &v.checks[i]
		}
	}
	return nil
}

func (v *validation) print(c *cli) {
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&c.out, format+"\n", args...) }
	from := "no file, the environment only"
	if v.file != "" {
		from = v.file
	}
	line("settings: %s", text.Printable(from))
	if v.path != "" {
		line("provider: %s %s", text.Printable(v.name), text.Printable(v.version))
	}
	for _, warning := range v.warnings {
		line("  warning: %s", text.Printable(warning.String()))
	}
	for _, problem := range v.problems {
		line("  problem: %s", text.Printable(problem.String()))
		if problem.Remedy != "" {
			c.out.WriteString(indent(text.Printable(problem.Remedy), "    "))
		}
	}
	for _, other := range v.others {
		line("  ignored: %s", text.Printable(other.String()))
	}
	if len(v.effect) > 0 {
		line("")
		settings := newTable("SETTING", "VALUE", "FROM")
		for _, s := range v.effect {
			settings.row(s.Key, s.Value, s.From)
		}
		settings.write(&c.out)
	}
	if len(v.checks) > 0 {
		line("")
		checks := newTable("CHECK", "STATUS", "FOUND")
		for _, check := range v.checks {
			checks.row(check.Name, string(check.Status), check.Message)
			if check.Remedy != "" {
				checks.note(check.Remedy)
			}
		}
		checks.write(&c.out)
	}
	if !v.expire.IsZero() {
		line("\nthe credentials for the backend expire at %s", v.expire.Format(time.RFC3339))
	}
}

// document is the validation in JSON. On a failure it has the member "error" that every command has.
func (v *validation) document(err error) map[string]any {
	checks := []map[string]any{}
	for _, check := range v.checks {
		checks = append(checks, map[string]any{
			"name": check.Name, "status": check.Status, "message": check.Message, "remedy": check.Remedy, "reason": check.Reason,
		})
	}
	document := map[string]any{
		"config_file": v.file,
		"valid":       err == nil,
		"provider":    map[string]string{"name": v.name, "version": v.version, "path": v.path},
		"problems":    problemDocuments(v.problems),
		"warnings":    problemDocuments(v.warnings),
		"ignored":     problemDocuments(v.others),
		"settings":    append([]setting{}, v.effect...),
		"checks":      checks,
	}
	if !v.expire.IsZero() {
		document["backend_credentials_expire"] = v.expire.Format(time.RFC3339)
	}
	if err != nil {
		e, _ := classify(err)
		document["error"] = failureOf(e)
	}
	return document
}

func problemDocuments(problems []config.Problem) []map[string]any {
	documents := []map[string]any{}
	for _, problem := range problems {
		documents = append(documents, map[string]any{
			"place": problem.Place.Name, "line": problem.Place.Line, "key": problem.Key, "problem": problem.Text, "remedy": problem.Remedy,
		})
	}
	return documents
}
