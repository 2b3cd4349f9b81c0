package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/aws/smithy-go"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Peer is the service that a request was for, as far as the words of its failure need it.
type Peer struct {
	// Name is the service's: "Secrets Manager", "STS".
	Name string
	// Stage is that of BACKEND_UNAVAILABLE's metadata: "credentials" or "read".
	Stage string
	// Endpoint is the setting or variable that decides where the service is: "endpoint_url".
	Endpoint string
	// Service is the name of its VPC endpoint: "secretsmanager", "sts". Empty: it has none.
	Service string
}

const proxyVariables = "the proxy (HTTPS_PROXY, NO_PROXY)"

// Failure maps an error that isn't an answer of the service: no connection, no time, or an answer from something else. What
// is wrong and stays wrong is BACKEND_MISCONFIGURED; only what may pass is BACKEND_UNAVAILABLE.
func (p Peer) Failure(ctx context.Context, err error) error {
	if e := p.connection(ctx, err); e != nil {
		return e
	}
	var garbled *smithy.DeserializationError
	switch status := statusOf(err); {
	case status >= 500:
		return p.unavailable("what answers fails with HTTP status %d", status)
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return p.unavailable("what answers gives up with HTTP status %d", status)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return p.unavailable("the answer was cut short")
	case status == http.StatusProxyAuthRequired:
		return p.proxyRefuses(status)
	case status == http.StatusTooManyRequests:
		return p.unavailable("what answers throttles (HTTP status %d)", status)
	case status == http.StatusForbidden, status == http.StatusMovedPermanently, status == http.StatusFound, status == http.StatusSeeOther,
		status == http.StatusTemporaryRedirect, status == http.StatusPermanentRedirect:
		return p.NotTheAPI(fmt.Sprintf("it answers with HTTP status %d", status))
	case errors.As(err, &garbled), status != 0:
		return p.NotTheAPI("its answer isn't the API's")
	case errors.Is(ctx.Err(), context.Canceled):
		return credential.Errorf(credential.Cancelled, "the call was cancelled")
	case ctx.Err() != nil:
		return credential.Errorf(credential.DeadlineExceeded, "the time was up before %s answered", p.Name).With("stage", p.Stage)
	case isTimeout(err):
		return p.unavailable("%s didn't answer in time", p.Name).WithHelp("%s", p.routes())
	case strings.Contains(err.Error(), "Invalid Configuration"), strings.Contains(err.Error(), "resolve endpoint"):
		return misconfigured("there is no endpoint of %s for this region and these settings", p.Name).
			WithHelp("check region, %s, AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT", p.Endpoint)
	}
	return misconfigured("the request to %s can't be sent", p.Name).
		WithHelp("check %s and %s; --log-level debug shows the settings in effect", p.Endpoint, proxyVariables)
}

// connection maps what goes wrong before there is an answer; nil for anything else.
func (p Peer) connection(ctx context.Context, err error) error {
	var variable *proxyVariableError
	var connect *connectError
	var way *tunnelError
	var name *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &variable):
		return misconfigured("%s %s", variable.variable, variable.problem).
			WithHelp("correct %s, or unset it; hosts in NO_PROXY are connected to directly", variable.variable).WithHelp("%s", proxySpecial)
	case errors.As(err, &connect) && connect.RetryableError():
		return p.unavailable("the proxy answers %d", connect.status).WithHelp("check %s", proxyVariables)
	case errors.As(err, &connect):
		return p.proxyRefuses(connect.status)
	case errors.As(err, &way) && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
		return p.unavailable("the connection to the proxy was cut").WithHelp("check %s, and whether it runs", proxyVariables)
	case errors.As(err, &way) && strings.Contains(err.Error(), "malformed HTTP"):
		return misconfigured("the proxy doesn't speak HTTP").WithHelp("check host and port in HTTPS_PROXY")
	}
	byProxy := errors.As(err, &op) && op.Op == "proxyconnect"
	host, check := "host", "check the region and "+p.Endpoint+", and this machine's DNS"
	if byProxy {
		host, check = "proxy", "check HTTPS_PROXY and NO_PROXY, and this machine's DNS"
	}
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return misconfigured("there is no %s %q", host, name.Name).WithHelp("%s", check)
	case errors.As(err, &name):
		return p.unavailable("the name of the %s %q can't be resolved now", host, name.Name).WithHelp("%s", check)
	}
	if e := p.security(err, byProxy); e != nil {
		return e
	}
	what, check := "the connection", "check "+p.Endpoint+" and the proxy, and whether the service runs"
	if byProxy {
		what, check = "the connection to the proxy", "check "+proxyVariables+", and whether it runs"
	}
	var address *net.AddrError
	var parse *net.ParseError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return p.unavailable("%s is refused", what).WithHelp("%s", check)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return p.unavailable("%s was cut", what)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return p.unavailable("this machine has no more file descriptors").WithHelp("raise the limit of open files (ulimit -n)")
	case errors.As(err, &address), errors.As(err, &parse):
		return misconfigured("the address of %s isn't one that can be connected to", p.Name).WithHelp("%s", check)
	case isTimeout(err), ctx.Err() != nil:
		return nil //nolint:nilerr // whose time was up, Failure finds out
	case errors.As(err, &op):
		return p.unavailable("%s is unreachable", p.Name).WithHelp("%s", p.routes())
	case errors.Is(err, io.EOF) && statusOf(err) == 0:
		return p.unavailable("%s was cut", what)
	}
	return nil
}

