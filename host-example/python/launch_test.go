//go:build unix

package python

import (
	"bufio"
	"bytes"
	"context"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Each launch that can't succeed ends with status 1 and says why.
func TestRefusedLaunches(t *testing.T) {
	t.Parallel()
	plugin := filepath.Join(install(t, netrcProvider), "tom-credential-netrc")
	around := environ(t)
	for _, test := range []struct{ name, variable, value, says string }{
		{"by hand", "TOM_CREDENTIAL_PROVIDER", "", "isn't run by hand"},
		{"wrong cookie", "TOM_CREDENTIAL_PROVIDER", "no-such-cookie", "isn't run by hand"},
		{"no mutual TLS", "PLUGIN_CLIENT_CERT", "", "PLUGIN_CLIENT_CERT is not set"},
		{"no certificate", "PLUGIN_CLIENT_CERT", "hello", "no certificate in PEM form"},
		{"a certificate on P-521", "PLUGIN_CLIENT_CERT", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate(t, elliptic.P521())})), "key on secp521r1"},
		{"no such directory", "PLUGIN_UNIX_SOCKET_DIR", "/nowhere", "could not start"},
		{"too long a directory", "PLUGIN_UNIX_SOCKET_DIR", "/" + strings.Repeat("x", 100), "too long a name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			variables := launchEnvironment(t)
			variables[test.variable] = test.value
			ctx, cancel := context.WithTimeout(t.Context(), startTime)
			defer cancel()
			command := exec.CommandContext(ctx, plugin)
			command.Env = around
			for name, value := range variables {
				command.Env = append(command.Env, name+"="+value)
			}
			var stdout, stderr bytes.Buffer
			command.Stdout, command.Stderr = &stdout, &stderr
			err := command.Run()
			if command.ProcessState == nil || command.ProcessState.ExitCode() != 1 || stdout.Len() > 0 || !strings.Contains(stderr.String(), test.says) {
				t.Errorf("%v; standard output %q, standard error %q", err, stdout.String(), stderr.String())
			}
			if byHand := test.variable == "TOM_CREDENTIAL_PROVIDER"; !byHand && !json.Valid(bytes.TrimSpace(stderr.Bytes())) {
				t.Errorf("not one line of log: %s", stderr.String())
			}
		})
	}
}

// A host that asks about the broker gets a seventh field; others don't, since some take it for a part of the sixth.
func TestHandshakeLine(t *testing.T) {
	t.Parallel()
	plugin := filepath.Join(install(t, netrcProvider), "tom-credential-netrc")
	for asked, want := range map[string]string{"": "", "true": "false"} {
		variables := launchEnvironment(t)
		variables["PLUGIN_MULTIPLEX_GRPC"], variables["TOM_CREDENTIAL_LIFELINE"] = asked, "stdin"
		ctx, cancel := context.WithTimeout(t.Context(), startTime)
		defer cancel()
		command := exec.CommandContext(ctx, plugin)
		command.Env = environ(t)
		for name, value := range variables {
			command.Env = append(command.Env, name+"="+value)
		}
		lifeline, err := command.StdinPipe()
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
		line, err := bufio.NewReader(stdout).ReadString('\n')
		_ = lifeline.Close()
		if ended := command.Wait(); err != nil || ended != nil {
			t.Fatal(err, ended)
		}
		fields := strings.Split(strings.TrimSpace(line), "|")
		if len(fields) < 6 || asked != "" && (len(fields) != 7 || fields[6] != want) || asked == "" && len(fields) != 6 {
			t.Fatalf("handshake line %q", line)
		}
		if _, err := base64.RawStdEncoding.DecodeString(fields[5]); err != nil {
			t.Errorf("the certificate: %v", err)
		}
	}
}

func TestSignals(t *testing.T) {
	t.Parallel()
	p, log := start(t, "testdata/tom-credential-specimen", setting("url", "https://localhost"))
	pid := func() int {
		t.Helper()
		found, err := p.Get(t.Context(), credential.Request{ID: "pid"})
		if err != nil {
			t.Fatal(err)
		}
		number, err := strconv.Atoi(found.Username)
		if err != nil {
			t.Fatal(err)
		}
		return number
	}
	first := pid()
	if err := syscall.Kill(first, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a word about the interrupt", func() bool { return strings.Contains(log.String(), "interrupt ignored") })
	if after := pid(); after != first {
		t.Error("an interrupt ended the process")
	}
	if err := syscall.Kill(first, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an orderly end", func() bool { return strings.Contains(log.String(), `"closed"`) })
	eventually(t, "a new process", func() bool { return p.Restarts() == 1 })
	if pid() == first {
		t.Error("the old process answers")
	}
}
