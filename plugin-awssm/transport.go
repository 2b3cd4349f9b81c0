package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/aws/smithy-go"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// transport maps an error that isn't an answer of AWS: no connection, no time, or an answer from something else.
func (a attempt) transport(ctx context.Context, err error) *credential.Error {
	if e := network(err); e != nil {
		return e
	}
	status := statusOf(err)
	var garbled *smithy.DeserializationError
	switch {
	case status == http.StatusTooManyRequests:
		return a.throttled(err)
	case status >= 500:
		e := unavailable(stageRead, "what answers fails with HTTP status %d", status)
		e.RetryDelay = retryAfter(err, 0)
		return e
	case errors.Is(err, io.ErrUnexpectedEOF):
		return unavailable(stageRead, "the answer was cut short")
	case status == http.StatusProxyAuthRequired:
		return misconfigured("the proxy wants to be signed in to").WithHelp("see HTTPS_PROXY and NO_PROXY")
	case errors.As(err, &garbled), status != 0:
		return a.notTheAPI("its answer isn't the API's")
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return credential.Errorf(credential.Cancelled, "the call was cancelled")
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded) && !isTimeout(err):
		return credential.Errorf(credential.DeadlineExceeded, "the time was up before AWS answered").With("stage", stageRead)
	case isTimeout(err):
		return unavailable(stageRead, "AWS didn't answer in time").WithHelp("%s", reachHelp(a.settings))
	case strings.Contains(err.Error(), "Invalid Configuration"):
		return misconfigured("there is no endpoint for this region and these settings").WithHelp("check region, endpoint_url, AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT")
	}
	return unavailable(stageRead, "AWS can't be reached").WithHelp("%s", reachHelp(a.settings))
}

// network maps what goes wrong before there is an answer and says more than "unreachable"; nil for anything else.
func network(err error) *credential.Error {
	var unknown x509.UnknownAuthorityError
	var wrongHost x509.HostnameError
	var invalid x509.CertificateInvalidError
	var notTLS tls.RecordHeaderError
	var name *net.DNSError
	const bundle = "if a proxy or a private endpoint has a certificate of your own authority, name that authority's PEM file in AWS_CA_BUNDLE"
	switch {
	case errors.As(err, &unknown):
		return misconfigured("the TLS certificate is signed by an unknown authority").WithHelp(bundle)
	case errors.As(err, &wrongHost):
		return misconfigured("the TLS certificate is for another host").WithHelp("check endpoint_url and the proxy")
	case errors.As(err, &invalid):
		return misconfigured("the TLS certificate is not valid").WithHelp("look at its dates, and at this machine's clock")
	case errors.As(err, &notTLS), errors.Is(err, http.ErrSchemeMismatch):
		return misconfigured("what answers doesn't speak TLS").WithHelp("check whether endpoint_url should begin with http")
	case errors.As(err, &name) && name.IsNotFound:
		return misconfigured("there is no host %q", name.Name).WithHelp("check the region and endpoint_url, and this machine's DNS")
	case errors.As(err, &name):
		return unavailable(stageRead, "the name %q can't be resolved now", name.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return unavailable(stageRead, "the connection is refused").WithHelp("check endpoint_url and the proxy, and whether the service runs")
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return unavailable(stageRead, "the connection was cut")
	}
	return nil
}

func (a attempt) notTheAPI(why string) *credential.Error {
	where := "the proxy (HTTPS_PROXY, NO_PROXY)"
	if a.settings.EndpointURL != "" {
		where = "endpoint_url " + withoutUser(a.settings.EndpointURL) + " and " + where
	}
	return misconfigured("what answers isn't Secrets Manager: %s", why).WithHelp("check %s", where)
}

func unavailable(stage, format string, args ...any) *credential.Error {
	return credential.Errorf(credential.BackendUnavailable, format, args...).With("stage", stage)
}

// isTimeout says whether one attempt's time was up, rather than the caller's.
func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

func reachHelp(s settings) string {
	if s.EndpointURL != "" {
		return "check endpoint_url, routes, firewalls and the proxy (HTTPS_PROXY, NO_PROXY)"
	}
	return "check routes, firewalls and the proxy (HTTPS_PROXY, NO_PROXY); a subnet without internet access needs a VPC endpoint for secretsmanager"
}
