package device_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tom-worker/credential-provider/host-example/worker/device"
	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
)

const password = "correct horse battery"

func start(t *testing.T, options devicetest.Options) *devicetest.Device {
	t.Helper()
	d, err := devicetest.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// dialer knows the devices' keys.
func dialer(t *testing.T, devices ...*devicetest.Device) *device.Dialer {
	t.Helper()
	path := filepath.Join(t.TempDir(), "known_hosts")
	var lines string
	for _, d := range devices {
		lines += d.KnownHost()
	}
	writeFile(t, path, lines)
	return &device.Dialer{HostKeys: hostKeys(t, path, false), LoginTimeout: 30 * time.Second}
}

func hostKeys(t *testing.T, path string, acceptNew bool) *device.HostKeys {
	t.Helper()
	keys, err := device.OpenHostKeys(path, acceptNew)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func withPassword(password string) *credential.Credential {
	return &credential.Credential{ID: "lab", Username: "admin", Password: credential.Password(password)}
}

// keyPair is a private key as a credential has it, and what a device needs of it.
func keyPair(t *testing.T, passphrase string) (private string, public ssh.PublicKey) {
	t.Helper()
	publicKey, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var block *pem.Block
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(key, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	if public, err = ssh.NewPublicKey(publicKey); err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block)), public
}

func withKey(private, passphrase string) *credential.Credential {
	c := &credential.Credential{ID: "lab", Username: "admin", Extra: map[string]credential.Redacted{
		credential.PrivateKeyField: credential.NewRedacted(private),
	}}
	if passphrase != "" {
		c.Extra["passphrase"] = credential.NewRedacted(passphrase)
	}
	return c
}

// show has a credential at hand.
func show(cred *credential.Credential) device.Material {
	return func(context.Context) (*credential.Credential, error) { return cred, nil }
}

// login logs in, and closes the session at the test's end.
func login(t *testing.T, d *device.Dialer, address string, cred *credential.Credential) (*device.Session, error) {
	t.Helper()
	session, err := d.Login(t.Context(), device.Target{Address: address, Expected: cred}, show(cred))
	if err == nil {
		t.Cleanup(session.Close)
	}
	return session, err
}

func TestLogin(t *testing.T) {
	t.Parallel()
	private, public := keyPair(t, "")
	locked, lockedPublic := keyPair(t, "open sesame")
	both := withKey(private, "")
	both.Password = credential.Password(password)
	wrong := withKey(private, "")
	wrong.Password = credential.Password("wrong")
	accepts := func(methods ...string) devicetest.Options {
		return devicetest.Options{Username: "admin", Password: password, Methods: methods}
	}
	const refused = credential.Reason("refused")
	for _, test := range []struct {
		name       string
		device     devicetest.Options
		credential *credential.Credential
		want       credential.Reason // empty: the login succeeds
		shown      int               // how often the device was shown a wrong password
	}{
		{"password", accepts("password"), withPassword(password), "", 0},
		{"keyboard-interactive", accepts("keyboard-interactive"), withPassword(password), "", 0},
		{"both", accepts("password", "keyboard-interactive"), withPassword(password), "", 0},
		{"an empty password", devicetest.Options{Username: "admin"}, withPassword(""), "", 0},
		{"a wrong password", accepts("password"), withPassword("wrong"), refused, 1},
		{"a wrong password, interactive", accepts("keyboard-interactive"), withPassword("wrong"), refused, 1},
		{"a wrong password where both are offered", accepts("password", "keyboard-interactive"), withPassword("wrong"), refused, 1},
		{"a wrong password, and the device hangs up", devicetest.Options{Username: "admin", Password: password, HangsUp: true}, withPassword("wrong"), refused, 1},
		{"a wrong password, and the device resets the connection", devicetest.Options{Username: "admin", Password: password, Resets: true}, withPassword("wrong"), refused, 1},
		{"a private key", devicetest.Options{Username: "admin", AuthorizedKey: public}, withKey(private, ""), "", 0},
		{"a private key with a passphrase", devicetest.Options{Username: "admin", AuthorizedKey: lockedPublic}, withKey(locked, "open sesame"), "", 0},
		{"a private key that the device doesn't know", devicetest.Options{Username: "admin", AuthorizedKey: lockedPublic}, withKey(private, ""), refused, 0},
		{"a private key that the device doesn't know, then a password", devicetest.Options{Username: "admin", Password: password, AuthorizedKey: lockedPublic}, both, "", 0},
		{"a private key and a password", devicetest.Options{Username: "admin", Password: password, AuthorizedKey: public, KeyFirst: true}, both, "", 0},
		{"a private key and a wrong password", devicetest.Options{Username: "admin", Password: password, AuthorizedKey: public, KeyFirst: true}, wrong, refused, 1},
		{"a private key and a wrong password, and the device hangs up", devicetest.Options{Username: "admin", Password: password, AuthorizedKey: public, KeyFirst: true, HangsUp: true}, wrong, refused, 1},
		{"a private key where a password is needed too", devicetest.Options{Username: "admin", Password: password, AuthorizedKey: public, KeyFirst: true}, withKey(private, ""), device.LoginUnsupported, 0},
		{"a wrong passphrase", accepts("publickey"), withKey(locked, "wrong"), credential.CredentialMalformed, 0},
		{"no passphrase", accepts("publickey"), withKey(locked, ""), credential.CredentialMalformed, 0},
		{"no private key", accepts("publickey"), withKey("-----BEGIN", ""), credential.CredentialMalformed, 0},
		{"no way that fits the credential", accepts("publickey"), withPassword(password), device.LoginUnsupported, 0},
		{"no empty password in the place of none", accepts("password"), withKey(private, ""), device.LoginUnsupported, 0},
		{"a question that echoes", devicetest.Options{Username: "admin", Password: password, Methods: []string{"keyboard-interactive"}, Prompts: []devicetest.Prompt{{Text: "Password: ", Echo: true}}}, withPassword(password), device.LoginUnsupported, 0},
		{"two questions", devicetest.Options{Username: "admin", Password: password, Methods: []string{"keyboard-interactive"}, Prompts: []devicetest.Prompt{{Text: "Password: "}, {Text: "Token: "}}}, withPassword(password), device.LoginUnsupported, 0},
		{"old algorithms", devicetest.Options{Username: "admin", Password: password, Config: ssh.Config{KeyExchanges: []string{ssh.InsecureKeyExchangeDH14SHA1}}}, withPassword(password), device.Unreachable, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := start(t, test.device)
			_, err := login(t, dialer(t, d), d.Address(), test.credential)
			got := credential.ReasonOf(err)
			if errors.Is(err, guard.ErrRefused) {
				got = refused
			}
			if got != test.want {
				t.Errorf("got %v (%s), want %q", err, got, test.want)
			}
			if err != nil && strings.Contains(err.Error(), password) {
				t.Errorf("the password is in the error: %v", err)
			}
			shown := 0
			for _, times := range d.Refused() {
				shown += times
			}
			if shown != test.shown {
				t.Errorf("the device was shown wrong passwords %d times, not %d", shown, test.shown)
			}
			d.Close() // it has counted then
			if want := map[bool]int{true: 1}[test.want == ""]; d.Logins() != want {
				t.Errorf("%d logins, not %d", d.Logins(), want)
			}
		})
	}
}

