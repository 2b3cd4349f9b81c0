package device_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/tom-worker/credential-provider/host-example/worker/device"
	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
)

// help is all advice of an error.
func help(err error) string {
	known, _ := errors.AsType[*credential.Error](err)
	if known == nil {
		return ""
	}
	return strings.Join(known.Help, "\n")
}

// Where there are no algorithms in common, the error has the device's list, and the setting where that would help.
func TestDevicesAlgorithms(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		config ssh.Config
		lists  string
		help   string
	}{
		{"key exchange", ssh.Config{KeyExchanges: []string{ssh.InsecureKeyExchangeDH1SHA1, ssh.InsecureKeyExchangeDH14SHA1}}, "no key exchange in common; the device offers diffie-hellman-group1-sha1, diffie-hellman-group14-sha1", "ssh_legacy_algorithms: true"},
		{"cipher", ssh.Config{Ciphers: []string{ssh.InsecureCipherTripleDESCBC, ssh.InsecureCipherAES128CBC}}, "the device offers 3des-cbc, aes128-cbc", "ssh_legacy_algorithms: true"},
		{"message authentication", ssh.Config{Ciphers: []string{ssh.CipherAES128CTR}, MACs: []string{ssh.InsecureHMACSHA196}}, "the device offers hmac-sha1-96", "ssh_legacy_algorithms: true"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := start(t, devicetest.Options{Username: "admin", Password: password, Config: test.config})
			_, err := login(t, dialer(t, d), d.Address(), withPassword(password))
			if err == nil || !strings.Contains(err.Error(), test.lists) || !strings.Contains(help(err), test.help) || !errors.Is(err, guard.ErrNotShown) {
				t.Errorf("got %v, with %q", err, help(err))
			}
		})
	}
}

// A device that gets the password and asks for a code then is no refusal: the guard hears that it has asked, whether or not
// the password is right. Asked for both at once, the password isn't sent.
func TestPasswordThenCode(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, password string
		rounds         bool
		want, not      error
	}{
		{"a right password", password, true, guard.ErrAskedMore, guard.ErrNotShown},
		{"a wrong password", "wrong", true, guard.ErrAskedMore, guard.ErrNotShown},
		{"at once", password, false, guard.ErrNotShown, guard.ErrAskedMore},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := start(t, devicetest.Options{
				Username: "admin", Password: password, Methods: []string{"keyboard-interactive"}, Rounds: test.rounds,
				Prompts: []devicetest.Prompt{{Text: "Password: "}, {Text: "Verification code: "}},
			})
			asked := 0
			material := show(withPassword(test.password))
			_, err := dialer(t, d).Login(t.Context(), device.Target{Address: d.Address(), Expected: withPassword(password)}, func(ctx context.Context) (*credential.Credential, error) {
				asked++
				return material(ctx)
			})
			if credential.ReasonOf(err) != device.LoginUnsupported || errors.Is(err, guard.ErrRefused) || !strings.Contains(fmt.Sprint(err), "Verification code:") {
				t.Errorf("got %v", err)
			}
			if !errors.Is(err, test.want) || errors.Is(err, test.not) {
				t.Errorf("the guard hears %v, not %v", err, test.want)
			}
			if (asked > 0) != test.rounds {
				t.Errorf("the credential was asked for %d times", asked)
			}
		})
	}
}

// A device that asks for the password once more has refused it, also where it says so in words that are of other prompts.
func TestPasswordOnceMore(t *testing.T) {
	t.Parallel()
	for _, prompt := range []string{"Password: ", "Sorry, try again. Password: ", "Please repeat your password: "} {
		d := start(t, devicetest.Options{
			Username: "admin", Password: password, Methods: []string{"keyboard-interactive"}, Rounds: true,
			Prompts: []devicetest.Prompt{{Text: "Password: "}, {Text: prompt}},
		})
		_, err := dialer(t, d).Login(t.Context(), device.Target{Address: d.Address(), Expected: withPassword("wrong")}, show(withPassword("wrong")))
		if !errors.Is(err, guard.ErrRefused) {
			t.Errorf("%q: got %v", prompt, err)
		}
	}
}

