package device

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Connection is a device that is connected to, with a host key that is trusted, at which nothing was shown yet. One
// goroutine at a time may use it. It ends with [Connection.Login] or [Connection.Close].
type Connection struct {
	dialer   *Dialer
	conn     net.Conn
	a        *attempt
	patience time.Duration
	timer    *time.Timer
	late     atomic.Bool

	asked  chan struct{} // closed when the device asks for a login
	start  chan login
	login  *login
	closed chan struct{}
	close  sync.Once

	done     chan struct{} // closed when the following are set
	ssh      ssh.Conn
	channels <-chan ssh.NewChannel
	requests <-chan *ssh.Request
	err      error
}

// handshake runs the SSH client, which stops at next until there is a login.
func (c *Connection) handshake(config *ssh.ClientConfig) {
	defer close(c.done)
	c.ssh, c.channels, c.requests, c.err = ssh.NewClientConn(c.conn, c.a.target.Address, config)
}

// cut ends the connection unless the device is about to say what it thinks of what it was shown.
func (c *Connection) cut() {
	if !c.a.presented.Load() {
		c.end()
	}
}

func (c *Connection) tooLate() {
	c.late.Store(true)
	c.end()
}

func (c *Connection) end() {
	c.close.Do(func() { close(c.closed) })
	_ = c.conn.Close()
}

// Close ends a connection that isn't logged in.
func (c *Connection) Close() {
	c.end()
	<-c.done
	c.timer.Stop()
	if c.err == nil {
		_ = c.ssh.Close()
	}
}

// Login logs in. The session lives until it is closed; ctx bounds the login only. An error that wraps [ErrRefused] means
// that the device has looked at the credential and refuses it. All others have a reason of this package or, if the private
// key can't be used, CREDENTIAL_MALFORMED, or are what material returned; they say nothing about the credential, and wrap
// [guard.ErrNotShown] if it wasn't shown.
//
// When a job's time is up, a device that has seen a secret is waited for nevertheless, for as long as LoginTimeout allows:
// many take their time to refuse one, and a worker that hadn't heard it would show them the same again.
func (c *Connection) Login(ctx context.Context, material Material) (*Session, error) {
	defer context.AfterFunc(ctx, c.cut)()
	release := context.AfterFunc(answers(ctx), c.end)
	c.timer.Reset(c.patience)
	defer c.timer.Stop()
	c.start <- login{ctx, material}
	<-c.done
	if !release() && c.err == nil {
		_ = c.ssh.Close()
		c.err = answers(ctx).Err()
	}
	if c.err != nil {
		c.end()
		return nil, c.failure(ctx, c.err)
	}
	s := &Session{
		client: ssh.NewClient(c.ssh, c.channels, c.requests), conn: c.conn, address: c.a.target.Address,
		observe: c.dialer.ObserveCommands, secrets: c.a.secrets(), cred: c.a.material, answers: c.a.target.Answers,
	}
	if s.observe == nil {
		s.observe = unobserved
	}
	return s, nil
}

var errClosed = errors.New("the connection was closed before a login")

// next chooses how to log in. It waits for a login where there is none yet.
func (c *Connection) next(device *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	if c.login == nil {
		close(c.asked)
		select {
		case l := <-c.start:
			c.login = &l
		case <-c.closed:
			return nil, errClosed
		}
		c.a.ask = c.ask
	}
	method, err := c.a.next(device)
	if err == nil && method != nil && c.login.ctx.Err() != nil {
		c.a.presented.Store(false) // what it has refused isn't all that there is
		return nil, c.login.ctx.Err()
	}
	return method, err
}

// ask asks for the material, in its own time.
func (c *Connection) ask() (*credential.Credential, error) {
	c.timer.Stop()
	defer c.timer.Reset(c.patience)
	cred, err := c.login.material(c.login.ctx)
	if err == nil {
		err = c.login.ctx.Err() // too late to show it
	}
	return cred, err
}
