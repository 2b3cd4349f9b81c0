package main

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
)

func TestSettings(t *testing.T) {
	tests := map[string]struct {
		change  func(*settings)
		setting string // empty: accepted
		problem string
	}{
		"defaults":              {change: func(*settings) {}},
		"empty prefix":          {change: func(s *settings) { s.SecretPrefix = "" }},
		"region":                {change: func(s *settings) { s.Region = "us-gov-west-1" }},
		"region with space":     {change: func(s *settings) { s.Region = "us east 1" }, setting: "region", problem: "us-east-1"},
		"region as host":        {change: func(s *settings) { s.Region = "us-east-1.evil.example" }, setting: "region"},
		"prefix is an ARN":      {change: func(s *settings) { s.SecretPrefix = "arn:aws:secretsmanager:us-east-1:123456789012:secret:tom/" }, setting: "secret_prefix", problem: "role_arn"},
		"prefix with space":     {change: func(s *settings) { s.SecretPrefix = "tom credentials/" }, setting: "secret_prefix", problem: "' '"},
		"prefix negated":        {change: func(s *settings) { s.SecretPrefix = "!tom/" }, setting: "secret_prefix", problem: "'!'"},
		"prefix with wildcard":  {change: func(s *settings) { s.SecretPrefix = "tom/*" }, setting: "secret_prefix", problem: "'*'"},
		"prefix climbs":         {change: func(s *settings) { s.SecretPrefix = "tom/../" }, setting: "secret_prefix"},
		"prefix too long":       {change: func(s *settings) { s.SecretPrefix = strings.Repeat("x", 512) }, setting: "secret_prefix", problem: "no room"},
		"endpoint":              {change: func(s *settings) { s.EndpointURL = "http://127.0.0.1:4566" }},
		"endpoint with path":    {change: func(s *settings) { s.EndpointURL = "https://vpce.example.com/sm" }},
		"endpoint without http": {change: func(s *settings) { s.EndpointURL = "127.0.0.1:4566" }, setting: "endpoint_url", problem: "http"},
		"endpoint ftp":          {change: func(s *settings) { s.EndpointURL = "ftp://host" }, setting: "endpoint_url"},
		"endpoint of no host":   {change: func(s *settings) { s.EndpointURL = "http://" }, setting: "endpoint_url"},
		"endpoint with a user":  {change: func(s *settings) { s.EndpointURL = "http://me:" + canary + "@host" }, setting: "endpoint_url", problem: "user name"},
		"endpoint with a query": {change: func(s *settings) { s.EndpointURL = "http://host/?a=" + canary }, setting: "endpoint_url"},
		"endpoint and failover": {change: func(s *settings) { s.EndpointURL, s.FailoverRegions = "http://host", []string{"us-west-2"} }, setting: "failover_regions", problem: "endpoint_url"},
		"failover":              {change: func(s *settings) { s.FailoverRegions = []string{"us-west-2", "eu-west-1"} }},
		"failover twice":        {change: func(s *settings) { s.FailoverRegions = []string{"us-west-2", "us-west-2"} }, setting: "failover_regions", problem: "twice"},
		"failover to itself":    {change: func(s *settings) { s.Region, s.FailoverRegions = "us-west-2", []string{"us-west-2"} }, setting: "failover_regions", problem: "twice"},
		"failover to nonsense":  {change: func(s *settings) { s.FailoverRegions = []string{"us-west-2", "Mars"} }, setting: "failover_regions", problem: "item 2"},
		"role":                  {change: func(s *settings) { s.RoleARN = "arn:aws:iam::123456789012:role/path/tom" }},
		"role in China":         {change: func(s *settings) { s.RoleARN = "arn:aws-cn:iam::123456789012:role/tom" }},
		"role by name":          {change: func(s *settings) { s.RoleARN = "tom" }, setting: "role_arn", problem: "arn:aws:iam"},
		"role is a user":        {change: func(s *settings) { s.RoleARN = "arn:aws:iam::123456789012:user/tom" }, setting: "role_arn"},
		"external id alone":     {change: func(s *settings) { s.ExternalID = "ab" }, setting: "external_id", problem: "role_arn"},
		"external id":           {change: func(s *settings) { s.ExternalID, s.RoleARN = "ab:c/d", "arn:aws:iam::123456789012:role/tom" }},
		"external id of spaces": {change: func(s *settings) { s.ExternalID, s.RoleARN = "a b", "arn:aws:iam::123456789012:role/tom" }, setting: "external_id"},
		"session name":          {change: func(s *settings) { s.RoleSessionName = "tom@host" }},
		"session name of space": {change: func(s *settings) { s.RoleSessionName = "tom host" }, setting: "role_session_name"},
		"session name too long": {change: func(s *settings) { s.RoleSessionName = strings.Repeat("x", 65) }, setting: "role_session_name"},
		"no timeout":            {change: func(s *settings) { s.RequestTimeout = 0 }, setting: "request_timeout"},
		"too much time":         {change: func(s *settings) { s.RequestTimeout = duration(time.Hour) }, setting: "request_timeout", problem: "1m0s"},
		"same fields":           {change: func(s *settings) { s.PasswordField = s.UsernameField }, setting: "password_field"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := defaultSettings()
			test.change(&s)
			p, err := newProvider(s, hclog.NewNullLogger())
			if test.setting == "" {
				if err != nil {
					t.Fatal(err)
				}
				if err := p.Close(); err != nil {
					t.Error(err)
				}
				return
			}
			e := wantReason(t, err, credential.SettingsInvalid)
			if len(e.Violations) != 1 || e.Violations[0].Setting != test.setting {
				t.Fatalf("violations = %v, want one of %s", e.Violations, test.setting)
			}
			wantContains(t, e.Violations[0].Problem, test.problem)
		})
	}
}

