package device

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

func newHostKey(t testing.TB) ssh.PublicKey {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// hashedHosts writes a known_hosts file of hashed names, each host with its own key, and returns the host keys and the
// key of the last host, sw<n-1>:22.
func hashedHosts(t testing.TB, n int) (*HostKeys, ssh.PublicKey) {
	t.Helper()
	var text strings.Builder
	var key ssh.PublicKey
	for i := range n {
		key = newHostKey(t)
		_, _ = fmt.Fprintln(&text, knownhosts.HashHostname(fmt.Sprintf("sw%d", i)), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))))
	}
	path := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	hosts, err := OpenHostKeys(path, true)
	if err != nil {
		t.Fatal(err)
	}
	return hosts, key
}

// A login's host-key check with 50,000 hashed names, as a ratio to that with 50. The budget is 1.2.
func BenchmarkHostKeyCheck(b *testing.B) {
	few, fewKey := hashedHosts(b, 50)
	many, manyKey := hashedHosts(b, 50_000)
	remote := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 22}
	check := func(hosts *HostKeys, address string, key ssh.PublicKey) time.Duration {
		const times = 100
		started := time.Now()
		for range times {
			host := hosts.host(address)
			host.algorithms(ssh.SupportedAlgorithms().HostKeys)
			if err := host.check(address, remote, key); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(started)
	}
	var small, large time.Duration
	for b.Loop() {
		sides := []func(){func() { small += check(few, "sw49:22", fewKey) }, func() { large += check(many, "sw49999:22", manyKey) }}
		mathrand.Shuffle(len(sides), func(i, j int) { sides[i], sides[j] = sides[j], sides[i] })
		for _, side := range sides {
			side()
		}
	}
	b.ReportMetric(float64(large)/float64(small), "of-50-names")
	b.ReportMetric(0, "ns/op")
}

// New keys are appended, and the file isn't read anew for them.
func TestAppendedKeysAreKnown(t *testing.T) {
	hosts, _ := hashedHosts(t, 3)
	remote := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 22}
	before := hosts.index
	for i := range 20 {
		key := newHostKey(t)
		address := fmt.Sprintf("new%d:22", i)
		for range 2 {
			if err := hosts.host(address).check(address, remote, key); err != nil {
				t.Fatal(err)
			}
		}
		if err := hosts.host(address).check(address, remote, newHostKey(t)); err == nil {
			t.Error("another key is accepted")
		}
	}
	if hosts.index != before || before.lines != 23 {
		t.Errorf("the file was read anew, or has %d lines", before.lines)
	}
	if err := hosts.host("sw1:22").check("sw1:22", remote, newHostKey(t)); err == nil {
		t.Error("another key is accepted for a hashed name")
	}
}
