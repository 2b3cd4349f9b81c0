// Package devicetest has an SSH device in this process, which behaves like a network operating system: it has a prompt, turns
// pages, gives no exit status if it is told so, and remembers every password that it was shown.
//
//	device := devicetest.Start(t, devicetest.Options{Username: "admin", Password: "secret"})
//	... log in to device.Address() ...
//	device.SetPassword("next")
package devicetest

import (
	"crypto/ed25519"
	"crypto/rand"
	"maps"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Options say what the device is like. The zero value refuses every login.
type Options struct {
	// Name is in the prompt. Empty: "device".
	Name string
	// CommandPrompt is the prompt, and ConfigurePrompt the one after the command "configure". Empty: the name and "#", with
	// "(config)" between them.
	CommandPrompt, ConfigurePrompt string
	// Username and Password are what it accepts. An empty Username accepts no login.
	Username, Password string
	// AuthorizedKey is a public key that it accepts; nil: none.
	AuthorizedKey ssh.PublicKey
	// Methods are the ways to log in that it offers: "password", "keyboard-interactive", "publickey". nil: the first two,
	// and the third if there is an AuthorizedKey.
	Methods []string
	// Prompts are what it asks with keyboard-interactive. nil: one question that doesn't echo. The password has to be the
	// answer to the first one.
	Prompts []Prompt
	// Rounds asks each of them once the one before is answered, instead of all at once.
	Rounds bool
	// KeyFirst asks for the password too when it has accepted the key, and offers that way alone before.
	KeyFirst bool
	// HangsUp ends the connection after a wrong password, instead of saying no; Resets does so by force.
	HangsUp, Resets bool
	// Asked, unless nil, is sent a function for each password, which the device accepts or refuses once that has been called.
	Asked chan<- func()
	// Answered, unless nil, is called with the device's answer to each password.
	Answered func(accepted bool)
	// NoExec refuses commands outside a terminal; OneExec ends the connection after one; NoStatus gives no exit status.
	NoExec, OneExec, NoStatus bool
	// Terminal, unless nil, is what the device does in a terminal; [Specimen] has some.
	Terminal func(*TTY)
	// Pace cuts what it writes there. nil: Whole.
	Pace Pace
	// Busy is how many connections the device ends at once, before it has time for one.
	Busy int
	// Forwards has the device connect to others for its sessions.
	Forwards bool
	// Delay is how long each command takes.
	Delay time.Duration
	// Held, unless nil, is sent a function for each command, which is carried out once that has been called.
	Held chan<- func()
	// HostKey is the device's own. nil: a new one.
	HostKey ssh.Signer
	// HostKeys are shown to who asks for their algorithms, besides the device's own key.
	HostKeys []ssh.Signer
	// Config is for algorithms. The zero value has the defaults.
	Config ssh.Config
}

// Prompt is a question of keyboard-interactive.
type Prompt struct {
	Text string
	Echo bool
}

// Device is a running device. Its methods may be called concurrently.
type Device struct {
	options  Options
	listener net.Listener
	signer   ssh.Signer
	running  sync.WaitGroup
	ended    chan struct{} // closed by Close

	mu          sync.Mutex
	password    string
	refused     map[string]int
	logins      int
	sessions    int
	most        int
	commands    []string
	connections map[net.Conn]bool
	closed      bool
	busy        int // connections so far
}

// Start starts a device on a free port of the loopback interface. [Device.Close] ends it.
func Start(options Options) (*Device, error) {
	if options.Name == "" {
		options.Name = "device"
	}
	if options.Methods == nil {
		options.Methods = []string{"password", "keyboard-interactive"}
		if options.AuthorizedKey != nil {
			options.Methods = append(options.Methods, "publickey")
		}
	}
	if options.Prompts == nil {
		options.Prompts = []Prompt{{Text: "Password: "}}
	}
	signer := options.HostKey
	if signer == nil {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		if signer, err = ssh.NewSignerFromKey(key); err != nil {
			return nil, err
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &Device{
		options: options, listener: listener, signer: signer, password: options.Password,
		refused: make(map[string]int), connections: make(map[net.Conn]bool), ended: make(chan struct{}),
	}
	d.running.Go(d.accept)
	return d, nil
}

// Close ends all connections, and returns when nothing of the device is left running.
func (d *Device) Close() {
	d.mu.Lock()
	if !d.closed {
		close(d.ended)
	}
	d.closed = true
	d.mu.Unlock()
	_ = d.listener.Close()
	d.Disconnect()
	d.running.Wait()
}

// Disconnect breaks all connections.
func (d *Device) Disconnect() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for conn := range d.connections {
		_ = conn.Close()
	}
}

// Address is the device's host:port.
func (d *Device) Address() string { return d.listener.Addr().String() }

// Port is the port of the address.
func (d *Device) Port() int { return d.listener.Addr().(*net.TCPAddr).Port }

// KnownHost is the device's line for a known_hosts file.
func (d *Device) KnownHost() string {
	return knownhosts.Line([]string{knownhosts.Normalize(d.Address())}, d.signer.PublicKey()) + "\n" //nolint:misspell // the package spells it so
}

// SetPassword changes what the device accepts from now on.
func (d *Device) SetPassword(password string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.password = password
}

// Refused are the passwords that the device has refused, and how often it was shown each one.
func (d *Device) Refused() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.refused)
}

// Logins is how many logins have succeeded.
func (d *Device) Logins() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.logins
}

// Sessions is how many sessions there are.
func (d *Device) Sessions() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sessions
}

// MostSessions is how many sessions there were at a time, at most.
func (d *Device) MostSessions() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.most
}

// Commands are all that it was given, in order.
func (d *Device) Commands() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.commands...)
}

func (d *Device) accept() {
	for {
		conn, err := d.listener.Accept()
		if err != nil {
			return
		}
		d.mu.Lock()
		if d.busy++; d.closed || d.busy <= d.options.Busy {
			_ = conn.Close()
		}
		d.connections[conn] = true
		d.mu.Unlock()
		d.running.Go(func() {
			defer func() {
				_ = conn.Close()
				d.mu.Lock()
				delete(d.connections, conn)
				d.mu.Unlock()
			}()
			d.serve(&session{Conn: conn, device: d})
		})
	}
}