// A device that takes the password only to have it changed says so, by SSH's own message. No server in Go can send that.
func TestExpiredPassword(t *testing.T) {
	t.Parallel()
	command := exec.CommandContext(t.Context(), python(t), "testdata/expired.py", password) //nolint:gosec // the interpreter of the tests
	command.Stderr = os.Stderr
	stdout, stdin := pipes(t, command)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close(); _ = command.Wait() }()
	address, key, _ := strings.Cut(strings.TrimSpace(line), " ")
	path := t.TempDir() + "/known_hosts"
	host, port, _ := strings.Cut(address, ":")
	writeFile(t, path, "["+host+"]:"+port+" "+key+"\n")
	_, err = login(t, &device.Dialer{HostKeys: hostKeys(t, path, false)}, address, withPassword(password))
	if credential.ReasonOf(err) != device.CredentialExpired || errors.Is(err, guard.ErrRefused) || !errors.Is(err, guard.ErrNotShown) || !strings.Contains(help(err), "set a new password") {
		t.Errorf("got %v, with %q", err, help(err))
	}
}

func pipes(t *testing.T, command *exec.Cmd) (io.Reader, io.WriteCloser) {
	t.Helper()
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	return stdout, stdin
}

// short is what a process with short keys says of itself.
type short struct {
	Address, KnownHost, Key string
	Error                   string
}

// Short RSA keys are refused with their length, and taken with the setting: of devices, and of users. A process that accepts
// them does so for good, so that there are others.
func TestShortKeys(t *testing.T) {
	if role := os.Getenv("TEST_SHORT_KEYS"); role != "" {
		shortKeys(t, role)
		return
	}
	t.Parallel()
	child := func(role string, environ ...string) short {
		command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestShortKeys$") //nolint:gosec // this test
		command.Env = append(append(os.Environ(), "TEST_SHORT_KEYS="+role), environ...)
		command.Stderr = os.Stderr
		stdout, stdin := pipes(t, command)
		t.Cleanup(func() { _ = stdin.Close(); _ = command.Wait() })
		var said short
		if err := json.NewDecoder(stdout).Decode(&said); err != nil {
			t.Fatal(err)
		}
		return said
	}
	server := child("device", "GODEBUG=rsa1024min=0")
	path := t.TempDir() + "/known_hosts"
	writeFile(t, path, server.KnownHost)
	worker := &device.Dialer{HostKeys: hostKeys(t, path, false), LegacyAlgorithms: true}
	_, err := login(t, worker, server.Address, withPassword(password))
	if credential.ReasonOf(err) != device.Unreachable || !strings.Contains(err.Error(), "its RSA host key has 768 bits") || !strings.Contains(help(err), "ssh_legacy_algorithms") {
		t.Errorf("a host key: got %v, with %q", err, help(err))
	}
	d := start(t, devicetest.Options{Username: "admin", Password: password, Methods: []string{"publickey"}})
	_, err = login(t, dialer(t, d), d.Address(), withKey(server.Key, ""))
	if credential.ReasonOf(err) != credential.CredentialMalformed || !strings.Contains(err.Error(), "768 bits") || !strings.Contains(help(err), "ssh_legacy_algorithms") {
		t.Errorf("a user's key: got %v, with %q", err, help(err))
	}
	client := child("client", "TEST_SHORT_ADDRESS="+server.Address, "TEST_SHORT_KNOWN="+path, "TEST_SHORT_KEY="+server.Key)
	if client.Error != "" {
		t.Errorf("with the setting: %s", client.Error)
	}
}

func shortKeys(t *testing.T, role string) {
	say := func(said short) {
		if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, os.Stdin) // until the other one ends
	}
	if role == "client" {
		device.AllowShortKeys()
		worker := &device.Dialer{HostKeys: hostKeys(t, os.Getenv("TEST_SHORT_KNOWN"), false), LegacyAlgorithms: true}
		session, err := login(t, worker, os.Getenv("TEST_SHORT_ADDRESS"), withKey(os.Getenv("TEST_SHORT_KEY"), ""))
		if err != nil {
			say(short{Error: err.Error()})
			return
		}
		session.Close()
		say(short{})
		return
	}
	key, err := rsa.GenerateKey(rand.Reader, 768) //nolint:gosec // what old devices have
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	d := start(t, devicetest.Options{Username: "admin", AuthorizedKey: signer.PublicKey(), Methods: []string{"publickey"}, HostKey: signer})
	say(short{Address: d.Address(), KnownHost: d.KnownHost(), Key: string(pem.EncodeToMemory(block))})
}
