package host

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/schema"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// Times within which a provider has to end.
const (
	// shutdownTimeout is how long the Shutdown call may take before the process is killed.
	shutdownTimeout = time.Second
	// killTimeout is how long a killed process may take to be gone. It is not reached unless the kernel holds it.
	killTimeout = 5 * time.Second
)

// process is one launched provider, or one that a person runs. It isn't used again after it has ended: a restart is a new
// process.
type process struct {
	child    *child
	client   *plugin.Client
	attached *attachment // instead of child and client, if it wasn't launched
	provider credentialv1.CredentialProviderClient
	health   grpc_health_v1.HealthClient
	metadata Metadata

	// life ends when calls can't be answered any more: the process has ended, or was given up. Its cause says why.
	life   context.Context
	giveUp context.CancelCauseFunc

	folder *folder        // holds the socket
	calls  sync.WaitGroup // those under way; none is added once another process is current
	missed atomic.Int32   // consecutive health checks without an answer
	born   time.Time
}

// Why a process can't answer any more.
var (
	errEnded        = errors.New("its process ended")
	errUnresponsive = errors.New("it stopped answering")
	errStopped      = errors.New("it was stopped")
)

// launch starts a provider and asks for its metadata. When it returns an error nothing is left behind.
func launch(caller context.Context, options Options, exe *executable, redact *redactor) (_ *process, err error) {
	ctx, cancel := context.WithTimeout(caller, options.StartTimeout)
	defer cancel()
	p := &process{born: time.Now()}
	p.life, p.giveUp = context.WithCancelCause(context.Background())
	defer func() {
		if err != nil {
			p.stop()
			err = p.startError(caller, ctx, options, exe, err)
		}
	}()
	if p.folder, err = socketDir(); err != nil {
		return nil, err
	}
	cert, err := wire.NewCertificate()
	if err != nil {
		return nil, err
	}
	log := options.Logger
	environ := environment(options)
	environ = append(environ, wire.EnvLogLevel+"="+log.GetLevel().String())
	p.child = newChild(options.Name, exe.path, environ, redact.redact)
	p.child.stdout.expect(p.folder.path)
	p.client = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  wire.Handshake,
		Plugins:          plugin.PluginSet{wire.PluginName: &wire.Plugin{}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			// cmd.Env has what go-plugin tells its plugins. The later of two values counts.
			p.child.cmd.Env = append(p.child.cmd.Env, cmd.Env...)
			p.child.cmd.Env = append(p.child.cmd.Env, wire.EnvSocketDir+"="+p.folder.path, wire.EnvClientCert+"="+wire.CertificatePEM(cert))
			return p.child, nil
		},
		SkipHostEnv:         true,
		TLSConfig:           wire.ClientTLS(cert),
		StartTimeout:        options.StartTimeout,
		UnixSocketConfig:    &plugin.UnixSocketConfig{TempDir: p.folder.path},
		Logger:              quiet(log, options.Name),
		PluginLogBufferSize: maxOut + 1024,
		// go-plugin reads its stream of what is printed in any case: a provider that isn't read from would block.
		SyncStdout: &printer{log: p.child.stderr},
		SyncStderr: &printer{log: p.child.stderr},
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessageSize), grpc.MaxCallSendMsgSize(wire.MaxMessageSize)),
			grpc.WithStaticStreamWindowSize(wire.WindowSize),
			grpc.WithStaticConnWindowSize(wire.WindowSize),
			grpc.WithChainUnaryInterceptor(boundShutdown),
		},
	})
	// go-plugin's start takes no context: what ends it is the process's end.
	stop := context.AfterFunc(ctx, p.child.kill)
	defer stop()
	if err := p.connect(); err != nil {
		return nil, err
	}
	if p.metadata, err = p.describe(ctx); err != nil {
		return nil, err
	}
	p.metadata.Path = exe.origin
	return p, p.checkName(options)
}

// checkName keeps one provider's settings from another.
func (p *process) checkName(options Options) error {
	if p.metadata.Name == options.Name {
		return nil
	}
	return credential.Errorf(credential.ProviderIncompatible, "it says that its name is %q", p.metadata.Name).
		WithHelp("credential_plugin, the file's name and the provider's own name must agree")
}

