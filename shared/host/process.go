package host

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/schema"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
	"github.com/tom-worker/credential-provider/shared/text"
)

// Times within which a provider has to end.
const (
	// shutdownTimeout is how long the Shutdown call may take before the process is killed.
	shutdownTimeout = time.Second
	// stopTimeout bounds an orderly end with go-plugin: Shutdown, and 2 s until the process has ended.
	stopTimeout = shutdownTimeout + 2*time.Second + 500*time.Millisecond
)

// process is one started provider, or an attached one. It isn't used again after it has ended: a restart is a new process.
type process struct {
	runner   *pluginRunner
	client   *plugin.Client
	link     *link
	attached *attachment // instead of the three above, if it wasn't started here
	provider credentialv1.CredentialProviderClient
	health   grpc_health_v1.HealthClient
	metadata Metadata

	// life ends when calls can't be answered any more: the process has ended, or was given up. Its cause says why.
	life   context.Context
	giveUp context.CancelCauseFunc

	dir    *privateDir    // holds the socket
	calls  sync.WaitGroup // those under way; none is added once another process is current
	missed atomic.Int32   // consecutive health checks without an answer
	held   atomic.Bool    // it was stopped from outside when it was found not to answer
	born   time.Time      // when its start started
	ready  time.Time      // when it was first offered to calls
}

// Why a process can't answer any more.
var (
	errEnded        = errors.New("its process ended")
	errUnresponsive = errors.New("it stopped answering")
	errStopped      = errors.New("it was stopped")
)

// newProcess is one without a connection yet.
func newProcess() *process {
	p := &process{born: time.Now()}
	p.life, p.giveUp = context.WithCancelCause(context.Background())
	return p
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
	if label := response.GetPreviousVersionLabel(); len(label) > credential.MaxIDLength || strings.ContainsFunc(label, unicode.IsControl) {
		return Metadata{}, credential.Errorf(credential.ProviderMisbehaved, "the provider breaks the contract: its previous_version_label has more than %d bytes, or control characters", credential.MaxIDLength)
	}
	metadata := Metadata{
		Name:        text.Truncate(response.GetName(), wire.MaxName),
		Version:     text.Line(text.Truncate(response.GetVersion(), 2*wire.MaxName)),
		Description: text.Line(text.Truncate(response.GetDescription(), 1<<10)),
		Schema:      response.GetSettingsSchema(),

		PreviousVersionLabel: response.GetPreviousVersionLabel(),
		schema:               parsed,
	}
	for _, capability := range response.GetCapabilities() {
		if len(metadata.Capabilities) == wire.MaxName || len(capability) > wire.MaxName {
			break // no capability of the contract comes close
		}
		metadata.Capabilities = append(metadata.Capabilities, credential.Capability(capability))
	}
	return metadata, nil
}

// checkName keeps one provider's settings from another.
func (p *process) checkName(options Options) error {
	if p.metadata.Name == options.Name {
		return nil
	}
	return credential.Errorf(credential.ProviderIncompatible, "it says that its name is %q", p.metadata.Name).
		WithHelp("credential_plugin, the file's name and the provider's own name must agree")
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
// process does, and may be called at any point of a start. The error names a process that could not be ended, and that
// nothing waits for any more. An attached one lives on.
func (p *process) stop() error {
	p.giveUp(errStopped)
	if p.attached != nil {
		p.attached.detach()
		return nil
	}
	defer func() { p.dir.remove() }()
	if p.client != nil {
		p.shutDown()
	}
	if p.runner == nil {
		return nil
	}
	p.runner.kill()
	<-p.runner.ended // at most killTimeout
	p.link.close()
	return p.runner.stuckError()
}

// shutDown has go-plugin end the process, in bounded time: go-plugin itself waits for as long as it takes.
func (p *process) shutDown() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.client.Kill()
	}()
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	ended := p.runner.ended
	for {
		select {
		case <-done:
			return
		case <-ended: // go-plugin notices that too, a moment later
			ended = nil
			timer.Reset(2 * pipeGrace)
		case <-timer.C:
			return
		}
	}
}

// kill ends the process at once, when it is known not to answer. Its error is that of stop.
func (p *process) kill(cause error) error {
	p.giveUp(cause)
	p.runner.kill()
	<-p.runner.ended
	return p.stop()
}

// silent reports whether a process that has missed so many health checks in a row is to be replaced.
func (p *process) silent(missed int32) bool {
	busy := time.Since(time.Unix(0, p.link.heard.Load())) < healthPatience
	return missed >= busyMisses || missed >= healthMisses && !busy
}

// exitStatus says how the process ended, as far as this host can know it.
func (p *process) exitStatus() string {
	if p.attached != nil {
		return "its connection broke"
	}
	return p.runner.exitStatus()
}

// stopped reports whether the process is stopped at this moment, as a person or a debugger does it.
func (p *process) stopped() bool { return p.runner != nil && p.runner.process.Stopped() }

// endedFromOutside reports whether the process ended for a reason that is no call's: it was killed or stopped by a person or
// by the system, or this host has no use for it any more.
func (p *process) endedFromOutside() bool {
	return p.runner != nil && (p.held.Load() || p.runner.outside.Load() || errors.Is(context.Cause(p.life), errStopped))
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
	case <-p.life.Done(): // and then the calls end
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
