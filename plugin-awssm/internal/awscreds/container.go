package awscreds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/tom-worker/credential-provider/plugin-awssm/internal/transport"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/regular"
)

const (
	containerRelative  = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
	containerFull      = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	containerToken     = "AWS_CONTAINER_AUTHORIZATION_TOKEN"      //nolint:gosec // a variable's name
	containerTokenFile = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" //nolint:gosec // a variable's name
)

// containerAttempts is how often a container's endpoint is asked, and containerPause how long after a failure.
const (
	containerAttempts = 3
	containerPause    = 200 * time.Millisecond
	containerAnswer   = 64 << 10 // bytes at most
)

// ECSAddress is where ECS answers a relative URI.
const ecsAddress = "http://169.254.170.2"

// container asks the endpoint of ECS or EKS.
type container struct {
	named  string // the variable
	client aws.HTTPClient
}

func (c container) retrieve(ctx context.Context) (aws.Credentials, error) {
	where, err := c.url()
	if err != nil {
		return aws.Credentials{}, err
	}
	for attempt := 1; ; attempt++ {
		creds, again, err := c.ask(ctx, where)
		if err == nil || !again || attempt == containerAttempts {
			return creds, err
		}
		select {
		case <-time.After(time.Duration(attempt) * containerPause):
		case <-ctx.Done():
			return aws.Credentials{}, err
		}
	}
}

// url is where to ask. Credentials are fetched without TLS from this machine and from the addresses of ECS and EKS only.
func (c container) url() (string, error) {
	if c.named == containerRelative {
		return ecsAddress + os.Getenv(c.named), nil
	}
	u, err := url.Parse(os.Getenv(c.named))
	if err == nil && u.Scheme == "" {
		u.Scheme = "http"
	}
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return "", unauthenticated("%s is not an http or https URL", c.named).WithHelp("correct it, or unset it")
	case u.Scheme == "http" && !isContainerHost(u.Hostname()):
		return "", unauthenticated("the host %q of %s is not allowed: without TLS, credentials are fetched from this machine and from the addresses of ECS and EKS only", u.Hostname(), c.named).
			WithHelp("use https, or a loopback address")
	}
	return u.String(), nil
}

func isContainerHost(host string) bool {
	switch strings.ToLower(host) {
	case "169.254.170.2", "169.254.170.23", "fd00:ec2::23", "localhost":
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// ask asks once, and reports whether asking again may help.
func (c container) ask(ctx context.Context, where string) (creds aws.Credentials, again bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return aws.Credentials{}, false, unauthenticated("%s is not a URL", c.named).WithHelp("correct it, or unset it")
	}
	request.Header.Set("Accept", "application/json")
	token, err := c.token()
	if err != nil {
		return aws.Credentials{}, false, err
	}
	if token != "" {
		request.Header.Set("Authorization", token)
	}
	peer := transport.Peer{Name: "the container's endpoint", Stage: StageCredentials, Endpoint: c.named}
	answer, err := c.client.Do(request)
	if err != nil {
		return aws.Credentials{}, true, c.failure(ctx, peer, err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, containerAnswer))
	if err != nil {
		return aws.Credentials{}, true, c.failure(ctx, peer, err)
	}
	switch status := answer.StatusCode; {
	case status >= 500 || status == http.StatusTooManyRequests:
		return aws.Credentials{}, true, unavailable("it fails with HTTP status %d", status)
	case status != http.StatusOK:
		return aws.Credentials{}, false, unauthenticated("it refuses with HTTP status %d", status).
			WithHelp("check the task's role or the service account's association, and " + containerToken + " or " + containerTokenFile)
	}
	creds, problem := parseCredentials(text, "Token", false)
	if problem != "" {
		return aws.Credentials{}, false, unauthenticated("it gives no credentials: %s", problem).WithHelp("check what %s names", c.named)
	}
	return creds, false, nil
}

func (c container) failure(ctx context.Context, peer transport.Peer, err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return unavailable("it doesn't answer in time").WithHelp("check what %s names", c.named)
	}
	return peer.Failure(ctx, err)
}

// token is what the endpoint is shown; empty: nothing.
func (c container) token() (string, error) {
	token, from := os.Getenv(containerToken), containerToken
	if path := os.Getenv(containerTokenFile); path != "" {
		text, err := regular.Read(path, maxFile)
		var file *fs.PathError
		if errors.As(err, &file) {
			return "", unauthenticated("the token file %s (%s) can't be read: %v", path, containerTokenFile, file.Err).WithHelp("correct the path, or the file's permissions")
		}
		token, from = string(text), fmt.Sprintf("the token file %s (%s)", path, containerTokenFile)
	}
	if strings.ContainsFunc(token, isControl) {
		return "", unauthenticated("%s holds a line end or another control character", from).WithHelp("write the token without one: printf, not echo")
	}
	return token, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func unavailable(format string, args ...any) *credential.Error {
	return credential.Errorf(credential.BackendUnavailable, format, args...).With("stage", StageCredentials)
}

func unauthenticated(format string, args ...any) *credential.Error {
	return credential.Errorf(credential.BackendUnauthenticated, format, args...)
}