// security maps what goes wrong with TLS; nil for anything else.
func (p Peer) security(err error, byProxy bool) error {
	var unknown x509.UnknownAuthorityError
	var wrongHost x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	var notTLS tls.RecordHeaderError
	var alert tls.AlertError
	var op *net.OpError
	const bundle = "if a proxy or a private endpoint has a certificate of your own authority, name that authority's PEM file in AWS_CA_BUNDLE"
	switch {
	case errors.As(err, &unknown):
		return misconfigured("the TLS certificate is signed by an unknown authority").WithHelp(bundle)
	case errors.As(err, &wrongHost):
		return misconfigured("the TLS certificate is for another host").WithHelp("check %s and the proxy", p.Endpoint)
	case errors.As(err, &invalid):
		return misconfigured("the TLS certificate is not valid").WithHelp("look at its dates, and at this machine's clock")
	case errors.As(err, &verification):
		return misconfigured("the TLS certificate can't be verified").WithHelp(bundle)
	case errors.As(err, &notTLS) && byProxy:
		return misconfigured("the proxy doesn't speak TLS").WithHelp(`check whether HTTPS_PROXY should start with "http://"`)
	case errors.As(err, &notTLS), errors.Is(err, http.ErrSchemeMismatch):
		return misconfigured("what answers doesn't speak TLS").WithHelp("check whether %s should start with http://", p.Endpoint)
	case errors.As(err, &alert), errors.As(err, &op) && op.Op == "remote error":
		return misconfigured("what answers refuses the TLS handshake").WithHelp("check %s and the proxy: it may ask for another TLS version or a client certificate", p.Endpoint)
	}
	return nil
}

// proxyRefuses is about a proxy that doesn't let the request through.
func (p Peer) proxyRefuses(status int) error {
	if status == http.StatusProxyAuthRequired {
		return misconfigured("the proxy demands a user name and password (HTTP status %d)", status).
			WithHelp("write them into HTTPS_PROXY, percent-encoded (http://user:password@host:port), or name the host in NO_PROXY")
	}
	return misconfigured("the proxy refuses to connect to %s (HTTP status %d)", p.Name, status).
		WithHelp("allow its host at the proxy, or name it in NO_PROXY; see HTTPS_PROXY")
}

// NotTheAPI is about an answer that isn't the service's.
func (p Peer) NotTheAPI(why string) *credential.Error {
	return misconfigured("what answers isn't %s: %s", p.Name, why).WithHelp("check %s and %s", p.Endpoint, proxyVariables)
}

func (p Peer) unavailable(format string, args ...any) *credential.Error {
	return credential.Errorf(credential.BackendUnavailable, format, args...).With("stage", p.Stage)
}

func (p Peer) routes() string {
	help := "check " + p.Endpoint + ", routes, firewalls and " + proxyVariables
	if p.Service != "" {
		help += "; a subnet without internet access needs a VPC endpoint for " + p.Service
	}
	return help
}

// statusOf returns the HTTP status of the answer, or 0 if there was none.
func statusOf(err error) int {
	var response interface{ HTTPStatusCode() int }
	if !errors.As(err, &response) {
		return 0
	}
	return response.HTTPStatusCode()
}

// isTimeout reports whether one attempt's time was up, rather than the caller's.
func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// fileProblem returns why a file can't be read, without its path.
func fileProblem(err error) error {
	var file *fs.PathError
	if errors.As(err, &file) {
		return file.Err
	}
	return err
}

// Shown returns an endpoint's URL without a user name or password in it.
func Shown(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "that is no URL"
	}
	return u.Scheme + "://" + u.Host + u.Path
}
