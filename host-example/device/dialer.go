package device

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tom-worker/credential-provider/host-example/job"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/store"
)

// DefaultLoginTimeout is how long a login may take if nothing else is said. It covers the connection too.
const DefaultLoginTimeout = 20 * time.Second

// Dialer logs in to devices. It may be used concurrently.
type Dialer struct {
	// HostKeys are the devices that are known. Required.
	HostKeys *HostKeys
	// LegacyAlgorithms allows algorithms that are no longer safe, for devices that know no others.
	LegacyAlgorithms bool
	// LoginTimeout bounds a login, the connection included. 0: DefaultLoginTimeout.
	LoginTimeout time.Duration
}

// Login connects to a device, given as host:port, and logs in. The session lives until it is closed; ctx bounds the login
// only. An error that wraps [store.ErrRefused] means that the device has looked at the credential and refuses it. All others
// are *credential.Error values with a reason of package job or, if the private key can't be used, CREDENTIAL_MALFORMED, and
// say nothing about the credential. No text of the device is in an error once it has seen a secret: it might repeat it.
//
// When a job's time is up, a device that has seen a secret is waited for all the same, for as long as LoginTimeout allows:
// many take their time to refuse one, and whoever hadn't heard it would show them the same again.
func (d *Dialer) Login(ctx context.Context, address string, cred *credential.Credential) (*Session, error) {
	a, err := newAttempt(cred)
	if err != nil {
		return nil, err
	}
	patience := cmp.Or(d.LoginTimeout, DefaultLoginTimeout)
	whole, cancel := context.WithTimeout(job.Unlimited(ctx), patience)
	defer cancel()
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, unreachable(address, "connect: %w", err)
	}
	cut := func() { _ = conn.Close() }
	defer context.AfterFunc(ctx, func() {
		if !a.presented.Load() {
			cut()
		}
	})()
	release := context.AfterFunc(whole, cut)
	sshConn, channels, requests, err := ssh.NewClientConn(conn, address, d.config(ctx, a, address))
	if !release() && err == nil {
		_ = sshConn.Close()
		err = whole.Err()
	}
	if err != nil {
		cut()
		return nil, a.failure(ctx, whole, address, patience, err)
	}
	return &Session{client: ssh.NewClient(sshConn, channels, requests), conn: conn, address: address}, nil
}

// config is the client's side of one connection. When ctx is done nothing more is shown.
func (d *Dialer) config(ctx context.Context, a *attempt, address string) *ssh.ClientConfig {
	algorithms := ssh.SupportedAlgorithms()
	if d.LegacyAlgorithms {
		old := ssh.InsecureAlgorithms()
		algorithms.KeyExchanges = append(algorithms.KeyExchanges, old.KeyExchanges...)
		algorithms.Ciphers = append(algorithms.Ciphers, old.Ciphers...)
		algorithms.MACs = append(algorithms.MACs, old.MACs...)
		algorithms.HostKeys = append(algorithms.HostKeys, old.HostKeys...)
	}
	return &ssh.ClientConfig{
		Config: ssh.Config{KeyExchanges: algorithms.KeyExchanges, Ciphers: algorithms.Ciphers, MACs: algorithms.MACs},
		User:   a.username,
		AuthCallback: func(device *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
			method := a.next(device)
			if method != nil && ctx.Err() != nil {
				a.presented.Store(false) // what it has refused isn't all that there is
				return nil, ctx.Err()
			}
			return method, nil
		},
		HostKeyAlgorithms: d.HostKeys.algorithms(address, algorithms.HostKeys),
		HostKeyCallback: func(address string, remote net.Addr, key ssh.PublicKey) error {
			a.hostKey = d.HostKeys.check(address, remote, key)
			return a.hostKey
		},
	}
}

// failure says why a login failed that had until the end of ctx to show what it has, and until the end of whole to hear
// the answer.
func (a *attempt) failure(ctx, whole context.Context, address string, patience time.Duration, err error) error {
	var network net.Error
	var noneInCommon *ssh.AlgorithmNegotiationError
	switch {
	case a.hostKey != nil:
		return a.hostKey
	case whole.Err() == context.DeadlineExceeded:
		return unreachable(address, "no login within %v", patience)
	case whole.Err() != nil, ctx.Err() != nil && !a.presented.Load():
		return credential.Errorf(credential.Cancelled, "device %s: the login was broken off", address)
	case errors.As(err, &noneInCommon):
		return unreachable(address, "no algorithms in common: %w", err).
			WithHelp("if the device has nothing newer: ssh_legacy_algorithms: true")
	case errors.As(err, &network) && (!a.presented.Load() || !errors.Is(err, reset)):
		if a.presented.Load() {
			return unreachable(address, "the connection broke during the login")
		}
		return unreachable(address, "%w", err)
	case a.presented.Load():
		// The device has said no, or has hung up as its answer: some do that by force.
		return fmt.Errorf("device %s: %w", address, store.ErrRefused)
	case a.accepted > 0:
		return a.unsupported(address, "takes the credential, but asks for more than it has")
	case a.prompt != "":
		return a.unsupported(address, a.prompt)
	case a.offered != nil:
		return a.unsupported(address, "offers "+strings.Join(a.offered, ", ")+"; the credential has "+strings.Join(a.has(), " and "))
	case errors.Is(err, io.EOF):
		return unreachable(address, "it ended the connection before the login")
	default:
		return unreachable(address, "%w", err)
	}
}

func unreachable(address, format string, args ...any) *credential.Error {
	e := credential.Errorf(job.DeviceUnreachable, format, args...)
	e.Message = clip("device " + address + ": " + e.Message)
	return e
}

func (a *attempt) unsupported(address, what string) error {
	return credential.Errorf(job.LoginUnsupported, "device %s %s", address, clip(what))
}

// clip bounds what a device may have written, and takes out what a terminal would obey.
func clip(text string) string {
	const longest = 400
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if runes := []rune(text); len(runes) > longest {
		text = string(slices.Clip(runes[:longest])) + "..."
	}
	return text
}
