package device_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/tom-worker/credential-provider/host-example/worker/device"
	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
	"github.com/tom-worker/credential-provider/shared/credential"
)

func TestHostKeys(t *testing.T) {
	d := start(t, devicetest.Options{Username: "admin", Password: password})
	other := start(t, devicetest.Options{})
	name := knownhosts.Normalize(d.Address()) //nolint:misspell // the package spells it so
	key := strings.TrimPrefix(strings.TrimSpace(d.KnownHost()), name+" ")
	otherKey := strings.TrimPrefix(strings.TrimSpace(other.KnownHost()), knownhosts.Normalize(other.Address())+" ") //nolint:misspell // the package spells it so
	for _, test := range []struct {
		name, file  string
		strict, new credential.Reason // empty: accepted
		added       bool
	}{
		{"the key", name + " " + key, "", "", false},
		{"the key under a hashed name", knownhosts.HashHostname(name) + " " + key, "", "", false},
		{"no key", "# nothing\n", device.HostKeyUnknown, "", true},
		{"a key of another device, without a line break at the end", "sw1 " + key, device.HostKeyUnknown, "", true},
		{"another key", name + " " + otherKey, device.HostKeyChanged, device.HostKeyChanged, false},
		{"the key, and another one", name + " " + otherKey + "\n" + name + " " + key, "", "", false},
		{"a revoked key", name + " " + key + "\n@revoked * " + key, device.HostKeyChanged, device.HostKeyChanged, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, mode := range []struct {
				name   string
				accept bool
				want   credential.Reason
			}{{"strict", false, test.strict}, {"accept-new", true, test.new}} {
				t.Run(mode.name, func(t *testing.T) {
					path := filepath.Join(t.TempDir(), "known_hosts")
					writeFile(t, path, test.file)
					worker := &device.Dialer{HostKeys: hostKeys(t, path, mode.accept)}
					_, err := login(t, worker, d.Address(), withPassword(password))
					if credential.ReasonOf(err) != mode.want {
						t.Fatalf("got %v, want %q", err, mode.want)
					}
					text, err := os.ReadFile(path)
					if err != nil {
						t.Fatal(err)
					}
					added := strings.HasSuffix(string(text), "\n"+strings.TrimSpace(d.KnownHost())+"\n")
					if want := mode.accept && test.added; added != want {
						t.Errorf("added: %v, not %v; the file is now:\n%s", added, want, text)
					}
				})
			}
		})
	}
	if _, err := device.OpenHostKeys(filepath.Join(t.TempDir(), "gone"), false); err == nil {
		t.Error("a file that isn't there is accepted")
	}
	broken := filepath.Join(t.TempDir(), "broken")
	writeFile(t, broken, "sw1 ssh-ed25519 nonsense\n")
	if _, err := device.OpenHostKeys(broken, true); err == nil {
		t.Error("a broken file is accepted")
	}
}

