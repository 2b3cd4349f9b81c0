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
	"errors"
	"fmt"
	"maps"
	"net"
	"strings"
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
	// Username and Password are what it accepts. An empty Username accepts nobody.
	Username, Password string
	// AuthorizedKey is a public key that it accepts; nil: none.
	AuthorizedKey ssh.PublicKey
	// Methods are the ways to log in that it offers: "password", "keyboard-interactive", "publickey". nil: the first two,
	// and the third if there is an AuthorizedKey.
	Methods []string
	// Prompts are what it asks with keyboard-interactive. nil: one question that doesn't echo. The password has to be the
	// answer to the first one.
	Prompts []Prompt
	// KeyFirst asks for the password too when it has accepted the key, and offers that way alone before.
	KeyFirst bool
	// HangsUp ends the connection after a wrong password, instead of saying no; Resets does so by force.
	HangsUp, Resets bool
	// Asked, unless nil, is sent a function for each password, which the device accepts or refuses once that has been called.
	Asked chan<- func()
	// NoExec refuses commands outside a terminal; OneExec ends the connection after one; NoStatus gives no exit status.
	NoExec, OneExec, NoStatus bool
	// Delay is how long each command takes.
	Delay time.Duration
	// Held, unless nil, is sent a function for each command, which is carried out once that has been called.
	Held chan<- func()
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
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return nil, err
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
		if d.closed {
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

var errRefused = errors.New("refused")

// config is the server's side of one connection.
func (d *Device) config(conn net.Conn) *ssh.ServerConfig {
	config := &ssh.ServerConfig{Config: d.options.Config, MaxAuthTries: 6}
	check := func(user, password string) error {
		d.hold(d.options.Asked)
		d.mu.Lock()
		right := user == d.options.Username && user != "" && password == d.password
		if !right {
			d.refused[password]++
		}
		d.mu.Unlock()
		if right {
			return nil
		}
		if d.options.Resets {
			_ = conn.(*session).Conn.(*net.TCPConn).SetLinger(0)
		}
		if d.options.HangsUp || d.options.Resets {
			_ = conn.Close()
		}
		return errRefused
	}
	for _, method := range d.options.Methods {
		switch method {
		case "password":
			config.PasswordCallback = func(c ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
				return nil, check(c.User(), string(password))
			}
		case "keyboard-interactive":
			config.KeyboardInteractiveCallback = func(c ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
				var questions []string
				var echo []bool
				for _, prompt := range d.options.Prompts {
					questions, echo = append(questions, prompt.Text), append(echo, prompt.Echo)
				}
				answers, err := ask("", "", questions, echo)
				if err != nil || len(answers) == 0 {
					return nil, errRefused
				}
				return nil, check(c.User(), answers[0])
			}
		case "publickey":
			config.PublicKeyCallback = func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
				if own := d.options.AuthorizedKey; own != nil && c.User() == d.options.Username && string(own.Marshal()) == string(key.Marshal()) {
					return nil, nil
				}
				return nil, errRefused
			}
		}
	}
	if d.options.KeyFirst {
		second := ssh.ServerAuthCallbacks{PasswordCallback: config.PasswordCallback, KeyboardInteractiveCallback: config.KeyboardInteractiveCallback}
		config.PasswordCallback, config.KeyboardInteractiveCallback = nil, nil
		config.VerifiedPublicKeyCallback = func(ssh.ConnMetadata, ssh.PublicKey, *ssh.Permissions, string) (*ssh.Permissions, error) {
			return nil, &ssh.PartialSuccessError{Next: second}
		}
	}
	config.AddHostKey(d.signer)
	for _, key := range d.options.HostKeys {
		config.AddHostKey(key)
	}
	return config
}

// session counts while somebody is logged in. It ends before the other side can see that.
type session struct {
	net.Conn
	device        *Device
	began, closed bool
}

func (s *session) begin() {
	s.device.mu.Lock()
	defer s.device.mu.Unlock()
	s.device.logins++
	if s.closed {
		return
	}
	s.began = true
	s.device.sessions++
	s.device.most = max(s.device.most, s.device.sessions)
}

// Close implements net.Conn.
func (s *session) Close() error {
	s.device.mu.Lock()
	if s.began && !s.closed {
		s.device.sessions--
	}
	s.closed = true
	s.device.mu.Unlock()
	return s.Conn.Close()
}

func (d *Device) serve(conn *session) {
	server, channels, requests, err := ssh.NewServerConn(conn, d.config(conn))
	if err != nil {
		return
	}
	conn.begin()
	var handlers sync.WaitGroup
	defer handlers.Wait()
	defer func() { _ = server.Close() }()
	handlers.Go(func() { ssh.DiscardRequests(requests) })
	for newChannel := range channels {
		if newChannel.ChannelType() != "session" {
			_ = newChannel.Reject(ssh.UnknownChannelType, "sessions only")
			continue
		}
		channel, requests, err := newChannel.Accept()
		if err != nil {
			return
		}
		handlers.Go(func() {
			d.channel(channel, requests)
			if d.options.OneExec {
				_ = server.Close()
			}
		})
	}
}

// channel serves one channel.
func (d *Device) channel(channel ssh.Channel, requests <-chan *ssh.Request) {
	defer func() { _ = channel.Close() }()
	for request := range requests {
		switch request.Type {
		case "pty-req", "env":
			_ = request.Reply(true, nil)
		case "shell":
			_ = request.Reply(true, nil)
			go ssh.DiscardRequests(requests)
			d.shell(channel)
			return
		case "exec":
			var message struct{ Command string }
			if d.options.NoExec || ssh.Unmarshal(request.Payload, &message) != nil {
				_ = request.Reply(false, nil)
				return
			}
			_ = request.Reply(true, nil)
			output, status := d.do(message.Command)
			_, _ = channel.Write([]byte(output))
			if !d.options.NoStatus {
				_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
			}
			return
		default:
			_ = request.Reply(false, nil)
		}
	}
}

// hold waits until somebody lets the device go on.
func (d *Device) hold(somebody chan<- func()) {
	if somebody == nil {
		return
	}
	released := make(chan struct{})
	select {
	case somebody <- sync.OnceFunc(func() { close(released) }):
	case <-d.ended:
		return
	}
	select {
	case <-released:
	case <-d.ended:
	}
}

// do is what the device's commands do.
func (d *Device) do(command string) (output string, status uint32) {
	d.mu.Lock()
	d.commands = append(d.commands, command)
	d.mu.Unlock()
	d.hold(d.options.Held)
	if d.options.Delay > 0 {
		time.Sleep(d.options.Delay)
	}
	verb, rest, _ := strings.Cut(command, " ")
	switch verb {
	case "show":
		return fmt.Sprintf("%s of %s\n", rest, d.options.Name), 0
	case "echo":
		return rest + "\n", 0
	case "flood":
		return strings.Repeat("a line of a flood of output\n", 200_000), 0
	case "long":
		return strings.Repeat("a line of a long output\n", 60), 0
	default:
		return "% Invalid input detected\n", 1
	}
}