func TestSettingsAllAtOnce(t *testing.T) {
	s := defaultSettings()
	s.Region, s.RoleARN, s.EndpointURL = "?", "?", "?"
	_, err := newProvider(s, hclog.NewNullLogger())
	var e *credential.Error
	if !errors.As(err, &e) || len(e.Violations) != 3 {
		t.Errorf("got %v, want three violations", err)
	}
}

func TestFIPS(t *testing.T) {
	useKeys(t)
	t.Setenv("AWS_USE_FIPS_ENDPOINT", "true")
	s := defaultSettings()
	s.Region = "us-east-1"
	t.Run("alone", func(t *testing.T) { open(t, s) })
	t.Run("with endpoint_url", func(t *testing.T) {
		s := s
		s.EndpointURL = "http://127.0.0.1:1"
		_, err := newProvider(s, hclog.NewNullLogger())
		e := wantReason(t, err, credential.SettingsInvalid)
		wantContains(t, e.Error(), "endpoint_url", "FIPS")
	})
	t.Run("with an endpoint of the environment", func(t *testing.T) {
		t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:1")
		p, _ := open(t, s)
		_, err := get(t, p, "lab")
		wantContains(t, wantReason(t, err, credential.BackendMisconfigured).Message, "FIPS")
	})
	t.Run("in the profile", func(t *testing.T) {
		os.Unsetenv("AWS_USE_FIPS_ENDPOINT")
		awsFiles(t, "[default]\nuse_fips_endpoint = true\n", "")
		s := s
		s.EndpointURL = "http://127.0.0.1:1"
		_, err := newProvider(s, hclog.NewNullLogger())
		_ = wantReason(t, err, credential.SettingsInvalid)
	})
}

func TestSessionName(t *testing.T) {
	name := defaultSettings().sessionName()
	if !strings.HasPrefix(name, "tom-") || len(name) > 64 || notInSessionName.MatchString(name) {
		t.Errorf("session name %q", name)
	}
	s := settings{RoleSessionName: "mine"}
	if s.sessionName() != "mine" {
		t.Errorf("session name %q", s.sessionName())
	}
}
