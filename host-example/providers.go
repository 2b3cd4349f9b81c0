package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/shared/host"
	"github.com/tom-worker/credential-provider/shared/text"
)

func (c *cli) providersCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "providers [NAME]",
		Short: "List the providers that are installed, or describe one",
		Long: `List the providers that are installed, where, and whether they would be launched; the one that the settings select is
marked. With a NAME, launch that one, which needs no settings, and show its metadata and which settings it takes.`,
		Example: `  host-example providers
  host-example providers aws_secrets_manager`,
		Args: argument("provider's name", true),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return names(c.load(c.configFile).dirs()), cobra.ShellCompDirectiveNoFileComp
		},
	}
	c.outputFlag(command)
	command.PreRunE = func(_ *cobra.Command, args []string) error {
		if c.unsafeAttach != "" && len(args) == 0 {
			return usagef("--unsafe-attach needs the provider's name")
		}
		return nil
	}
	c.attachFlag(command)
	command.RunE = c.action(func(ctx context.Context, args []string) error {
		// Whatever else is wrong with the settings, this is the command to see what can be put into them.
		l := c.load(c.configFile)
		for _, problem := range l.problems {
			l.log.Warn(text.Printable(problem.String()))
		}
		if len(args) == 1 {
			return c.describeProvider(ctx, l, args[0])
		}
		c.listProviders(l)
		return nil
	})
	return command
}

// installation is a provider that is installed.
type installation struct {
	host.Candidate
	status string // "ok" or "refused"
}

// installed are the providers in the directories; the selected one is the file of credential_plugin_path, if that is set.
func (l *loaded) installed() []installation {
	var all []installation
	for _, found := range host.Discover(l.dirs()) {
		all = append(all, installation{found, status(found)})
	}
	name, path := l.config.CredentialPlugin, l.config.CredentialPluginPath
	if name == "" || path == "" {
		return all
	}
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	found := host.Inspect(name, path)
	named := installation{found, status(found)}
	all = slices.DeleteFunc(all, func(other installation) bool { return other.Name == name })
	all = append(all, named)
	slices.SortFunc(all, func(a, b installation) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func status(found host.Candidate) string {
	if found.Problem != nil {
		return "refused"
	}
	return "ok"
}

func (c *cli) listProviders(l *loaded) {
	found := l.installed()
	if c.output == jsonFormat {
		providers := []map[string]any{}
		for _, f := range found {
			provider := map[string]any{"name": f.Name, "path": f.Path, "status": f.status, "selected": f.Name == l.config.CredentialPlugin}
			if f.Problem != nil {
				provider["problem"] = f.Problem.Error()
			}
			providers = append(providers, provider)
		}
		c.writeJSON(map[string]any{"providers": providers, "dirs": l.dirs()})
		return
	}
	if len(found) == 0 {
		_, _ = fmt.Fprintf(c.stderr, "no providers found in %s\n", text.Printable(strings.Join(l.dirs(), ", ")))
		return
	}
	t := newTable("NAME", "STATUS", "PATH")
	for _, f := range found {
		state := f.status
		if f.Name == l.config.CredentialPlugin {
			state += ", selected"
		}
		t.row(f.Name, state, shortPath(f.Path))
		if f.Problem != nil {
			e, _ := classify(f.Problem)
			t.note(e.Message)
			for _, step := range e.Help {
				t.note(step)
			}
		}
	}
	t.write(&c.out)
}

func (c *cli) describeProvider(ctx context.Context, l *loaded, name string) error {
	options := l.options(name)
	options.Environ = c.environ
	metadata, err := host.Describe(ctx, options)
	if err != nil {
		return err
	}
	if c.output == jsonFormat {
		c.writeJSON(providerDocument(metadata))
		return nil
	}
	t := newTable("name", metadata.Name)
	t.row("version", metadata.Version)
	t.row("description", metadata.Description)
	t.row("capabilities", strings.Join(capabilities(metadata), ", "))
	t.row("path", shortPath(metadata.Path))
	t.write(&c.out)
	c.out.WriteString("\n")
	settingsTable(metadata).write(&c.out)
	return nil
}

func settingsTable(metadata host.Metadata) *table {
	t := newTable("SETTING", "TYPE", "DEFAULT")
	for _, info := range metadata.Settings() {
		key := settingKey(metadata.Name, info)
		kind, fallback := info.Type, info.Default
		if info.Type == "array" {
			kind = "list"
		}
		if info.Secret {
			kind += ", secret"
		}
		switch {
		case info.Required:
			fallback = "(required)"
		case fallback == "":
			fallback = "-"
		}
		t.row(key, kind, fallback)
		t.note(config.VariableName(key))
		if info.Secret {
			t.note("or the path of a file that holds it: " + key + "_file")
		}
		if info.Description != "" {
			t.note(wrap(info.Description, 96))
		}
	}
	return t
}

func providerDocument(metadata host.Metadata) map[string]any {
	settings := []map[string]any{}
	for _, info := range metadata.Settings() {
		key := settingKey(metadata.Name, info)
		settings = append(settings, map[string]any{
			"key":         key,
			"variable":    config.VariableName(key),
			"type":        info.Type,
			"default":     info.Default,
			"required":    info.Required,
			"secret":      info.Secret,
			"description": info.Description,
		})
	}
	return map[string]any{
		"name":         metadata.Name,
		"version":      metadata.Version,
		"description":  metadata.Description,
		"capabilities": capabilities(metadata),
		"path":         metadata.Path,
		"settings":     settings,
	}
}

func settingKey(provider string, info host.SettingInfo) string {
	return "plugin_" + provider + "_" + info.Name
}

func capabilities(metadata host.Metadata) []string {
	all := []string{}
	for _, capability := range metadata.Capabilities {
		all = append(all, string(capability))
	}
	slices.Sort(all)
	return all
}

// shortPath is a path as a user would type it: from the working directory, if it is below that.
func shortPath(path string) string {
	directory, err := os.Getwd()
	if err != nil {
		return path
	}
	relative, err := filepath.Rel(directory, path)
	if err != nil || !filepath.IsLocal(relative) {
		return path
	}
	return relative
}
