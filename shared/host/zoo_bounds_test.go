//go:build unix

package host

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// longest is the longest error that any animal may bring about, in bytes.
const longest = 32 << 10

func init() {
	long := func(n int) string { return strings.Repeat("x", n) }
	answering := func(change func(*credentialv1.Credential)) func(context.Context, string) (*credentialv1.Credential, error) {
		return func(ctx context.Context, id string) (*credentialv1.Credential, error) {
			c, err := answerFor(id)(ctx, id)
			change(c)
			return c, err
		}
	}
	for name, change := range map[string]func(*credentialv1.Credential){
		"answers 100,000 extras":                  func(c *credentialv1.Credential) { c.Extra = extras(100_000, "value") },
		"answers extras of 8 MB":                  func(c *credentialv1.Credential) { c.Extra = extras(8, long(1<<20)) },
		"answers many extras that are long":       func(c *credentialv1.Credential) { c.Extra = extras(100, long(10<<10)) },
		"answers a username of 1 MB":              func(c *credentialv1.Credential) { c.Username = long(1 << 20) },
		"answers a password of 1 MB":              func(c *credentialv1.Credential) { c.Password = new(long(1 << 20)) },
		"answers a version of 1 MB":               func(c *credentialv1.Credential) { c.VersionId = long(1 << 20) },
		"answers a username with a line feed":     func(c *credentialv1.Credential) { c.Username = "admin\n" },
		"answers a username with an escape":       func(c *credentialv1.Credential) { c.Username = "\x1b[2Jadmin" },
		"answers a username with a C1 escape":     func(c *credentialv1.Credential) { c.Username = "\u009b2Jadmin" },
		"answers a password with CR":              func(c *credentialv1.Credential) { c.Password = new("pass\rword") },
		"answers a password with Ctrl-C":          func(c *credentialv1.Credential) { c.Password = new("pass\x03word") },
		"answers a password that ends with LF":    func(c *credentialv1.Credential) { c.Password = new("password\n") },
		"answers a password with an escape in it": func(c *credentialv1.Credential) { c.Password = new("pass\x1b[Aword") },
	} {
		zoo[name] = animal{live: func() { serveRaw(&raw{get: answering(change)}) }, get: credential.ProviderMisbehaved, says: "its answer for credential", heavy: strings.Contains(name, "extras")}
	}
	zoo["answers a request id of 1 MB"] = animal{live: func() {
		serveRaw(&raw{get: answering(func(c *credentialv1.Credential) { c.BackendRequestId = long(1 << 20) })})
	}}
	zoo["logs what is nearly its secrets"] = animal{live: func() {
		go write(long(120 << 10))
		serveRaw(&raw{get: func(ctx context.Context, id string) (*credentialv1.Credential, error) {
			c, err := answerFor(id)(ctx, id)
			c.Password = new(long(4<<10) + id)
			return c, err
		}})
	}}
	zoo["has a name of 15 MB"] = animal{live: func() { serveRaw(&raw{name: long(15 << 20)}) }, start: credential.ProviderIncompatible, heavy: true}
	zoo["has 9,000 settings"] = animal{live: func() { serveRaw(&raw{schema: schemaOf(9000, `"type":"string"`)}) }, start: credential.ProviderMisbehaved, says: "settings, more than"}
	zoo["has patterns of repeats"] = animal{live: func() { serveRaw(&raw{schema: schemaOf(2000, `"type":"string","pattern":"^[ab]{1000}$"`)}) }, start: credential.ProviderMisbehaved}
	zoo["has a pattern of repeats in each other"] = animal{live: func() { serveRaw(&raw{schema: schemaOf(100, `"type":"string","pattern":"^(([ab]{9}){9}){9}$"`)}) }, start: credential.ProviderMisbehaved, says: "repeats too much"}
	zoo["sends errors of 2 MB"] = animal{live: func() {
		serveRaw(&raw{get: func(context.Context, string) (*credentialv1.Credential, error) {
			return nil, wordy(2 << 20)
		}})
	}, get: credential.ProviderMisbehaved, heavy: true}
	zoo["sends errors of 40 KB"] = animal{live: func() {
		serveRaw(&raw{get: func(context.Context, string) (*credentialv1.Credential, error) {
			return nil, wordy(5 << 10)
		}})
	}, get: credential.Throttled}
}

func extras(n int, value string) map[string]string {
	all := make(map[string]string, n)
	for i := range n {
		all[fmt.Sprint("key", i)] = value
	}
	return all
}

func schemaOf(n int, setting string) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"s%d":{%s}`, i, setting))
	}
	return `{"type":"object","additionalProperties":false,"properties":{` + strings.Join(all, ",") + `}}`
}

// wordy is an error whose every part has n bytes.
func wordy(n int) error {
	long := strings.Repeat("e", n)
	st := status.New(codes.ResourceExhausted, long)
	detailed, err := st.WithDetails(
		protoadapt.MessageV1Of(&errdetails.ErrorInfo{Domain: wire.Domain, Reason: "THROTTLED", Metadata: map[string]string{long: long, "resource": long}}),
		protoadapt.MessageV1Of(&errdetails.Help{Links: []*errdetails.Help_Link{{Description: long}}}),
		protoadapt.MessageV1Of(&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: long, Description: long}}}),
	)
	if err != nil {
		return err
	}
	return detailed.Err()
}

// What is kept of an error has a bound in every part, and so has what many of them hold.
func TestErrorsAreBounded(t *testing.T) {
	t.Parallel()
	options, _ := zooOptions(t, "sends errors of 40 KB")
	p := start(t, options)
	var kept []error
	for range 100 {
		_, err := p.Get(t.Context(), credential.Request{ID: "lab"})
		var e *credential.Error
		if !errors.As(err, &e) || e.Reason != credential.Throttled {
			t.Fatalf("error %v", credential.ReasonOf(err))
		}
		size := len(e.Message)
		for _, step := range e.Help {
			size += len(step)
		}
		for key, value := range e.Metadata {
			size += len(key) + len(value)
		}
		for _, v := range e.Violations {
			size += len(v.Setting) + len(v.Problem)
		}
		if size > 8<<10 || len(e.Help) == 0 || len(e.Metadata) == 0 || len(e.Violations) == 0 {
			t.Fatalf("an error holds %d bytes", size)
		}
		kept = append(kept, err)
	}
	runtime.KeepAlive(kept)
}

// A provider that hands out hundreds of secrets that are alike, and logs lines that are nearly them, makes no caller wait.
func TestLogLinesDoNotHoldUpCalls(t *testing.T) {
	t.Parallel()
	options, _ := zooOptions(t, "logs what is nearly its secrets")
	p := start(t, options)
	for i := range 400 {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, err := p.Get(ctx, credential.Request{ID: fmt.Sprint("lab", i)})
		cancel()
		if err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		if took := time.Since(start); took > 4*time.Second {
			t.Fatalf("call %d took %v with a deadline of 2 s", i, took)
		}
	}
}
