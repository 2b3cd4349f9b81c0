package conformance

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

var launchChecks = []check{
	{Info: Info{"CP-HANDSHAKE-001", Must, "started by hand, without the cookie or with another one, it exits with status 1",
		"Launch: when the cookie is absent or different, a user started the program by hand: explain, and exit with status 1"},
		run: func(ctx context.Context, e *exam) error { return e.byHand(ctx, false) }},
	{Info: Info{"CP-HANDSHAKE-002", Must, "started by hand, it explains itself",
		"Launch: when the cookie is absent or different, explain that it is a provider"},
		after: "CP-HANDSHAKE-001", run: func(ctx context.Context, e *exam) error { return e.byHand(ctx, true) }},
	{Info: Info{"CP-HANDSHAKE-003", Must, "it prints a handshake line of six fields within 10 s",
		"Launch: 1|1|unix|/path/of/the/socket|grpc|certificate, the DER in base64 without padding"},
		run: checkHandshakeLine},
	{Info: Info{"CP-HANDSHAKE-004", Must, "it listens in the directory it is given, or on a loopback address",
		"Launch: PLUGIN_UNIX_SOCKET_DIR is the directory to create the socket in; on Windows listen on 127.0.0.1"},
		run: checkListens},
	{Info: Info{"CP-HANDSHAKE-005", Must, "it finds its protocol version in a list",
		"Launch: PLUGIN_PROTOCOL_VERSIONS holds comma-separated protocol versions"},
		after: "CP-HANDSHAKE-003", run: checkVersions},
	{Info: Info{"CP-TLS-001", Must, "it takes connections from the host, with the certificate of the handshake line",
		"Launch: the certificates are self-signed, are valid for localhost, and serve as client and as server certificate"},
		run: checkConnection},
	{Info: Info{"CP-TLS-002", Must, "it refuses an unknown certificate",
		"Launch: PLUGIN_CLIENT_CERT: accept connections from its holder only (mutual TLS)"},
		run: checkUnknownCertificate},
	{Info: Info{"CP-TLS-003", Must, "it refuses connections without a certificate, and without TLS",
		"Launch: PLUGIN_CLIENT_CERT: accept connections from its holder only (mutual TLS)"},
		run: checkNoCertificate},
	{Info: Info{"CP-TLS-004", Should, "its certificate has a key on P-256",
		"Launch: use ECDSA keys on P-256: other curves are refused by some TLS libraries"},
		run: checkCurve},
	{Info: Info{"CP-HEALTH-001", Must, "its health service says SERVING for the service plugin",
		"Launch: it serves grpc.health.v1.Health, with status SERVING for the service name plugin"},
		run: checkHealth},
	{Info: Info{"CP-HEALTH-002", Must, "it still does after Configure, after failed reads, and while the backend is gone",
		"Launch: grpc.health.v1.Health is about the process: hosts replace one that isn't SERVING, and a new one has no other backend"},
		after: "CP-HEALTH-001", run: checkHealthLater},
}

// byHand starts the program as a user would by hand. Its output is judged apart from its exit status.
func (e *exam) byHand(ctx context.Context, explains bool) error {
	for _, start := range []struct{ how, cookie string }{{"without the cookie", ""}, {"with another cookie", "no-such-cookie"}} {
		options := hosted()
		options.cookie = start.cookie
		p, err := e.launch(options)
		if err != nil {
			return err
		}
		p.cutLifeline()
		ended := p.wait(ctx, startTime)
		p.release() // after it nothing more is written
		first := <-p.line
		_, handshaken := parseHandshake(first)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case explains && len(bytes.TrimSpace(p.stderr.bytes()))+len(first) == 0:
			return fmt.Errorf("%s it says nothing", start.how)
		case explains:
		case handshaken == nil:
			return fmt.Errorf("%s it prints a handshake line", start.how)
		case !ended:
			return fmt.Errorf("%s it is still running after %v", start.how, startTime)
		case p.cmd.ProcessState.ExitCode() != 1:
			return fmt.Errorf("%s it ends with %s", start.how, p.cmd.ProcessState)
		}
	}
	return nil
}

