package provider

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/hashicorp/go-plugin"

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
// With its own certificates a provider must set go-plugin's TLSProvider, and Serve then leaves the line's
// sixth field empty. Serve prints the line to os.Stdout and offers no way in between, so for as long as that takes
// os.Stdout is a pipe of ours. Right after the line, Serve itself replaces os.Stdout by its own pipe, for good. Whatever
// else comes out of our pipe was printed by the provider, and goes to standard error.
//
// The function that it returns, to be called when Serve is done, waits for the copying to end and reports whether there has
// been a handshake.
func completeHandshake(cert tls.Certificate) (func() bool, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("prepare the handshake: %w", err)
	}
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout = write
	shaken := make(chan bool, 1)
	go func() {
		lines := bufio.NewReader(read)
		done := false
		for {
			line, err := lines.ReadString('\n')
			completed, ok := withCertificate(line, cert)
			switch {
			case ok && !done:
				_, _ = fmt.Fprintln(stdout, completed)
				done = true
			case line != "":
				_, _ = fmt.Fprint(stderr, line)
			}
			if err != nil { // the end: the pipe's other end is closed
				shaken <- done
				return
			}
		}
	}()
	return func() bool {
		_ = write.Close()
		defer func() { _ = read.Close() }()
		return <-shaken
	}, nil
}

// withCertificate completes a handshake line: core version, protocol version, network, address, protocol, certificate, and
// a seventh field for hosts that ask for one. It reports whether it is one.
func withCertificate(line string, cert tls.Certificate) (string, bool) {
	fields := strings.Split(strings.TrimSuffix(line, "\n"), "|")
	if len(fields) < 6 || fields[0] != strconv.Itoa(plugin.CoreProtocolVersion) || fields[4] != string(plugin.ProtocolGRPC) || fields[5] != "" {
		return "", false
	}
	fields[5] = base64.RawStdEncoding.EncodeToString(cert.Certificate[0])
	return strings.Join(fields, "|"), true
}
