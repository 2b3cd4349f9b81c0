package provider

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

func TestBeforeConfigure(t *testing.T) {
	s := serveUnix(t, definition(&able{}))
	for _, call := range calls(s) {
		mustFail(t, call(t), credential.NotConfigured)
	}
	bare := serveUnix(t, definition(&plain{}))
	mustFail(t, calls(bare)["GetCredential"](t), credential.NotConfigured)
	mustFail(t, calls(bare)["Validate"](t), credential.NotConfigured)
	mustFail(t, calls(bare)["BatchGetCredentials"](t), credential.Unsupported)
	mustFail(t, calls(bare)["ListCredentials"](t), credential.Unsupported)
}

// calls are the calls that need settings.
func calls(s served) map[string]func(*testing.T) error {
	return map[string]func(*testing.T) error{
		"GetCredential": func(t *testing.T) error {
			_, err := s.GetCredential(t.Context(), &credentialv1.GetCredentialRequest{CredentialId: "lab"})
			return err
		},
		"BatchGetCredentials": func(t *testing.T) error {
			_, err := s.BatchGetCredentials(t.Context(), &credentialv1.BatchGetCredentialsRequest{Requests: []*credentialv1.GetCredentialRequest{{CredentialId: "lab"}}})
			return err
		},
		"ListCredentials": func(t *testing.T) error {
			_, err := s.ListCredentials(t.Context(), &credentialv1.ListCredentialsRequest{})
			return err
		},
		"Validate": func(t *testing.T) error {
			_, err := s.Validate(t.Context(), &credentialv1.ValidateRequest{})
			return err
		},
	}
}

func TestRefusedThenAccepted(t *testing.T) {
	var seen []options
	d := definition(&plain{})
	d.New = func(o options, _ hclog.Logger) (*plain, error) {
		seen = append(seen, o)
		for i := range o.List {
			o.List[i] += " spoiled" // an author who sorts or trims in place
		}
		if o.Path == "bad" {
			return nil, errors.New("path bad: no such directory")
		}
		return &plain{}, nil
	}
	s := serveUnix(t, d)
	e := failure(t, s.configure(t, map[string]any{"pth": "x", "path": 5, "list": "x"}), credential.SettingsInvalid)
	var names []string
	for _, v := range e.Violations {
		names = append(names, v.Setting)
	}
	if !slices.Equal(names, []string{"list", "path", "pth"}) || !strings.Contains(e.Violations[2].Problem, "there are: list, path, token") {
		t.Errorf("violations %+v", e.Violations)
	}
	if len(seen) != 0 {
		t.Error("New was called with settings that are refused")
	}
	mustFail(t, calls(s)["GetCredential"](t), credential.NotConfigured)

	if e := failure(t, s.configure(t, map[string]any{"path": "bad"}), credential.SettingsInvalid); e.Message != "path bad: no such directory" {
		t.Errorf("the text of New's error arrives as %q", e.Message)
	}
	mustFail(t, calls(s)["GetCredential"](t), credential.NotConfigured)

	if err := s.configure(t, map[string]any{"token": "t"}); err != nil {
		t.Fatal(err)
	}
	last := seen[len(seen)-1]
	if last.Path != "default" || last.Token.Reveal() != "t" || len(last.List) != 2 || last.List[0] != "a spoiled" {
		t.Errorf("New was given %+v; an earlier attempt shines through", last)
	}
	if _, err := s.get(t, "lab"); err != nil {
		t.Error(err)
	}
	for range 2 {
		mustFail(t, s.configure(t, nil), credential.AlreadyConfigured)
	}
	mustFail(t, s.configure(t, map[string]any{"nosuch": 1}), credential.AlreadyConfigured)
	if len(seen) != 2 {
		t.Errorf("New was called %d times", len(seen))
	}
}

func TestConfigureTakesOneOfMany(t *testing.T) {
	s := serveUnix(t, definition(&plain{}))
	var group sync.WaitGroup
	results := make(chan error, 16)
	for range cap(results) {
		group.Go(func() { results <- s.configure(t, nil) })
	}
	group.Wait()
	close(results)
	taken := 0
	for err := range results {
		if err == nil {
			taken++
			continue
		}
		mustFail(t, err, credential.AlreadyConfigured)
	}
	if taken != 1 {
		t.Errorf("%d of 16 were taken", taken)
	}
}

