//go:build unix

package redisledger

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/guard"
)

// freePort returns a port that nothing listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// certificate makes one for 127.0.0.1, in files, and returns who trusts it.
func certificate(t *testing.T) (certFile, keyFile string, trust *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, _ := x509.MarshalPKCS8PrivateKey(key)
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	trust = x509.NewCertPool()
	parsed, _ := x509.ParseCertificate(der)
	trust.AddCert(parsed)
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", private), trust
}

// TestTLSWithUserAndPassword logs in to a Redis over TLS, and is told what is wrong where the certificate or the password is.
func TestTLSWithUserAndPassword(t *testing.T) {
	port := freePort(t)
	binary := startRedis(t).cmd.Path
	if says, _ := exec.Command(binary, "--port", "0", "--tls-port", port).CombinedOutput(); !strings.Contains(string(says), "tls-cert-file") {
		if os.Getenv("CI") == "true" {
			t.Fatal("this redis-server has no TLS, and CI=true")
		}
		t.Skip("this redis-server has no TLS: name one that has it in REDIS_SERVER")
	}
	certFile, keyFile, trust := certificate(t)
	startRedis(t, "--tls-port", port, "--tls-cert-file", certFile, "--tls-key-file", keyFile, "--tls-auth-clients", "no",
		"--user", "default", "off", "--user", "tom", "on", ">made-up-4711", "~tom:{login_guard}:*", "&tom:{login_guard}:*", "+@all")
	for name, test := range map[string]struct {
		password string
		trust    *x509.CertPool
		says     string // empty: it works
	}{
		"right":                 {"made-up-4711", trust, ""},
		"wrong password":        {"another-4711", trust, "WRONGPASS"},
		"untrusted certificate": {"made-up-4711", x509.NewCertPool(), "certificate signed by unknown authority"},
		"a connection in clear": {"made-up-4711", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Address: net.JoinHostPort("127.0.0.1", port), Username: "tom", Password: test.password, Timeout: 5 * time.Second}
			if test.trust != nil {
				o.TLS = &tls.Config{RootCAs: test.trust, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
			}
			d, err := open(t, o).Begin(t.Context(), request(1, 1, 1))
			switch {
			case test.trust == nil:
				if !isUnavailable(err) {
					t.Errorf("%+v, %v", d, err)
				}
			case test.says == "":
				if err != nil || d.Verdict != guard.Granted {
					t.Errorf("%+v, %v", d, err)
				}
			case !isUnavailable(err) || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "4711"):
				t.Errorf("%+v, %v", d, err)
			}
		})
	}
}

// TestFailover kills the primary and promotes its replica: the address leads there, and what was known is known. Until it is promoted the
// replica refuses to write, and logins wait.
func TestFailover(t *testing.T) {
	port := freePort(t)
	first := startRedis(t, "--port", port, "--repl-diskless-sync-delay", "0")
	second := startRedis(t, "--replicaof", "127.0.0.1", port)
	var address atomic.Pointer[process]
	address.Store(first)
	l := open(t, Options{Timeout: time.Second, dial: func(ctx context.Context, network, to string) (net.Conn, error) {
		return address.Load().dial(ctx, network, to)
	}})
	until(t, "the replica follows", func() bool {
		return strings.Contains(command(t, second, "INFO replication"), "master_link_status:up")
	})
	q := request(1, 1, 1)
	if d, err := l.Begin(t.Context(), q); err != nil || d.Verdict != guard.Granted {
		t.Fatal(d, err)
	}
	if err := l.End(t.Context(), reportOf(q, guard.Refused)); err != nil {
		t.Fatal(err)
	}
	until(t, "the replica has it", func() bool { return strings.Contains(command(t, second, "KEYS *"), "tom:{login_guard}:d:") })
	address.Store(second)
	first.kill()
	if d, err := l.Begin(t.Context(), request(2, 2, 1)); !isUnavailable(err) {
		t.Errorf("before the promotion: %+v, %v", d, err)
	}
	command(t, second, "REPLICAOF NO ONE")
	n := 2
	until(t, "the device is paused after the failover", func() bool {
		n++
		d, err := l.Begin(t.Context(), request(n, 1, 1))
		if err == nil && d.Verdict != guard.Paused {
			t.Fatalf("%+v", d)
		}
		return err == nil
	})
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for start := time.Now(); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			t.Fatalf("in vain: %s", what)
		}
	}
}

// The scripts call nothing that is newer than Redis 6.2, which Valkey has as well, and the document lists all that they call.
func TestCommandsOfTheScripts(t *testing.T) {
	document, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	called := make(map[string]bool)
	for _, script := range []string{rules, beginText, endText, forgetText, snapshotText, membersText} {
		for _, part := range strings.Split(script, "redis.call('")[1:] {
			name, _, _ := strings.Cut(part, "'")
			called[name] = true
		}
		if strings.Count(script, "redis.") != strings.Count(script, "redis.call('") {
			t.Error("a script uses more of redis than call")
		}
	}
	old := " TIME EXISTS EXPIRE HGETALL HGET HSET HDEL HVALS SADD SREM SMEMBERS PUBLISH " // all of them as Redis 4 has them
	for name := range called {
		if !strings.Contains(old, " "+name+" ") {
			t.Errorf("%s is called, and not known to be in Redis 6.2", name)
		}
		if !strings.Contains(string(document), fmt.Sprintf("`%s`", name)) || !strings.Contains(string(document), "+"+strings.ToLower(name)+" ") && !strings.Contains(string(document), "+"+strings.ToLower(name)+"\n") {
			t.Errorf("README.md doesn't list %s", name)
		}
	}
	if len(called) != len(strings.Fields(old)) {
		t.Errorf("called: %v", called)
	}
}
