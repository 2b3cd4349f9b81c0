package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tom-worker/credential-provider/host-example/config"
)

// variables are those that the help of the program names.
var variables = []struct{ name, meaning string }{
	{config.VariableName("config_file"), "YAML file, else " + config.DefaultFile},
	{config.VariableName("env_file"), "file of NAME=value lines"},
	{config.VariableName("credential_plugin"), "the provider"},
	{config.VariableName("<setting>"), "any setting, by its name in the YAML file"},
}

// rootHelp is the help of the program, on one screen of 24 lines and 80 columns. Each command's own has the rest.
func rootHelp(root *cobra.Command) string {
	var help strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&help, format+"\n", args...) }
	line("%s.\n\nUsage: %s COMMAND\n", root.Short, program)
	for _, command := range root.Commands() {
		if command.IsAvailableCommand() && command.Name() != "help" && command.Name() != "completion" {
			line("  %-12s %s", command.Name(), command.Short)
		}
	}
	line("  %-12s for bash, zsh, fish or powershell", "completion")
	line("")
	line("Flags: --config FILE, --log-level LEVEL, --log-format text|json, --version")
	line("Settings: environment before env file before YAML file before defaults.")
	for _, variable := range variables {
		line("  %-29s %s", variable.name, variable.meaning)
	}
	line("Exit status: 0 done, 1 the operation failed, 2 wrong usage or settings.")
	line("More: %s COMMAND --help", program)
	return help.String()
}
