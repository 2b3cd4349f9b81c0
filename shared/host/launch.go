package host

import (
	"context"
	"os/exec"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// launch starts a provider, or attaches to one, and asks for its metadata. When it returns an error nothing is left behind
// that can be ended.
func launch(caller context.Context, options Options, exe *executable, redact *redactor) (_ *process, err error) {
	ctx, cancel := context.WithTimeout(caller, options.StartTimeout)
	defer cancel()
	if options.Attach != "" {
		return attachTo(ctx, options)
	}
	p := newProcess()
	defer func() {
		if err != nil {
			err = p.startError(caller, ctx, options, exe, err)
		}
	}()
	run, err := exe.open()
	if err != nil {
		return nil, err
	}
	defer run.close() // when the process has been started
	if p.dir, err = socketDir(); err != nil {
		return nil, err
	}
	if err := p.prepare(options, run, redact); err != nil {
		return nil, err
	}
	// go-plugin's start takes no context: what ends it is the process's end, or that it is given up.
	stop := context.AfterFunc(ctx, p.runner.kill)
	defer stop()
	connected := make(chan error, 1)
	go func() { connected <- p.connect() }()
	select {
	case err = <-connected:
	case <-p.runner.ended:
		// What go-plugin makes of it tells less than the process does, if there is one.
		if err = errEnded; p.runner.process == nil {
			err = <-connected
		}
	}
	if err != nil {
		return nil, err
	}
	if p.metadata, err = p.describe(ctx); err != nil {
		return nil, err
	}
	p.metadata.Path = exe.origin
	return p, p.checkName(options)
}

// prepare makes the process and go-plugin's client of it; nothing is started.
func (p *process) prepare(options Options, run *runnable, redact *redactor) error {
	cert, err := wire.NewCertificate()
	if err != nil {
		return err
	}
	config := wire.ClientTLS(cert)
	environ := append(environment(options), wire.EnvLogLevel+"="+options.Logger.GetLevel().String())
	p.runner = newRunner(options.Name, run, environ, redact.redact)
	p.runner.stdout.expect(p.dir.path)
	p.link = newLink(p.runner, config)
	p.client = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  wire.Handshake,
		Plugins:          plugin.PluginSet{wire.PluginName: &wire.Plugin{}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			// cmd.Env has what go-plugin tells its plugins. The later of two values counts.
			p.runner.cmd.Env = append(p.runner.cmd.Env, cmd.Env...)
			p.runner.cmd.Env = append(p.runner.cmd.Env, wire.EnvSocketDir+"="+p.dir.path, wire.EnvClientCert+"="+wire.CertificatePEM(cert))
			return p.runner, nil
		},
		SkipHostEnv:         true,
		TLSConfig:           config,
		StartTimeout:        options.StartTimeout,
		UnixSocketConfig:    &plugin.UnixSocketConfig{TempDir: p.dir.path},
		Logger:              quiet(options.Logger, options.Name),
		PluginLogBufferSize: maxOut + 1024,
		// go-plugin reads its stream of what is printed in any case: a provider that isn't read from would block.
		SyncStdout: &printer{log: p.runner.stderr},
		SyncStderr: &printer{log: p.runner.stderr},
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithContextDialer(p.link.dial),
			grpc.WithTransportCredentials(p.link),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessageSize), grpc.MaxCallSendMsgSize(wire.MaxMessageSize)),
			grpc.WithMaxHeaderListSize(wire.MaxHeaders),
			grpc.WithStaticStreamWindowSize(wire.WindowSize),
			grpc.WithStaticConnWindowSize(wire.WindowSize),
			grpc.WithChainUnaryInterceptor(boundShutdown),
		},
	})
	return nil
}

// connect starts the process through go-plugin and connects to it.
func (p *process) connect() error {
	address, err := p.client.Start()
	if err != nil {
		p.runner.giveUp()
		return err
	}
	p.link.to(address)
	go func() {
		<-p.runner.ended
		p.giveUp(errEnded)
	}()
	protocol, err := p.client.Client()
	if err != nil {
		return err
	}
	raw, err := protocol.Dispense(wire.PluginName)
	if err != nil {
		return err
	}
	p.provider = raw.(credentialv1.CredentialProviderClient)
	p.health = grpc_health_v1.NewHealthClient(protocol.(*plugin.GRPCClient).Conn)
	return nil
}

// boundShutdown bounds the one call that go-plugin makes without a deadline.
func boundShutdown(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	if method == "/plugin.GRPCController/Shutdown" {
		bounded, cancel := context.WithTimeout(ctx, shutdownTimeout)
		defer cancel()
		ctx = bounded
	}
	return invoke(ctx, method, request, reply, conn, options...)
}
