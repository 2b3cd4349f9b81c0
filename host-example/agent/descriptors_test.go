//go:build linux || darwin

package agent_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tom-worker/credential-provider/host-example/agent"
	"github.com/tom-worker/credential-provider/host-example/limittest"
	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
)

// refusals is a listener that hands on when it couldn't take a connection.
type refusals struct {
	net.Listener
	at chan time.Time
}

func (r refusals) Accept() (net.Conn, error) {
	conn, err := r.Listener.Accept()
	if errors.Is(err, syscall.EMFILE) {
		select {
		case r.at <- time.Now():
		default:
		}
	}
	return conn, err
}

// A client that comes while the agent has as many files open as it may neither ends it nor keeps it busy: the agent waits,
// longer each time, and serves the client once there is room.
func TestOutOfDescriptors(t *testing.T) {
	at := make(chan time.Time, 1000)
	s := startOn(t, filepath.Join(directory(t), "agent.sock"), &backend{passwords: map[string]string{"lab": "right"}},
		func(socket *agent.Socket) net.Listener { return refusals{socket, at} })
	waiting, restore := limittest.DialAtLimit(t, "unix", s.path)
	defer restore()
	var first, last time.Time
	for i := range 6 {
		select {
		case last = <-at:
		case <-time.After(10 * time.Second):
			t.Fatalf("%d attempts to take the connection", i)
		}
		if i == 0 {
			first = last
		}
	}
	if least := (5 + 10 + 20 + 40 + 80) * time.Millisecond; last.Sub(first) < least {
		t.Errorf("6 attempts within %v: the pauses between them don't grow", last.Sub(first))
	}
	restore()
	conn, err := grpc.NewClient("passthrough:waiting", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return waiting, nil }))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for name, client := range map[string]credentialv1.CredentialProviderClient{
		"the client that waited": credentialv1.NewCredentialProviderClient(conn), "one after it": s,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if _, err := client.GetCredential(ctx, &credentialv1.GetCredentialRequest{CredentialId: "lab"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}
