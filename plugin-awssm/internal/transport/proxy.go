package transport

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"golang.org/x/net/http/httpproxy"
)

// proxy chooses the proxy of a request from the environment, as net/http does, except that a variable which can't be read is
// an error for the requests that it is about: net/http passes over it, and connects directly.
type proxy struct {
	choose  func(*url.URL) (*url.URL, error)
	invalid map[string]*proxyVariableError // by the scheme of the requests
	named   bool                           // the environment names a proxy
}

// standIn takes the place of a proxy that can't be read, to find out which requests NO_PROXY keeps from it.
const standIn = "http://unreadable.invalid"

func newProxy(getenv func(string) string) *proxy {
	first := func(names ...string) (name, value string) {
		for _, name := range names {
			if value := getenv(name); value != "" {
				return name, value
			}
		}
		return "", ""
	}
	p := &proxy{invalid: make(map[string]*proxyVariableError)}
	config := &httpproxy.Config{CGI: getenv("REQUEST_METHOD") != ""}
	_, config.NoProxy = first("NO_PROXY", "no_proxy")
	for scheme, setting := range map[string]*string{"https": &config.HTTPSProxy, "http": &config.HTTPProxy} {
		variable, value := first(strings.ToUpper(scheme)+"_PROXY", scheme+"_proxy")
		if value == "" {
			continue
		}
		p.named = true
		if problem := proxyProblem(value); problem != "" {
			p.invalid[scheme] = &proxyVariableError{variable: variable, problem: problem}
			value = standIn
		}
		*setting = value
	}
	p.choose = config.ProxyFunc()
	return p
}

// of returns the proxy for a request; nil if it goes directly.
func (p *proxy) of(request *http.Request) (*url.URL, error) {
	chosen, err := p.choose(request.URL)
	if err != nil {
		return nil, err
	}
	if invalid := p.invalid[request.URL.Scheme]; invalid != nil && chosen != nil {
		return nil, invalid
	}
	return chosen, nil
}

// proxyProblem returns what is wrong with a proxy's URL, without quoting it: it may hold a password. Empty if nothing is.
func proxyProblem(value string) string {
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	switch {
	case err != nil:
		return "is not a URL"
	case u.Fragment != "" || u.RawQuery != "" || u.ForceQuery || strings.HasSuffix(value, "#") || strings.Trim(u.Path, "/") != "":
		return "has something after host and port"
	case u.Hostname() == "":
		return "names no host"
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return ""
	}
	return `must start with "http://", "https://" or "socks5://"`
}

// proxySpecial is why most variables that can't be read can't.
const proxySpecial = `percent-encode special characters in its user name and password: "%" as %25, "#" as %23, "/" as %2F, "?" as %3F, "@" as %40`

// proxyVariableError is a proxy variable that can't be read.
type proxyVariableError struct{ variable, problem string }

func (e *proxyVariableError) Error() string { return e.variable + " " + e.problem }

// RetryableError keeps the SDK from trying again.
func (e *proxyVariableError) RetryableError() bool { return false }

// connectError is what a proxy answered to CONNECT instead of opening the connection.
type connectError struct{ status int }

func (e *connectError) Error() string {
	return fmt.Sprintf("the proxy answers CONNECT with HTTP status %d", e.status)
}

// RetryableError reports whether the SDK may try again: a proxy that can't at the moment may be able to soon.
func (e *connectError) RetryableError() bool {
	return e.status >= 500 || e.status == http.StatusTooManyRequests
}

// tunnel follows the way of one request through a proxy: net/http's errors don't say who has hung up. A nil one follows nothing.
type tunnel struct{ asked, answered atomic.Bool }

type tunnelKey struct{}

// tunnelError is what went wrong between CONNECT and the proxy's answer.
type tunnelError struct{ error }

func (e *tunnelError) Unwrap() error { return e.error }

func (t *tunnel) explain(err error) error {
	if t == nil || !t.asked.Load() || t.answered.Load() {
		return err
	}
	return &tunnelError{err}
}

// askedToConnect is a http.Transport's GetProxyConnectHeader.
func askedToConnect(ctx context.Context, _ *url.URL, _ string) (http.Header, error) {
	if way, ok := ctx.Value(tunnelKey{}).(*tunnel); ok {
		way.asked.Store(true)
	}
	return nil, nil
}

// checkConnect is a http.Transport's OnProxyConnectResponse.
func checkConnect(ctx context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if way, ok := ctx.Value(tunnelKey{}).(*tunnel); ok {
		way.answered.Store(true)
	}
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return &connectError{status: answer.StatusCode}
}
