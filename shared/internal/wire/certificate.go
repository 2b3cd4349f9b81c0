package wire

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// serverName is the name in every certificate; go-plugin's own certificates carry it too.
const serverName = "localhost"

// NewCertificate makes a self-signed certificate for one process, with a key on P-256.
//
// go-plugin's own certificates have keys on P-521, whose arithmetic took most of a provider's start (16 of 23 ms), and
// which TLS libraries built on BoringSSL refuse.
func NewCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: serverName},
		DNSNames:     []string{serverName},
		// It lives as long as the process that made it, and is good at any time, since clocks are set while it runs: a
		// worker that started in 1970, before its first time synchronisation, must not lose its provider.
		NotBefore:             time.Unix(0, 0).UTC(),
		NotAfter:              time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read the certificate just made: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// CertificatePEM is the public part of a certificate, in the form of PLUGIN_CLIENT_CERT.
func CertificatePEM(cert tls.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}))
}

// ClientTLS is the host's side. The provider's certificate is not known before the handshake line: go-plugin adds it to
// RootCAs then, and without it no connection succeeds.
func ClientTLS(own tls.Certificate) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{own},
		RootCAs:      x509.NewCertPool(),
		ServerName:   serverName,
		MinVersion:   tls.VersionTLS12,
	}
}

// ServerTLS is the provider's side: only the holder of the certificate in hostPEM may connect.
func ServerTLS(own tls.Certificate, hostPEM string) (*tls.Config, error) {
	hosts := x509.NewCertPool()
	if !hosts.AppendCertsFromPEM([]byte(hostPEM)) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", EnvClientCert)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{own},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    hosts,
		MinVersion:   tls.VersionTLS12,
	}, nil
}
