package conformance

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/internal/schema"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// instance is a process with a connection to it.
type instance struct {
	*process
	shake    *handshake
	conn     *grpc.ClientConn
	printed  context.CancelFunc // ends the reading of what it prints
	reading  sync.WaitGroup
	provider credentialv1.CredentialProviderClient
	health   grpc_health_v1.HealthClient
}

// connect launches a process and connects to it. Each step that fails is what another check is about.
func (e *exam) connect(ctx context.Context, options launchOptions) (_ *instance, err error) {
	for _, id := range []string{"CP-HANDSHAKE-003", "CP-TLS-001"} {
		if e.verdicts[id] == Failed {
			return nil, within(id, errFirst) // a start that takes 10 s to fail would do so again
		}
	}
	if e.options.Attach != "" {
		return e.attached(ctx)
	}
	p, err := e.launch(options)
	if err != nil {
		return nil, within("CP-HANDSHAKE-003", err)
	}
	i := &instance{process: p}
	defer func() {
		if err != nil {
			i.end()
		}
	}()
	line, err := e.handshake(ctx, p)
	if err != nil {
		return nil, within("CP-HANDSHAKE-003", err)
	}
	if i.shake, err = parseHandshake(line); err != nil {
		return nil, within("CP-HANDSHAKE-003", err)
	}
	if i.conn, err = i.dial(e, credentials.NewTLS(i.clientTLS(p.own))); err != nil {
		return nil, err
	}
	// Any answer will do: it proves that both sides have accepted the other's certificate.
	if err := i.greet(ctx); !answered(err) {
		// The message is there to be read: it says which property of which certificate this side's TLS or the other's
		// doesn't like, and before Configure the provider knows no secret.
		message := e.evidence.harmless(status.Convert(err).Message())
		if strings.Contains(message, "server preface") { // a server of TLS 1.3 refuses a client after the client has seen it succeed
			message += "; it hangs up after the TLS handshake: does it take the certificate in " + wire.EnvClientCert + "?"
		}
		return nil, within("CP-TLS-001", fmt.Errorf("no connection with mutual TLS: %s", message))
	}
	i.readStdio(context.WithoutCancel(ctx))
	return i, nil
}

// greet makes the first call.
func (i *instance) greet(ctx context.Context) error {
	i.provider = credentialv1.NewCredentialProviderClient(i.conn)
	i.health = grpc_health_v1.NewHealthClient(i.conn)
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	_, err := i.health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: healthService})
	return err
}

// readStdio reads plugin.GRPCStdio for as long as the connection lives. go-plugin's servers send there what their program
// prints, hosts log it, and a provider that isn't read from may block. A provider without the service prints nothing there.
func (i *instance) readStdio(ctx context.Context) {
	ctx, i.printed = context.WithCancel(ctx)
	i.reading.Go(func() {
		stream, err := i.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/plugin.GRPCStdio/StreamStdio", grpc.WaitForReady(false))
		if err != nil || stream.SendMsg(&emptypb.Empty{}) != nil || stream.CloseSend() != nil {
			return
		}
		for {
			var printed emptypb.Empty // its fields, unknown here, are 1: which stream, 2: bytes
			if stream.RecvMsg(&printed) != nil {
				return
			}
			_, _ = i.stdio.Write(printed.ProtoReflect().GetUnknown())
		}
	})
}

// healthService is the name that go-plugin gives its health service.
const healthService = "plugin"

// answered reports whether the other side answered.
func answered(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		return hasInfo(err)
	default:
		return true
	}
}

// clientTLS is the host's side, with a certificate of the host's or without one.
func (i *instance) clientTLS(own ...tls.Certificate) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(i.shake.certificate)
	return &tls.Config{Certificates: own, RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}
}

// dial makes a connection, which is used at the first call.
func (i *instance) dial(e *exam, transport credentials.TransportCredentials) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///provider",
		grpc.WithTransportCredentials(transport),
		grpc.WithAuthority("localhost"),
		grpc.WithNoProxy(),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, i.shake.network, i.shake.address)
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessageSize), grpc.MaxCallSendMsgSize(wire.MaxMessageSize)),
		grpc.WithUnaryInterceptor(e.evidence.witness),
		grpc.WithDisableRetry(),
	)
}

// ended reports whether the process has ended.
func (i *instance) ended() bool {
	select {
	case <-i.exited:
		return true
	default:
		return false
	}
}

// shutdown asks the process to end.
func (i *instance) shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	return i.conn.Invoke(ctx, "/plugin.GRPCController/Shutdown", &emptypb.Empty{}, &emptypb.Empty{})
}

