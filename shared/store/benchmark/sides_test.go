package benchmark

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/shared/host"
)

// repeated does something so many times in a row.
func repeated(times int, do func()) func() {
	return func() {
		for range times {
			do()
		}
	}
}

// must ends the benchmark on an error.
func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// backend serves n secrets, for the AWS SDK in this process and in those that it launches.
func backend(b *testing.B, n int, latency time.Duration) (*awssmtest.Server, []string) {
	b.Helper()
	server := awssmtest.StartTest(b, awssmtest.Options{Latency: latency})
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("lab%d", i)
		server.PutSecret(secretName(ids[i]), `{"username":"admin","password":"example"}`)
	}
	point(b, ids[0], server.Env())
	return server, ids
}

// point points the AWS SDK at a backend, here and in processes that are launched.
func point(b *testing.B, id string, environment []string) {
	b.Helper()
	b.Setenv("HOME", b.TempDir())
	b.Setenv("EMPTY_SECRET", secretName(id))
	for _, variable := range environment {
		name, value, _ := strings.Cut(variable, "=")
		b.Setenv(name, value)
	}
}

func secretName(id string) string { return "tom/credentials/" + id }

// launch starts the real provider against the backend.
func launch(b *testing.B, url string) *host.Provider {
	b.Helper()
	path, err := buildProvider()
	must(b, err)
	p, err := host.Start(b.Context(), host.Options{
		Name: "aws_secrets_manager",
		Path: path,
		Settings: host.Settings{
			"region":       {Value: "us-east-1"},
			"endpoint_url": {Value: url},
		},
		StartTimeout: time.Minute,
		CallTimeout:  time.Minute,
	})
	must(b, err)
	return p
}

// sdk is the client with which the peer asks the backend directly.
func sdk(b *testing.B) *secretsmanager.Client {
	b.Helper()
	base, err := config.LoadDefaultConfig(b.Context())
	must(b, err)
	return secretsmanager.NewFromConfig(base)
}

func read(b *testing.B, client *secretsmanager.Client, id string) {
	b.Helper()
	_, err := client.GetSecretValue(b.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(secretName(id))})
	must(b, err)
}

// empty is the host's side of the empty plugin.
type empty struct{ plugin.NetRPCUnsupportedPlugin }

func (empty) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error { return nil }

func (empty) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}

// launchEmpty starts the empty plugin, and returns when it has answered a call.
func launchEmpty(b *testing.B) (*plugin.Client, *grpc.ClientConn) {
	b.Helper()
	path, err := buildEmpty()
	must(b, err)
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "EMPTY_PLUGIN", MagicCookieValue: "1"},
		Plugins:          plugin.PluginSet{"empty": empty{}},
		Cmd:              exec.Command(path),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true,
		Logger:           hclog.NewNullLogger(),
	})
	protocol, err := client.Client()
	must(b, err)
	raw, err := protocol.Dispense("empty")
	must(b, err)
	conn := raw.(*grpc.ClientConn)
	call(b, conn, "Call")
	return client, conn
}

func call(b *testing.B, conn *grpc.ClientConn, method string) {
	b.Helper()
	must(b, conn.Invoke(b.Context(), "/benchmark.Empty/"+method, new(emptypb.Empty), new(emptypb.Empty)))
}
