package provider

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// Main runs the provider until its host ends it, and does not return: the process exits with 0 when it has served, and
// with 1 when it could not start. Called by hand it explains itself; --version and --help are answered.
//
// On Linux it switches core dumps and debuggers off; TOM_CREDENTIAL_DEBUGGABLE=1 leaves them alone.
//
// With --debug, and only then, no host launches it but a host may attach to it; see the package's section on debugging.
func Main[S any, P Provider](definition Definition[S, P]) {
	os.Exit(run(definition, os.Args[1:], os.Stdout, os.Stderr))
}

func run[S any, P Provider](definition Definition[S, P], args []string, stdout, stderr io.Writer) int {
	log := hclog.New(&hclog.LoggerOptions{
		Level:      hclog.LevelFromString(os.Getenv(wire.EnvLogLevel)), // NoLevel is the default, info
		Output:     stderr,
		JSONFormat: true,
	})
	s, err := newServer(definition, log)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "%s%s: %v\n", wire.ExecutablePrefix, definition.Name, err)
		return 1
	}
	if len(args) > 0 && (args[0] == "--version" || args[0] == "version") {
		_, _ = fmt.Fprintln(stdout, versionLine(definition.Name, definition.Version))
		return 0
	}
	if len(args) > 0 && (args[0] == "--help" || args[0] == "-h" || args[0] == "help") {
		explain(stdout, definition.Name, definition.Description)
		return 0
	}
	launched := os.Getenv(wire.Handshake.MagicCookieKey) == wire.Handshake.MagicCookieValue
	if len(args) > 0 && args[0] == debugFlag {
		err := errors.New(debugFlag + " is for use by hand: a provider that a host launches is never in debug mode")
		if !launched {
			err = runDebug(definition, stderr)
		}
		if err != nil {
			_, _ = fmt.Fprintf(stderr, "%s%s: %v\n", wire.ExecutablePrefix, definition.Name, err)
			return 1
		}
		return 0
	}
	if !launched {
		explain(stderr, definition.Name, definition.Description)
		return 1
	}
	if err := serve(s); err != nil {
		log.Error("provider could not start", "error", err.Error())
		return 1
	}
	return 0
}

// explain describes the program to a user who runs it by hand.
func explain(w io.Writer, name, description string) {
	_, _ = fmt.Fprintf(w, `%[1]s%[2]s is a credential provider: it %[3]s.

It isn't run by hand. A worker launches it when its settings say

    credential_plugin: %[2]s

and finds it in the directory "plugins" beside the worker's executable, in
/usr/local/libexec/tom/plugins, or where credential_plugin_dirs points.

    %[1]s%[2]s --version    print the version and exit
    %[1]s%[2]s --debug      for the author, unsafe: run, also under a debugger, until Ctrl-C,
                            and let a host attach to it
`, wire.ExecutablePrefix, name, description)
}

func versionLine(name, version string) string {
	commit := "unknown"
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range build.Settings {
			if setting.Key == "vcs.revision" {
				commit = setting.Value
			}
		}
	}
	return fmt.Sprintf("%s%s %s (commit %s, %s, contract v%d)", wire.ExecutablePrefix, name, version, commit, runtime.Version(), wire.Handshake.ProtocolVersion)
}

// serve hands the process to go-plugin until the host shuts it down or is gone.
func serve[S any, P Provider](s *server[S, P]) error {
	tlsConfig, cert, err := mutualTLS()
	if err != nil {
		return err
	}
	watchLifeline(s.log)
	harden(s.log)
	spareCollector()
	shaken, err := completeHandshake(cert)
	if err != nil {
		return err
	}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: wire.Handshake,
		Plugins:         plugin.PluginSet{wire.PluginName: &wire.Plugin{Service: s}},
		TLSProvider:     tlsConfig,
		Logger:          s.log.Named("go-plugin"),
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(options, serverOptions(s.log)...)...)
		},
	})
	if !shaken() {
		return errors.New("there was no handshake; the log line before this one says why")
	}
	s.close()
	return nil
}

// streamWorkers is how many goroutines answer calls again and again. A new one for each call, as gRPC starts beyond that number,
// starts with a small stack: to grow it for a backend's SDK, step by step, took a tenth of a call.
const streamWorkers = 16

// serverOptions are what every server of the contract has, however it is launched.
func serverOptions(log hclog.Logger) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(wire.MaxMessageSize),
		grpc.MaxSendMsgSize(wire.MaxMessageSize),
		grpc.StaticStreamWindowSize(wire.WindowSize),
		grpc.StaticConnWindowSize(wire.WindowSize),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.UnaryInterceptor(answer(log)),
	}
}
