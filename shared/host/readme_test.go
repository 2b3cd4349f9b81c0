//go:build unix

package host

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/markdowntest"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// proto/README.md tells authors without Go what a host does. Here it is compared with what this one does to a process.

func readme(t *testing.T) markdowntest.Document {
	t.Helper()
	return markdowntest.Read(t, "../../proto/README.md")
}

// The animals of this file.
const (
	tellsEnvironment = "tells its environment"
	logsIDs          = "logs the ids it is asked for"
	servesNothing    = "serves nothing but the contract"
)

func init() {
	zoo[tellsEnvironment] = animal{live: func() { serveRaw(&raw{get: tellEnvironment}) }}
	zoo[logsIDs] = animal{live: func() { serveRaw(&raw{get: logID}) }}
	zoo[servesNothing] = animal{live: serveContractOnly}
}

// calm launches an animal of which nothing bad is expected.
func calm(t *testing.T, name string) Options {
	t.Helper()
	options, _ := zooOptions(t, name)
	options.StartTimeout = DefaultStartTimeout
	return options
}

// namesOfAll is the id whose password is the names of all variables.
const namesOfAll = "*"

func tellEnvironment(_ context.Context, id string) (*credentialv1.Credential, error) {
	text := os.Getenv(id)
	if id == namesOfAll {
		var names []string
		for _, variable := range os.Environ() {
			name, _, _ := strings.Cut(variable, "=")
			names = append(names, name)
		}
		text = strings.Join(names, " ")
	}
	text = strings.ReplaceAll(text, "\n", "\t") // a password has no line feeds
	return &credentialv1.Credential{CredentialId: id, Username: "admin", Password: &text}, nil
}

func logID(ctx context.Context, id string) (*credentialv1.Credential, error) {
	_, _ = fmt.Fprintln(stderr, id)
	_, _ = fmt.Fprintln(stdout, "printed: "+id)
	return answerFor(id)(ctx, id)
}

func TestEnvironmentInTheReadme(t *testing.T) {
	t.Parallel()
	section := readme(t).Section("## Environment variables")
	passedOn := []string{envBehave, envPIDs, "GORACE"} // the test's own
	for _, row := range section.Table("Passed on") {
		passedOn = append(passedOn, markdowntest.Code(row[0])...)
	}
	launch := map[string]string{}
	for _, row := range section.Table("Variable") {
		launch[markdowntest.Code(row[0])[0]] = row[1]
	}

	options := calm(t, tellsEnvironment)
	options.Logger = hclog.NewNullLogger()
	for _, name := range slices.Concat(baseEnvironment, passedOn) {
		if name == "TMPDIR" || slices.ContainsFunc(options.Environ, func(variable string) bool { return strings.HasPrefix(variable, name+"=") }) {
			continue
		}
		options.Environ = append(options.Environ, name+"=single")
	}
	options.Environ = append(options.Environ, "TMPDIR="+os.TempDir(), "OF_THE_HOST=secret")
	p := start(t, options)

	got := strings.Fields(password(t, p, namesOfAll))
	want := passedOn
	for name := range launch {
		want = append(want, name)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the provider sees\n%v\nand proto/README.md names\n%v", got, want)
	}
	for name, cell := range launch {
		value, values := strings.ReplaceAll(password(t, p, name), "\t", "\n"), markdowntest.Code(cell)
		switch {
		case slices.Contains(values, value):
		case cell == "an absolute path" && filepath.IsAbs(value):
		case cell == "a certificate as PEM, lines and all" && strings.HasPrefix(value, "-----BEGIN CERTIFICATE-----\n"):
		default:
			t.Errorf("%s is %q; proto/README.md says %s", name, value, cell)
		}
	}
}

