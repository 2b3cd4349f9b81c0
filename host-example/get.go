package main

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/tom-worker/credential-provider/host-example/observe/audit"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/store"
)

// getOptions are the flags of get.
type getOptions struct {
	versionID, versionLabel string
	field                   string
	reveal                  bool
}

func (c *cli) getCommand() *cobra.Command {
	var options getOptions
	command := &cobra.Command{
		Use:   "get ID",
		Short: "Show one credential",
		Long: `Show one credential. Everything secret in it reads [REDACTED], and is left out of JSON, unless --reveal is given.

--field prints one value alone, for use in scripts: credential_id, username, version_id, password, or the name of an extra
field. The last two need --reveal.`,
		Example: `  # what is there, without the secrets
  host-example get lab_creds

  # the password alone
  host-example get lab_creds --field password --reveal

  # the version before the last rotation (AWS Secrets Manager)
  host-example get lab_creds --version-label AWSPREVIOUS

  # for a program
  host-example get lab_creds --reveal --output json`,
		Args:              argument("credential id", false),
		ValidArgsFunction: cobra.NoFileCompletions, // ids are in the backend, which the Tab key shall not ask
	}
	flags := command.Flags()
	flags.StringVar(&options.versionID, "version-id", "", "the version with this `id` instead of the current one")
	flags.StringVar(&options.versionLabel, "version-label", "", "the version with this `label` instead of the current one")
	flags.StringVar(&options.field, "field", "", "print the value of one field, by its `name`")
	flags.BoolVar(&options.reveal, "reveal", false, "show secrets")
	c.outputFlag(command)
	complete(command, "field", "username", "password", "version_id", "credential_id")

	command.PreRunE = func(command *cobra.Command, _ []string) error {
		for _, name := range []string{"version-id", "version-label", "field"} {
			if flag := flags.Lookup(name); flag.Changed && flag.Value.String() == "" {
				return usagef("--%s is empty", name)
			}
		}
		switch {
		case options.versionID != "" && options.versionLabel != "":
			return usagef("give either --version-id or --version-label")
		case options.field != "" && c.output == jsonFormat:
			return usagef("--field prints a bare value; it can't be combined with --output json")
		case options.field != "" && !plainField(options.field) && !options.reveal:
			return usagef("field %q is secret; add --reveal to print it", options.field)
		}
		return nil
	}
	c.attachFlag(command)
	command.RunE = c.traced("get", func(ctx context.Context, args []string) error {
		return c.get(ctx, args[0], options)
	})
	return command
}

func (c *cli) get(ctx context.Context, id string, options getOptions) error {
	o, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer o.close()
	// Without an audit log there is no line: the log is on the screen of the user who asks.
	log, err := o.openAudit(c.stderr, hclog.NewNullLogger())
	if err != nil {
		return err
	}
	defer log.Close()
	to := audit.Recipient{Command: "get", User: audit.User(), Revealed: options.reveal && !plainField(options.field)}
	result, err := o.store.GetVersion(ctx, credential.Request{ID: id, VersionID: options.versionID, VersionLabel: options.versionLabel})
	if err != nil {
		log.Withheld(ctx, to, id, err)
		return err
	}
	if err := log.HandedOut(ctx, to, result); err != nil {
		return err
	}
	cred := result.Credential
	if strings.HasPrefix(cred.VersionID, store.LocalVersion) {
		cred = cred.Clone()
		cred.VersionID = "" // the backend has none
	}
	switch {
	case options.field != "":
		return c.printField(cred, options.field)
	case c.output == jsonFormat:
		c.writeJSON(credentialDocument(cred, options.reveal))
	default:
		credentialTable(cred, options.reveal).write(&c.out)
	}
	return nil
}

// plainField reports whether a field's value may be shown.
func plainField(name string) bool {
	return name == "credential_id" || name == "username" || name == "version_id"
}

// printField prints one value. The name of an extra field that is also one of the others means the other.
func (c *cli) printField(cred *credential.Credential, name string) error {
	value, ok := map[string]string{"credential_id": cred.ID, "username": cred.Username, "version_id": cred.VersionID}[name]
	if !ok && name == "password" {
		var password credential.Redacted
		password, ok = cred.Password.Get()
		value = password.Reveal()
	} else if !ok {
		var extra credential.Redacted
		extra, ok = cred.Extra[name]
		value = extra.Reveal()
	}
	if !ok {
		return credential.Errorf(credential.RequestInvalid, "credential %q has no field %q; it has: %s", cred.ID, name, strings.Join(fieldNames(cred), ", "))
	}
	c.out.WriteString(value + "\n")
	return nil
}

func fieldNames(cred *credential.Credential) []string {
	names := []string{"credential_id", "username"}
	if _, ok := cred.Password.Get(); ok {
		names = append(names, "password")
	}
	names = append(names, "version_id")
	for _, name := range slices.Sorted(maps.Keys(cred.Extra)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func credentialTable(cred *credential.Credential, reveal bool) *table {
	t := newTable("FIELD", "VALUE")
	show := func(name string, value credential.Redacted) {
		if reveal {
			t.row(name, value.Reveal())
		} else {
			t.row(name, value.String())
		}
	}
	t.row("credential_id", cred.ID)
	t.row("username", cred.Username)
	if password, ok := cred.Password.Get(); ok {
		show("password", password)
	}
	for _, name := range slices.Sorted(maps.Keys(cred.Extra)) {
		show(name, cred.Extra[name])
	}
	t.row("version_id", cred.VersionID)
	return t
}

// credentialDocument is a credential in JSON. With reveal, a credential without a password has null for it.
func credentialDocument(cred *credential.Credential, reveal bool) map[string]any {
	document := map[string]any{"credential_id": cred.ID, "username": cred.Username, "version_id": cred.VersionID}
	if !reveal {
		return document
	}
	document["password"] = nil
	if password, ok := cred.Password.Get(); ok {
		document["password"] = password.Reveal()
	}
	extra := map[string]string{}
	for name, value := range cred.Extra {
		extra[name] = value.Reveal()
	}
	document["extra"] = extra
	return document
}
