package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// patience bounds a request.
const patience = 10 * time.Second

// Client asks a worker on this machine. Its errors are [*credential.Error] values. [NewClient] makes one.
type Client struct {
	address string
	http    *http.Client
}

// NewClient returns a client for a worker that listens at address. Where that stands for all interfaces, it asks loopback.
func NewClient(address string) *Client {
	host, port, err := net.SplitHostPort(address)
	if ip, e := netip.ParseAddr(host); err == nil && (host == "" || e == nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
		if ip.Is6() && !ip.Is4In6() {
			host = "::1" // it may listen to IPv6 only
		}
		address = net.JoinHostPort(host, port)
	}
	return &Client{address: address, http: &http.Client{
		Timeout:       patience,
		Transport:     &http.Transport{DisableKeepAlives: true}, // and no proxy: it is this machine
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// List returns the credential ids that devices refuse.
func (c *Client) List(ctx context.Context) ([]Quarantine, error) {
	var answer list
	err := c.do(ctx, http.MethodGet, "/quarantines", "", http.StatusOK, &answer)
	return answer.Quarantines, err
}

// Fleet returns the fleet as the worker sees it.
func (c *Client) Fleet(ctx context.Context) (fleet Fleet, err error) {
	err = c.do(ctx, http.MethodGet, "/fleet", "", http.StatusOK, &fleet)
	return fleet, err
}

// Lift has the worker forget that devices have refused an id, and note that user had it do so.
func (c *Client) Lift(ctx context.Context, id, user string) error {
	// Dots would be taken for steps in the path.
	path := "/quarantines/" + strings.ReplaceAll(url.PathEscape(id), ".", "%2E")
	return c.do(ctx, http.MethodDelete, path, user, http.StatusNoContent, nil)
}

func (c *Client) do(ctx context.Context, method, path, user string, want int, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+c.address+path, nil)
	if err != nil {
		return c.unavailable(err)
	}
	if user != "" {
		request.Header.Set(userHeader, user)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return c.unavailable(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil {
		return c.unavailable(err)
	}
	if response.StatusCode == want {
		if into == nil {
			return nil
		}
		if err := json.Unmarshal(body, into); err == nil {
			return nil
		}
	}
	var f failure
	if err := json.Unmarshal(body, &f); err == nil && f.Error.Reason != "" {
		return &credential.Error{Reason: f.Error.Reason, Message: f.Error.Message, Help: f.Error.Help}
	}
	return credential.Errorf(WorkerUnavailable, "what listens at %s is no worker that this program knows: it answers with %s", c.address, response.Status).
		WithHelp("see that metrics_address, or --address, is that of a worker that runs")
}

// unavailable is a request that got no answer.
func (c *Client) unavailable(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err // it repeats the address
	}
	e := credential.Errorf(WorkerUnavailable, "no worker answers at %s: %w", c.address, err)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return e.WithHelp("start one: host-example run, with metrics_address set").WithHelp("or name another one's address: --address HOST:PORT")
	}
	return e.WithHelp("see that metrics_address, or --address, is that of a worker that runs on this machine")
}
