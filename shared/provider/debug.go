package provider

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/internal/attach"
	"github.com/tom-worker/credential-provider/shared/internal/backoff"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// debugFlag starts the debug mode. There is no other way into it: no variable of the environment.
const debugFlag = "--debug"

// debugging is a provider that a user runs, under a debugger perhaps, for hosts to attach to. It makes the certificates
// of both sides and leaves them in a file.
type debugging[S any, P Provider] struct {
	definition Definition[S, P]
	log        hclog.Logger
	tls        *tls.Config
	hosts      sync.WaitGroup
}

// runDebug serves until the person ends it. What the provider logs is for that person's eyes.
func runDebug[S any, P Provider](definition Definition[S, P], stderr io.Writer) error {
	level := hclog.LevelFromString(os.Getenv(wire.EnvLogLevel))
	if level == hclog.NoLevel {
		level = hclog.Debug
	}
	d := &debugging[S, P]{
		definition: definition,
		log:        hclog.New(&hclog.LoggerOptions{Level: level, Output: stderr}),
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal ends the process at once

	directory, err := attach.Directory()
	if err != nil {
		return fmt.Errorf("there is no private directory for the socket: %w; point XDG_RUNTIME_DIR to a directory of yours", err)
	}
	path := filepath.Join(directory, definition.Name+".json")
	listener, err := listen(filepath.Join(directory, definition.Name+".sock"), path)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	file, config, err := attach.New(definition.Name, listener.Addr().String())
	if err != nil {
		return err
	}
	d.tls = config
	if err := file.Write(path); err != nil {
		return err
	}
	defer func() { _ = os.Remove(path) }()
	d.welcome(stderr, path)
	d.serve(ctx, listener)
	return nil
}

// listen makes the socket. One that a killed process left behind is replaced; that of a process which runs is not.
func listen(socket, path string) (net.Listener, error) {
	if conn, err := net.Dial("unix", socket); err == nil {
		_ = conn.Close()
		who := "another process"
		if file, err := attach.Read(path); err == nil {
			who = fmt.Sprintf("process %d", file.ProcessID)
		}
		return nil, fmt.Errorf("it runs in debug mode already, as %s; end that first", who)
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("%w; if its path is too long for a socket, set XDG_RUNTIME_DIR to a directory with a short name", err)
	}
	return listener, nil
}

// welcome says what the person needs to know.
func (d *debugging[S, P]) welcome(w io.Writer, path string) {
	_, _ = fmt.Fprintf(w, `
%[1]s%[2]s %[3]s runs in DEBUG MODE, process %[4]d.

UNSAFE: a process that reads the file below gets credentials from this process, and debuggers and core dumps
are allowed to see them. Use a backend with values made up for the purpose.

Attach a host whose settings say credential_plugin: %[2]s, for example

    host-example get ID --unsafe-attach %[5]s

Each host that attaches hands over its own settings. Ctrl-C ends the provider.

`, wire.ExecutablePrefix, d.definition.Name, d.definition.Version, os.Getpid(), path)
}

// serve serves each connection until ctx ends.
func (d *debugging[S, P]) serve(ctx context.Context, listener net.Listener) {
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	failures := 0
	for ctx.Err() == nil {
		conn, err := listener.Accept()
		switch {
		case err == nil:
			failures = 0
			d.hosts.Go(func() { d.attached(ctx, conn) })
		case ctx.Err() == nil: // no more files may be open, perhaps: that passes
			failures++
			delay := backoff.Delay(failures, 5*time.Millisecond, time.Second)
			d.log.Warn("a host can't be attached", "error", err, "retry_in", delay.String())
			select {
			case <-time.After(delay):
			case <-ctx.Done():
			}
		}
	}
	d.hosts.Wait()
}

// attached serves one host. To it, this is a provider that was launched for it alone: it has no settings before the host's
// own, takes them once, and is closed when the host is gone. So a host can attach any number of times, and several at once.
func (d *debugging[S, P]) attached(ctx context.Context, conn net.Conn) {
	gone := make(chan struct{})
	connection := attach.Watch(conn, func() { close(gone) })
	s, err := newServer(d.definition, d.log)
	if err != nil {
		_ = connection.Close()
		return
	}
	server := grpc.NewServer(append(serverOptions(d.log), grpc.Creds(credentials.NewTLS(d.tls)))...)
	credentialv1.RegisterCredentialProviderServer(server, s)
	stop := context.AfterFunc(ctx, server.Stop)
	defer stop()
	d.log.Info("a host is attached")
	_ = server.Serve(&single{conn: connection, gone: gone})
	server.Stop()
	s.close()
	d.log.Info("a host is gone")
}

// single is a listener with one connection, and ends with that.
type single struct {
	conn     net.Conn
	gone     <-chan struct{}
	accepted bool
}

// Accept returns the connection, and the second time, when that is closed, an error.
func (l *single) Accept() (net.Conn, error) {
	if !l.accepted {
		l.accepted = true
		return l.conn, nil
	}
	<-l.gone
	return nil, net.ErrClosed
}

// Close closes the connection.
func (l *single) Close() error { return l.conn.Close() }

// Addr is the socket's.
func (l *single) Addr() net.Addr { return l.conn.LocalAddr() }
