package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// Peer is the process at the other end of a connection, as the kernel knows it.
type Peer struct {
	UID uint32
	// PID is the process that made the connection; 0 if the system doesn't tell.
	PID int32
}

// AuthType implements credentials.AuthInfo.
func (Peer) AuthType() string { return "unix peer" }

// peerOf returns the client of a call.
func peerOf(ctx context.Context) (Peer, error) {
	if p, ok := peer.FromContext(ctx); ok {
		if known, ok := p.AuthInfo.(Peer); ok {
			return known, nil
		}
	}
	return Peer{}, errors.New("a call without a peer")
}

// Bounds of connections.
const (
	maxConnections        = 1024
	maxConnectionsOfAUser = 256
)

// doorkeeper looks at who has connected before anything is read. It implements credentials.TransportCredentials.
type doorkeeper struct {
	rules Rules
	log   hclog.Logger

	mu      sync.Mutex
	open    map[uint32]int // connections, by user
	count   int
	refused int64
	changed chan struct{} // closed when count becomes 0, or leaves it
}

func newDoorkeeper(rules Rules, log hclog.Logger) *doorkeeper {
	return &doorkeeper{rules: rules, log: log, open: make(map[uint32]int), changed: make(chan struct{})}
}

// ServerHandshake implements credentials.TransportCredentials.
func (d *doorkeeper) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	admitted, who, err := d.admit(conn)
	if err != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.refused++
		return nil, nil, err
	}
	return admitted, who, nil
}

func (d *doorkeeper) admit(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	who, err := peerOfConn(conn)
	if err != nil {
		d.log.Warn("a connection was refused: its peer is not known", "error", err)
		return nil, nil, err
	}
	if !d.rules.knows(who.UID) {
		d.log.Warn("a connection was refused: agent_clients has no rule for its user", "uid", who.UID, "pid", who.PID)
		return nil, nil, fmt.Errorf("user %d may not use the agent", who.UID)
	}
	if !d.enter(who.UID) {
		d.log.Warn("a connection was refused: there are too many", "uid", who.UID, "pid", who.PID)
		return nil, nil, errors.New("too many connections")
	}
	return &counted{Conn: conn, leave: sync.OnceFunc(func() { d.leave(who.UID) })}, who, nil
}

func (d *doorkeeper) enter(uid uint32) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.count >= maxConnections || d.open[uid] >= maxConnectionsOfAUser {
		return false
	}
	d.open[uid]++
	if d.count++; d.count == 1 {
		d.notify()
	}
	return true
}

func (d *doorkeeper) leave(uid uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open[uid]--; d.open[uid] == 0 {
		delete(d.open, uid)
	}
	if d.count--; d.count == 0 {
		d.notify()
	}
}

// notify tells those who wait for the first or the last connection. The caller holds the lock.
func (d *doorkeeper) notify() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// connections returns how many there are, and a channel that is closed when there is a first one, or none any more.
func (d *doorkeeper) connections() (int, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count, d.changed
}

// ClientHandshake implements credentials.TransportCredentials. There are no clients here.
func (*doorkeeper) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("these are a server's credentials")
}

// Info implements credentials.TransportCredentials.
func (*doorkeeper) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "unix peer"}
}

// Clone implements credentials.TransportCredentials: connections are counted in one place.
func (d *doorkeeper) Clone() credentials.TransportCredentials { return d }

// OverrideServerName implements credentials.TransportCredentials.
func (*doorkeeper) OverrideServerName(string) error { return nil }

// counted is a connection that is counted until it is closed.
type counted struct {
	net.Conn
	leave func()
}

// Close closes the connection.
func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
