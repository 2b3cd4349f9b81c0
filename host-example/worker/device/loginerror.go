package device

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
	"github.com/tom-worker/credential-provider/shared/text"
)

// ErrRefused is wrapped by the error of a login whose credential the device has refused, [guard.ErrNotShown] by that of
// one in which nothing was shown that the device could refuse, and [guard.ErrAskedMore] by that of one in which the device got
// the password and asked for something else then.
var ErrRefused = guard.ErrRefused

// errNotReady is wrapped by the error of a connection that the device has refused or ended before a login.
var errNotReady = errors.New("not ready")

// otherHostKey is the error of a host key of another type than the known ones.
type otherHostKey struct{ error }

// Unwrap returns the error for the case that the host has no other key.
func (e *otherHostKey) Unwrap() error { return e.error }

// notShown is an error of a login in which the device was shown nothing that it could refuse, or has accepted what it was
// shown and then asked for something else.
type notShown struct{ error }

// Unwrap returns the error, and what the guard looks for.
func (e notShown) Unwrap() []error { return []error{e.error, guard.ErrNotShown} }

// askedMore is an error of a login in which the device got the password, hasn't said what it thinks of it, and asks for
// something else: a wrong password may be followed by that as well.
type askedMore struct{ error }

// Unwrap returns the error, and what the guard looks for.
func (e askedMore) Unwrap() []error { return []error{e.error, guard.ErrAskedMore} }

const changeRequired = "unexpected message type 60" // SSH_MSG_USERAUTH_PASSWD_CHANGEREQ, which x/crypto/ssh doesn't know

// shortKey finds what Go's RSA says of a key.
var shortKey = regexp.MustCompile(`(\d+)-bit keys are insecure`)

// failure is why a login failed that had until the end of ctx to show what it has.
func (c *Connection) failure(ctx context.Context, err error) error {
	a, address := c.a, c.a.target.Address
	failed := a.reason(ctx, c.late.Load(), c.patience, err)
	switch reason := credential.ReasonOf(failed); {
	case failed == nil:
		return fmt.Errorf("device %s: %w", address, ErrRefused)
	case reason == LoginUnsupported && a.spent && a.presented.Load():
		return askedMore{failed}
	case reason == LoginUnsupported, reason == CredentialExpired, !a.presented.Load():
		return notShown{failed}
	}
	return failed
}

// reason returns nil for a refusal.
func (a *attempt) reason(ctx context.Context, late bool, patience time.Duration, err error) error {
	address, shown := a.target.Address, a.presented.Load()
	var network net.Error
	var noneInCommon *ssh.AlgorithmNegotiationError
	switch {
	case a.failed != nil:
		return a.failed
	case a.hostKey != nil:
		if a.host.otherTypes {
			return &otherHostKey{a.hostKey}
		}
		return a.hostKey
	case late:
		return unreachable(address, "no login within %v", patience)
	case ctx.Err() != nil && !shown, answers(ctx).Err() != nil:
		return credential.Errorf(credential.Cancelled, "device %s: the login was broken off", address)
	case strings.Contains(err.Error(), changeRequired):
		return credential.Errorf(CredentialExpired, "device %s: the password of user %q has expired: the device takes it only to set a new one", address, a.username).
			WithHelp("set a new password at the device or its AAA server, and store it in the backend")
	case a.prompt != "":
		return a.unsupported(a.prompt)
	case errors.As(err, &noneInCommon):
		return a.noAlgorithm(noneInCommon)
	case shortKey.MatchString(err.Error()):
		bits := shortKey.FindStringSubmatch(err.Error())[1]
		return unreachable(address, "its RSA host key has %s bits, fewer than the 1024 that are accepted", bits).
			WithHelp("make a new host key at the device, of 2048 bits or more").
			WithHelp("if that can't be done: ssh_legacy_algorithms: true")
	case errors.As(err, &network) && (!shown || !errors.Is(err, reset)):
		if shown {
			return unreachable(address, "the connection broke during the login")
		}
		return notReady(unreachable(address, "%w", err))
	case shown:
		return nil // the device has said no, or has hung up as its answer: some do that by force
	case a.accepted > 0:
		return a.unsupported("accepts the credential, but asks for more than it has")
	case a.offered != nil:
		return a.unsupported("offers " + strings.Join(a.offered, ", ") + "; the credential has " + strings.Join(a.has(), " and "))
	case errors.Is(err, io.EOF):
		return notReady(unreachable(address, "it ended the connection before the login"))
	default:
		return unreachable(address, "%w", err)
	}
}

// notConnected is the error of a connection that could not be made.
func (d *Dialer) notConnected(ctx context.Context, target Target, patience time.Duration, err error) error {
	address := target.Address
	switch {
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return credential.Errorf(credential.Cancelled, "device %s: the login was broken off", address)
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return unreachable(address, "no connection within %v", patience)
	case target.Through != nil:
		var refused *ssh.OpenChannelError
		if errors.As(err, &refused) {
			return unreachable(address, "%s doesn't connect to it: %s", target.Through.address, quoted(refused.Message))
		}
		return unreachable(address, "connect through %s: %w", target.Through.address, err)
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, reset):
		return notReady(unreachable(address, "connect: %w", err))
	}
	return unreachable(address, "connect: %w", err)
}

func notReady(e *credential.Error) error {
	e.Cause = errors.Join(e.Cause, errNotReady)
	return e
}

// noAlgorithm says what the device offers.
func (a *attempt) noAlgorithm(e *ssh.AlgorithmNegotiationError) error {
	offers := strings.Join(e.RequestedAlgorithms, ", ")
	if types := keyTypes(a.host.lines); e.What == "host key" && len(types) > 0 {
		return credential.Errorf(HostKeyChanged, "device %s offers host keys of other types (%s) than the known ones in %s (%s)",
			a.target.Address, quoted(offers), a.host.keys.path, strings.Join(types, ", ")).
			WithHelp("find out why: it may be another device. If it is right, add its key: %s gives the line", keyscan(a.target.Address))
	}
	err := unreachable(a.target.Address, "no %s in common; the device offers %s", e.What, offers)
	old := ssh.InsecureAlgorithms()
	legacy := slices.Concat(old.KeyExchanges, old.Ciphers, old.MACs, old.HostKeys)
	for _, name := range e.RequestedAlgorithms {
		if slices.Contains(legacy, name) && !slices.Contains(e.SupportedAlgorithms, name) {
			return err.WithHelp("if the device has nothing newer: ssh_legacy_algorithms: true")
		}
	}
	return err.WithHelp("allow a newer one at the device; the worker has %s", strings.Join(e.SupportedAlgorithms, ", "))
}

func unreachable(address, format string, args ...any) *credential.Error {
	e := credential.Errorf(Unreachable, format, args...)
	e.Message = quoted("device " + address + ": " + e.Message)
	return e
}

func (a *attempt) unsupported(what string) error {
	for _, secret := range a.secrets() {
		what = strings.ReplaceAll(what, secret, "[REDACTED]")
	}
	return credential.Errorf(LoginUnsupported, "device %s %s", a.target.Address, quoted(what))
}

// maxQuoted bounds what is repeated of a device's words, in bytes.
const maxQuoted = 800

// quoted bounds what a device may have written, and takes out what a terminal would obey.
func quoted(what string) string { return text.Truncate(text.Line(what), maxQuoted) }
