package devicetest

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// session counts while a user is logged in. It ends before the other side can see that.
type session struct {
	net.Conn
	device          *Device
	started, closed bool
}

func (s *session) begin() {
	s.device.mu.Lock()
	defer s.device.mu.Unlock()
	s.device.logins++
	if s.closed {
		return
	}
	s.started = true
	s.device.sessions++
	s.device.most = max(s.device.most, s.device.sessions)
}

// Close implements net.Conn.
func (s *session) Close() error {
	s.device.mu.Lock()
	if s.started && !s.closed {
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
		if newChannel.ChannelType() == "direct-tcpip" && d.options.Forwards {
			handlers.Go(func() { d.forward(newChannel) })
			continue
		}
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

// hold waits until the test lets the device go on.
func (d *Device) hold(release chan<- func()) {
	if release == nil {
		return
	}
	released := make(chan struct{})
	select {
	case release <- sync.OnceFunc(func() { close(released) }):
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

// forward connects a session to another device.
func (d *Device) forward(newChannel ssh.NewChannel) {
	var to struct {
		Host       string
		Port       uint32
		Originator string
		From       uint32
	}
	if ssh.Unmarshal(newChannel.ExtraData(), &to) != nil {
		_ = newChannel.Reject(ssh.ConnectionFailed, "no address")
		return
	}
	conn, err := net.Dial("tcp", net.JoinHostPort(to.Host, fmt.Sprint(to.Port)))
	if err != nil {
		_ = newChannel.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	defer func() { _ = conn.Close() }()
	channel, requests, err := newChannel.Accept()
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	go func() {
		_, _ = io.Copy(conn, channel)
		_ = conn.Close()
	}()
	_, _ = io.Copy(channel, conn)
	_ = channel.Close()
}