// A device with several keys is asked for the one that is known, whatever else is in the file.
func TestKnownKeyIsAskedFor(t *testing.T) {
	d := start(t, devicetest.Options{Username: "admin", Password: password, HostKeys: []ssh.Signer{signer(t)}})
	for _, test := range []struct{ name, file string }{
		{"alone", ""},
		{"beside an authority of others", "@cert-authority *.example.net " + authorizedKey(signer(t))},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "known_hosts")
			writeFile(t, path, test.file+d.KnownHost())
			if _, err := login(t, &device.Dialer{HostKeys: hostKeys(t, path, false)}, d.Address(), withPassword(password)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestHostCertificates(t *testing.T) {
	authority := signer(t)
	for _, test := range []struct {
		name   string
		file   func(host, key string) string // of a known_hosts file for the host, given the device's own key
		change func(*ssh.Certificate)
		want   credential.Reason
	}{
		{"of a known authority", func(host, _ string) string { return "@cert-authority " + host + " " + authorizedKey(authority) }, nil, ""},
		{"in the place of a key that has changed", func(host, _ string) string {
			return "@cert-authority " + host + " " + authorizedKey(authority) + host + " " + authorizedKey(signer(t))
		}, nil, ""},
		{"of another authority", func(host, _ string) string { return "@cert-authority " + host + " " + authorizedKey(signer(t)) }, nil, device.HostKeyChanged},
		{"of an authority for other hosts", func(host, key string) string {
			return "@cert-authority sw1 " + authorizedKey(authority) + host + " " + key
		}, nil, ""},
		{"of a revoked authority", func(host, _ string) string {
			return "@cert-authority " + host + " " + authorizedKey(authority) + "@revoked * " + authorizedKey(authority)
		}, nil, device.HostKeyChanged},
		{"for another host", func(host, _ string) string { return "@cert-authority " + host + " " + authorizedKey(authority) }, func(c *ssh.Certificate) { c.ValidPrincipals = []string{"sw1"} }, device.HostKeyChanged},
		{"that has expired", func(host, _ string) string { return "@cert-authority " + host + " " + authorizedKey(authority) }, func(c *ssh.Certificate) { c.ValidBefore = 1 }, device.HostKeyChanged},
		{"of a user", func(host, _ string) string { return "@cert-authority " + host + " " + authorizedKey(authority) }, func(c *ssh.Certificate) { c.CertType = ssh.UserCert }, device.HostKeyChanged},
	} {
		t.Run(test.name, func(t *testing.T) {
			key := signer(t)
			certificate := &ssh.Certificate{Key: key.PublicKey(), CertType: ssh.HostCert, ValidPrincipals: []string{"127.0.0.1"}, ValidBefore: ssh.CertTimeInfinity}
			if test.change != nil {
				test.change(certificate)
			}
			if err := certificate.SignCert(rand.Reader, authority); err != nil {
				t.Fatal(err)
			}
			certified, err := ssh.NewCertSigner(certificate, key)
			if err != nil {
				t.Fatal(err)
			}
			d := start(t, devicetest.Options{Username: "admin", Password: password, HostKeys: []ssh.Signer{certified}})
			name, own, _ := strings.Cut(d.KnownHost(), " ")
			path := filepath.Join(t.TempDir(), "known_hosts")
			writeFile(t, path, test.file(name, own))
			_, err = login(t, &device.Dialer{HostKeys: hostKeys(t, path, false)}, d.Address(), withPassword(password))
			if credential.ReasonOf(err) != test.want {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// signer is a key of a type that is asked for before a device's own.
func signer(t *testing.T) ssh.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func authorizedKey(s ssh.Signer) string { return string(ssh.MarshalAuthorizedKey(s.PublicKey())) }

// New keys go into a file that isn't there yet, and from then on they are the only ones for their hosts.
func TestNewHostKeyIsKept(t *testing.T) {
	d := start(t, devicetest.Options{Username: "admin", Password: password})
	path := filepath.Join(t.TempDir(), "ssh", "known_hosts")
	for range 2 {
		worker := &device.Dialer{HostKeys: hostKeys(t, path, true)}
		for range 2 {
			if _, err := login(t, worker, d.Address(), withPassword(password)); err != nil {
				t.Fatal(err)
			}
		}
	}
	text, err := os.ReadFile(path)
	if err != nil || string(text) != d.KnownHost() {
		t.Errorf("the file is %q (%v), not %q", text, err, d.KnownHost())
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode: %v (%v)", info.Mode(), err)
	}
}

// A key that is added to the file while the worker runs counts at once.
func TestHostKeysAreReadAgain(t *testing.T) {
	d := start(t, devicetest.Options{Username: "admin", Password: password})
	path := filepath.Join(t.TempDir(), "known_hosts")
	writeFile(t, path, "")
	worker := &device.Dialer{HostKeys: hostKeys(t, path, false)}
	if _, err := login(t, worker, d.Address(), withPassword(password)); credential.ReasonOf(err) != device.HostKeyUnknown {
		t.Fatalf("got %v", err)
	}
	writeFile(t, path, d.KnownHost())
	if _, err := login(t, worker, d.Address(), withPassword(password)); err != nil {
		t.Error(err)
	}
}