// connect starts the process through go-plugin and connects to it.
func (p *process) connect() error {
	if _, err := p.client.Start(); err != nil {
		p.child.giveUp()
		return err
	}
	go func() {
		<-p.child.exited
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

// describe calls GetMetadata.
func (p *process) describe(ctx context.Context) (Metadata, error) {
	response, err := p.provider.GetMetadata(ctx, &credentialv1.GetMetadataRequest{})
	if err != nil {
		return Metadata{}, wire.FromStatus(err)
	}
	parsed, err := schema.Parse(response.GetSettingsSchema())
	if err != nil {
		return Metadata{}, credential.Errorf(credential.ProviderMisbehaved, "the provider breaks the contract: %w", err)
	}
	metadata := Metadata{
		Name:        response.GetName(),
		Version:     response.GetVersion(),
		Description: response.GetDescription(),
		Schema:      response.GetSettingsSchema(),
		schema:      parsed,
	}
	for _, capability := range response.GetCapabilities() {
		metadata.Capabilities = append(metadata.Capabilities, credential.Capability(capability))
	}
	return metadata, nil
}

// configure hands over the settings; ctx bounds it.
func (p *process) configure(ctx context.Context, settings Settings, redact *redactor) error {
	values, err := p.metadata.resolve(settings)
	if err != nil {
		return err
	}
	for _, info := range p.metadata.Settings() {
		if text, ok := values[info.Name].(string); ok && info.Secret {
			redact.keep(text)
		}
	}
	message, err := structpb.NewStruct(values)
	if err != nil {
		return credential.Errorf(credential.SettingsInvalid, "the settings of provider %s can't be sent", p.metadata.Name)
	}
	_, err = p.provider.Configure(ctx, &credentialv1.ConfigureRequest{Settings: message})
	return p.metadata.explain(wire.FromStatus(err), settings)
}

// stop ends the process: by the Shutdown call, and if that doesn't do it by force. It returns in bounded time whatever the
// process does, and may be called at any point of a launch. An attached one lives on.
func (p *process) stop() {
	p.giveUp(errStopped)
	if p.attached != nil {
		p.attached.detach()
	}
	if p.client != nil {
		p.client.Kill()
	}
	if p.child != nil {
		p.child.kill()
		select {
		case <-p.child.exited:
		case <-time.After(killTimeout):
		}
	}
	p.folder.remove()
}

// kill ends the process at once, when it is known not to answer.
func (p *process) kill(cause error) {
	p.giveUp(cause)
	p.child.kill()
	p.stop()
}

// drain waits for the calls under way, until ctx ends.
func (p *process) drain(ctx context.Context) {
	idle := make(chan struct{})
	go func() {
		p.calls.Wait()
		close(idle)
	}()
	select {
	case <-idle:
	case <-p.life.Done(): // and then they end by themselves
	case <-ctx.Done():
	}
}

// healthy asks the process for a sign of life, and waits for healthPatience. Any answer is one.
func (p *process) healthy(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, healthPatience)
	defer cancel()
	_, err := p.health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: plugin.GRPCServiceName})
	switch status.Code(err) {
	case codes.DeadlineExceeded, codes.Unavailable, codes.Canceled:
		return false
	default:
		return true
	}
}

// startError gives a failed launch its reason. What go-plugin says about it is a text, so the process itself is looked at.
// caller is the context of who wanted the start, ctx that of the start itself.
func (p *process) startError(caller, ctx context.Context, options Options, exe *executable, err error) error {
	if p.attached != nil {
		return p.attachError(caller, options, err)
	}
	var known *credential.Error
	refusal := (*credential.Error)(nil)
	if p.child != nil {
		refusal = p.child.stdout.refusal()
	}
	fail := func(format string, args ...any) *credential.Error {
		return credential.Errorf(credential.ProviderStartFailed, "provider %s (%s) can't be started: %s", options.Name, exe.origin, fmt.Sprintf(format, args...))
	}
	switch {
	case refusal != nil:
		known = refusal
	case caller.Err() != nil:
		ended := contextError(caller)
		ended.Message = fmt.Sprintf("provider %s was not ready yet: %s", options.Name, ended.Message)
		return ended
	case ctx.Err() != nil && p.child != nil:
		return fail("it was not ready after %v; %s", options.StartTimeout, p.child.exitStatus()).
			WithHelp("if the machine is slow, raise credential_plugin_start_timeout; else run the file with log_level debug")
	case errors.As(err, &known) && known.Reason == credential.SettingsInvalid:
		return known
	case errors.As(err, &known) && known.Reason != credential.ProviderCrashed:
	case p.child == nil:
		return fail("%v", err)
	case p.child.ID() == "":
		return fail("the system doesn't execute it: %v", err).WithHelp("is it built for this system, and not on a file system mounted noexec?")
	case errors.As(err, new(tls.RecordHeaderError)):
		return fail("its connection isn't TLS")
	default:
		return fail("%s", p.child.exitStatus()).
			WithHelp("the last lines say why; more of them with log_level debug")
	}
	decorated := *known
	decorated.Message = fmt.Sprintf("provider %s (%s): %s", options.Name, exe.origin, known.Message)
	return &decorated
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
