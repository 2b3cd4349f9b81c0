package conformance

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
)

// evidence is what was seen of the provider in the whole run, for the checks that judge all of it.
type evidence struct {
	mu        sync.Mutex
	needles   []needle
	known     bool // some of the needles are the fixtures': there is something for a provider to give away
	processes []seen[*process]
	errors    []seen[error]
	failures  []seen[[]byte] // the errors in batches, encoded
	answers   []seen[[]byte] // messages in which nothing is secret, encoded
	complete  bool           // all that there is to see was seen
}

// seen is something with the check during which it was seen.
type seen[T any] struct {
	check, what string
	thing       T
}

// needle is a form in which a secret might be found.
type needle struct {
	text []byte
	what string // which secret, and in which form
}

func newEvidence(options Options) *evidence {
	v := &evidence{}
	fixtures := options.Fixtures
	credentialSecrets := func(id string, c Credential) {
		if c.Password != nil {
			v.secretOf(fixtures, *c.Password, fmt.Sprintf("the password of %q", id))
		}
		for name, value := range c.Extra {
			v.secretOf(fixtures, value, fmt.Sprintf("field %q of %q", name, id))
		}
	}
	for id, c := range fixtures.Credentials {
		credentialSecrets(id, c)
	}
	for _, version := range fixtures.Versions {
		credentialSecrets(version.CredentialID, version.Credential)
	}
	for id, secrets := range fixtures.Malformed {
		for _, secret := range secrets {
			v.secretOf(fixtures, secret, fmt.Sprintf("a secret of %q", id))
		}
	}
	return v
}

// secretOf is secret, but for what isn't one, or is one only by chance: a text that is also a part of an id or a username.
func (v *evidence) secretOf(fixtures Fixtures, text, what string) {
	for id, c := range fixtures.Credentials {
		if strings.Contains(id, text) || strings.Contains(c.Username, text) {
			return
		}
	}
	v.secret(text, what)
	v.known = v.known || len(text) >= shortestSecret
}

// shortestSecret is the length from which a text that is found is surely the secret, in bytes.
const shortestSecret = 8

// secret adds a text that must not be found, in all the forms in which it might be.
func (v *evidence) secret(text, what string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(text) < shortestSecret {
		return
	}
	add := func(form, text string) {
		for _, known := range v.needles {
			if string(known.text) == text {
				return
			}
		}
		v.needles = append(v.needles, needle{[]byte(text), what + form})
	}
	add("", text)
	for line := range strings.Lines(text) { // a private key may come out in as many lines as it has
		if line = strings.TrimSpace(line); len(line) >= shortestSecret && !strings.HasPrefix(line, "-----") {
			add(", one line of it", line)
		}
	}
	for _, html := range []bool{true, false} {
		add(" in JSON", escaped(text, html))
		add(" in JSON that is in JSON", escaped(escaped(text, html), html))
	}
	add(" in quotes", strings.Trim(strconv.Quote(text), `"`))
	add(" in a URL", url.QueryEscape(text))
	add(" in hexadecimal", hex.EncodeToString([]byte(text)))
	// Base64 depends on where in a text it begins. What its neighbours don't change of it is looked for.
	for offset := range 3 {
		padded := append(make([]byte, offset), text...)
		encoded := base64.RawStdEncoding.EncodeToString(padded[:len(padded)/3*3])
		first := (offset*8 + 5) / 6
		add(" in base64", encoded[first:])
		add(" in base64", strings.NewReplacer("+", "-", "/", "_").Replace(encoded[first:]))
	}
}

// escaped is a text as it is in JSON, without the quotes. Some encoders escape what HTML has a meaning for, too.
func escaped(text string, html bool) string {
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(html)
	_ = encoder.Encode(text) // a string into memory
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(encoded.String()), `"`), `"`)
}

// find says which secret is in a text; empty if none is.
func (v *evidence) find(text []byte) string {
	for _, needle := range v.needles {
		if bytes.Contains(text, needle.text) {
			return needle.what
		}
	}
	return ""
}

// harmless is a text for a report: bounded, and without those that hold a secret.
func (v *evidence) harmless(text string) string {
	const longest = 400
	if v.find([]byte(text)) != "" {
		return "(left out: it holds a secret)"
	}
	if len(text) > longest {
		text = text[:longest] + "..."
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// add keeps a process, for what it writes and which arguments it has.
func (v *evidence) add(check string, p *process) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.processes = append(v.processes, seen[*process]{check: check, thing: p})
}

type checkKey struct{}

// witness keeps what a call says beside credentials.
func (v *evidence) witness(ctx context.Context, method string, request, response any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	err := invoke(ctx, method, request, response, conn, options...)
	check, _ := ctx.Value(checkKey{}).(string)
	call := method[strings.LastIndex(method, "/")+1:]
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		if answered(err) { // what this side of the connection says is not evidence
			v.errors = append(v.errors, seen[error]{check, "an error of " + call, err})
		}
		return err
	}
	switch message := response.(type) {
	case *credentialv1.GetMetadataResponse, *credentialv1.ValidateResponse, *credentialv1.ListCredentialsResponse:
		if encoded, err := proto.Marshal(message.(proto.Message)); err == nil {
			v.answers = append(v.answers, seen[[]byte]{check, "an answer of " + call, encoded})
		}
	case *credentialv1.BatchGetCredentialsResponse:
		for _, result := range message.GetResults() {
			if encoded, err := proto.Marshal(result.GetError()); err == nil && result.GetError() != nil {
				v.failures = append(v.failures, seen[[]byte]{check, "an error in a batch", encoded})
			}
		}
	}
	return nil
}
