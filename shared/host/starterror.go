package host

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
	"github.com/tom-worker/credential-provider/shared/text"
)

// startError ends a process whose start has failed, and gives the failure its reason. What go-plugin and gRPC say about it is
// a text, so the process and the connection are looked at. caller is the context of the caller of the start, ctx that of the
// start itself.
func (p *process) startError(caller, ctx context.Context, options Options, exe *executable, err error) error {
	if p.attached != nil {
		defer func() { _ = p.stop() }()
		return p.attachError(caller, options, err)
	}
	ended, met := p.endedAlone(ctx), p.link.fault()
	if met != nil {
		p.runner.kill() // nothing can be asked of it
	}
	stuck := p.stop()
	if stuck != nil {
		options.reportStuck(stuck)
	}
	var known *credential.Error
	fail := func(format string, args ...any) *credential.Error {
		return credential.Errorf(credential.ProviderStartFailed, "provider %s (%s) can't be started: %s", options.Name, exe.origin, fmt.Sprintf(format, args...))
	}
	switch refusal := p.refusal(); {
	case errors.As(refusal, &known):
	case caller.Err() != nil:
		ended := contextError(caller)
		ended.Message = fmt.Sprintf("provider %s was not ready yet: %s", options.Name, ended.Message)
		return ended
	case errors.As(err, &known) && known.Reason == credential.SettingsInvalid:
		return known
	case errors.As(err, &known) && known.Reason != credential.ProviderCrashed && known.Reason != credential.DeadlineExceeded && known.Reason != credential.Cancelled:
	case p.runner == nil || tooManyFiles(err):
		failed := fail("%v", err)
		if tooManyFiles(err) {
			failed = failed.WithHelp(filesRemedy)
		}
		return failed
	case p.runner.process == nil:
		return notExecuted(fail, err)
	case ended:
		return fail("%s", p.runner.exitStatus()).
			WithHelp("the last lines say why; more of them with log_level debug")
	case met != nil:
		return met.explain(p.runner, fail)
	case ctx.Err() != nil:
		return fail("it was not ready after %v%s; %s", options.StartTimeout, p.link.progress(), p.runner.lastLines()).
			WithHelp("if the machine is slow, raise credential_plugin_start_timeout; else run the file with log_level debug")
	default:
		return fail("%v; %s", err, p.runner.exitStatus()).
			WithHelp("the last lines say why; more of them with log_level debug")
	}
	decorated := *known
	decorated.Message = fmt.Sprintf("provider %s (%s): %s", options.Name, exe.origin, known.Message)
	return &decorated
}

// refusal is what is wrong with the handshake line; nil if nothing is, or none has come.
func (p *process) refusal() error {
	if p.runner == nil {
		return nil
	}
	return p.runner.stdout.refusal()
}

// endedAlone reports whether the process has ended, and not because of its host. That a connection broke is known a moment
// before that.
func (p *process) endedAlone(ctx context.Context) bool {
	if p.runner == nil || ctx.Err() != nil {
		return false
	}
	select {
	case <-p.runner.ended:
		return true
	case <-time.After(pipeGrace):
		return false
	case <-ctx.Done():
		return false
	}
}

// filesRemedy is what to do about too many open files.
const filesRemedy = "this process has as many files open as it may: raise the limit (ulimit -n, or LimitNOFILE= of a systemd unit), or lower concurrency"

func tooManyFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// openRemedy is what to do about a file that can't be opened.
func openRemedy(err error, path string) string {
	if tooManyFiles(err) {
		return filesRemedy
	}
	return "ls -l " + path
}

// notExecuted explains the system's refusal to execute a file that was checked.
func notExecuted(fail func(string, ...any) *credential.Error, err error) *credential.Error {
	failed := fail("the system doesn't execute it: %v", err)
	switch {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOMEM):
		return failed.WithHelp("there is no room for another process: raise the limit of processes (ulimit -u; TasksMax= of a systemd unit) or of memory")
	case errors.Is(err, syscall.ENOEXEC):
		return failed.WithHelp("it is neither a program for this system and processor nor a script whose first line, #!, names its interpreter")
	case errors.Is(err, fs.ErrNotExist):
		return failed.WithHelp("the file is there: its interpreter (the first line of a script, after #!) or its dynamic loader isn't; install that, or build the provider for this system")
	case errors.Is(err, fs.ErrPermission):
		return failed.WithHelp("its interpreter may not be executed, a security policy (SELinux, AppArmor) forbids it, or its file system is mounted noexec: mount | grep noexec")
	}
	return failed.WithHelp("is it built for this system?")
}

// explain turns a fault into an error with its own text and remedy.
func (f *fault) explain(runner *pluginRunner, fail func(string, ...any) *credential.Error) *credential.Error {
	var (
		record tls.RecordHeaderError
		remote *net.OpError
		cert   *tls.CertificateVerificationError
		signer x509.UnknownAuthorityError
	)
	if f.peer != 0 && !ofGroup(f.peer, runner.process.ID()) {
		return fail("the socket in its handshake line is another process's (process %d; the provider is process %d): %v", f.peer, runner.process.ID(), f.err).
			WithHelp("a provider listens at its own socket, in the directory that %s names", wire.EnvSocketDir)
	}
	switch {
	case f.step == stepDial && errors.Is(f.err, fs.ErrNotExist):
		return fail("the socket in its handshake line is gone: %v", f.err).
			WithHelp("a provider keeps its socket for as long as it runs; does something remove files in the temporary directory?")
	case f.step == stepDial && errors.Is(f.err, syscall.ECONNREFUSED):
		return fail("nothing listens at the address in its handshake line: %v", f.err).
			WithHelp("a provider listens before it prints its handshake line, and until it is shut down")
	case f.step == stepDial:
		return fail("the address in its handshake line is unreachable: %v", f.err)
	case errors.As(f.err, &record):
		return fail("its connection isn't TLS: what answered starts with %s", text.Quote(string(record.RecordHeader[:]), 16)).
			WithHelp("a provider serves TLS with the certificate in its handshake line, as go-plugin's AutoMTLS does")
	case errors.As(f.err, &signer), errors.As(f.err, &cert):
		return fail("its certificate is refused: it is not the one in its handshake line (%v)", f.err).
			WithHelp("a provider prints the certificate that it serves with in field 6; if it does, another process answers at its address")
	case errors.As(f.err, &remote) && remote.Op == "remote error" && strings.Contains(remote.Err.Error(), "certificate"): // a TLS alert
		return fail("it refuses this host's certificate: %v", f.err).
			WithHelp("a provider trusts the certificate in %s, and nothing else", wire.EnvClientCert)
	case f.step == stepHandshake && (errors.Is(f.err, io.EOF) || errors.Is(f.err, io.ErrUnexpectedEOF) || errors.Is(f.err, syscall.ECONNRESET) || errors.Is(f.err, syscall.EPIPE)):
		return fail("it closes the connection during the TLS handshake: %v", f.err).
			WithHelp("its own log says why; it must take TLS 1.2 or later and P-256 certificates")
	case f.step == stepHandshake:
		return fail("the TLS handshake failed: %v", f.err).
			WithHelp("a provider serves TLS 1.2 or later with the certificate in its handshake line")
	}
	return fail("it breaks off the connection after the TLS handshake: %v", f.err).
		WithHelp("does it speak gRPC (HTTP/2), and trust the certificate in %s?", wire.EnvClientCert)
}
