package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/tom-worker/credential-provider/host-example/agent"
	"github.com/tom-worker/credential-provider/host-example/observe/trace"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// agentOptions are the flags of agent.
type agentOptions struct {
	socket string
	linger time.Duration
}

func (c *cli) agentCommand() *cobra.Command {
	var options agentOptions
	command := &cobra.Command{
		Use:   "agent --socket PATH",
		Short: "Serve credentials and logins to programs of this machine",
		Long: `Launch the provider, and serve CredentialProvider and LoginGuard (proto/tom/credential/v1) on a Unix socket: workers in
other languages get supervision, cache, stale service and logins without lockouts from it.

The socket's directory must belong to this user and be closed to others: mode 0700, or 0750 for the members of its group.
Which users may connect, and for what, is said by the setting agent_clients, such as ["tom=all", "1001=login:lab_*"]; without
it, only the agent's own user may. The kernel tells who has connected. Any process of such a user that can open the socket can read
what the agent can.

Beside the socket are PATH.lock, which one agent at a time holds, and PATH.key, which seals permits so that an agent that is
started anew takes reports on those of the one before. Both stay there.

With systemd, the socket may be a socket unit's (LISTEN_FDS) instead of --socket, and readiness is told (NOTIFY_SOCKET).

SIGTERM and Ctrl-C end it: logins that wait fail, and those with a permit may be reported on for shutdown_grace. A second
signal ends it at once. SIGHUP reads the provider's settings and its executable again. Metrics, health and quarantines are
served at metrics_address, as by run.

Exit status: 0 when it was told to end, or nothing was connected for --linger; 1 if it could not serve; 2 if the settings are
wrong, or if the provider's checks find something that only a user can put right.`,
		Example: `  host-example agent --socket /run/tom-agent/agent.sock
  host-example agent --socket "$XDG_RUNTIME_DIR/tom-agent/agent.sock" --linger 60s`,
		Args: cobra.NoArgs,
	}
	command.Flags().StringVar(&options.socket, "socket", "", "`path` of the Unix socket to serve at")
	command.Flags().DurationVar(&options.linger, "linger", 0, "exit when nothing was connected for this `time`; 0: don't")
	command.PreRunE = func(*cobra.Command, []string) error {
		if options.linger < 0 {
			return usagef("--linger must not be negative")
		}
		return nil
	}
	c.attachFlag(command)
	command.RunE = c.action(func(ctx context.Context, _ []string) error {
		return c.logged(c.agent(ctx, options))
	})
	return command
}

// heapGrowth is by how much the agent's heap may grow until it is collected, in percent of what is in use. Little is, so that Go's
// 100 has it collected every few hundred calls, which is a tenth of what a cached read costs.
const heapGrowth = 200

// agent serves until ctx is done. The socket is there before the provider: clients that come early wait.
func (c *cli) agent(ctx context.Context, options agentOptions) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	socket, err := c.agentSocket(options)
	if err != nil {
		return err
	}
	defer func() { _ = socket.Close() }()
	c.digestKey = socket.Key("digests")
	return c.serve(ctx, kindAgent, func(s *serving) (func(context.Context) error, error) {
		rules, err := agent.ParseRules(s.config.AgentClients)
		if err != nil {
			return nil, s.config.Unusable("agent_clients", err)
		}
		server := agent.New(agent.Options{
			Metadata: s.provider.Metadata, Provider: s.source, Store: s.store, Guard: s.guard, Ledger: s.ledger, Rules: rules, Audit: s.audit,
			Observe: s.observers.metrics.Requested, Around: served(c.traces), LoginTimeout: s.config.SSHLoginTimeout,
			Grace: s.config.ShutdownGrace, Linger: options.linger, Key: socket.Key("permits"), Logger: s.log,
		})
		s.observers.metrics.Agent(server.Connections)
		return func(abort context.Context) error {
			s.log.Info("the agent serves", "socket", socket.Path())
			_, _ = daemon.SdNotify(false, daemon.SdNotifyReady)
			defer context.AfterFunc(ctx, func() { _, _ = daemon.SdNotify(false, daemon.SdNotifyStopping) })()
			return server.Serve(ctx, abort, socket)
		}, nil
	})
}

// served puts a span around each call.
func served(traces *trace.Traces) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		ctx, end := traces.Serve(ctx, info.FullMethod)
		response, err := handler(ctx, request)
		end(err)
		return response, err
	}
}

// agentSocket returns the socket that --socket names, else the one that systemd listens at.
func (c *cli) agentSocket(options agentOptions) (*agent.Socket, error) {
	if options.socket != "" {
		socket, err := agent.Listen(options.socket)
		return socket, socketError(options.socket, err)
	}
	listeners, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("take the sockets from systemd: %w", err)
	}
	listeners = slices.DeleteFunc(listeners, func(l net.Listener) bool { return l == nil })
	if len(listeners) != 1 {
		for _, l := range listeners {
			_ = l.Close()
		}
		return nil, usagef("agent needs --socket, or one socket from systemd; it has %d", len(listeners))
	}
	socket, err := agent.Adopt(listeners[0])
	return socket, socketError(listeners[0].Addr().String(), err)
}

// socketError is an error of the command line, but for a socket that another agent has.
func socketError(path string, err error) error {
	if err == nil || credential.ReasonOf(err) != credential.Internal {
		return err
	}
	return usagef("socket %s: %v", path, err)
}
