package admin

import (
	"net"
	"sync"
)

// maxConnections is how many connections are open at a time: enough for every scraper and probe, and far from the number of
// files that a process may have open, which logins to devices need.
const maxConnections = 64

// limitedListener closes connections beyond a limit at once.
type limitedListener struct {
	net.Listener
	slots chan struct{}
}

func limit(listener net.Listener, most int) *limitedListener {
	return &limitedListener{Listener: listener, slots: make(chan struct{}, most)}
}

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.slots <- struct{}{}:
			return &countedConn{Conn: conn, done: func() { <-l.slots }}, nil
		default:
			_ = conn.Close()
		}
	}
}

// countedConn gives its place free, once.
type countedConn struct {
	net.Conn
	once sync.Once
	done func()
}

// Close closes the connection.
func (c *countedConn) Close() error {
	defer c.once.Do(c.done)
	return c.Conn.Close()
}
