package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/host-example/observe/admin"
	"github.com/tom-worker/credential-provider/host-example/observe/audit"
)

func (c *cli) quarantineCommand() *cobra.Command {
	var address string
	command := &cobra.Command{
		Use:   "quarantine",
		Short: "Show and lift quarantines of a worker or of a fleet",
		Long: `Show the credentials that devices refuse, and let them be tried again.

A device that has refused a credential doesn't get it again for login_refusal_pause. When login_lockout_budget logins in a
row have failed, no device gets it for a while: it is in quarantine. A new password in the backend is tried at once. If the
credential was right all along, and the devices were wrong, lift the quarantine.

With login_guard: redis these are the quarantines of all workers that share the Redis, and no worker has to run. Else they
are those of one worker on this machine: the one at metrics_address, which the settings must have, or at --address. Who
lifted a quarantine is in the audit log.`,
		Example: `  host-example quarantine list
  host-example quarantine lift lab_creds`,
		Args:                       knownCommand,
		SuggestionsMinimumDistance: 2,
		RunE:                       func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.PersistentFlags().StringVar(&address, "address", "", "`host:port` of one worker, instead of metrics_address or the Redis of the settings")
	command.AddCommand(c.quarantineListCommand(&address), c.quarantineLiftCommand(&address))
	return command
}

func (c *cli) quarantineListCommand(address *string) *cobra.Command {
	command := &cobra.Command{
		Use:   "list",
		Short: "List credentials that devices refuse",
		Long: `List the credential ids that devices refuse, how many devices do, and what becomes of logins with them. A credential that
only other workers have used, and whose id can't be found out, is shown by its digest in the shared ledger.`,
		Example: `  host-example quarantine list
  host-example quarantine list --output json`,
		Args: cobra.NoArgs,
	}
	c.outputFlag(command)
	command.RunE = c.action(func(ctx context.Context, _ []string) error {
		of, err := c.quarantines(ctx, *address)
		if err != nil {
			return err
		}
		defer of.close()
		all, err := of.List(ctx)
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
			shown.row(cmp.Or(q.CredentialID, q.Material), devices(q.Devices), consequence(q))
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
func consequence(q admin.Quarantine) string {
	switch {
	case q.Quarantined:
		return fmt.Sprintf("none for %v", time.Duration(q.RetrySeconds)*time.Second)
	case q.Devices == 1:
		return "not at this device"
	}
	return "not at these devices"
}

func (c *cli) quarantineLiftCommand(address *string) *cobra.Command {
	command := &cobra.Command{
		Use:   "lift ID",
		Short: "Let a credential be tried again",
		Long: `Have it forgotten that devices have refused a credential: it is read again, and tried. If the password is wrong after all,
that costs every account login_lockout_budget more failed logins. ID may also be the digest that list shows for a credential
of other workers.

Exit status: 0 if it was lifted, 1 if no device refused the credential or there is no answer.`,
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
		of, err := c.quarantines(ctx, *address)
		if err != nil {
			return err
		}
		defer of.close()
		if err := of.Lift(ctx, args[0], audit.User()); err != nil {
			return err
		}
		if c.output == jsonFormat {
			c.writeJSON(map[string]any{"lifted": args[0]})
			return nil
		}
		_, _ = fmt.Fprintf(&c.out, "lifted: %s is read again, and tried\n", oneLine(args[0]))
		return nil
	})
	return command
}

// refused are the ids that there are to lift, for the shell's completion.
func (c *cli) refused(ctx context.Context, address string) []cobra.Completion {
	of, err := c.quarantines(ctx, address)
	if err != nil {
		return nil
	}
	defer of.close()
	all, err := of.List(ctx)
	if err != nil {
		return nil
	}
	var ids []cobra.Completion
	for _, q := range all {
		ids = append(ids, q.CredentialID)
	}
	return ids
}

// quarantines are those of a worker or of a fleet.
type quarantines interface {
	List(ctx context.Context) ([]admin.Quarantine, error)
	Lift(ctx context.Context, id, user string) error
	close()
}

// quarantines returns those of the worker at the address that was given, else of the fleet whose ledger the settings name,
// else of the worker of the settings.
func (c *cli) quarantines(ctx context.Context, address string) (quarantines, error) {
	if address != "" {
		return workerAt(address, "--address")
	}
	l := c.load(c.configFile)
	switch {
	case len(l.problems) > 0:
		return nil, &config.Error{Problems: l.problems}
	case l.config.LoginGuard == config.GuardRedis:
		return c.fleet(ctx, l)
	case l.config.MetricsAddress == "":
		return nil, l.nowhere()
	}
	return workerAt(l.config.MetricsAddress, "metrics_address")
}

// nowhere is the error of settings that name no worker to ask.
func (l *loaded) nowhere() error {
	return &config.Error{Problems: []config.Problem{{
		Place: config.Place{Name: l.config.File}, Key: "metrics_address", Text: "not set: without it a worker doesn't listen anywhere",
		Remedy: "set it for the worker, or name the address of one that has it: --address 127.0.0.1:9464",
	}}}
}

// oneWorker is a worker that is asked over HTTP.
type oneWorker struct{ *admin.Client }

func (oneWorker) close() {}

func workerAt(address, from string) (oneWorker, error) {
	if err := config.CheckAddress(address); err != nil {
		return oneWorker{}, usagef("--address: %v", err)
	}
	if _, port, _ := net.SplitHostPort(address); port == "0" {
		return oneWorker{}, usagef("%s: with port 0 the worker's port is known only to the worker", from).WithHelp("its log has the address; give that with --address")
	}
	return oneWorker{admin.NewClient(address)}, nil
}

// fleet is all workers that share a ledger.
type fleet struct {
	*opened
	audit *audit.Log
}

func (c *cli) fleet(ctx context.Context, l *loaded) (quarantines, error) {
	o, err := l.open(ctx, c.environ)
	l.logWarnings()
	if err != nil {
		return nil, err
	}
	log, err := o.openAudit(c.stderr, o.log)
	if err != nil {
		o.close()
		return nil, err
	}
	return &fleet{o, log}, nil
}

func (f *fleet) close() {
	f.audit.Close()
	f.opened.close()
}

// List returns the quarantines with the credentials' ids where the provider can list them.
func (f *fleet) List(ctx context.Context) ([]admin.Quarantine, error) {
	statuses, err := f.guard.Snapshot(ctx)
	if err != nil || !slices.ContainsFunc(statuses, admin.IsRefused) {
		return []admin.Quarantine{}, err
	}
	ids, err := listAll(ctx, f.source)
	if err != nil {
		f.log.Debug("the credentials can't be listed: quarantines are shown by digest", "error", err)
	}
	// Of a backend with many credentials only those are read whose logins have failed.
	if ids, err = f.guard.Failed(ctx, ids); err != nil {
		return nil, err
	}
	return f.logins().Refused(ctx, ids...)
}

// Lift has all workers of the fleet try a credential again.
func (f *fleet) Lift(ctx context.Context, id, user string) error {
	return f.logins().Lift(ctx, id, func(q admin.Quarantine) error {
		return f.audit.Lifted(ctx, audit.Recipient{Command: "quarantine lift", User: user}, cmp.Or(q.CredentialID, q.Material))
	})
}
