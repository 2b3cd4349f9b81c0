//go:build unix

package host

import (
	"crypto/tls"
	"encoding/base64"
	"net"
	"os"
	"path/filepath"

	"google.golang.org/grpc/credentials"

	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// brokenCodec writes bytes that are no message.
type brokenCodec struct{}

func (brokenCodec) Marshal(any) ([]byte, error) { return []byte{0xff, 0xff, 0xff}, nil }
func (brokenCodec) Unmarshal([]byte, any) error { return nil }
func (brokenCodec) Name() string                { return "proto" }
func tlsCredentials(config *tls.Config) credentials.TransportCredentials {
	return credentials.NewTLS(config)
}
func base64Raw(b []byte) string { return base64.RawStdEncoding.EncodeToString(b) }

func listenUnix() (net.Listener, string) {
	address := filepath.Join(os.Getenv(wire.EnvSocketDir), "plugin-forged")
	listener, err := net.Listen("unix", address)
	if err != nil {
		panic(err)
	}
	return listener, address
}
