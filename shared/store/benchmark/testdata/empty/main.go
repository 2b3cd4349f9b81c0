// Program empty is what our providers are compared with: the least that a go-plugin plugin can be, with AutoMTLS as
// go-plugin does it, and the AWS SDK linked. Its calls carry nothing.
package main

import (
	"context"
	"os"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

func main() {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "EMPTY_PLUGIN", MagicCookieValue: "1"},
		Plugins:         plugin.PluginSet{"empty": empty{}},
		GRPCServer:      plugin.DefaultGRPCServer,
		Logger:          hclog.NewNullLogger(),
	})
}

// empty is the plugin.
type empty struct{ plugin.NetRPCUnsupportedPlugin }

// GRPCServer offers the two calls.
func (empty) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "benchmark.Empty",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{
			{MethodName: "Call", Handler: handler(func(context.Context) error { return nil })},
			{MethodName: "Read", Handler: handler(read)},
		},
	}, struct{}{})
	return nil
}

// GRPCClient is not used: this is the plugin's side.
func (empty) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, nil
}

// handler takes an empty message and returns one.
func handler(do func(context.Context) error) grpc.MethodHandler {
	return func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		if err := decode(new(emptypb.Empty)); err != nil {
			return nil, err
		}
		return new(emptypb.Empty), do(ctx)
	}
}

// client is made with the first read.
var client = sync.OnceValues(func() (*secretsmanager.Client, error) {
	base, err := config.LoadDefaultConfig(context.Background())
	return secretsmanager.NewFromConfig(base), err
})

// read reads the secret that EMPTY_SECRET names, by one SDK call.
func read(ctx context.Context) error {
	c, err := client()
	if err != nil {
		return err
	}
	_, err = c.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(os.Getenv("EMPTY_SECRET"))})
	return err
}