func checkHandshakeLine(ctx context.Context, e *exam) error {
	p, err := e.launch(hosted())
	if err != nil {
		return err
	}
	defer p.release()
	line, err := e.handshake(ctx, p)
	if err != nil {
		return err
	}
	_, err = parseHandshake(line)
	return err
}

func checkListens(ctx context.Context, e *exam) error {
	i, err := e.unconfigured(ctx)
	if err != nil {
		return err
	}
	return i.shake.checkAddress(i.dir)
}

func checkVersions(ctx context.Context, e *exam) error {
	options := hosted()
	options.versions = "2,1"
	p, err := e.launch(options)
	if err != nil {
		return err
	}
	defer p.release()
	line, err := e.handshake(ctx, p)
	if err == nil {
		_, err = parseHandshake(line)
	}
	if err != nil {
		return fmt.Errorf("to a host that speaks versions 2 and 1: %w", err)
	}
	return nil
}

func checkConnection(ctx context.Context, e *exam) error {
	_, err := e.unconfigured(ctx)
	return err
}

func checkUnknownCertificate(ctx context.Context, e *exam) error {
	i, err := e.unconfigured(ctx)
	if err != nil {
		return err
	}
	unknown, err := wire.NewCertificate()
	if err != nil {
		return err
	}
	if i.admits(ctx, e, credentials.NewTLS(i.clientTLS(unknown))) {
		return errors.New("it answers the holder of another certificate")
	}
	return nil
}

func checkNoCertificate(ctx context.Context, e *exam) error {
	i, err := e.unconfigured(ctx)
	if err != nil {
		return err
	}
	if i.admits(ctx, e, credentials.NewTLS(i.clientTLS())) {
		return errors.New("it answers without asking for a certificate")
	}
	if i.admits(ctx, e, insecure.NewCredentials()) {
		return errors.New("it answers without TLS")
	}
	return nil
}

// refusalTime is how long a refusal may take; silence is one too.
const refusalTime = 3 * time.Second

// admits reports whether a call over another connection is answered.
func (i *instance) admits(ctx context.Context, e *exam, transport credentials.TransportCredentials) bool {
	conn, err := i.dial(e, transport)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(ctx, refusalTime)
	defer cancel()
	_, err = grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: healthService}, grpc.WaitForReady(false))
	return answered(err)
}

func checkCurve(ctx context.Context, e *exam) error {
	i, err := e.unconfigured(ctx)
	if err != nil {
		return err
	}
	key, ok := i.shake.certificate.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return errors.New("the certificate's key is another")
	}
	return nil
}

func checkHealth(ctx context.Context, e *exam) error {
	i, err := e.unconfigured(ctx)
	if err != nil {
		return err
	}
	return i.healthy(ctx)
}

// healthy returns an error if the health service doesn't say that the process serves.
func (i *instance) healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	response, err := i.health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: healthService})
	if err != nil {
		return succeed("Check", err)
	}
	if response.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("the status is %s", response.GetStatus())
	}
	return nil
}

func checkHealthLater(ctx context.Context, e *exam) error {
	i, err := e.configured(ctx)
	if err != nil {
		return err
	}
	if err := i.healthy(ctx); err != nil {
		return fmt.Errorf("after Configure: %w", err)
	}
	for id := range e.options.Fixtures.Malformed {
		_, _ = i.get(ctx, id)
	}
	_, _ = i.get(ctx, e.options.Fixtures.Missing[0])
	if err := i.healthy(ctx); err != nil {
		return fmt.Errorf("after reads that failed: %w", err)
	}
	if e.options.Fixtures.BackendGone == nil || e.options.Attach != "" {
		return nil
	}
	if i, err = e.withoutBackend(ctx); err != nil {
		return within("CP-BACKEND-001", err)
	}
	for range tries {
		_, _ = i.get(ctx, e.anyID())
		if err := i.healthy(ctx); err != nil {
			return fmt.Errorf("while the backend is gone: %w", err)
		}
	}
	return nil
}
