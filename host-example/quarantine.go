package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/host-example/operate"
)

func (c *cli) quarantineCommand() *cobra.Command {
	var address string
	command := &cobra.Command{
		Use:   "quarantine",
		Short: "Show and lift quarantines of a worker that runs",
		Long: `Show the credentials that devices refuse, as a worker that runs on this machine has seen, and let it try them again.

A device that has refused a credential doesn't get it again until it changes in the backend. After two devices nobody gets
it: it is in quarantine. If the credential was right all along, and the devices were wrong, lift the quarantine: the worker
then reads the credential again and tries it, with one device first.

The worker is the one at metrics_address, which the settings must have, or at --address.`,
		Example: `  host-example quarantine list
  host-example quarantine lift lab_creds`,
		Args:                       knownCommand,
		SuggestionsMinimumDistance: 2,
		RunE:                       func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.PersistentFlags().StringVar(&address, "address", "", "`host:port` of the worker, instead of metrics_address")
	command.AddCommand(c.quarantineListCommand(&address), c.quarantineLiftCommand(&address))
	return command
}

func (c *cli) quarantineListCommand(address *string) *cobra.Command {
	command := &cobra.Command{
		Use:   "list",
		Short: "List credentials that devices refuse",
		Long:  "List the credential ids that devices refuse, how many devices do, and what becomes of logins with them.",
		Example: `  host-example quarantine list
  host-example quarantine list --output json`,
		Args: cobra.NoArgs,
	}
	c.outputFlag(command)
	command.RunE = c.action(func(ctx context.Context, _ []string) error {
		worker, err := c.worker(*address)
		if err != nil {
			return err
		}
		all, err := worker.List(ctx)
		if err != nil {
			return err
		}
		if c.output == jsonFormat {
			c.writeJSON(map[string]any{"quarantines": all})
			return nil
		}
		if len(all) == 0 {
			_, _ = fmt.Fprintln(c.stderr, "no device refuses a credential")
			return nil
		}
		shown := newTable("CREDENTIAL", "REFUSED BY", "LOGINS")
		for _, q := range all {
			shown.row(q.CredentialID, devices(q.Devices), consequence(q))
		}
		shown.write(&c.out)
		return nil
	})
	return command
}

func devices(n int) string {
	if n == 1 {
		return "1 device"
	}
	return fmt.Sprintf("%d devices", n)
}

// consequence is what becomes of logins.
func consequence(q operate.Quarantine) string {
	switch {
	case q.Quarantined:
		return fmt.Sprintf("none; one is tried in %v", time.Duration(q.RetrySeconds)*time.Second)
	case q.Devices == 1:
		return "not at this device"
	}
	return "not at these devices"
}

func (c *cli) quarantineLiftCommand(address *string) *cobra.Command {
	command := &cobra.Command{
		Use:   "lift ID",
		Short: "Let a worker try a credential again",
		Long: `Have a worker forget that devices have refused a credential: it reads the credential again, and tries it, with one device
first. If the password is wrong after all, that costs every account two more failed logins.

Exit status: 0 if it was lifted, 1 if no device refused the credential or no worker answers.`,
		Example: `  host-example quarantine lift lab_creds
  host-example quarantine lift branch/firewalls --address 127.0.0.1:9464`,
		Args: argument("credential id", false),
		ValidArgsFunction: func(command *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return c.refused(command.Context(), *address), cobra.ShellCompDirectiveNoFileComp
		},
	}
	c.outputFlag(command)
	command.RunE = c.action(func(ctx context.Context, args []string) error {
		worker, err := c.worker(*address)
		if err != nil {
			return err
		}
		if err := worker.Lift(ctx, args[0]); err != nil {
			return err
		}
		if c.output == jsonFormat {
			c.writeJSON(map[string]any{"lifted": args[0]})
			return nil
		}
		_, _ = fmt.Fprintf(&c.out, "lifted: the worker reads %s again, and tries it\n", oneLine(args[0]))
		return nil
	})
	return command
}

// refused are the ids that there are to lift, for the shell's completion.
func (c *cli) refused(ctx context.Context, address string) []cobra.Completion {
	worker, err := c.worker(address)
	if err != nil {
		return nil
	}
	all, err := worker.List(ctx)
	if err != nil {
		return nil
	}
	var ids []cobra.Completion
	for _, q := range all {
		ids = append(ids, q.CredentialID)
	}
	return ids
}

// worker is the one that is asked: at the address that was given, else at that of the settings.
func (c *cli) worker(address string) (*operate.Client, error) {
	from := "--address"
	if address == "" {
		w := c.load(c.configFile)
		if len(w.problems) > 0 {
			return nil, &config.Error{Problems: w.problems}
		}
		const key = "metrics_address"
		if address, from = w.config.MetricsAddress, key; address == "" {
			return nil, &config.Error{Problems: []config.Problem{{
				Place: config.Place{Name: w.config.File}, Key: key, Text: "not set: without it a worker doesn't listen anywhere",
				Remedy: "set it for the worker, or name the address of one that has it: --address 127.0.0.1:9464",
			}}}
		}
	}
	if err := config.CheckAddress(address); err != nil {
		return nil, usagef("--address: %v", err)
	}
	if _, port, _ := net.SplitHostPort(address); port == "0" {
		return nil, usagef("%s: with port 0 the worker's port is known only to the worker", from).WithHelp("its log has the address; give that with --address")
	}
	return operate.NewClient(address), nil
}
