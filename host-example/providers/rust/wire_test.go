//go:build unix

package rust_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
)

// client starts the provider as a host does that has a key on the curve, and returns a client for its socket.
func client(t *testing.T, curve elliptic.Curve) *http.Client {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	own, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	directory, err := os.MkdirTemp("", "rust") // a short path, for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	provider := exec.CommandContext(t.Context(), build(t))
	provider.Env = []string{"TOM_CREDENTIAL_PROVIDER=4f8a1d52-1f6e-4c35-9a0b-7f2b3f2d9c61", "PLUGIN_PROTOCOL_VERSIONS=1",
		"PLUGIN_CLIENT_CERT=" + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own})), "PLUGIN_UNIX_SOCKET_DIR=" + directory}
	output, err := provider.StdoutPipe()
	if err == nil {
		err = provider.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = provider.Wait() }) // the test's context has ended it
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Split(strings.TrimSpace(line), "|")
	der, err := base64.RawStdEncoding.DecodeString(fields[len(fields)-1])
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	transport := &http.Transport{
		ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, ServerName: "localhost", RootCAs: pool,
			Certificates: []tls.Certificate{{Certificate: [][]byte{own}, PrivateKey: key}}},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(directory, "provider"))
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// call makes a call whose message never comes, so that only the deadline can end it.
func call(t *testing.T, client *http.Client, deadline string) (http.Header, error) {
	t.Helper()
	message, never := io.Pipe()
	defer func() { _ = never.Close() }()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://localhost/tom.credential.v1.CredentialProvider/GetCredential", message)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "Grpc-Timeout": {deadline}}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	_ = response.Body.Close()
	return response.Header, nil
}

// reason is that of the ErrorInfo in an answer's details; empty if there is none.
func reason(t *testing.T, header http.Header) string {
	t.Helper()
	encoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(header.Get("Grpc-Status-Details-Bin"), "="))
	var answer status.Status
	if err == nil {
		err = proto.Unmarshal(encoded, &answer)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, detail := range answer.GetDetails() {
		if info := new(errdetails.ErrorInfo); detail.UnmarshalTo(info) == nil {
			return info.GetReason()
		}
	}
	return ""
}

// TestDeadline is about grpc-timeout in all its units, and about calls that have expired before they arrive: a host can do
// nothing with an answer that has no ErrorInfo.
func TestDeadline(t *testing.T) {
	t.Parallel()
	client := client(t, elliptic.P256())
	for _, deadline := range []string{"0S", "1n", "100u", "300m", "1S"} {
		header, err := call(t, client, deadline)
		if err != nil {
			t.Errorf("grpc-timeout %s: %v", deadline, err)
			continue
		}
		if code, reason := header.Get("Grpc-Status"), reason(t, header); code != "4" || reason != "DEADLINE_EXCEEDED" {
			t.Errorf("grpc-timeout %s: status %s, reason %q", deadline, code, reason)
		}
	}
}

// TestLargeCurve shows what proto/README.md says of ring: a host whose key is on P-521, as go-plugin's own AutoMTLS makes it, finds
// that the server asks for no signature that it could make, and shows no certificate. It sends nothing after the handshake, since a
// client that writes to a connection that the server has closed may find that out before it reads the server's alert.
func TestLargeCurve(t *testing.T) {
	t.Parallel()
	transport := client(t, elliptic.P521()).Transport.(*http.Transport)
	socket, err := transport.DialContext(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	connection := tls.Client(socket, transport.TLSClientConfig)
	defer func() { _ = connection.Close() }()
	_ = connection.SetDeadline(time.Now().Add(10 * time.Second))
	_, err = connection.Read(make([]byte, 1))
	if err == nil || !strings.Contains(err.Error(), "tls: certificate required") {
		t.Errorf("a key on P-521: %v", err)
	}
}
