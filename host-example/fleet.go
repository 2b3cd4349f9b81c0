package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/host-example/observe/admin"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
)

func (c *cli) fleetCommand() *cobra.Command {
	var address string
	command := &cobra.Command{
		Use:   "fleet",
		Short: "Show workers, agents and credentials of a fleet",
		Long: `Show the workers and agents that share a ledger of logins, and the credentials that devices have refused in the last 24
hours or whose logins fail.

A worker or agent says every 10 seconds that it is there. One that was killed is silent after 35 seconds, and is shown for a
day. WAITING are its logins that wait for a permit, PERMITS those that have one.

REFUSED are the devices' answers of no. WRONG PASSWORDS are those of them after which no device has accepted that password: a
success elsewhere shows that a refusal was the device's own trouble. BUDGET USED are logins in a row that have failed, of as
many as login_lockout_budget allows; one more is allowed where refusals were the devices' own. Hours are full ones: the one
that runs, and the 23 before.

With login_guard: redis the Redis is asked, and no worker has to run. The provider is asked for the credentials' ids: where it
or its backend is unavailable, digests stand for them. Else the fleet is one worker: the one at metrics_address, or at
--address. A worker has the same as a page for browsers, at http://METRICS_ADDRESS/ on its own machine.

Exit status: 0 if it was shown, 1 if Redis or the worker doesn't answer, 2 if the settings are wrong.`,
		Example: `  host-example fleet
  host-example fleet --output json
  host-example fleet --address 127.0.0.1:9464`,
		Args: cobra.NoArgs,
	}
	command.Flags().StringVar(&address, "address", "", "`host:port` of one worker, instead of metrics_address or the Redis of the settings")
	c.outputFlag(command)
	command.RunE = c.action(func(ctx context.Context, _ []string) error {
		fleet, err := c.fleetAt(ctx, address)
		if err != nil {
			return err
		}
		if c.output == jsonFormat {
			c.writeJSON(fleet)
			return nil
		}
		c.writeFleet(fleet)
		return nil
	})
	return command
}

// fleetAt returns the fleet as the worker at the address sees it, else as the Redis of the settings has it, else as the worker of the
// settings sees it.
func (c *cli) fleetAt(ctx context.Context, address string) (admin.Fleet, error) {
	if address == "" {
		l := c.load(c.configFile)
		if len(l.problems) > 0 {
			return admin.Fleet{}, &config.Error{Problems: l.problems}
		}
		if l.config.LoginGuard == config.GuardRedis {
			return c.sharedFleet(ctx, l)
		}
		if address = l.config.MetricsAddress; address == "" {
			return admin.Fleet{}, l.nowhere()
		}
		of, err := workerAt(address, "metrics_address")
		if err != nil {
			return admin.Fleet{}, err
		}
		return of.Fleet(ctx)
	}
	of, err := workerAt(address, "--address")
	if err != nil {
		return admin.Fleet{}, err
	}
	return of.Fleet(ctx)
}

// namesTime bounds what the fleet waits for the provider to name the credentials.
const namesTime = 10 * time.Second

// sharedFleet asks Redis, and the provider for the ids that digests stand for.
func (c *cli) sharedFleet(ctx context.Context, l *loaded) (admin.Fleet, error) {
	fleet := admin.Fleet{Ledger: l.ledgerName(), At: time.Now()}
	ledger, err := l.openLedger()
	if err != nil {
		return fleet, err
	}
	defer func() { _ = ledger.Close() }()
	members, err := ledger.(guard.Fleet).Members(ctx)
	if err != nil {
		return fleet, ledgerUnavailable(err)
	}
	records, err := ledger.Snapshot(ctx)
	if err != nil {
		return fleet, ledgerUnavailable(err)
	}
	fleet.Members = admin.MembersOf(members)
	statuses := make([]guard.Status, len(records))
	for i, r := range records {
		statuses[i].Record = r
	}
	unnamed := func(string) (guard.Digest, bool) { return guard.Digest{}, false }
	if fleet.Credentials, fleet.Others = admin.Summary(statuses, unnamed); len(fleet.Credentials) == 0 {
		return fleet, nil
	}
	ctx, cancel := context.WithTimeout(ctx, namesTime)
	defer cancel()
	o, err := l.open(ctx, c.environ)
	l.logWarnings()
	if err != nil {
		if _, status := classify(err); status == statusUsage {
			return fleet, err
		}
		l.log.Warn("the provider can't be launched: digests stand for the credentials' ids", "error", err)
		return fleet, nil
	}
	defer o.close()
	ids, err := listAll(ctx, o.source)
	if err != nil {
		l.log.Warn("the credentials can't be listed: digests stand for their ids", "error", err)
	}
	fleet.Credentials, fleet.Others = o.logins().Troubled(ctx, statuses, ids)
	return fleet, nil
}

// ledgerUnavailable is the error of a Redis that doesn't answer.
func ledgerUnavailable(err error) error {
	return credential.Errorf(admin.LedgerUnavailable, "%w", err).
		WithHelp("see that Redis runs at redis_host and redis_port, and takes redis_username and redis_password").
		WithHelp("what one worker knows: host-example fleet --address HOST:PORT")
}

func (c *cli) writeFleet(fleet admin.Fleet) {
	if fleet.Unavailable != "" {
		_, _ = fmt.Fprintf(c.stderr, "the ledger is unavailable, and this is what the worker knows: %s\n", oneLine(fleet.Unavailable))
	}
	members := newTable("HOST", "KIND", "PID", "VERSION", "PROVIDER", "HEALTH", "SEEN", "WAITING", "PERMITS")
	for _, m := range fleet.Members {
		waiting, permits := fmt.Sprint(m.Waiting), fmt.Sprint(m.Permits)
		if m.Silent {
			waiting, permits = "-", "-"
		}
		members.row(m.Host, m.Kind, fmt.Sprint(m.PID), m.Version, m.Provider+" "+m.ProviderVersion, healthOf(m), admin.Lasts(m.SeenSeconds)+" ago", waiting, permits)
	}
	if len(fleet.Members) > 0 {
		members.write(&c.out)
	} else {
		_, _ = fmt.Fprintln(c.stderr, "no worker and no agent runs")
	}
	if len(fleet.Credentials) == 0 {
		_, _ = fmt.Fprintln(c.stderr, "no device has refused a credential in the last 24 hours")
		return
	}
	if len(fleet.Members) > 0 {
		c.out.WriteString("\n")
	}
	credentials := newTable("CREDENTIAL", "REFUSED 24 h", "WRONG PASSWORDS 24 h", "BUDGET USED", "STATE")
	for _, q := range fleet.Credentials {
		credentials.row(cmp.Or(q.CredentialID, q.Material), fmt.Sprint(q.Refused), fmt.Sprint(q.WrongPasswords), q.BudgetUsed(), q.State())
	}
	credentials.write(&c.out)
}

func healthOf(m admin.Member) string {
	switch {
	case m.Silent:
		return "silent"
	case m.Ready:
		return "ready"
	}
	return cmp.Or(m.Reason, "not ready")
}
