package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// badIDs are refused before they reach the provider. What isn't UTF-8 is refused by gRPC itself.
var badIDs = map[string]string{
	"empty":          "",
	"513 bytes":      strings.Repeat("x", 513),
	"too many runes": strings.Repeat("é", 257),
	"a megabyte":     strings.Repeat("x", 1<<20),
	"NUL":            "a\x00b",
	"line feed":      "a\nb",
	"C1 control":     "a\u0085b",
	"DEL":            "a\x7f",
	"escape":         "\x1b[31mred",
}

func TestIDs(t *testing.T) {
	var asked []string
	s := serveConfigured(t, definition(&plain{get: func(_ context.Context, r credential.Request) (*credential.Credential, error) {
		asked = append(asked, r.ID)
		return made(r.ID), nil
	}}))
	for name, id := range badIDs {
		_, err := s.get(t, id)
		e := failure(t, err, credential.CredentialIDInvalid)
		if e.Metadata["problem"] == "" || strings.ContainsAny(e.Message, "\x00\n\x1b") {
			t.Errorf("%s: %q %v", name, e.Message, e.Metadata)
		}
	}
	if len(asked) > 0 {
		t.Errorf("the provider was asked for %q", asked)
	}
	for _, id := range []string{"lab", strings.Repeat("x", 512), " ", "a b", "../x", "/", "arn:aws:x:y", "密🔑", "%s%n", "a|b"} {
		got, err := s.get(t, id)
		if err != nil || got.ID != id {
			t.Errorf("%q: %v, %v", id, got, err)
		}
	}
}

func TestVersions(t *testing.T) {
	var asked credential.Request
	p := &able{plain: plain{get: func(_ context.Context, r credential.Request) (*credential.Credential, error) {
		asked = r
		return made(r.ID), nil
	}}}
	s := serveConfigured(t, definition(p))
	for _, want := range []credential.Request{{ID: "a"}, {ID: "a", VersionID: "1"}, {ID: "a", VersionLabel: "AWSPREVIOUS"}} {
		if _, err := s.GetCredential(t.Context(), wire.RequestToProto(want)); err != nil || asked != want {
			t.Errorf("asked for %+v, %v; want %+v", asked, err, want)
		}
	}
	bare := serveConfigured(t, definition(&plain{}))
	for _, request := range []credential.Request{{ID: "a", VersionID: "1"}, {ID: "a", VersionLabel: "L"}} {
		_, err := bare.GetCredential(t.Context(), wire.RequestToProto(request))
		mustFail(t, err, credential.Unsupported)
	}
}

// forbidden are answers that the contract forbids, for the id "lab".
func forbidden() map[string]*credential.Credential {
	with := func(change func(*credential.Credential)) *credential.Credential {
		c := made("lab")
		c.Password = credential.Password(canary)
		c.Extra = map[string]credential.Redacted{"enable": credential.NewRedacted(canary)}
		change(c)
		return c
	}
	return map[string]*credential.Credential{
		"nothing":             nil,
		"another id":          with(func(c *credential.Credential) { c.ID = "other" }),
		"no id":               with(func(c *credential.Credential) { c.ID = "" }),
		"no username":         with(func(c *credential.Credential) { c.Username = "" }),
		"no password, no key": with(func(c *credential.Credential) { c.Password = credential.Optional{} }),
		"no password, empty key": with(func(c *credential.Credential) {
			c.Password, c.Extra = credential.Optional{}, map[string]credential.Redacted{"private_key": {}}
		}),
		"NUL in the username":       with(func(c *credential.Credential) { c.Username = "ad\x00min" }),
		"CR in the username":        with(func(c *credential.Credential) { c.Username = "admin\r" }),
		"LF in the username":        with(func(c *credential.Credential) { c.Username = "admin\n" }),
		"NUL in the password":       with(func(c *credential.Credential) { c.Password = credential.Password(canary + "\x00") }),
		"CR in the password":        with(func(c *credential.Credential) { c.Password = credential.Password("\r" + canary) }),
		"LF in the password":        with(func(c *credential.Credential) { c.Password = credential.Password(canary + "\n") }),
		"username not UTF-8":        with(func(c *credential.Credential) { c.Username = "\xff" }),
		"password not UTF-8":        with(func(c *credential.Credential) { c.Password = credential.Password(canary + "\xff") }),
		"extra not UTF-8":           with(func(c *credential.Credential) { c.Extra["enable"] = credential.NewRedacted(canary + "\xff") }),
		"name of an extra no UTF-8": with(func(c *credential.Credential) { c.Extra[canary+"\xff"] = credential.NewRedacted("x") }),
		"version not UTF-8":         with(func(c *credential.Credential) { c.VersionID = "\xff" }),
	}
}

