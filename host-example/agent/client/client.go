// Package client asks an agent for credentials and logins: what a worker in Go needs, whatever gives it its jobs.
//
//	agent, err := client.New("/run/tom-agent/agent.sock")
//	err = agent.Login(ctx, "lab_creds", "10.0.0.1:22", func(ctx context.Context, present client.Present) error {
//		conn, err := dial(ctx, "10.0.0.1:22") // no secret is needed yet
//		...
//		cred, err := present(ctx) // when the device asks, and not before: it may wait for a permit
//		...
//		return conn.Login(cred) // wraps guard.ErrRefused where the device said no
//	})
//
// The agent is what launches the provider, caches, guards logins and writes the audit log; the client holds nothing but a
// connection.
package client

import (
	"context"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/relay"
)

const (
	// Patience is how long a call is repeated while no agent answers: one that was started anew is back in a second or two.
	Patience = 10 * time.Second
	// again is the time between two tries.
	again = 50 * time.Millisecond
	// maxMessage is the size of a credential's message at most, in bytes.
	maxMessage = 16 << 20
)

// Client asks one agent. Its methods may be called concurrently.
type Client struct {
	socket string
	conn   *grpc.ClientConn
}

// New returns a client of the agent at the path of its socket. It connects with the first call. It must be closed.
func New(socket string) (*Client, error) {
	path, err := filepath.Abs(socket)
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient("unix:"+path,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority("localhost"),
		grpc.WithDisableRetry(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: again, Multiplier: 1.5, MaxDelay: 4 * again},
			MinConnectTimeout: 2 * time.Second,
		}),
	)
	if err != nil {
		return nil, err
	}
	return &Client{socket: socket, conn: conn}, nil
}

// Close ends the connection. Calls under way fail.
func (c *Client) Close() error { return c.conn.Close() }

// Get reads the current version of one credential. A password from here has no guard: use Login.
func (c *Client) Get(ctx context.Context, id string) (*credential.Credential, error) {
	request := &credentialv1.GetCredentialRequest{CredentialId: id}
	response, err := call(ctx, c, credentialv1.NewCredentialProviderClient(c.conn).GetCredential, request)
	if err != nil {
		return nil, err
	}
	return relay.Credential(response.GetCredential()), nil
}

// call calls the agent, again and again while none answers, for Patience at most. Errors are *credential.Error values; without
// an agent the reason is PROVIDER_UNRESPONSIVE.
func call[In, Out any](ctx context.Context, c *Client, method func(context.Context, In, ...grpc.CallOption) (Out, error), in In) (out Out, err error) {
	for end := time.Now().Add(Patience); ; {
		if out, err = method(ctx, in); err == nil {
			return out, nil
		}
		if !away(err) {
			return out, relay.Error(err)
		}
		if !time.Now().Before(end) {
			return out, c.unreachable()
		}
		select {
		case <-ctx.Done():
			return out, c.unreachable()
		case <-time.After(again):
		}
	}
}

// away reports whether a call failed for want of an agent: there is none, or one that is exiting, which another may follow.
func away(err error) bool {
	known, ok := relay.Error(err).(*credential.Error) //nolint:errorlint // it is made here
	if ok && known.Metadata["stage"] == "agent" {
		return true
	}
	return status.Code(err) == codes.Unavailable && ok && known.Reason == credential.ProviderCrashed
}

func (c *Client) unreachable() error {
	return credential.Errorf(credential.ProviderUnresponsive, "the agent at %s is unreachable", c.socket).
		WithHelp("start it: host-example agent --socket %s", c.socket)
}
