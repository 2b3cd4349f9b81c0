package providertest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/provider"
	"github.com/tom-worker/credential-provider/shared/provider/providertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServe(t *testing.T) {
	p := providertest.Serve(t, definition, map[string]any{"username": "netops"})
	metadata, err := p.Metadata(t.Context())
	if err != nil || metadata.GetName() != "echo" || len(metadata.GetCapabilities()) != 2 {
		t.Errorf("metadata %v, %v", metadata, err)
	}
	got, err := p.Get(t.Context(), credential.Request{ID: "lab"})
	if err != nil {
		t.Fatal(err)
	}
	if password, _ := got.Password.Get(); got.Username != "netops" || password.Reveal() != "password of lab" {
		t.Errorf("username %q, or the password, is wrong", got.Username)
	}
	results, err := p.GetBatch(t.Context(), []credential.Request{{ID: "lab"}, {ID: "absent"}})
	if err != nil || len(results) != 2 || results[0].Credential.ID != "lab" || !errors.Is(results[1].Err, credential.CredentialNotFound) {
		t.Errorf("batch %v, %v", results, err)
	}
	page, err := p.List(t.Context(), 0, "")
	if err != nil || page.NextToken != "more" || page.Credentials[0].Description != "the laboratory" {
		t.Errorf("page %+v, %v", page, err)
	}
	report, err := p.Validate(t.Context(), "lab")
	if err != nil || report.Checks[0].Message != "lab" {
		t.Errorf("report %+v, %v", report, err)
	}
}

// The errors are those that a host would get.
func TestErrors(t *testing.T) {
	p := providertest.Serve(t, definition, nil)
	for id, want := range map[string]credential.Reason{
		"absent": credential.CredentialNotFound,
		"panic":  credential.Internal,
		"":       credential.CredentialIDInvalid,
	} {
		_, err := p.Get(t.Context(), credential.Request{ID: id})
		if !errors.Is(err, want) || strings.Contains(fmt.Sprint(err), "must not be seen") {
			t.Errorf("id %q: %v", id, err)
		}
	}
	if _, err := p.Get(t.Context(), credential.Request{ID: "lab", VersionID: "1"}); !errors.Is(err, credential.Unsupported) {
		t.Errorf("a version: %v", err)
	}
	if !strings.Contains(p.Log(), "panic in a call") {
		t.Errorf("the log is %q", p.Log())
	}
}

func TestSettings(t *testing.T) {
	p := providertest.Start(t, definition)
	if _, err := p.Get(t.Context(), credential.Request{ID: "lab"}); !errors.Is(err, credential.NotConfigured) {
		t.Errorf("before Configure: %v", err)
	}
	var refusal *credential.Error
	err := p.Configure(t.Context(), map[string]any{"usrname": "x", "username": []string{"y"}})
	if !errors.As(err, &refusal) || refusal.Reason != credential.SettingsInvalid || len(refusal.Violations) != 2 {
		t.Errorf("wrong settings: %v", err)
	}
	if err := p.Configure(t.Context(), map[string]any{"username": struct{}{}}); err == nil {
		t.Error("a struct passes")
	}
	if err := p.Configure(t.Context(), map[string]any{"username": "x"}); err != nil {
		t.Errorf("right settings: %v", err)
	}
}

// fatal stands for a test that fails.
type fatal struct {
	testing.TB
	says string
}

func (f *fatal) Fatalf(format string, args ...any) {
	f.says = fmt.Sprintf(format, args...)
	panic(f)
}

func TestFailures(t *testing.T) {
	for _, test := range []struct {
		name     string
		change   func(*provider.Definition[settings, *echo])
		settings map[string]any
		says     string
	}{
		{"settings that are refused", func(*provider.Definition[settings, *echo]) {}, map[string]any{"usrname": "x"}, "usrname"},
		{"a definition that makes no sense", func(d *provider.Definition[settings, *echo]) { d.Name = "No" }, nil, "lower-case"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := definition
			test.change(&d)
			f := &fatal{TB: t}
			defer func() {
				if recover() != f || !strings.Contains(f.says, test.says) {
					t.Errorf("it says %q", f.says)
				}
			}()
			providertest.Serve(f, d, test.settings)
		})
	}
}
