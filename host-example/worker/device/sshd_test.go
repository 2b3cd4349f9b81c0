//go:build unix

package device_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/tom-worker/credential-provider/host-example/worker/device"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
)

// sshdPath is OpenSSH's server: what SSHD names, or Debian's place.
func sshdPath(t *testing.T) string {
	t.Helper()
	path := os.Getenv("SSHD")
	if path == "" {
		path = "/usr/sbin/sshd"
	}
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no sshd (apt-get install openssh-server): %v", err)
		}
		t.Skipf("no sshd (apt-get install openssh-server, or name it in SSHD): %v", err)
	}
	return path
}

// sshd is a running OpenSSH server, for the user that runs the tests.
type sshd struct {
	address string
	known   string // its line for known_hosts
	user    string
}

func startSSHD(t *testing.T, authorized ssh.PublicKey, settings string) *sshd {
	t.Helper()
	path := sshdPath(t)
	current, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if current.Uid == "0" { // what a package's service does for it
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	hostKey, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "host_key"), string(pem.EncodeToMemory(block)))
	writeFile(t, filepath.Join(dir, "authorized_keys"), string(ssh.MarshalAuthorizedKey(authorized)))
	port := freePort(t)
	writeFile(t, filepath.Join(dir, "sshd_config"), fmt.Sprintf(`
ListenAddress 127.0.0.1:%d
HostKey %[2]s/host_key
AuthorizedKeysFile %[2]s/authorized_keys
PidFile none
StrictModes no
PermitRootLogin yes
UsePAM no
PrintMotd no
%[3]s
`, port, dir, settings))

	var log bytes.Buffer
	server := exec.Command(path, "-D", "-e", "-f", filepath.Join(dir, "sshd_config"))
	server.Stderr = &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
		if t.Failed() {
			t.Logf("sshd:\n%s", log.String())
		}
	})
	address := fmt.Sprintf("127.0.0.1:%d", port)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("sshd doesn't listen: %v", err)
		}
	}
	return &sshd{address: address, known: knownhosts.Line([]string{knownhosts.Normalize(address)}, hostKey) + "\n", user: current.Username} //nolint:misspell // the package spells it so
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}

func (s *sshd) dialer(t *testing.T) *device.Dialer {
	t.Helper()
	path := filepath.Join(t.TempDir(), "known_hosts")
	writeFile(t, path, s.known)
	return &device.Dialer{HostKeys: hostKeys(t, path, false)}
}

func TestOpenSSH(t *testing.T) {
	t.Parallel()
	private, public := keyPair(t, "")
	server := startSSHD(t, public, "")
	cred := withKey(private, "")
	cred.Username = server.user
	session, err := login(t, server.dialer(t), server.address, cred)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	outputs, err := session.Run(ctx, device.Script{Commands: []string{"echo one; echo two >&2", "exit 3", "echo never"}, Shell: false})
	if credential.ReasonOf(err) != device.CommandFailed || len(outputs) != 2 || *outputs[1].ExitStatus != 3 {
		t.Errorf("got %+v, %v", outputs, err)
	}
	if got := outputs[0].Output; got != "one\ntwo\n" && got != "two\none\n" {
		t.Errorf("got %q", got)
	}
}

func TestOpenSSHTerminal(t *testing.T) {
	t.Parallel()
	private, public := keyPair(t, "")
	server := startSSHD(t, public, "ForceCommand PS1='sw1# ' exec /bin/sh -i")
	cred := withKey(private, "")
	cred.Username = server.user
	session, err := login(t, server.dialer(t), server.address, cred)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	outputs, err := session.Run(ctx, device.Script{Commands: []string{"echo one", "seq 100"}, Shell: true})
	if err != nil || len(outputs) != 2 {
		t.Fatalf("got %+v, %v", outputs, err)
	}
	if got := outputs[0].Output; got != "one\n" {
		t.Errorf("got %q", got)
	}
	if got := outputs[1].Output; !strings.HasPrefix(got, "1\n2\n") || !strings.HasSuffix(got, "\n99\n100\n") {
		t.Errorf("got %q", got)
	}
}

// A server that offers both ways for a password is shown a wrong one once.
func TestOpenSSHRefuses(t *testing.T) {
	t.Parallel()
	other, _ := keyPair(t, "")
	private, public := keyPair(t, "")
	both := withKey(private, "")
	both.Password = credential.Password("wrong")
	for _, test := range []struct {
		name, settings string
		credential     *credential.Credential
		refused        bool
	}{
		{"a key", "PasswordAuthentication no", withKey(other, ""), true},
		{"a password", "PasswordAuthentication yes\nKbdInteractiveAuthentication yes", withPassword("wrong"), true},
		{"a password and a server that allows one try", "PasswordAuthentication yes\nMaxAuthTries 1", withPassword("wrong"), true},
		{"a password after a key", "PasswordAuthentication yes\nAuthenticationMethods publickey,password", both, true},
		{"a key where a password is needed too", "PasswordAuthentication yes\nAuthenticationMethods publickey,password", withKey(private, ""), false},
		{"a password where none is asked for", "PasswordAuthentication no\nKbdInteractiveAuthentication no", withPassword("wrong"), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := startSSHD(t, public, test.settings)
			test.credential.Username = server.user
			_, err := login(t, server.dialer(t), server.address, test.credential)
			if err == nil || errors.Is(err, guard.ErrRefused) != test.refused {
				t.Errorf("got %v", err)
			}
			if !test.refused && credential.ReasonOf(err) != device.LoginUnsupported {
				t.Errorf("got %v", err)
			}
		})
	}
}
