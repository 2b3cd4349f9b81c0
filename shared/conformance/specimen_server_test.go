//go:build unix

package conformance

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// live is the whole program.
func (s specimen) live() {
	if os.Getenv(wire.Handshake.MagicCookieKey) != wire.Handshake.MagicCookieValue {
		if s.byHand != nil {
			s.byHand()
		}
		fmt.Fprintln(os.Stderr, "this is a credential provider; a worker launches it")
		os.Exit(1)
	}
	if s.starts != nil {
		s.starts()
	}
	versions := os.Getenv("PLUGIN_PROTOCOL_VERSIONS")
	if !slices.Contains(strings.Split(versions, ","), "1") || s.oneOnly && versions != "1" {
		os.Exit(1)
	}
	cert := must(wire.NewCertificate())
	if s.curve != nil {
		cert = s.curve()
	}
	config := must(wire.ServerTLS(cert, os.Getenv(wire.EnvClientCert)))
	if s.admits != tls.NoClientCert {
		config.ClientAuth = s.admits
	}
	config.NextProtos = []string{"h2"}
	dir := os.Getenv(wire.EnvSocketDir)
	if s.listens != nil {
		dir = s.listens()
	}
	address := filepath.Join(dir, "socket")
	listener := must(net.Listen("unix", address))
	server, m := s.server(config)

	line := fmt.Sprintf("1|1|unix|%s|grpc|%s", address, base64.RawStdEncoding.EncodeToString(cert.Certificate[0]))
	if s.line != nil {
		line = s.line(address, cert)
	}
	fmt.Println(line)
	fmt.Print(s.prints)
	for _, line := range s.logs {
		if os.Getenv(wire.EnvLogLevel) == "trace" {
			fmt.Fprintln(os.Stderr, line)
		}
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		if s.lingers {
			m.calls.Wait()
		}
		if !s.outlives && (s.hasty || os.Getenv(wire.EnvLifeline) != "") {
			os.Exit(0)
		}
	}()
	_ = server.Serve(listener)
	time.Sleep(50 * time.Millisecond) // for the answer to Shutdown
	os.Exit(s.status)
}

func (s specimen) server(config *tls.Config) (*grpc.Server, *model) {
	options := []grpc.ServerOption{grpc.Creds(credentials.NewTLS(config))}
	if !s.small {
		options = append(options, grpc.MaxRecvMsgSize(wire.MaxMessageSize))
	}
	m := &model{specimen: s}
	counting := func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		m.calls.Add(1)
		defer m.calls.Done()
		return handler(ctx, request)
	}
	options = append(options, grpc.ChainUnaryInterceptor(counting))
	if s.answers != nil {
		options = append(options, grpc.ChainUnaryInterceptor(s.answers))
	}
	server := grpc.NewServer(options...)
	if s.change != nil {
		s.change(m)
	}
	credentialv1.RegisterCredentialProviderServer(server, m)
	status := s.health
	if status == 0 {
		status = grpc_health_v1.HealthCheckResponse_SERVING
	}
	checker := health.NewServer()
	checker.SetServingStatus("plugin", status)
	grpc_health_v1.RegisterHealthServer(server, checker)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "plugin.GRPCController",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Shutdown", Handler: func(any, context.Context, func(any) error, grpc.UnaryServerInterceptor) (any, error) {
			if s.atShutdown != nil {
				s.atShutdown()
			}
			switch {
			case s.deaf:
			case s.endless:
				go server.GracefulStop()
			default:
				time.AfterFunc(10*time.Millisecond, server.Stop)
			}
			return &emptypb.Empty{}, nil
		}}},
	}, m)
	if s.stdio != "" {
		server.RegisterService(&grpc.ServiceDesc{ServiceName: "plugin.GRPCStdio", HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{{
			StreamName: "StreamStdio", ServerStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
				data := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1)
				data = protowire.AppendString(protowire.AppendTag(data, 2, protowire.BytesType), s.stdio)
				var message emptypb.Empty
				message.ProtoReflect().SetUnknown(data)
				_ = stream.SendMsg(&message)
				<-stream.Context().Done()
				return nil
			},
		}}}, m)
	}
	return server, m
}
