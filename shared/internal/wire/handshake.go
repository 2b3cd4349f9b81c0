// Package wire is where the types of shared/credential meet the wire: protobuf messages, gRPC statuses, go-plugin's
// handshake and the certificates of its mutual TLS. Hosts and providers use the same code, so the two directions can't
// drift apart.
//
// What is decided here is form only. When a call is repeated, what is cached and how a secret is parsed is decided
// elsewhere.
package wire

import (
	"context"
	"errors"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
)

// Handshake is what go-plugin compares on both sides. The protocol version is the contract's major version.
var Handshake = plugin.HandshakeConfig{
	ProtocolVersion:  1,
	MagicCookieKey:   "TOM_CREDENTIAL_PROVIDER",
	MagicCookieValue: "4f8a1d52-1f6e-4c35-9a0b-7f2b3f2d9c61",
}

// PluginName is the name under which go-plugin dispenses the contract.
const PluginName = "credential_provider"

// ExecutablePrefix comes before the provider's name in the name of its executable.
const ExecutablePrefix = "tom-credential-"

// MaxMessageSize is the largest message either side takes, in bytes. gRPC's own defaults differ between the two sides of
// go-plugin (2 GiB and 4 MiB).
const MaxMessageSize = 16 << 20

// MaxHeaders bounds the headers of an answer, in bytes: an error's message and details are headers.
const MaxHeaders = 64 << 10

// WindowSize is how much one side may send before the other has read it, in bytes, of a call and of the connection. A fixed
// size also keeps gRPC from measuring what the way between the two could take, with a ping for every message in either
// direction: the way is a socket of this machine, and the pings were 4 of the 28 context switches of a call.
const WindowSize = 1 << 20

// Environment variables of the launch, besides the handshake's cookie.
const (
	EnvLogLevel   = "TOM_CREDENTIAL_LOG_LEVEL"
	EnvLifeline   = "TOM_CREDENTIAL_LIFELINE"
	EnvClientCert = "PLUGIN_CLIENT_CERT"
	EnvSocketDir  = "PLUGIN_UNIX_SOCKET_DIR"

	// EnvDebuggable, set to 1, makes our providers and host leave core dumps and debuggers alone. It matters on Linux only.
	EnvDebuggable = "TOM_CREDENTIAL_DEBUGGABLE"

	// LifelineStdin is the value of EnvLifeline that makes a provider exit when its standard input ends.
	LifelineStdin = "stdin"
)

// Plugin ties the contract to go-plugin. Service is set on the provider's side only.
type Plugin struct {
	plugin.NetRPCUnsupportedPlugin
	Service credentialv1.CredentialProviderServer
}

// GRPCServer registers the provider.
func (p *Plugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	if p.Service == nil {
		return errors.New("no provider to serve")
	}
	credentialv1.RegisterCredentialProviderServer(s, p.Service)
	return nil
}

// GRPCClient gives the host its client.
func (*Plugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return credentialv1.NewCredentialProviderClient(conn), nil
}