// Every level of the host's logger is one that the document names.
func TestLogLevelsInTheReadme(t *testing.T) {
	for _, row := range readme(t).Section("## Environment variables").Table("Variable") {
		if markdowntest.Code(row[0])[0] != wire.EnvLogLevel {
			continue
		}
		var levels []string
		for _, level := range []hclog.Level{hclog.Trace, hclog.Debug, hclog.Info, hclog.Warn, hclog.Error, hclog.Off} {
			levels = append(levels, level.String())
		}
		levels = append(levels, hclog.NewNullLogger().GetLevel().String())
		if got := markdowntest.Code(row[1]); !slices.Equal(got, levels) {
			t.Errorf("proto/README.md has %v, hosts send %v", got, levels)
		}
		return
	}
	t.Error("proto/README.md has no " + wire.EnvLogLevel)
}

// TestLogLinesInTheReadme lets a provider write the lines of the table.
func TestLogLinesInTheReadme(t *testing.T) {
	t.Parallel()
	section := readme(t).Section("## Log lines")
	var written syncBuffer
	options := calm(t, logsIDs)
	options.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: &written, JSONFormat: true})
	all := start(t, options)
	for _, row := range section.Table("Line") {
		line := markdowntest.Code(row[0])[0]
		p := all
		if strings.HasPrefix(line, "panic: ") { // after which every plain line is an error
			p = start(t, options)
		}
		if _, err := p.Get(t.Context(), credential.Request{ID: line}); err != nil {
			t.Fatal(err)
		}
		want := line
		if row[2] == "none" {
			want = ""
		} else if code := markdowntest.Code(row[2]); len(code) == 1 {
			want = code[0]
		}
		logged := func(level, message string) {
			t.Helper()
			eventually(t, 5*time.Second, fmt.Sprintf("line %s is logged as %s %q", line, level, message), func() bool {
				for entry := range strings.Lines(written.String()) {
					var fields map[string]any
					if json.Unmarshal([]byte(entry), &fields) == nil && fields["@module"] == "memory" && fields["@level"] == level && cmp.Or(fields["@message"], any("")) == message {
						return true
					}
				}
				return false
			})
		}
		logged(row[1], want)
		if p == all {
			logged("debug", "printed: "+line)
		}
	}

	readme(t).Section("## The handshake line").Says("shown in the host's log as lines at level `debug`")
	for _, block := range section.Blocks() {
		cleaned, _ := cleanLine([]byte(strings.TrimSpace(block.Text)), func(text string) string { return text })
		var before, after map[string]any
		if err := errors.Join(json.Unmarshal([]byte(block.Text), &before), json.Unmarshal(cleaned, &after)); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(before) != fmt.Sprint(after) {
			t.Errorf("the example arrives as %s", cleaned)
		}
	}
}

// serveContractOnly is a provider without health checks, Shutdown, lifeline and go-plugin's other services. It counts
// the calls of these: the password of the id "METHOD" is how often it was called.
func serveContractOnly() {
	cert, err := wire.NewCertificate()
	if err != nil {
		panic(err)
	}
	config, err := wire.ServerTLS(cert, os.Getenv(wire.EnvClientCert))
	if err != nil {
		panic(err)
	}
	var mu sync.Mutex
	counts := map[string]int{}
	listener, address := listenUnix()
	server := grpc.NewServer(grpc.Creds(tlsCredentials(config)), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(stream)
		mu.Lock()
		defer mu.Unlock()
		counts[method]++
		return status.Error(codes.Unimplemented, "unknown service")
	}))
	credentialv1.RegisterCredentialProviderServer(server, &raw{get: func(_ context.Context, id string) (*credentialv1.Credential, error) {
		mu.Lock()
		defer mu.Unlock()
		text := strconv.Itoa(counts[id])
		if id == namesOfAll {
			var methods []string
			for method := range counts {
				methods = append(methods, method)
			}
			text = strings.Join(methods, " ")
		}
		return &credentialv1.Credential{CredentialId: id, Username: "admin", Password: &text}, nil
	}})
	// Seven fields, though this host asked for six.
	fmt.Printf("1|1|unix|%s|grpc|%s|true\n", address, base64Raw(cert.Certificate[0]))
	_ = server.Serve(listener)
}

