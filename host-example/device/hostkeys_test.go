package device_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/tom-worker/credential-provider/host-example/device"
	"github.com/tom-worker/credential-provider/host-example/device/devicetest"
	"github.com/tom-worker/credential-provider/host-example/job"
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
		{"no key", "# nothing\n", job.HostKeyUnknown, "", true},
		{"a key of another device, without a line break at the end", "sw1 " + key, job.HostKeyUnknown, "", true},
		{"another key", name + " " + otherKey, job.HostKeyChanged, job.HostKeyChanged, false},
		{"the key, and another one", name + " " + otherKey + "\n" + name + " " + key, "", "", false},
		{"a revoked key", name + " " + key + "\n@revoked * " + key, job.HostKeyChanged, job.HostKeyChanged, false},
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
	if _, err := login(t, worker, d.Address(), withPassword(password)); credential.ReasonOf(err) != job.HostKeyUnknown {
		t.Fatalf("got %v", err)
	}
	writeFile(t, path, d.KnownHost())
	if _, err := login(t, worker, d.Address(), withPassword(password)); err != nil {
		t.Error(err)
	}
}