func TestLegacyAlgorithms(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		config ssh.Config
	}{
		{"key exchange", ssh.Config{KeyExchanges: []string{ssh.InsecureKeyExchangeDH14SHA1}}},
		{"cipher", ssh.Config{Ciphers: []string{ssh.InsecureCipherAES128CBC}}},
		{"message authentication", ssh.Config{Ciphers: []string{ssh.CipherAES128CTR}, MACs: []string{ssh.InsecureHMACSHA196}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := start(t, devicetest.Options{Username: "admin", Password: password, Config: test.config})
			worker := dialer(t, d)
			if _, err := login(t, worker, d.Address(), withPassword(password)); credential.ReasonOf(err) != device.Unreachable {
				t.Errorf("by default: got %v", err)
			}
			worker.LegacyAlgorithms = true
			if _, err := login(t, worker, d.Address(), withPassword(password)); err != nil {
				t.Errorf("with the setting: %v", err)
			}
		})
	}
}

// Trouble on the way to the device says nothing about the credential.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	listen := func(t *testing.T, serve func(net.Conn)) string {
		t.Helper()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		t.Cleanup(func() { _ = listener.Close(); <-done })
		go func() {
			defer close(done)
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				serve(conn)
			}
		}()
		return listener.Addr().String()
	}
	for _, test := range []struct {
		name    string
		address func(*testing.T) string
		timeout time.Duration
	}{
		{"nothing listens", func(t *testing.T) string {
			d := start(t, devicetest.Options{})
			d.Close()
			return d.Address()
		}, 10 * time.Second},
		{"it hangs up", func(t *testing.T) string { return listen(t, func(c net.Conn) { _ = c.Close() }) }, 10 * time.Second},
		{"it isn't SSH", func(t *testing.T) string {
			return listen(t, func(c net.Conn) { _, _ = c.Write([]byte("220 mail\r\n")); _ = c.Close() })
		}, 10 * time.Second},
		{"it says nothing", func(t *testing.T) string {
			return listen(t, func(c net.Conn) { t.Cleanup(func() { _ = c.Close() }) })
		}, 50 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			worker := dialer(t)
			worker.LoginTimeout = test.timeout
			_, err := login(t, worker, test.address(t), withPassword(password))
			if credential.ReasonOf(err) != device.Unreachable || errors.Is(err, guard.ErrRefused) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A device that has the password is waited for when the job's time is up, and not when the worker has to end.
func TestAnswerAfterTheTime(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, password string
		abort          bool
		refused, login bool
	}{
		{"refused", "wrong", false, true, false},
		{"accepted", password, false, false, true},
		{"the worker ends", "wrong", true, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			asked := make(chan func())
			d := start(t, devicetest.Options{Username: "admin", Password: password, Asked: asked})
			work, abort := context.WithCancel(t.Context())
			defer abort()
			ctx, cancel := job.Limit(work, 100*time.Millisecond)
			defer cancel()
			answer := make(chan error, 1)
			worker := dialer(t, d)
			var session *device.Session
			go func() {
				var err error
				session, err = worker.Login(ctx, device.Target{Address: d.Address(), Expected: withPassword(test.password)}, show(withPassword(test.password)))
				answer <- err
			}()
			release := <-asked
			<-ctx.Done()
			if test.abort {
				abort()
			} else {
				release()
			}
			err := <-answer
			if errors.Is(err, guard.ErrRefused) != test.refused || (err == nil) != test.login {
				t.Fatalf("got %v", err)
			}
			release()
			if !test.login {
				return
			}
			defer session.Close()
			if _, err := session.Run(ctx, device.Script{Commands: []string{"show version"}, Shell: false}); credential.ReasonOf(err) != credential.Cancelled || len(d.Commands()) > 0 {
				t.Errorf("after the time: %v, and the device was given %q", err, d.Commands())
			}
		})
	}
}

func TestCancelledLogin(t *testing.T) {
	t.Parallel()
	d := start(t, devicetest.Options{Username: "admin", Password: password})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := dialer(t, d).Login(ctx, device.Target{Address: d.Address(), Expected: withPassword(password)}, show(withPassword(password)))
	if err == nil || errors.Is(err, guard.ErrRefused) {
		t.Errorf("got %v", err)
	}
}
