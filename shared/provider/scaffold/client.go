package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// client speaks to the service. What can go wrong with any request gets its reason here, in one place.
type client struct {
	base  *url.URL
	token credential.Redacted
	http  *http.Client
}

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 4 << 20

// call makes one request and decodes the answer into result. A refusal that only the caller can judge, such as
// "no_such_key", is returned as the service's own word for it.
func (c *client) call(ctx context.Context, method, path string, query url.Values, body, result any) (refusal string, err error) {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return "", err
		}
		content = bytes.NewReader(encoded)
	}
	target := c.base.JoinPath(path)
	target.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, target.String(), content)
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	response, err := c.http.Do(request)
	if err != nil {
		return "", c.unreachable(ctx, err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return "", c.unreachable(ctx, err)
	}
	if response.StatusCode != http.StatusOK {
		return c.refused(response, answer, path)
	}
	if json.Unmarshal(answer, result) != nil { // its error might quote a password
		return "", c.misconfigured("answers with something that isn't its API's JSON")
	}
	return "", nil
}

// unreachable is a request that got no answer.
func (c *client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err() // the SDK makes DEADLINE_EXCEEDED or CANCELLED of it
	}
	if noHost := (*net.DNSError)(nil); errors.As(err, &noHost) && noHost.IsNotFound {
		return c.misconfigured("has no address: there is no such host")
	}
	if errors.As(err, new(x509.UnknownAuthorityError)) || errors.As(err, new(x509.HostnameError)) {
		return c.misconfigured("has a certificate that this machine doesn't trust")
	}
	// The error's own text is left out: it has the whole URL, and with it what was asked for.
	return credential.Errorf(credential.BackendUnavailable, "the service at %s doesn't answer", c.base.Host).
		With("stage", "read").WithHelp("see whether it runs, and whether this machine reaches it")
}

// refused is an answer that isn't 200.
func (c *client) refused(response *http.Response, answer []byte, path string) (refusal string, err error) {
	var problem struct {
		Error string `json:"error"`
	}
	understood := json.Unmarshal(answer, &problem) == nil && problem.Error != ""
	switch status := response.StatusCode; {
	case status == http.StatusUnauthorized:
		return "", credential.Errorf(credential.BackendUnauthenticated, "the service at %s refuses the token", c.base.Host).
			WithHelp("put a valid one into plugin_keyvalue_token_file")
	case status == http.StatusForbidden:
		return "", credential.Errorf(credential.AccessDenied, "the token may not read %s", path).
			With("action", response.Request.Method).With("resource", path).WithHelp("allow it, or use another token")
	case status == http.StatusTooManyRequests:
		throttled := credential.Errorf(credential.Throttled, "the service at %s throttles", c.base.Host)
		if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
			throttled.RetryDelay = time.Duration(min(seconds, 3600)) * time.Second // a proxy may say anything
		}
		return "", throttled
	case status >= 500:
		return "", credential.Errorf(credential.BackendUnavailable, "the service at %s fails with status %d", c.base.Host, status).With("stage", "read")
	case understood:
		return problem.Error, nil
	default:
		// The 404 of a proxy must not look like a credential that doesn't exist: a worker forgets those.
		return "", c.misconfigured("answers with status " + strconv.Itoa(status) + " and without its API's JSON")
	}
}

func (c *client) misconfigured(what string) error {
	return credential.Errorf(credential.BackendMisconfigured, "the service at %s %s", c.base.Host, what).
		WithHelp("check plugin_keyvalue_url and what is between this machine and the service")
}
