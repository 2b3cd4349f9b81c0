package attach

import (
	"net"
	"sync"
)

// Conn is a connection that reports its end.
type Conn struct {
	net.Conn
	once   sync.Once
	closed func()
}

// Watch makes one. closed is called, once, when this side closes the connection, which gRPC does at once when the other
// side did, and before any call on it fails.
func Watch(conn net.Conn, closed func()) *Conn { return &Conn{Conn: conn, closed: closed} }

// Close closes the connection.
func (c *Conn) Close() error {
	c.once.Do(c.closed)
	return c.Conn.Close()
}
