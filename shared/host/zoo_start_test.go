//go:build unix

package host

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// What a host can meet between the handshake line and the first answer: each has its own text and remedy.
func init() {
	for name, fault := range map[string]struct {
		live       func()
		says, help string
	}{
		"answers without TLS":                  {func() { serveConns(answerPlain) }, "isn't TLS", "serves TLS"},
		"serves another certificate":           {serveForged, "its certificate is refused", "field 6"},
		"refuses the host's certificate":       {func() { serveConns(refuseHost) }, "refuses this host's certificate", wire.EnvClientCert},
		"speaks an old TLS only":               {func() { serveConns(speakOldTLS) }, "handshake", "TLS 1.2"},
		"removes its socket":                   {func() { handshakeThen(func(l net.Listener) { _ = os.Remove(l.Addr().String()) }) }, "the socket in its handshake line is gone", "remove files"},
		"stops listening":                      {func() { handshakeThen(stopListening) }, "nothing listens", "until it is shut down"},
		"names another process's socket":       {serveAtAnothersSocket, "another process's", "its own socket"},
		"hangs up in the TLS handshake":        {func() { serveConns(func(c net.Conn) { _ = c.Close() }) }, "closes the connection during the TLS handshake", "its own log"},
		"hangs up after the TLS handshake":     {func() { serveConns(hangUp) }, "breaks off the connection after the TLS handshake", "gRPC"},
		"takes the connection and is silent":   {func() { serveConns(func(net.Conn) {}) }, "not ready after", "credential_plugin_start_timeout"},
		"exits before its handshake line":      {func() { fmt.Fprintln(os.Stderr, "no such region"); os.Exit(7) }, "exit status 7", "log_level debug"},
		"dies by a signal at its start":        {dieByASignal, "signal: segmentation fault", "log_level debug"},
		"exits right after its handshake line": {func() { handshakeThen(func(net.Listener) { os.Exit(8) }) }, "exit status 8", "log_level debug"},
	} {
		zoo[name] = animal{live: fault.live, start: credential.ProviderStartFailed, says: fault.says, help: fault.help}
	}
}

func dieByASignal() { // Go itself would print its registers and exit
	panic(syscall.Exec("/bin/sh", []string{"sh", "-c", "ulimit -c 0; kill -SEGV $$"}, os.Environ()))
}

// handshakeThen prints a handshake line, when the listener has been dealt with.
func handshakeThen(do func(net.Listener)) {
	cert, err := wire.NewCertificate()
	if err != nil {
		panic(err)
	}
	listener, address := listenUnix()
	line := fmt.Sprintf("1|1|unix|%s|grpc|%s\n", address, base64Raw(cert.Certificate[0]))
	do(listener)
	fmt.Print(line)
	forever()
}

func stopListening(l net.Listener) {
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
}

// serveConns prints a handshake line and gives each connection to a function.
func serveConns(serve func(net.Conn)) {
	cert, err := wire.NewCertificate()
	if err != nil {
		panic(err)
	}
	connCert = cert
	listener, address := listenUnix()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				panic(err)
			}
			go serve(conn)
		}
	}()
	fmt.Printf("1|1|unix|%s|grpc|%s\n", address, base64Raw(cert.Certificate[0]))
	forever()
}

// connCert is the certificate in the handshake line of serveConns.
var connCert tls.Certificate

func answerPlain(conn net.Conn) {
	_, _ = conn.Read(make([]byte, 1024))
	_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
}

// serverTLS is the TLS side of a connection, by the contract.
func serverTLS(conn net.Conn) *tls.Conn {
	config, err := wire.ServerTLS(connCert, os.Getenv(wire.EnvClientCert))
	if err != nil {
		panic(err)
	}
	config.NextProtos = []string{"h2"}
	return tls.Server(conn, config)
}

// refuseHost trusts another certificate than the host's.
func refuseHost(conn net.Conn) {
	other, err := wire.NewCertificate()
	if err != nil {
		panic(err)
	}
	config, err := wire.ServerTLS(connCert, wire.CertificatePEM(other))
	if err != nil {
		panic(err)
	}
	config.NextProtos = []string{"h2"}
	server := tls.Server(conn, config)
	_ = server.Handshake()
	time.Sleep(100 * time.Millisecond) // the alert is read before the end
	_ = conn.Close()
}