func TestServicesInTheReadme(t *testing.T) {
	t.Parallel()
	var services []string
	for _, row := range readme(t).Section("## Services").Table("Service") {
		services = append(services, markdowntest.Code(row[0])...)
	}
	options, pids := zooOptions(t, servesNothing)
	options.StartTimeout = DefaultStartTimeout
	p, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "it is asked for its health three times", func() bool {
		n, _ := strconv.Atoi(password(t, p, "/grpc.health.v1.Health/Check"))
		return n >= 3
	})
	if n := p.Restarts(); n != 0 {
		t.Errorf("without a health service it was restarted %d times", n)
	}
	for method := range strings.FieldsSeq(password(t, p, namesOfAll)) {
		if service := strings.Split(method, "/")[1]; !slices.Contains(services, service) {
			t.Errorf("the host calls %s; proto/README.md has only %v", method, services)
		}
	}
	start := time.Now()
	_ = p.Close()
	if took := time.Since(start); took < 1900*time.Millisecond || took > 10*time.Second {
		t.Errorf("without Shutdown its end took %v, not 2 s", took)
	}
	nothingLeft(t, options, pids)
}

func TestNumbersInTheReadme(t *testing.T) {
	d := readme(t)
	seconds := func(d time.Duration) string { return fmt.Sprintf("%g s", d.Seconds()) }
	for section, phrases := range map[string][]string{
		"## The program": {"has at most 64 bytes"},
		"## The handshake line": {
			fmt.Sprintf("its name has at most %d bytes", len(socketName)), fmt.Sprintf("stays within the %d", maxSocketPath),
		},
		"## Services": {"comes every second and has one second. After two in a row"},
		"## Calls": {
			"at most " + seconds(DefaultCallTimeout) + " unless", fmt.Sprintf("up to %d MiB", wire.MaxMessageSize>>20),
			fmt.Sprintf("1 to %d bytes of UTF-8", credential.MaxIDLength), "| at once; at most " + seconds(DefaultStartTimeout) + " |",
		},
		"## Log lines": {
			fmt.Sprintf("looked at up to %d KiB", maxLine>>10), fmt.Sprintf("kept up to %d KiB", maxField>>10), fmt.Sprintf("fields up to %d a line", maxFields),
			"More than 1,000 lines in a second", fmt.Sprintf("values of %d bytes and more", minRedacted), fmt.Sprintf("The last %d lines", tailLines),
		},
		"## The end": {
			"may finish, for up to " + seconds(drainTimeout), "| " + seconds(shutdownTimeout) + " to answer",
			"after " + seconds(firstBackoff) + " and longer", "every " + seconds(retryBroken), "After five starts",
		},
		"## Writing a host": {
			fmt.Sprintf("a socket's name of %d bytes", len(socketName)), fmt.Sprintf("messages may have %d MiB", wire.MaxMessageSize>>20),
			"bounded: " + seconds(DefaultStartTimeout) + ", and " + seconds(DefaultStartTimeout) + " for `Configure`",
			"every second with a deadline of one", "up to " + seconds(drainTimeout) + " for those under way, `Shutdown` with " + seconds(shutdownTimeout),
		},
	} {
		for _, phrase := range phrases {
			d.Section(section).Says(phrase)
		}
	}
	if linesPerSecond != 1000 || maxStarts != 5 || healthInterval != time.Second || healthPatience != time.Second || healthMisses != 2 {
		t.Error("numbers that proto/README.md has in words have changed")
	}
	longest := "a" + strings.Repeat("b", 63)
	if checkName(longest) != nil || checkName(longest+"b") == nil {
		t.Error("the longest name hasn't 64 bytes any more")
	}
}