func TestErrorsOfNew(t *testing.T) {
	const secret = "kAn4rY~wQ7#zP"
	own := credential.Errorf(credential.BackendMisconfigured, "no such region").WithHelp("set region").With("field", "region")
	for name, test := range map[string]struct {
		new     func() (*plain, error)
		want    credential.Reason
		message string
	}{
		"plain":           {func() (*plain, error) { return nil, errors.New("region: no such thing") }, credential.SettingsInvalid, "region: no such thing"},
		"wrapped plain":   {func() (*plain, error) { return nil, fmt.Errorf("a: %w", errors.New("b")) }, credential.SettingsInvalid, "a: b"},
		"with a reason":   {func() (*plain, error) { return nil, own }, credential.BackendMisconfigured, "no such region"},
		"wrapped reason":  {func() (*plain, error) { return nil, fmt.Errorf("%s: %w", secret, own) }, credential.BackendMisconfigured, "no such region"},
		"INTERNAL":        {func() (*plain, error) { return nil, credential.Errorf(credential.Internal, "a defect") }, credential.Internal, "a defect"},
		"a host's reason": {func() (*plain, error) { return nil, credential.Errorf(credential.ProviderCrashed, secret) }, credential.Internal, ""},
		"neither":         {func() (*plain, error) { return nil, nil }, credential.Internal, "New of provider fake gave neither a provider nor an error"},
		"both":            {func() (*plain, error) { return &plain{}, errors.New("x") }, credential.SettingsInvalid, "x"},
		"a nil *Error":    {func() (*plain, error) { var e *credential.Error; return &plain{}, e }, credential.Internal, ""},
		"a panic":         {func() (*plain, error) { panic(secret) }, credential.Internal, "the provider panicked; its log has the stack"},
		"an endless text": {func() (*plain, error) { return nil, errors.New(strings.Repeat("x", 1<<20)) }, credential.SettingsInvalid, ""},
		"not UTF-8":       {func() (*plain, error) { return nil, errors.New("a\xffb") }, credential.SettingsInvalid, "a\uFFFDb"},
		"violations of its": {func() (*plain, error) {
			return nil, &credential.Error{Reason: credential.SettingsInvalid, Message: "no", Violations: []credential.Violation{{Setting: "path", Problem: "is no directory"}}}
		}, credential.SettingsInvalid, "no"},
	} {
		t.Run(name, func(t *testing.T) {
			d := definition(&plain{})
			d.New = func(options, hclog.Logger) (*plain, error) { return test.new() }
			s := serveUnix(t, d)
			e := failure(t, s.configure(t, nil), test.want)
			if test.message != "" && e.Message != test.message {
				t.Errorf("message %q, want %q", e.Message, test.message)
			}
			if text := fmt.Sprint(e, e.Help, s.log); strings.Contains(text, secret[:4]) {
				t.Errorf("a text that may hold anything is passed on: %s", text)
			}
			if name == "with a reason" && (len(e.Help) != 1 || e.Metadata["field"] != "region") {
				t.Errorf("help %q, metadata %v", e.Help, e.Metadata)
			}
			if name == "violations of its" && len(e.Violations) != 1 {
				t.Errorf("violations %v", e.Violations)
			}
			mustFail(t, calls(s)["GetCredential"](t), credential.NotConfigured)
			// It may be tried again.
			mustFail(t, s.configure(t, nil), test.want)
		})
	}
}

func TestNewOfAnInterfaceGivesNothing(t *testing.T) {
	d := definition[Provider](nil)
	mustFail(t, serveUnix(t, d).configure(t, nil), credential.Internal)
}

func TestSettingsOfOtherKinds(t *testing.T) {
	s := serveUnix(t, definition(&plain{}))
	for _, settings := range []map[string]any{
		{"path": nil}, {"token": nil}, {"list": nil}, {"list": []any{nil}}, {"path": map[string]any{"a": "b"}}, {"": "x"}, {"a\x00": "x"}, {strings.Repeat("k", 1<<16): "x"},
	} {
		if e := failure(t, s.configure(t, settings), credential.SettingsInvalid); len(e.Violations) != 1 {
			t.Errorf("%v", e.Violations)
		}
	}
	const secret = "kAn4rY~wQ7#zP"
	err := s.configure(t, map[string]any{"token": []any{secret}, "path": []any{secret}, "list": secret, "other": secret})
	if e := failure(t, err, credential.SettingsInvalid); len(e.Violations) != 4 || strings.Contains(fmt.Sprint(e, err, s.log), secret[:4]) {
		t.Errorf("%v", e)
	}
	if _, err := s.Configure(t.Context(), &credentialv1.ConfigureRequest{}); err != nil { // no Struct at all
		t.Error(wire.FromStatus(err))
	}
}

func TestMistakesInADefinition(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Definition[options, *plain])
		want   string
	}{
		"no name":            {func(d *Definition[options, *plain]) { d.Name = "" }, "provider name"},
		"capitals":           {func(d *Definition[options, *plain]) { d.Name = "Fake" }, "provider name"},
		"a path":             {func(d *Definition[options, *plain]) { d.Name = "../fake" }, "provider name"},
		"a digit first":      {func(d *Definition[options, *plain]) { d.Name = "1fake" }, "provider name"},
		"a trailing newline": {func(d *Definition[options, *plain]) { d.Name = "fake\n" }, "provider name"},
		"no New":             {func(d *Definition[options, *plain]) { d.New = nil }, "no New"},
	} {
		d := definition(&plain{})
		test.change(&d)
		if _, err := newServer(d, hclog.NewNullLogger()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