const canary = "kAn4rY~wQ7#zP"

func TestForbiddenAnswers(t *testing.T) {
	for name, answer := range forbidden() {
		t.Run(name, func(t *testing.T) {
			p := &able{plain: plain{get: func(context.Context, credential.Request) (*credential.Credential, error) { return answer, nil }}}
			p.batch = func(_ context.Context, requests []credential.Request) ([]credential.Result, error) {
				return []credential.Result{{Credential: made("first")}, {Credential: answer}, {Credential: made("last")}}, nil
			}
			s := serveConfigured(t, definition(p))
			_, err := s.get(t, "lab")
			e := failure(t, err, credential.Internal)
			if !strings.Contains(e.Message, `"lab"`) {
				t.Errorf("%q doesn't name the credential", e.Message)
			}
			// In a batch it fails alone.
			response, err := s.BatchGetCredentials(t.Context(), batchOf("first", "lab", "last"))
			if err != nil {
				t.Fatal(err)
			}
			results := response.GetResults()
			if results[0].GetCredential() == nil || results[2].GetCredential() == nil || results[1].GetError().GetReason() != "INTERNAL" {
				t.Errorf("results %d, %v", len(results), results[1].GetError())
			}
			if text := fmt.Sprint(e, results[1].GetError(), s.log); strings.Contains(text, canary[:4]) {
				t.Errorf("a value is shown: %s", text)
			}
			if !strings.Contains(s.log.String(), `"@level":"error"`) {
				t.Error("the log says nothing of a defect")
			}
		})
	}
}

func TestAnswersOnTheBrink(t *testing.T) {
	for name, answer := range map[string]*credential.Credential{
		"empty password":   {ID: "lab", Username: "u", Password: credential.Password("")},
		"key alone":        {ID: "lab", Username: "u", Extra: map[string]credential.Redacted{"private_key": credential.NewRedacted("-----BEGIN\nkey\n")}},
		"spaces":           {ID: "lab", Username: " u ", Password: credential.Password(" p\t ")},
		"lines in extra":   {ID: "lab", Username: "u", Password: credential.Password("p"), Extra: map[string]credential.Redacted{"banner": credential.NewRedacted("a\r\n\x00")}},
		"a large one":      {ID: "lab", Username: "u", Password: credential.Password(strings.Repeat("p", 64<<10))},
		"odd backend's id": {ID: "lab", Username: "u", Password: credential.Password("p"), BackendRequestID: "a"},
	} {
		s := serveConfigured(t, definition(&plain{get: func(context.Context, credential.Request) (*credential.Credential, error) { return answer, nil }}))
		got, err := s.get(t, "lab")
		if err != nil || !got.SameMaterial(answer) || len(got.Extra) != len(answer.Extra) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := serveConfigured(t, definition(&plain{get: func(_ context.Context, r credential.Request) (*credential.Credential, error) {
		c := made(r.ID)
		c.BackendRequestID = "a\xff"
		return c, nil
	}}))
	if _, err := s.get(t, "lab"); err != nil {
		t.Errorf("a credential is lost for a request id that isn't UTF-8: %v", err)
	}
}

func TestErrorsOfCalls(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want credential.Reason
	}{
		"with a reason":   {credential.Errorf(credential.AccessDenied, "denied").WithHelp("ask").With("action", "read"), credential.AccessDenied},
		"wrapped":         {fmt.Errorf("%s: %w", canary, credential.Errorf(credential.AccessDenied, "denied")), credential.AccessDenied},
		"a bare reason":   {credential.CredentialNotFound, credential.CredentialNotFound},
		"wrapped reason":  {fmt.Errorf("%s: %w", canary, credential.CredentialNotFound), credential.CredentialNotFound},
		"plain":           {errors.New(canary), credential.Internal},
		"deadline":        {fmt.Errorf("%s: %w", canary, context.DeadlineExceeded), credential.DeadlineExceeded},
		"cancelled":       {fmt.Errorf("%s: %w", canary, context.Canceled), credential.Cancelled},
		"a nil *Error":    {(*credential.Error)(nil), credential.Internal},
		"a host's reason": {credential.Errorf(credential.ProviderCrashed, canary), credential.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			p := &able{plain: plain{get: func(context.Context, credential.Request) (*credential.Credential, error) { return nil, test.err }}}
			p.list = func(context.Context, int, string) (credential.Page, error) { return credential.Page{}, test.err }
			p.validate = func(context.Context, string) (credential.Report, error) { return credential.Report{}, test.err }
			p.batch = func(context.Context, []credential.Request) ([]credential.Result, error) { return nil, test.err }
			s := serveConfigured(t, definition(p))
			for call, do := range calls(s) {
				err := do(t)
				mustFail(t, err, test.want)
				if text := fmt.Sprint(wire.FromStatus(err)); strings.Contains(text, canary[:4]) {
					t.Errorf("%s: the text of an unknown error is sent: %s", call, text)
				}
			}
			if text := s.log.String(); strings.Contains(text, canary[:4]) {
				t.Errorf("the text of an unknown error is logged: %s", text)
			}
			if atFault := strings.Contains(s.log.String(), `"@level":"error"`); atFault != (test.want == credential.Internal) {
				t.Errorf("logged as an error: %v\n%s", atFault, s.log)
			}
		})
	}
}

