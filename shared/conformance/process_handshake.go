package conformance

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// handshake is what the handshake line says.
type handshake struct {
	network, address string
	certificate      *x509.Certificate
}

// parseHandshake reads the line; where the address leads is another matter.
func parseHandshake(line string) (*handshake, error) {
	fields := strings.Split(line, "|")
	if len(fields) < 6 {
		return nil, fmt.Errorf("its first line has %d fields instead of 6: core version, protocol version, network, address, grpc, certificate", len(fields))
	}
	core, version, network, address, protocol, certificate := fields[0], fields[1], fields[2], fields[3], fields[4], fields[5]
	if core != "1" {
		return nil, errors.New("field 1 of the handshake line, the core version, is not 1")
	}
	if version != strconv.Itoa(int(wire.Handshake.ProtocolVersion)) {
		return nil, fmt.Errorf("field 2, the protocol version, is not %d", wire.Handshake.ProtocolVersion)
	}
	if network != "unix" && network != "tcp" {
		return nil, errors.New("field 3, the network, is neither unix nor tcp")
	}
	if address == "" {
		return nil, errors.New("field 4, the address, is empty")
	}
	if protocol != "grpc" {
		return nil, errors.New("field 5, the protocol, is not grpc")
	}
	if certificate == "" {
		return nil, errors.New("field 6, the certificate, is empty: it does without mutual TLS")
	}
	der, err := base64.RawStdEncoding.DecodeString(certificate)
	if err != nil {
		return nil, errors.New("field 6, the certificate, is not base64 without padding")
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errors.New("field 6 is not a certificate in DER form")
	}
	return &handshake{network: network, address: address, certificate: parsed}, nil
}

// checkAddress reports whether the connection stays on this machine and, with a Unix socket, in the directory of the launch.
func (h *handshake) checkAddress(dir string) error {
	if h.network == "unix" {
		if filepath.Dir(filepath.Clean(h.address)) != filepath.Clean(dir) {
			return fmt.Errorf("its socket is not in the directory that %s names", wire.EnvSocketDir)
		}
		return nil
	}
	address, err := net.ResolveTCPAddr("tcp", h.address)
	if err != nil || !address.IP.IsLoopback() {
		return errors.New("it doesn't listen on a loopback address")
	}
	return nil
}
