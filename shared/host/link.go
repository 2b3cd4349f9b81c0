package host

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"
)

// link is the connection to one process. It is gRPC's dialer and transport credentials, and it keeps what was met first: gRPC
// makes a text of it that mixes up what the provider, its socket and TLS did.
//
// Its connections are closed when the process has ended or was given up, whatever the process does: go-plugin and gRPC wait
// for a connection's end.
type link struct {
	runner *pluginRunner
	config *tls.Config // go-plugin adds the provider's certificate when it has read the handshake line

	heard atomic.Int64 // when bytes came last, in nanoseconds since 1970

	mu      sync.Mutex
	address net.Addr
	met     *fault
	stage   string            // how far the connection came, for the message of a timeout
	open    map[net.Conn]bool // nil once closed
}

// fault is what stood in the way of a connection.
type fault struct {
	step step
	err  error
	// peer is the process that listens at a Unix socket; 0 where that isn't known.
	peer int
}

// step is how far a connection came.
type step string

const (
	stepDial      step = "dial"
	stepHandshake step = "TLS handshake"
	stepRead      step = "read" // after the handshake
)

func newLink(runner *pluginRunner, config *tls.Config) *link {
	l := &link{runner: runner, config: config, open: map[net.Conn]bool{}}
	go func() {
		<-runner.ended
		l.close()
	}()
	return l
}

// to names where the process listens.
func (l *link) to(address net.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.address = address
}

// close closes all connections; there are none after it.
func (l *link) close() {
	l.mu.Lock()
	open := l.open
	l.open = nil
	l.mu.Unlock()
	for conn := range open {
		_ = conn.Close()
	}
}

// fault is what was met first; nil if nothing was.
func (l *link) fault() *fault {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.met
}

// progress is how far the connection has come; empty before there is one.
func (l *link) progress() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stage
}

func (l *link) meet(at step, peer int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.met == nil && l.open != nil && !l.runner.killed.Load() {
		l.met = &fault{step: at, err: err, peer: peer}
	}
}

// dial is gRPC's dialer.
func (l *link) dial(ctx context.Context, _ string) (net.Conn, error) {
	l.mu.Lock()
	address := l.address
	l.mu.Unlock()
	conn, err := new(net.Dialer).DialContext(ctx, address.Network(), address.String())
	if err != nil {
		if ctx.Err() == nil {
			l.meet(stepDial, 0, err)
		}
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	l.open[conn] = true
	l.stage = ": it takes the connection and doesn't answer the TLS handshake"
	return &linkConn{Conn: conn, link: l, peer: peerID(conn)}, nil
}

// linkConn notes its end.
type linkConn struct {
	net.Conn
	link *link
	peer int // that of a fault: nothing can be asked of a connection that has been closed
}

// Close closes the connection.
func (c *linkConn) Close() error {
	c.link.mu.Lock()
	delete(c.link.open, c.Conn)
	c.link.mu.Unlock()
	return c.Conn.Close()
}

// ClientHandshake implements credentials.TransportCredentials.
func (l *link) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := credentials.NewTLS(l.config).ClientHandshake(ctx, authority, raw)
	if err != nil {
		var peer int
		if dialled, ok := raw.(*linkConn); ok {
			peer = dialled.peer
		}
		l.meet(stepHandshake, peer, err)
		return nil, nil, err
	}
	l.mu.Lock()
	l.stage = ": it takes the connection and doesn't answer GetMetadata and Configure"
	l.mu.Unlock()
	return &watchedConn{Conn: conn, link: l}, info, nil
}

// watchedConn keeps the error of a read: with TLS 1.3 a provider that refuses the host's certificate says so only then.
type watchedConn struct {
	net.Conn
	link *link
}

// Read implements net.Conn.
func (c *watchedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.link.heard.Store(time.Now().UnixNano())
	if err != nil {
		c.link.meet(stepRead, 0, err)
	}
	return n, err
}

// ServerHandshake implements credentials.TransportCredentials; a host serves nothing.
func (l *link) ServerHandshake(net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, net.ErrClosed
}

// Info implements credentials.TransportCredentials.
func (l *link) Info() credentials.ProtocolInfo { return credentials.NewTLS(l.config).Info() }

// Clone implements credentials.TransportCredentials.
func (l *link) Clone() credentials.TransportCredentials { return l }

// OverrideServerName implements credentials.TransportCredentials; the name is the configuration's.
func (l *link) OverrideServerName(string) error { return nil }
