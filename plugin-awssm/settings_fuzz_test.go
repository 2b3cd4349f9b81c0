package main

import (
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// FuzzSettings: whatever an operator sets, a provider is made without panic and without network, or every problem names a
// setting; nothing that could be a password in a URL is repeated; and what is accepted can be used.
func FuzzSettings(f *testing.F) {
	for _, text := range []string{
		`{}`,
		`{"region":"us-east-1","secret_prefix":"","failover_regions":["us-west-2"],"request_timeout":"5s"}`,
		`{"region":"us-east-1","endpoint_url":"http://127.0.0.1:4566","username_field":"user","password_field":"pass"}`,
		`{"region":"us-east-1","role_arn":"arn:aws:iam::123456789012:role/tom","external_id":"ab","role_session_name":"worker"}`,
		`{"profile":"lab","endpoint_url":"http://user:` + canary + `@host/path?x=1#y"}`,
		`{"endpoint_url":"://` + canary + `","secret_prefix":"arn:aws:x","region":"a b","request_timeout":"-1s"}`,
		`{"secret_prefix":"../","role_arn":"arn:aws:iam::1:role/","failover_regions":["","us-east-1","us-east-1"]}`,
	} {
		f.Add(text)
	}
	names := make(map[string]bool)
	for field := range reflect.TypeFor[settings]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names[name] = true
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := defaultSettings()
		if json.Unmarshal([]byte(text), &s) != nil {
			return // the SDK's decoder has refused it
		}
		p, err := newProvider(s, hclog.NewNullLogger())
		if err != nil {
			var e *credential.Error
			if !errors.As(err, &e) || e.Reason != credential.SettingsInvalid || len(e.Violations) == 0 {
				t.Fatalf("error %v", err)
			}
			for _, violation := range e.Violations {
				if !names[violation.Setting] || violation.Problem == "" {
					t.Errorf("violation %+v", violation)
				}
			}
			if u, err := url.Parse(s.EndpointURL); err == nil && u.User != nil {
				if password, _ := u.User.Password(); len(password) > 8 && strings.Contains(e.Error(), password) {
					t.Errorf("%v repeats the password of endpoint_url", e)
				}
			}
			return
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		name, err := secretName(s.SecretPrefix, "x")
		if err != nil || name != s.SecretPrefix+"x" || len(name) > maxSecretName {
			t.Errorf("prefix %q was accepted and takes no id: %v", s.SecretPrefix, err)
		}
		if session := s.sessionName(); len(session) < minRoleText || len(session) > maxSessionName || notInSessionName.MatchString(session) {
			t.Errorf("session name %q", session)
		}
		if c := p.plain().connected(); c != nil && (len(c.regions) == 0 || c.secrets[c.regions[0]] == nil) {
			t.Errorf("regions %q without clients", c.regions)
		}
	})
}
