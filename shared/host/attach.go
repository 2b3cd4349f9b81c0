package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/attach"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// attachment is what a process has that was not launched: a user runs it, and a breakpoint may stop it for as long as
// that person likes. So nothing here watches it, and nothing here ends it.
type attachment struct {
	pid        int
	connection *attach.Conn
	client     *grpc.ClientConn
}

// attachTo connects to the provider whose file Options.Attach names, and asks for its metadata.
func attachTo(ctx context.Context, options Options) (_ *process, err error) {
	file, err := readAttach(options)
	if err != nil {
		return nil, err
	}
	options.Logger.Warn("UNSAFE: attaching to a provider in debug mode, which a user runs: none of the checks of a launch are made", "provider", options.Name, "pid", file.ProcessID, "executable", file.Executable)
	config, err := file.ClientTLS()
	if err != nil {
		return nil, refuseAttach(options, err)
	}
	socket, err := (&net.Dialer{}).DialContext(ctx, "unix", file.Socket)
	if err != nil {
		return nil, credential.Errorf(credential.ProviderNotFound, "the provider of %s, process %d, isn't running any more", options.Attach, file.ProcessID).
			WithHelp("start it again: %s --debug", file.Executable)
	}
	p := newProcess()
	p.attached = &attachment{pid: file.ProcessID, connection: attach.Watch(socket, func() { p.giveUp(errEnded) })}
	defer func() {
		if err != nil {
			err = p.attachError(ctx, options, err)
			_ = p.stop()
		}
	}()
	if p.attached.client, err = p.attached.dial(credentials.NewTLS(config)); err != nil {
		return nil, err
	}
	p.provider = credentialv1.NewCredentialProviderClient(p.attached.client)
	p.health = grpc_health_v1.NewHealthClient(p.attached.client)
	if p.metadata, err = p.describe(ctx); err != nil {
		return nil, err
	}
	p.metadata.Path = file.Executable
	return p, p.checkName(options)
}

// readAttach reads the file, and refuses what can't be attached to.
func readAttach(options Options) (attach.File, error) {
	file, err := attach.Read(options.Attach)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return file, credential.Errorf(credential.ProviderNotFound, "there is no file %s: its provider isn't running", options.Attach).
			WithHelp("run the provider with --debug; it says which file to attach to")
	case err != nil:
		return file, refuseAttach(options, err)
	case file.ContractVersion != wire.Handshake.ProtocolVersion:
		return file, credential.Errorf(credential.ProviderIncompatible, "the provider of %s speaks version %d of the provider contract; this host speaks %d", options.Attach, file.ContractVersion, wire.Handshake.ProtocolVersion)
	}
	return file, nil
}

func refuseAttach(options Options, err error) error {
	return credential.Errorf(credential.ProviderRefused, "no provider is attached by %s: %w", options.Attach, err).
		WithHelp("run the provider with --debug, and attach by the file that it names, as the same user")
}

// dial makes the client of the one connection. There is no second: what listens at the socket later is another process.
func (a *attachment) dial(config credentials.TransportCredentials) (*grpc.ClientConn, error) {
	first := make(chan net.Conn, 1)
	first <- a.connection
	return grpc.NewClient("passthrough:///provider",
		grpc.WithTransportCredentials(config),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			select {
			case conn := <-first:
				return conn, nil
			default:
				return nil, errEnded
			}
		}),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: attachedTimeout}),
		grpc.WithIdleTimeout(0), // the connection is what tells that the process lives
		grpc.WithMaxHeaderListSize(wire.MaxHeaders),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessageSize), grpc.MaxCallSendMsgSize(wire.MaxMessageSize)),
	)
}

// detach leaves the process alone.
func (a *attachment) detach() {
	if a.client != nil {
		_ = a.client.Close()
	}
	_ = a.connection.Close()
}

// attachError gives a failed attachment its reason.
func (p *process) attachError(caller context.Context, options Options, err error) error {
	var known *credential.Error
	switch {
	case caller.Err() != nil:
		ended := contextError(caller)
		ended.Message = fmt.Sprintf("provider %s (attached, process %d) has not answered yet: %s", options.Name, p.attached.pid, ended.Message)
		return ended
	case context.Cause(p.life) == errEnded: // before we stopped it
		return credential.Errorf(credential.ProviderCrashed, "provider %s (attached, process %d) broke off the connection", options.Name, p.attached.pid).
			WithHelp("was it started again just now? then attach again; else its terminal says why")
	case errors.As(err, &known) && known.Reason == credential.SettingsInvalid:
		return known
	case !errors.As(err, &known):
		known = credential.Errorf(credential.ProviderStartFailed, "%s", status.Convert(err).Message())
	}
	decorated := *known
	decorated.Message = fmt.Sprintf("provider %s (attached, process %d): %s", options.Name, p.attached.pid, known.Message)
	return &decorated
}

// superviseAttached is supervise for a provider that a user runs: it notes when the process has ended, and starts nothing.
// Reload attaches again.
func (p *Provider) superviseAttached() {
	defer close(p.closed)
	for {
		p.mu.Lock()
		changed, current := p.changed, p.current
		p.mu.Unlock()
		var ended <-chan struct{}
		if current != nil {
			ended = current.life.Done()
		}
		select {
		case <-p.life.Done():
			p.finish()
			return
		case <-changed:
		case <-ended:
			p.lose(current)
		}
	}
}

// lose takes a process out of use that its person has ended.
func (p *Provider) lose(ended *process) {
	end := credential.Errorf(credential.ProviderCrashed, "provider %s (attached, process %d) has ended", p.options.Name, ended.attached.pid).
		WithHelp("start it again with --debug, then attach again")
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != ended {
		return // a reload was faster
	}
	p.current, p.broken, p.lastEnd = nil, end, end
	p.notify()
	_ = ended.stop()
	p.options.Logger.Warn("the attached provider has ended", "provider", p.options.Name, "pid", ended.attached.pid)
}
