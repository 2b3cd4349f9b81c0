package provider

import (
	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
)

// NewServer returns a gRPC server with all that Main serves, less the launch: no process, no handshake, no certificates.
// It is what package providertest stands on, which tests use instead. closeProvider ends the provider as Main does, when
// the server has been stopped. The error is the author's mistake in the definition.
func NewServer[S any, P Provider](definition Definition[S, P], log hclog.Logger) (_ *grpc.Server, closeProvider func(), _ error) {
	s, err := newServer(definition, log)
	if err != nil {
		return nil, nil, err
	}
	g := grpc.NewServer(serverOptions(log)...)
	credentialv1.RegisterCredentialProviderServer(g, s)
	return g, s.close, nil
}
