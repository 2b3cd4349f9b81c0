package device

import (
	"cmp"
	"context"
	"errors"
	"net"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// DefaultLoginTimeout is how long a login may take if nothing else is said. It covers the connection too.
const DefaultLoginTimeout = 20 * time.Second

// again is how long a device has to get ready that has ended a connection before anything was shown: a terminal line of
// another session may be released that late.
const again = 500 * time.Millisecond

// Dialer logs in to devices. It may be used concurrently.
type Dialer struct {
	// HostKeys are the devices that are known. Required.
	HostKeys *HostKeys
	// LegacyAlgorithms allows algorithms that are no longer safe, for devices that know no others.
	LegacyAlgorithms bool
	// LoginTimeout bounds a login, the connection included, but not the time that [Material] takes. 0: DefaultLoginTimeout.
	LoginTimeout time.Duration
	// ObserveCommands is called for each command of the sessions, concurrently. nil: nothing is called.
	ObserveCommands CommandObserver
}

// Target is a device to log in to.
type Target struct {
	// Address is the device's, as host:port.
	Address string
	// Expected is the credential as it is known before the login: the user name is sent before anything secret, and what
	// it has decides which methods are tried. None of its secrets are shown. Required.
	Expected *credential.Credential
	// Through is a session at a device through which the connection goes; it has to outlive it. nil: none.
	Through *Session
	// Answers are for questions that the device asks besides the password.
	Answers []Answer
}

// Material returns what to log in with. It is called at most once a connection, when the device asks for something that the
// credential has, and may take its time. What it returns is shown to the device at once. Its error ends the login, and is
// returned as it is.
type Material func(ctx context.Context) (*credential.Credential, error)

// Login connects to a device and logs in: [Dialer.Connect], then [Connection.Login]. Material that has another user name
// than expected gets its own connection, before anything was shown.
func (d *Dialer) Login(ctx context.Context, target Target, material Material) (*Session, error) {
	conn, err := d.Connect(ctx, target)
	if err != nil {
		return nil, err
	}
	var taken *credential.Credential
	session, err := conn.Login(ctx, func(ctx context.Context) (*credential.Credential, error) {
		cred, err := material(ctx)
		taken = cred
		return cred, err
	})
	if !errors.Is(err, errOtherUser) {
		return session, err
	}
	target.Expected = taken
	if conn, err = d.Connect(ctx, target); err != nil {
		return nil, err
	}
	return conn.Login(ctx, func(context.Context) (*credential.Credential, error) { return taken, nil })
}

// Connect connects to a device, exchanges keys and checks the device's. ctx bounds that. Nothing secret is needed or shown.
// Where the device ends the connection, it is tried once more. Errors are as those of [Connection.Login].
func (d *Dialer) Connect(ctx context.Context, target Target) (*Connection, error) {
	conn, err := d.connect(ctx, target)
	var other *otherHostKey
	if errors.As(err, &other) { // the key of another type is asked for
		conn, err = d.connect(ctx, target)
	}
	if errors.Is(err, errNotReady) && sleep(ctx, again) {
		conn, err = d.connect(ctx, target)
	}
	return conn, err
}

// sleep reports whether the time has passed before ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (d *Dialer) connect(ctx context.Context, target Target) (*Connection, error) {
	patience := cmp.Or(d.LoginTimeout, DefaultLoginTimeout)
	dial := (&net.Dialer{Timeout: patience}).DialContext
	if target.Through != nil {
		dial = target.Through.client.DialContext
	}
	dialling, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := dial(dialling, "tcp", target.Address)
	if err != nil {
		return nil, notShown{d.notConnected(ctx, target, patience, err)}
	}
	c := &Connection{
		dialer: d, conn: conn, patience: patience,
		a:     &attempt{target: target, username: target.Expected.Username, host: d.HostKeys.host(target.Address)},
		asked: make(chan struct{}), start: make(chan login, 1), done: make(chan struct{}), closed: make(chan struct{}),
	}
	c.timer = time.AfterFunc(patience, c.tooLate)
	defer context.AfterFunc(ctx, c.cut)()
	defer context.AfterFunc(answers(ctx), c.cut)()
	go c.handshake(d.config(c))
	select {
	case <-c.asked:
		if ctx.Err() != nil {
			c.Close()
			return nil, c.failure(ctx, ctx.Err())
		}
		c.timer.Stop()
		return c, nil
	case <-c.done:
		c.timer.Stop()
		if c.err != nil {
			c.cut()
			return nil, c.failure(ctx, c.err)
		}
		return c, nil // the device has asked for nothing
	}
}

// config is the client's side of one connection.
func (d *Dialer) config(c *Connection) *ssh.ClientConfig {
	algorithms := ssh.SupportedAlgorithms()
	if d.LegacyAlgorithms {
		old := ssh.InsecureAlgorithms()
		algorithms.KeyExchanges = append(algorithms.KeyExchanges, old.KeyExchanges...)
		algorithms.Ciphers = append(algorithms.Ciphers, old.Ciphers...)
		algorithms.MACs = append(algorithms.MACs, old.MACs...)
		algorithms.HostKeys = append(algorithms.HostKeys, old.HostKeys...)
	}
	return &ssh.ClientConfig{
		Config:            ssh.Config{KeyExchanges: algorithms.KeyExchanges, Ciphers: algorithms.Ciphers, MACs: algorithms.MACs},
		User:              c.a.username,
		AuthCallback:      c.next,
		HostKeyAlgorithms: c.a.host.algorithms(algorithms.HostKeys),
		HostKeyCallback: func(address string, remote net.Addr, key ssh.PublicKey) error {
			c.a.hostKey = c.a.host.check(address, remote, key)
			return c.a.hostKey
		},
	}
}