// end ends the process in whatever way it takes.
func (i *instance) end() {
	if i.conn != nil {
		if i.printed != nil {
			i.printed()
		}
		_ = i.conn.Close()
		i.reading.Wait()
	}
	i.release()
}

// configure hands over settings.
func (i *instance) configure(ctx context.Context, settings map[string]any) error {
	message, err := structpb.NewStruct(settings)
	if err != nil {
		return errors.New("the settings can't be sent: values must be strings, numbers, booleans or lists of strings")
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	_, err = i.provider.Configure(ctx, &credentialv1.ConfigureRequest{Settings: message})
	return err
}

// fresh launches a process for the current check alone; it is ended after it.
func (e *exam) fresh(ctx context.Context, options launchOptions) (*instance, error) {
	i, err := e.connect(ctx, options)
	if err == nil {
		e.mu.Lock()
		e.launched = append(e.launched, i)
		e.mu.Unlock()
	}
	return i, err
}

// freshReady is fresh with settings.
func (e *exam) freshReady(ctx context.Context, options launchOptions) (*instance, error) {
	i, err := e.fresh(ctx, options)
	if err != nil {
		return nil, err
	}
	return i, e.configureWell(ctx, i, nil)
}

// unconfigured is the shared process without settings.
func (e *exam) unconfigured(ctx context.Context) (*instance, error) {
	if e.bare == nil {
		i, err := e.connect(ctx, hosted())
		if err != nil {
			return nil, err
		}
		e.bare = i
	}
	return e.bare, nil
}

// configured is the shared process with settings.
func (e *exam) configured(ctx context.Context) (*instance, error) {
	if e.ready == nil {
		i, err := e.connect(ctx, hosted())
		if err != nil {
			return nil, err
		}
		if err := e.configureWell(ctx, i, nil); err != nil {
			i.end()
			return nil, err
		}
		e.ready = i
	}
	return e.ready, nil
}

// configureWell hands over the settings that must be accepted, with some replaced.
func (e *exam) configureWell(ctx context.Context, i *instance, replaced map[string]any) error {
	if e.options.Attach != "" {
		return nil // it has its settings
	}
	settings, err := e.settings(ctx, i)
	if err != nil {
		return err
	}
	maps.Copy(settings, replaced)
	if err := i.configure(ctx, settings); err != nil {
		return within("CP-CONFIGURE-001", fmt.Errorf("Configure with the settings that were given: %s%s", outcome(err), e.refused(ctx, i, err)))
	}
	return nil
}

// refused names the settings that a refusal names, of those that were given or that the schema has.
func (e *exam) refused(ctx context.Context, i *instance, err error) string {
	properties, schemaErr := e.schema(ctx, i)
	if schemaErr != nil {
		return ""
	}
	names := slices.DeleteFunc(violated(err), func(name string) bool {
		_, given := e.options.Settings[name]
		_, known := properties.Property(name)
		return !given && !known
	})
	if len(names) == 0 {
		return ""
	}
	return ", for " + strings.Join(names, ", ")
}

// settings are those of the options, as a host would send them.
func (e *exam) settings(ctx context.Context, i *instance) (map[string]any, error) {
	properties, err := e.schema(ctx, i)
	if err != nil {
		return nil, err
	}
	settings := map[string]any{}
	for name, value := range e.options.Settings {
		property, _ := properties.Property(name)
		if value == nil || value == "" && !property.EmptyAllowed {
			continue // unset
		}
		settings[name] = sendable(value)
	}
	return settings, nil
}

// schema is the provider's settings schema.
func (e *exam) schema(ctx context.Context, i *instance) (*schema.Schema, error) {
	metadata, err := e.describedBy(ctx, i)
	if err != nil {
		return nil, err
	}
	parsed, err := schema.Parse(metadata.GetSettingsSchema())
	if err != nil {
		return nil, within("CP-METADATA-003", err)
	}
	for _, property := range parsed.Properties() {
		if text, ok := e.options.Settings[property.Name].(string); ok && property.Secret {
			e.evidence.secret(text, "the setting "+property.Name)
		}
	}
	return parsed, nil
}

// sendable gives lists of texts the type that a protobuf Struct takes.
func sendable(value any) any {
	if list, ok := value.([]string); ok {
		items := make([]any, len(list))
		for n, item := range list {
			items[n] = item
		}
		return items
	}
	return value
}

// withTime bounds one call.
func withTime(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return call(ctx)
}

// elapsed measures a call.
func elapsed(call func()) time.Duration {
	start := time.Now()
	call()
	return time.Since(start)
}
