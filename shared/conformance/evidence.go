package conformance

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
)

// evidence is what was seen of the provider in the whole run, for the checks that judge all of it.
type evidence struct {
	mu        sync.Mutex
	secrets   *search
	digests   *search
	known     bool // some of the secrets are the fixtures': there is something for a provider to give away
	processes []seen[*process]
	errors    []seen[error]
	failures  []seen[*credentialv1.CredentialError] // the errors in batches
	answers   []seen[[]byte]                        // messages in which nothing is secret, encoded
	public    []seen[[]byte]                        // the fields of credentials that aren't secret, encoded
	headers   []seen[[]byte]                        // the metadata of answers
	values    []seen[error]                         // what is wrong with times in answers
	already   map[string]bool                       // what the lists have, so that thousands of calls cost nothing
	complete  bool                                  // all that there is to see was seen
}

// seen is something with the check during which it was seen.
type seen[T any] struct {
	check, what string
	thing       T
}

func newEvidence(options Options) *evidence {
	fixtures := options.Fixtures
	var public []string
	for id, c := range fixtures.Credentials {
		public = append(public, id, c.Username)
	}
	public = append(append(public, fixtures.Missing...), options.Plugin)
	v := &evidence{secrets: newSearch(public), digests: newSearch(nil), already: map[string]bool{}}
	for _, s := range fixtures.secrets() {
		v.secretOf(fixtures, s.text, s.what)
	}
	return v
}

// secretOf is secret, but for what isn't one, or is one only by chance: a string that is also a part of an id or a username.
func (v *evidence) secretOf(fixtures Fixtures, text, what string) {
	for id, c := range fixtures.Credentials {
		if strings.Contains(id, text) || strings.Contains(c.Username, text) {
			return
		}
	}
	if !v.secret(text, what) {
		return
	}
	v.known = true
	v.mu.Lock()
	defer v.mu.Unlock()
	sum1, sum256, sum512, sum5 := sha1.Sum([]byte(text)), sha256.Sum256([]byte(text)), sha512.Sum512([]byte(text)), md5.Sum([]byte(text)) //nolint:gosec // they are searched for
	for name, sum := range map[string][]byte{"SHA-1": sum1[:], "SHA-256": sum256[:], "SHA-512": sum512[:], "MD5": sum5[:]} {
		v.digests.needles = append(v.digests.needles, needle{[]byte(strings.ToLower(string(sum))), "the " + name + " of " + what})
	}
}

// secret adds a string that must not be found. It reports whether it can be searched for.
func (v *evidence) secret(text, what string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.secrets.add(text, what)
}

// find returns which secret is in the bytes; empty if none is.
func (v *evidence) find(text []byte) string { return v.secrets.find(text) }

// contains is find for bytes that are too many to be decoded. It may be called at any time.
func (v *evidence) contains(text []byte) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.secrets.contains([]byte(strings.ToLower(string(text))))
}

// harmless is a string for a report: bounded, and without those that hold a secret.
func (v *evidence) harmless(text string) string {
	const longest = 400
	v.mu.Lock()
	defer v.mu.Unlock()
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
	var header, trailer metadata.MD
	start := time.Now()
	err := invoke(ctx, method, request, response, conn, append(options, grpc.Header(&header), grpc.Trailer(&trailer))...)
	check, _ := ctx.Value(checkKey{}).(string)
	call := method[strings.LastIndex(method, "/")+1:]
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, all := range []metadata.MD{header, trailer} {
		for name, values := range all {
			if text := name + ": " + strings.Join(values, ", "); name != "content-type" && name != "grpc-status-details-bin" && v.isNew("header"+text) && v.worth(len(v.headers), text) {
				v.headers = append(v.headers, seen[[]byte]{check, "the header " + oneLine(name) + " of an answer of " + call, []byte(text)})
			}
		}
	}
	if err != nil {
		if answered(err) && v.isNew("error"+call+encodedStatus(err)) { // what this side of the connection says is not evidence
			v.errors = append(v.errors, seen[error]{check, "an error of " + call, err})
		}
		return err
	}
	switch message := response.(type) {
	case *credentialv1.GetMetadataResponse, *credentialv1.ListCredentialsResponse:
		v.answer(check, call, message.(proto.Message))
	case *credentialv1.ValidateResponse:
		v.answer(check, call, message)
		v.judge(check, call, validTime("backend_credentials_expire_time", message.GetBackendCredentialsExpireTime()))
	case *credentialv1.GetCredentialResponse:
		v.credential(check, call, message.GetCredential(), start)
	case *credentialv1.BatchGetCredentialsResponse:
		for _, result := range message.GetResults() {
			v.credential(check, call, result.GetCredential(), start)
			if failure := result.GetError(); failure != nil && v.isNew("failure"+failure.String()) {
				v.failures = append(v.failures, seen[*credentialv1.CredentialError]{check, "an error in a batch", failure})
			}
		}
	}
	return nil
}

