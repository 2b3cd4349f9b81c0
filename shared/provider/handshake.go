package provider

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// mutualTLS makes the provider's certificate and the TLS configuration that admits only its host. A host that sends no
// certificate is refused: passwords would cross the connection in the clear, on Windows over TCP.
func mutualTLS() (func() (*tls.Config, error), tls.Certificate, error) {
	hostPEM := os.Getenv(wire.EnvClientCert)
	if hostPEM == "" {
		return nil, tls.Certificate{}, errors.New("the host offers no mutual TLS: " + wire.EnvClientCert + " is not set")
	}
	cert, err := wire.NewCertificate()
	if err != nil {
		return nil, tls.Certificate{}, err
	}
	config, err := wire.ServerTLS(cert, hostPEM)
	if err != nil {
		return nil, tls.Certificate{}, err
	}
	return func() (*tls.Config, error) { return config, nil }, cert, nil
}

// completeHandshake adds the certificate to go-plugin's handshake line.
//
// With certificates of its own a provider must tell go-plugin's Serve so (TLSProvider), and Serve then leaves the line's
// sixth field empty. Serve prints the line to os.Stdout and offers no way in between, so for as long as that takes
// os.Stdout is a pipe of ours. Right after the line, Serve itself replaces os.Stdout by its own pipe, for good.
//
// The function that it returns waits for the copying to end.
func completeHandshake(cert tls.Certificate) (func(), error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("prepare the handshake: %w", err)
	}
	stdout := os.Stdout
	os.Stdout = write
	done := make(chan struct{})
	go func() {
		defer close(done)
		line, err := bufio.NewReader(read).ReadString('\n')
		if err != nil {
			return // Serve ended without a handshake and has logged why
		}
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), "|", 7)
		if len(fields) >= 6 && fields[5] == "" {
			fields[5] = base64.RawStdEncoding.EncodeToString(cert.Certificate[0])
		}
		_, _ = fmt.Fprintln(stdout, strings.Join(fields, "|"))
	}()
	return func() {
		_ = write.Close()
		<-done
		_ = read.Close()
	}, nil
}
