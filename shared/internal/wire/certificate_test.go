package wire

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	cert, err := NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func serverTLS(t *testing.T, own tls.Certificate, host tls.Certificate) *tls.Config {
	t.Helper()
	config, err := ServerTLS(own, CertificatePEM(host))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// trusting is the host's configuration after go-plugin has read the handshake line.
func trusting(own, provider tls.Certificate) *tls.Config {
	config := ClientTLS(own)
	config.RootCAs.AddCert(provider.Leaf)
	return config
}

// talk sends one byte there and one back over a loopback connection. The answer matters: under TLS 1.3 a client learns
// that its certificate is refused only when it reads.
func talk(t *testing.T, client, server *tls.Config) (clientErr, serverErr error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		raw, err := listener.Accept()
		if err != nil {
			served <- err
			return
		}
		conn := tls.Server(raw, server)
		defer func() { _ = conn.Close() }()
		if err := conn.HandshakeContext(ctx); err != nil {
			served <- err
			return
		}
		b := make([]byte, 1)
		if _, err = io.ReadFull(conn, b); err == nil {
			_, err = conn.Write(b)
		}
		served <- err
	}()
	raw, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn := tls.Client(raw, client)
	clientErr = conn.HandshakeContext(ctx)
	if clientErr == nil {
		b := []byte{1}
		if _, clientErr = conn.Write(b); clientErr == nil {
			_, clientErr = io.ReadFull(conn, b)
		}
	}
	_ = conn.Close()
	return clientErr, <-served
}

func TestMutualTLS(t *testing.T) {
	host, provider, stranger := certificate(t), certificate(t), certificate(t)
	without := trusting(host, provider)
	without.Certificates = nil
	old := trusting(host, provider)
	old.MaxVersion = tls.VersionTLS12
	ancient := trusting(host, provider)
	ancient.MinVersion, ancient.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	signed := signedBy(t, stranger)
	for name, test := range map[string]struct {
		client, server *tls.Config
		works          bool
	}{
		"host and its provider":                {trusting(host, provider), serverTLS(t, provider, host), true},
		"TLS 1.2":                              {old, serverTLS(t, provider, host), true},
		"a stranger calls":                     {trusting(stranger, provider), serverTLS(t, provider, host), false},
		"one with a certificate of a stranger": {trusting(signed, provider), serverTLS(t, provider, host), false},
		"no client":                            {without, serverTLS(t, provider, host), false},
		"a stranger answers":                   {trusting(host, provider), serverTLS(t, stranger, host), false},
		"before the handshake line":            {ClientTLS(host), serverTLS(t, provider, host), false},
		"TLS 1.1":                              {ancient, serverTLS(t, provider, host), false},
		"the provider calls itself":            {trusting(provider, provider), serverTLS(t, provider, host), false},
	} {
		t.Run(name, func(t *testing.T) {
			clientErr, serverErr := talk(t, test.client, test.server)
			if works := clientErr == nil && serverErr == nil; works != test.works {
				t.Errorf("host: %v, provider: %v; want it to work: %v", clientErr, serverErr, test.works)
			}
			if !test.works && clientErr == nil {
				t.Error("the host believes that it works")
			}
			if !test.works && serverErr == nil {
				t.Error("the provider believes that it works")
			}
		})
	}
	if err, _ := talk(t, trusting(host, provider), serverTLS(t, stranger, host)); !errors.As(err, new(*tls.CertificateVerificationError)) {
		t.Errorf("the host refuses a stranger with %v", err)
	}
}

// signedBy is a certificate that the stranger's, being its own authority, has signed.
func signedBy(t *testing.T, authority tls.Certificate) tls.Certificate {
	t.Helper()
	cert := certificate(t)
	der, err := x509.CreateCertificate(nil, cert.Leaf, authority.Leaf, cert.Leaf.PublicKey, authority.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert.Certificate = [][]byte{der, authority.Certificate[0]}
	cert.Leaf = nil
	return cert
}

func TestCertificate(t *testing.T) {
	cert := certificate(t)
	key, ok := cert.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		t.Errorf("the key is %T, not on P-256", cert.PrivateKey)
	}
	leaf := cert.Leaf
	if err := leaf.VerifyHostname("localhost"); err != nil {
		t.Error(err)
	}
	other := certificate(t)
	if leaf.SerialNumber.Cmp(other.Leaf.SerialNumber) == 0 || key.Equal(other.PrivateKey) {
		t.Error("two certificates share a serial number or a key")
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	for name, at := range map[string]time.Time{
		"a clock that was never set": time.Unix(60, 0), "ten years back": time.Now().AddDate(-10, 0, 0), "now": time.Now(), "in 100 years": time.Now().AddDate(100, 0, 0),
	} {
		for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth} {
			if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
				t.Errorf("%s, usage %d: %v", name, usage, err)
			}
		}
	}
}

func TestCertificatePEMIsPublic(t *testing.T) {
	cert := certificate(t)
	block, rest := pem.Decode([]byte(CertificatePEM(cert)))
	if block == nil || block.Type != "CERTIFICATE" || len(strings.TrimSpace(string(rest))) > 0 {
		t.Fatalf("the environment variable holds %+v and %q", block, rest)
	}
	if got, err := x509.ParseCertificate(block.Bytes); err != nil || !got.Equal(cert.Leaf) {
		t.Errorf("another certificate: %v", err)
	}
}

func TestBadHostCertificateIsRefused(t *testing.T) {
	for _, text := range []string{"", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		_, err := ServerTLS(certificate(t), text)
		if err == nil || !strings.Contains(err.Error(), EnvClientCert) || strings.Contains(err.Error(), "AAAA") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