// isNew reports whether something has not been seen before.
func (v *evidence) isNew(what string) bool {
	if v.already[what] {
		return false
	}
	v.already[what] = true
	return true
}

// manySeen is how many things of a kind are decoded. Those that come after are kept if they have a secret as it is.
const manySeen = 200

func (v *evidence) worth(have int, text string) bool {
	return have < manySeen || v.secrets.contains([]byte(strings.ToLower(text))) != ""
}

// answer keeps a message in which nothing is secret.
func (v *evidence) answer(check, call string, message proto.Message) {
	if encoded, err := proto.Marshal(message); err == nil && v.isNew(call+string(encoded)) {
		v.answers = append(v.answers, seen[[]byte]{check, "an answer of " + call, encoded})
	}
}

// credential keeps what isn't secret of a credential, and judges its times.
func (v *evidence) credential(check, call string, c *credentialv1.Credential, asked time.Time) {
	if c == nil {
		return
	}
	v.judge(check, call, validTimes(c, asked))
	names := make([]string, 0, len(c.GetExtra()))
	for name := range c.GetExtra() {
		names = append(names, name)
	}
	public := strings.Join(append(names, c.GetVersionId(), c.GetBackendRequestId(), string(c.ProtoReflect().GetUnknown())), "\n")
	if v.isNew("public"+public) && v.worth(len(v.public), public) {
		v.public = append(v.public, seen[[]byte]{check, "a credential of " + call, []byte(public)})
	}
}

// judge keeps what is wrong with an answer.
func (v *evidence) judge(check, call string, wrong error) {
	if wrong != nil && v.isNew("value"+call+wrong.Error()) {
		v.values = append(v.values, seen[error]{check, "an answer of " + call, wrong})
	}
}

// validTimes returns what is wrong with the times of a credential.
func validTimes(c *credentialv1.Credential, asked time.Time) error {
	if err := validTime("version_created", c.GetVersionCreated()); err != nil {
		return err
	}
	if err := validTime("expire_time", c.GetExpireTime()); err != nil {
		return err
	}
	if c.ExpireTime != nil && c.GetExpireTime().AsTime().Before(asked.Add(-clockSkew)) {
		return fmt.Errorf("expire_time is in the past")
	}
	if c.VersionCreated != nil && c.GetVersionCreated().AsTime().After(asked.Add(24*time.Hour)) {
		return fmt.Errorf("version_created is more than a day in the future")
	}
	if age := c.GetMaxCacheAge(); c.MaxCacheAge != nil && (!age.IsValid() || age.AsDuration() < 0) {
		return fmt.Errorf("max_cache_age is negative, or no valid duration")
	}
	return nil
}

// clockSkew is by how much the clock of a backend may be wrong.
const clockSkew = 5 * time.Second

func validTime(name string, at interface {
	IsValid() bool
	AsTime() time.Time
}) error {
	if message, ok := at.(proto.Message); ok && !message.ProtoReflect().IsValid() {
		return nil // unset
	}
	if !at.IsValid() || at.AsTime().Year() < 1970 {
		return fmt.Errorf("%s is no valid time", name)
	}
	return nil
}
