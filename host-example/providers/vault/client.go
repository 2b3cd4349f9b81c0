package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 8 << 20

// client makes requests to Vault. What can go wrong with any request gets its reason here.
type client struct {
	base                     *url.URL
	mount, prefix, namespace string
	http                     *http.Client
}

// answer is Vault's envelope.
type answer struct {
	RequestID string          `json:"request_id"`
	Data      json.RawMessage `json:"data"`
	Auth      *struct {
		ClientToken   credential.Redacted `json:"client_token"`
		LeaseDuration int64               `json:"lease_duration"`
		Renewable     bool                `json:"renewable"`
	} `json:"auth"`
	Errors []string `json:"errors"`

	status int
}

// Statuses that only the caller can judge are returned in answer.status, with no error: 200, 204, 400, 403 and Vault's own 404.
func (c *client) call(ctx context.Context, method, at string, token credential.Redacted, body any) (*answer, error) {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(encoded)
	}
	target := c.base.JoinPath("v1").String() + "/" + at
	request, err := http.NewRequestWithContext(ctx, method, target, content)
	if err != nil {
		return nil, credential.Errorf(credential.BackendMisconfigured, "the url can't be used")
	}
	request.Header.Set("X-Vault-Request", "true")
	if !token.IsEmpty() {
		request.Header.Set("X-Vault-Token", token.Reveal())
	}
	if c.namespace != "" {
		request.Header.Set("X-Vault-Namespace", c.namespace)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	return c.judge(response, text)
}

func (c *client) judge(response *http.Response, text []byte) (*answer, error) {
	result := &answer{status: response.StatusCode}
	understood := json.Unmarshal(text, result) == nil // its error might quote a password
	switch status := response.StatusCode; {
	case status == http.StatusTooManyRequests:
		throttled := credential.Errorf(credential.Throttled, "Vault at %s throttles", c.base.Host)
		if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
			throttled.RetryDelay = time.Duration(min(seconds, 3600)) * time.Second
		}
		return nil, throttled
	case status == http.StatusServiceUnavailable && understood:
		return nil, c.unavailable("is sealed or in maintenance").WithHelp("vault status; vault operator unseal")
	case status >= 500, status == http.StatusPreconditionFailed, status == 472, status == 473: // standbys that don't answer
		return nil, c.unavailable("fails with status " + strconv.Itoa(status))
	case status == http.StatusNoContent:
		return result, nil
	case understood && (status == http.StatusOK || status == http.StatusBadRequest || status == http.StatusForbidden || status == http.StatusNotFound):
		return result, nil
	default:
		// The 404 of a proxy must not look like a credential that doesn't exist: a worker forgets those.
		return nil, c.misconfigured("answers with status " + strconv.Itoa(status) + " and without Vault's JSON")
	}
}

// unreachable is a request that got no answer.
func (c *client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err() // the SDK makes DEADLINE_EXCEEDED or CANCELLED of it
	}
	if noHost := (*net.DNSError)(nil); errors.As(err, &noHost) && noHost.IsNotFound {
		return c.misconfigured("has no address: there is no such host")
	}
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return c.misconfigured("has a certificate of an unknown authority").WithHelp("name the authority's PEM file in plugin_vault_ca_cert")
	case errors.As(err, new(x509.HostnameError)), errors.As(err, new(x509.CertificateInvalidError)):
		return c.misconfigured("has a certificate that isn't valid for this url, or has expired")
	case errors.As(err, new(tls.RecordHeaderError)), errors.Is(err, http.ErrSchemeMismatch):
		return c.misconfigured("doesn't speak TLS: should the url start with http?")
	case errors.Is(err, errRedirect):
		return c.misconfigured("redirects to another server, which must not get the token: use the url of the active node or of a load balancer")
	}
	// The error's own text is left out: it has the whole URL, and with it what was asked for.
	return c.unavailable("doesn't answer").WithHelp("see whether it runs, and whether this machine reaches it")
}

func (c *client) unavailable(what string) *credential.Error {
	return credential.Errorf(credential.BackendUnavailable, "Vault at %s %s", c.base.Host, what).With("stage", "read")
}

func (c *client) misconfigured(what string) *credential.Error {
	return credential.Errorf(credential.BackendMisconfigured, "Vault at %s %s", c.base.Host, what).
		WithHelp("check plugin_vault_url and what is between this machine and Vault")
}

var errRedirect = errors.New("redirect")

// sameServer follows a redirect on the same server only: another one must not get the token or the secret id. Standbys
// forward requests to the active node themselves, unless that is turned off.
func sameServer(request *http.Request, via []*http.Request) error {
	if len(via) > 1 || request.URL.Scheme != via[0].URL.Scheme || request.URL.Host != via[0].URL.Host || request.Method != via[0].Method {
		return errRedirect
	}
	return nil
}

// at is the path of a credential id or of a directory below the prefix, for "data" or "metadata".
func (c *client) at(kind, id string) string {
	segments := strings.Split(c.mount+"/"+kind, "/")
	if c.prefix != "" {
		segments = append(segments, strings.Split(c.prefix, "/")...)
	}
	if id != "" {
		segments = append(segments, strings.Split(id, "/")...)
	}
	for i, segment := range segments {
		segments[i] = url.PathEscape(segment)
	}
	return strings.Join(segments, "/")
}