func speakOldTLS(conn net.Conn) {
	server := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{connCert}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}) //nolint:gosec // that is the fault
	_ = server.Handshake()
	_ = conn.Close()
}

func hangUp(conn net.Conn) {
	_ = serverTLS(conn).Handshake()
	_ = conn.Close()
}

// envListen makes the test binary listen at a path and do nothing else.
const envListen = "TEST_LISTEN"

// serveAtAnothersSocket has a process outside its process group listen in its directory.
func serveAtAnothersSocket() {
	cert, err := wire.NewCertificate()
	if err != nil {
		panic(err)
	}
	address := os.Getenv(wire.EnvSocketDir) + "/plugin-other"
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envBehave+"=listens for another", envListen+"="+address)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err == nil {
		_, err = out.Read(make([]byte, 1))
	}
	if err != nil {
		panic(err)
	}
	fmt.Printf("1|1|unix|%s|grpc|%s\n", address, base64Raw(cert.Certificate[0]))
	forever()
}

// listenForAnother listens for some seconds: nothing ends it.
func listenForAnother() {
	listener, err := net.Listen("unix", os.Getenv(envListen))
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			answerPlain(conn)
		}
	}()
	_, _ = os.Stdout.WriteString("l")
	time.Sleep(20 * time.Second)
}

// Each line is refused before anything is made of it, and what is shown of it can't harm a terminal.
func TestHandshakeLines(t *testing.T) {
	t.Parallel()
	cert, err := wire.NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	good := base64Raw(cert.Certificate[0])
	if err := checkHandshake("1|1|unix|/dir/plugin1|grpc|"+good, "/dir"); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"", "|", "|||||", "1|1|unix|/dir/plugin1|grpc", "1|1|unix|/dir/plugin1|grpc|", "1|1|unix|/dir/plugin1|grpc|" + good[:20],
		"1|1|unix|/dir/plugin1|grpc|" + good + "=", "1|1|unix|/dir/../dir2/plugin1|grpc|" + good, "1|1|unix|/dir|grpc|" + good,
		"1|1|unix|plugin1|grpc|" + good, "1|1|unix|@abstract|grpc|" + good, "1|1|unix|\x00abstract|grpc|" + good, "1|1|unix||grpc|" + good,
		"1|1|unixgram|/dir/plugin1|grpc|" + good, "1|1|unixpacket|/dir/plugin1|grpc|" + good, "1|1|udp|127.0.0.1:1|grpc|" + good, "1|1|fd|3|grpc|" + good,
		"1|1|tcp|10.0.0.1:1|grpc|" + good, "1|1|tcp|localhost:1|grpc|" + good, "1|1|tcp|127.0.0.1|grpc|" + good, "1|1|tcp|127.0.0.1:99999|grpc|" + good,
		"1|1|tcp|[::]:1|grpc|" + good, "1|1|tcp|0.0.0.0:1|grpc|" + good, "1|1|tcp|:1|grpc|" + good, "1|1|tcp|127.1:1|grpc|" + good,
		"1|01|unix|/dir/plugin1|grpc|" + good, "1|1 |unix|/dir/plugin1|grpc|" + good, "01|1|unix|/dir/plugin1|grpc|" + good, "1|\x1b[2J|unix|/dir/plugin1|grpc|" + good,
		"1|1|unix|/dir/plugin1|GRPC|" + good, "1|1|\u009b2J|/dir/plugin1|grpc|" + good, "\xff\xfe|1|unix|/dir/plugin1|grpc|" + good, strings.Repeat("1|", 1000),
	} {
		err := checkHandshake(line, "/dir")
		if !errors.Is(err, credential.ProviderIncompatible) || len(err.Error()) > 1000 {
			t.Errorf("%.80q: error %v", line, err)
		} else if strings.ContainsFunc(err.Error(), unicode.IsControl) || !utf8.ValidString(err.Error()) {
			t.Errorf("%.80q: the error shows %q", line, err.Error())
		}
	}
}
