package host

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
	"github.com/tom-worker/credential-provider/shared/text"
)

// maxHandshake bounds the handshake line, in bytes. One with a P-521 certificate has about 1,000.
const maxHandshake = 16 << 10

// handshakeFilter passes a provider's handshake line to go-plugin and nothing after it: go-plugin stops reading at a
// line over 64 KiB, and the provider would then block for ever in its next write. What comes after it is for the log. The line is checked here, so that what
// is wrong with it has a reason and not only a text.
type handshakeFilter struct {
	out  *io.PipeReader
	in   *io.PipeWriter
	rest *printer
	done chan struct{}

	mu      sync.Mutex
	dir     string // where the socket must be
	problem error
}

func newHandshakeFilter(log *logFilter) *handshakeFilter {
	f := &handshakeFilter{rest: &printer{log: log}, done: make(chan struct{})}
	f.out, f.in = io.Pipe()
	return f
}

// expect names the directory that the provider's socket must be in.
func (f *handshakeFilter) expect(dir string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dir = dir
}

// refusal says what is wrong with the handshake line; nil if nothing is, or none has come.
func (f *handshakeFilter) refusal() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.problem
}

func (f *handshakeFilter) close() { _ = f.in.Close() }

// copy reads until the stream ends: all of it, so that a provider that prints is never blocked by that.
func (f *handshakeFilter) copy(from io.Reader) {
	defer close(f.done)
	defer f.close()
	reader := bufio.NewReaderSize(from, maxHandshake)
	line, err := reader.ReadSlice('\n')
	if len(line) > 0 {
		f.mu.Lock()
		f.problem = checkHandshake(strings.TrimSpace(string(line)), f.dir)
		ok := f.problem == nil
		f.mu.Unlock()
		if ok && err == nil {
			_, _ = f.in.Write(line)
		}
	}
	if f.refusal() != nil {
		f.close() // there is nothing to wait for
		_, _ = io.Copy(io.Discard, reader)
		return
	}
	_, _ = io.Copy(f.rest, reader)
	f.rest.flush()
}

// checkHandshake checks the fields that go-plugin checks, and those that it doesn't.
func checkHandshake(line, dir string) error {
	fields := strings.Split(line, "|")
	if len(fields) < 5 {
		return credential.Errorf(credential.ProviderIncompatible, "it printed something else than a handshake line to standard output (%d bytes that start with %s)", len(line), quoted(line)).
			WithHelp("a provider prints nothing but the handshake line to standard output; is this the right file?")
	}
	core, version, network, address, protocol := fields[0], fields[1], fields[2], fields[3], fields[4]
	if core != "1" {
		return credential.Errorf(credential.ProviderIncompatible, "it speaks version %s of go-plugin's core protocol; this host speaks 1", quoted(core))
	}
	if want := strconv.Itoa(int(wire.Handshake.ProtocolVersion)); version != want {
		return credential.Errorf(credential.ProviderIncompatible, "it speaks version %s of the provider contract; this host speaks %s", quoted(version), want).
			WithHelp("install a provider for contract version %s, or a newer host", want)
	}
	if protocol != "grpc" {
		return credential.Errorf(credential.ProviderIncompatible, "it speaks %s; this host speaks grpc", quoted(protocol))
	}
	if err := checkAddress(network, address, dir); err != nil {
		return credential.Errorf(credential.ProviderIncompatible, "its address can't be used: %w", err)
	}
	if len(fields) < 6 || fields[5] == "" {
		return credential.Errorf(credential.ProviderIncompatible, "it does without mutual TLS: its handshake line has no certificate").
			WithHelp("a provider must honour PLUGIN_CLIENT_CERT, as go-plugin's AutoMTLS does")
	}
	if der, err := base64.RawStdEncoding.DecodeString(fields[5]); err != nil || len(der) <= 50 {
		return credential.Errorf(credential.ProviderIncompatible, "the certificate in its handshake line is not base64 without padding")
	}
	return nil
}

// checkAddress keeps the connection on this machine and, with a Unix socket, in the directory made for it.
func checkAddress(network, address, dir string) error {
	switch network {
	case "unix":
		if dir == "" || filepath.Dir(filepath.Clean(address)) != filepath.Clean(dir) {
			return fmt.Errorf("the socket %s is not in the directory named by %s", quoted(address), wire.EnvSocketDir)
		}
		return nil
	case "tcp":
		// An address and not a name: names are looked up, which is nothing that a provider should bring about.
		tcp, err := netip.ParseAddrPort(address)
		if err != nil || !tcp.Addr().IsLoopback() {
			return fmt.Errorf("%s is not a loopback address", quoted(address))
		}
		return nil
	default:
		return fmt.Errorf("network %s is neither unix nor tcp", quoted(network))
	}
}

// quoted shows the start of what a provider printed. It is read before the provider has any settings or secrets.
func quoted(printed string) string { return text.Quote(printed, 80) }