func TestPanics(t *testing.T) {
	for name, value := range map[string]any{
		"a text": canary, "an error": errors.New(canary), "a credential": credential.Errorf(credential.AccessDenied, canary), "bytes": []byte(canary), "nil pointer": nil,
	} {
		t.Run(name, func(t *testing.T) {
			explode := func() {
				if value == nil {
					var c *credential.Credential
					_ = c.Username
				}
				panic(value)
			}
			p := &able{plain: plain{get: func(context.Context, credential.Request) (*credential.Credential, error) { explode(); return nil, nil }}}
			p.list = func(context.Context, int, string) (credential.Page, error) { explode(); return credential.Page{}, nil }
			p.validate = func(context.Context, string) (credential.Report, error) { explode(); return credential.Report{}, nil }
			p.batch = func(context.Context, []credential.Request) ([]credential.Result, error) { explode(); return nil, nil }
			s := serveConfigured(t, definition(p))
			for call, do := range calls(s) {
				before := len(s.log.String())
				e := failure(t, do(t), credential.Internal)
				if e.Message != "the provider panicked; its log has the stack" {
					t.Errorf("%s: %q", call, e.Message)
				}
				line := s.log.String()[before:]
				for _, part := range []string{`"@level":"error"`, "/tom.credential.v1.CredentialProvider/" + call, "read_test.go:", "goroutine"} {
					if !strings.Contains(line, part) {
						t.Errorf("%s: the log lacks %q: %s", call, part, line)
					}
				}
				if text := fmt.Sprint(e, line); strings.Contains(text, canary[:4]) {
					t.Errorf("%s: the panic's value is shown: %s", call, text)
				}
			}
			// The process and the other calls live on.
			if _, err := s.GetMetadata(t.Context(), &credentialv1.GetMetadataRequest{}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDeadlinesLeaveTimeForTheAnswer(t *testing.T) {
	var left time.Duration
	s := serveConfigured(t, definition(&plain{get: func(ctx context.Context, r credential.Request) (*credential.Credential, error) {
		deadline, ok := ctx.Deadline()
		left = 0
		if ok {
			left = time.Until(deadline)
		}
		if r.ID == "stall" {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return made(r.ID), nil
	}}))
	for _, test := range []struct{ given, least, most time.Duration }{
		{time.Minute, 58 * time.Second, 59 * time.Second}, {10 * time.Second, 8 * time.Second, 9 * time.Second}, {5 * time.Second, 3 * time.Second, 4 * time.Second}, {time.Second, time.Second / 4, 4 * time.Second / 5},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), test.given)
		_, err := s.GetCredential(ctx, &credentialv1.GetCredentialRequest{CredentialId: "lab"})
		cancel()
		if err != nil || left > test.most || left < test.least {
			t.Errorf("of %s the provider has %s, %v", test.given, left, err)
		}
	}
	if _, err := s.get(t, "lab"); err != nil || left != 0 {
		t.Errorf("without a deadline the provider has %s, %v", left, err)
	}
	// A backend that stalls is told by the provider, in time: an answer with a reason, not gRPC's own end of the call.
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := s.GetCredential(ctx, &credentialv1.GetCredentialRequest{CredentialId: "stall"})
	mustFail(t, err, credential.DeadlineExceeded)
	if ctx.Err() != nil {
		t.Error("the answer came after the caller's deadline")
	}
}

func TestCancellationReachesTheProvider(t *testing.T) {
	started, ended := make(chan struct{}), make(chan error, 1)
	s := serveConfigured(t, definition(&plain{get: func(ctx context.Context, _ credential.Request) (*credential.Credential, error) {
		close(started)
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	}}))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-started
		cancel()
	}()
	if _, err := s.GetCredential(ctx, &credentialv1.GetCredentialRequest{CredentialId: "lab"}); err == nil {
		t.Error("a cancelled call succeeded")
	}
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the provider never heard of it")
	}
}
