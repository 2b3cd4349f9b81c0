package devicetest

import (
	"errors"
	"net"
	"slices"

	"golang.org/x/crypto/ssh"
)

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
		if d.options.Answered != nil {
			d.options.Answered(right)
		}
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
				var answers []string
				for _, prompts := range d.rounds() {
					var questions []string
					var echo []bool
					for _, prompt := range prompts {
						questions, echo = append(questions, prompt.Text), append(echo, prompt.Echo)
					}
					given, err := ask("", "", questions, echo)
					if err != nil {
						return nil, errRefused
					}
					answers = append(answers, given...)
				}
				if len(answers) == 0 {
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

// rounds are the prompts by the message that they are asked in.
func (d *Device) rounds() [][]Prompt {
	if d.options.Rounds {
		return slices.Collect(slices.Chunk(d.options.Prompts, 1))
	}
	return [][]Prompt{d.options.Prompts}
}
