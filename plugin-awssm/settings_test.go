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
		"defaults":             {change: func(*settings) {}},
		"empty prefix":         {change: func(s *settings) { s.SecretPrefix = "" }},
		"region":               {change: func(s *settings) { s.Region = "us-gov-west-1" }},
		"region with space":    {change: func(s *settings) { s.Region = "us east 1" }, setting: "region", problem: "us-east-1"},
		"region as host":       {change: func(s *settings) { s.Region = "us-east-1.evil.example" }, setting: "region"},
		"prefix of ARNs":       {change: func(s *settings) { s.SecretPrefix = "arn:aws:secretsmanager:us-east-1:123456789012:secret:tom/" }},
		"prefix, another ARN":  {change: func(s *settings) { s.SecretPrefix = "arn:aws:s3:::bucket/tom/" }, setting: "secret_prefix", problem: "arn:aws:secretsmanager"},
		"prefix, ARN and name": {change: func(s *settings) { s.SecretPrefix = "arn:aws:secretsmanager:us-east-1:123456789012:secret:tom x/" }, setting: "secret_prefix", problem: "' '"},
		"prefix, other region": {change: func(s *settings) {
			s.SecretPrefix, s.Region = "arn:aws:secretsmanager:us-east-1:123456789012:secret:tom/", "us-west-2"
		}, setting: "secret_prefix", problem: "us-east-1"},
		"prefix, ARN, failover": {change: func(s *settings) {
			s.SecretPrefix, s.FailoverRegions = "arn:aws:secretsmanager:us-east-1:123456789012:secret:tom/", []string{"us-west-2"}
		}, setting: "failover_regions", problem: "ARN"},
		"prefix with space":     {change: func(s *settings) { s.SecretPrefix = "tom credentials/" }, setting: "secret_prefix", problem: "' '"},
		"prefix of AWS's names": {change: func(s *settings) { s.SecretPrefix = "rds!" }},
		"pseudo region":         {change: func(s *settings) { s.Region = "us-east-1-fips" }},
		"endpoint's port":       {change: func(s *settings) { s.EndpointURL = "http://host:99999" }, setting: "endpoint_url", problem: "port"},
		"pointers":              {change: func(s *settings) { s.UsernameField, s.PasswordField = "/login/user", "/login/pass~1word" }},
		"no pointer":            {change: func(s *settings) { s.PasswordField = "/login/~x" }, setting: "password_field", problem: "~0"},
		"password format":       {change: func(s *settings) { s.SecretFormat, s.Username = "password", "admin" }},
		"password, no username": {change: func(s *settings) { s.SecretFormat = "password" }, setting: "username", problem: "needed"},
		"username of json":      {change: func(s *settings) { s.Username = "admin" }, setting: "username", problem: "secret_format"},
		"password and field":    {change: func(s *settings) { s.SecretFormat, s.Username, s.PasswordField = "password", "admin", "pw" }, setting: "password_field", problem: "remove"},
		"username of two lines": {change: func(s *settings) { s.SecretFormat, s.Username = "password", "admin\n" }, setting: "username", problem: "line end"},
		"unknown format":        {change: func(s *settings) { s.SecretFormat = "yaml" }, setting: "secret_format", problem: "json or password"},
		"process without time":  {change: func(s *settings) { s.CredentialProcessTimeout = 0 }, setting: "credential_process_timeout"},
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
		"failover with FIPS":    {change: func(s *settings) { s.FailoverRegions = []string{"us-west-2-fips"} }, setting: "failover_regions", problem: "must be us-west-2"},
		"role of two lines":     {change: func(s *settings) { s.RoleARN = "arn:aws:iam::123456789012:role/tom\n" }, setting: "role_arn"},
		"role with an escape":   {change: func(s *settings) { s.RoleARN = "arn:aws:iam::123456789012:role/t\x1b[31mom" }, setting: "role_arn"},
		"role of no account":    {change: func(s *settings) { s.RoleARN = "arn:aws:iam::12345:role/tom" }, setting: "role_arn"},
		"role with a wildcard":  {change: func(s *settings) { s.RoleARN = "arn:aws:iam::123456789012:role/*" }, setting: "role_arn"},
		"region of two lines":   {change: func(s *settings) { s.Region = "us-east-1\n" }, setting: "region"},
		"endpoint of two lines": {change: func(s *settings) { s.EndpointURL = "http://127.0.0.1:4566\n" }, setting: "endpoint_url"},
		"profile of two lines":  {change: func(s *settings) { s.Profile = "lab\n" }, setting: "profile"},
		"username, escape":      {change: func(s *settings) { s.SecretFormat, s.Username = "password", "ad\x1bmin" }, setting: "username", problem: "control character"},
		"field with NUL":        {change: func(s *settings) { s.PasswordField = "pass\x00word" }, setting: "password_field"},
		"route of two lines":    {change: func(s *settings) { s.Routes = []string{"a role_arn=\"arn:aws:iam::123456789012:role/a\n\""} }, setting: "routes"},
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
