package main

import (
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// validate runs the checks and returns them by name.
func validate(t *testing.T, p *awsProvider, id string) (map[string]credential.Check, credential.Report) {
	t.Helper()
	report, err := p.Validate(within(t, 20*time.Second), id)
	if err != nil {
		t.Fatal(err)
	}
	checks := make(map[string]credential.Check)
	for _, check := range report.Checks {
		noCanary(t, check.Message+check.Remedy)
		if _, twice := checks[check.Name]; twice || check.Name == "" || check.Message == "" {
			t.Errorf("check %+v", check)
		}
		bad := check.Status == credential.StatusFailed || check.Status == credential.StatusWarning
		if bad != (check.Reason != "") || bad && check.Remedy == "" {
			t.Errorf("reason or remedy of %+v", check)
		}
		checks[check.Name] = check
	}
	return checks, report
}

func wantStatuses(t *testing.T, checks map[string]credential.Check, want map[string]credential.Status) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got := checks[name]; got.Status != want[name] {
			t.Errorf("%s: %s (%s), want %s", name, got.Status, got.Message, want[name])
		}
	}
}

func TestValidate(t *testing.T) {
	const ok, warn, fail, skip = credential.StatusPassed, credential.StatusWarning, credential.StatusFailed, credential.StatusSkipped
	tests := map[string]struct {
		prepare func(t *testing.T, server *awssmtest.Server, s *settings)
		id      string
		want    map[string]credential.Status
		reasons map[string]credential.Reason
		texts   map[string]string
	}{
		"all well": {
			id:    "lab",
			want:  map[string]credential.Status{"configuration": ok, "credentials": ok, "identity": ok, "clock": ok, "read": ok, "list": ok, "credential": ok},
			texts: map[string]string{"identity": "arn:aws:iam::123456789012:user/tom", "credentials": "environment variables", "configuration": "us-east-1"},
		},
		"no STS for a local endpoint": {
			prepare: func(t *testing.T, _ *awssmtest.Server, _ *settings) { t.Setenv("AWS_ENDPOINT_URL_STS", "") },
			want:    map[string]credential.Status{"identity": skip, "read": ok},
		},
		"STS stalls": {
			prepare: func(_ *testing.T, server *awssmtest.Server, s *settings) {
				s.RequestTimeout = duration(200 * time.Millisecond)
				server.Inject(awssmtest.Fault{Service: "sts", Stall: true})
			},
			want: map[string]credential.Status{"identity": warn, "read": ok, "list": ok},
		},
		"identity refused": {
			prepare: func(_ *testing.T, server *awssmtest.Server, _ *settings) {
				server.Inject(awssmtest.Fault{Service: "sts", Code: "AccessDenied"})
			},
			want:    map[string]credential.Status{"identity": warn, "read": ok},
			reasons: map[string]credential.Reason{"identity": credential.AccessDenied},
		},
		"get only": {
			id: "lab",
			prepare: func(_ *testing.T, server *awssmtest.Server, _ *settings) {
				server.Deny(awssmtest.Denial{Action: actionList})
			},
			want:    map[string]credential.Status{"read": ok, "list": warn, "credential": ok},
			reasons: map[string]credential.Reason{"list": credential.AccessDenied},
			texts:   map[string]string{"list": actionList},
		},
		"reading denied": {
			id: "lab",
			prepare: func(_ *testing.T, server *awssmtest.Server, _ *settings) {
				server.Deny(awssmtest.Denial{Action: actionGet})
			},
			want:    map[string]credential.Status{"read": warn, "list": ok, "credential": fail},
			reasons: map[string]credential.Reason{"read": credential.AccessDenied, "credential": credential.AccessDenied},
		},
		"some names allowed": {
			id: "lab",
			prepare: func(_ *testing.T, server *awssmtest.Server, _ *settings) {
				server.Deny(awssmtest.Denial{Action: actionGet, Resource: "tom/credentials/tom-validate-*"})
			},
			want: map[string]credential.Status{"read": warn, "credential": ok},
		},
		"no such credential": {
			id:      "none",
			want:    map[string]credential.Status{"read": ok, "credential": fail},
			reasons: map[string]credential.Reason{"credential": credential.CredentialNotFound},
		},
		"an id that can't be": {
			id:      "../lab",
			want:    map[string]credential.Status{"read": ok, "credential": fail},
			reasons: map[string]credential.Reason{"credential": credential.CredentialIDInvalid},
		},
		"no AWS credentials": {
			id: "lab",
			prepare: func(t *testing.T, _ *awssmtest.Server, _ *settings) {
				t.Setenv("AWS_ACCESS_KEY_ID", "")
				t.Setenv("AWS_SECRET_ACCESS_KEY", "")
			},
			want:    map[string]credential.Status{"configuration": ok, "credentials": fail, "identity": skip, "clock": skip, "read": skip, "list": skip, "credential": skip},
			reasons: map[string]credential.Reason{"credentials": credential.BackendUnauthenticated},
			texts:   map[string]string{"credentials": "AWS_EC2_METADATA_DISABLED"},
		},
		"unknown keys": {
			prepare: func(t *testing.T, _ *awssmtest.Server, _ *settings) {
				t.Setenv("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN")
			},
			want:    map[string]credential.Status{"credentials": ok, "identity": warn, "read": fail},
			reasons: map[string]credential.Reason{"read": credential.BackendUnauthenticated},
		},
		"no region": {
			id:      "lab",
			prepare: func(_ *testing.T, _ *awssmtest.Server, s *settings) { s.Region = "" },
			want:    map[string]credential.Status{"configuration": fail, "credentials": skip, "read": skip, "credential": skip},
			reasons: map[string]credential.Reason{"configuration": credential.BackendMisconfigured},
			texts:   map[string]string{"configuration": "plugin_aws_secrets_manager_region"},
		},
		"HTML": {
			prepare: func(_ *testing.T, server *awssmtest.Server, _ *settings) {
				server.Inject(awssmtest.Fault{Service: "secretsmanager", Body: "<html>" + canary})
			},
			want:    map[string]credential.Status{"read": fail, "list": warn, "identity": ok},
			reasons: map[string]credential.Reason{"read": credential.BackendMisconfigured},
		},
		"clock": {
			prepare: func(_ *testing.T, server *awssmtest.Server, _ *settings) {
				server.Inject(awssmtest.Fault{Service: "secretsmanager", ClockSkew: 3 * time.Minute})
			},
			want:  map[string]credential.Status{"clock": warn, "read": ok},
			texts: map[string]string{"clock": "behind"},
		},
		"a key with a line end": {
			id:      "lab",
			prepare: func(t *testing.T, _ *awssmtest.Server, _ *settings) { t.Setenv("AWS_SECRET_ACCESS_KEY", canary+"\r\n") },
			want:    map[string]credential.Status{"configuration": ok, "credentials": fail, "identity": skip, "clock": skip, "read": skip, "list": skip, "credential": skip},
			reasons: map[string]credential.Reason{"credentials": credential.BackendUnauthenticated},
			texts:   map[string]string{"credentials": "the secret access key holds a line end or another control character"},
		},
		"a token with an escape in a file": {
			id: "lab",
			prepare: func(t *testing.T, server *awssmtest.Server, s *settings) {
				noKeys(t, server, s)
				awsFiles(t, "", "[default]\naws_access_key_id = A\naws_secret_access_key = b\naws_session_token = c\x1b"+canary+"\n")
			},
			want:  map[string]credential.Status{"credentials": fail, "read": skip, "credential": skip},
			texts: map[string]string{"credentials": "the session token holds a line end or another control character"},
		},
		"an id with a control character": {
			id:      "lab\x1b[31m",
			want:    map[string]credential.Status{"read": ok, "credential": fail},
			reasons: map[string]credential.Reason{"credential": credential.CredentialIDInvalid},
		},
		"session keys that nothing renews": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				session := server.AddSession("arn:aws:iam::123456789012:user/tom", time.Hour)
				userKeys{session.AccessKeyID, session.SecretAccessKey}.setenv(t)
				t.Setenv("AWS_SESSION_TOKEN", session.SessionToken)
			},
			want: map[string]credential.Status{"credentials": warn, "read": ok},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := awssmtest.StartTest(t, awssmtest.Options{})
			server.PutSecret("tom/credentials/lab", labSecret)
			useKeys(t)
			awsFiles(t, "", "")
			t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
			t.Setenv("AWS_MAX_ATTEMPTS", "1")
			s := atServer(server)
			if test.prepare != nil {
				test.prepare(t, server, &s)
			}
			p, _ := open(t, s)
			checks, _ := validate(t, p, test.id)
			wantStatuses(t, checks, test.want)
			if _, ok := checks["credential"]; ok != (test.id != "") {
				t.Errorf("credential checked: %t", ok)
			}
			for check, reason := range test.reasons {
				if got := checks[check].Reason; got != reason {
					t.Errorf("%s: reason %s, want %s", check, got, reason)
				}
			}
			for check, text := range test.texts {
				wantContains(t, checks[check].Message, text)
			}
		})
	}
}

// TestValidateFailover: the regions to fail over to are tried, too.
func TestValidateFailover(t *testing.T) {
	tests := map[string]struct {
		id      string
		prepare func(server *awssmtest.Server)
		status  credential.Status
		reason  credential.Reason
		message []string
		remedy  []string
	}{
		"all well":      {status: credential.StatusPassed, message: []string{"us-west-2, eu-west-1"}},
		"replicated":    {id: "lab", prepare: replicate("us-west-2", "eu-west-1"), status: credential.StatusPassed},
		"impossible id": {id: "../lab", status: credential.StatusPassed},
		"not replicated": {
			id: "lab", prepare: replicate("eu-west-1"), status: credential.StatusWarning, reason: credential.CredentialNotFound,
			message: []string{"us-west-2"},
			remedy:  []string{"aws secretsmanager replicate-secret-to-regions --region us-east-1 --secret-id tom/credentials/lab --add-replica-regions Region=us-west-2"},
		},
		"two troubles": {
			prepare: func(server *awssmtest.Server) {
				server.Inject(awssmtest.Fault{Region: "us-west-2", Code: "InternalServiceError"})
				server.Inject(awssmtest.Fault{Region: "eu-west-1", Stall: true})
			},
			status: credential.StatusWarning, reason: credential.BackendUnavailable, message: []string{"us-west-2", "eu-west-1", "AWS fails"},
		},
		"denied": {
			prepare: func(server *awssmtest.Server) { server.Deny(awssmtest.Denial{Action: actionGet}) },
			status:  credential.StatusWarning, reason: credential.AccessDenied, remedy: []string{actionGet},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := awssmtest.StartTest(t, awssmtest.Options{})
			server.PutSecret("tom/credentials/lab", labSecret)
			if test.prepare != nil {
				test.prepare(server)
			}
			useKeys(t)
			awsFiles(t, "", "")
			t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
			t.Setenv("AWS_MAX_ATTEMPTS", "1")
			s := defaultSettings()
			s.Region, s.FailoverRegions, s.RequestTimeout = "us-east-1", []string{"us-west-2", "eu-west-1"}, duration(300*time.Millisecond)
			p, _ := openEverywhere(t, server, s)
			checks, _ := validate(t, p, test.id)
			check := checks[checkFailover]
			if check.Status != test.status || check.Reason != test.reason {
				t.Errorf("check = %+v", check)
			}
			wantContains(t, check.Message, test.message...)
			wantContains(t, check.Remedy, test.remedy...)
		})
	}
}

func replicate(regions ...string) func(*awssmtest.Server) {
	return func(server *awssmtest.Server) {
		for _, region := range regions {
			server.In(region).PutSecret("tom/credentials/lab", labSecret)
		}
	}
}

// TestValidateInTime: with the usual settings, whatever stalls, there is a report after the time that one check has, and what
// doesn't stall is in it.
func TestValidateInTime(t *testing.T) {
	const ok, warn, fail, skip = credential.StatusPassed, credential.StatusWarning, credential.StatusFailed, credential.StatusSkipped
	tests := []struct {
		name     string
		service  string
		role     string
		want     map[string]credential.Status
		provider *awsProvider
	}{
		{name: "STS", service: "sts", want: map[string]credential.Status{"credentials": ok, "identity": warn, "clock": ok, "read": ok, "list": ok, "credential": ok}},
		{name: "Secrets Manager", service: "secretsmanager", want: map[string]credential.Status{"credentials": ok, "identity": ok, "clock": skip, "read": fail, "list": warn, "credential": fail}},
		// The last one, since what assumes the role looks for STS's endpoint in the environment when it does.
		{name: "STS, which is needed", service: "sts", role: "arn:aws:iam::123456789012:role/tom", want: map[string]credential.Status{"credentials": fail, "identity": skip, "read": skip, "list": skip, "credential": skip}},
	}
	useKeys(t)
	awsFiles(t, "", "")
	for i, test := range tests {
		server := awssmtest.StartTest(t, awssmtest.Options{})
		server.PutSecret("tom/credentials/lab", labSecret)
		server.Inject(awssmtest.Fault{Service: test.service, Stall: true})
		t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
		s := atServer(server)
		s.RoleARN = test.role
		tests[i].provider, _ = open(t, s)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // they wait
			start := time.Now()
			checks, _ := validate(t, test.provider, "lab")
			if took := time.Since(start); took > checkTimeout+time.Second {
				t.Errorf("took %s, want %s", took, checkTimeout)
			}
			wantStatuses(t, checks, test.want)
			wantContains(t, checks["credentials"].Message, "environment variables", test.role)
		})
	}
}

func TestValidateTellsExpiry(t *testing.T) {
	server := awssmtest.StartTest(t, awssmtest.Options{})
	useKeys(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
	s := atServer(server)
	s.RoleARN = "arn:aws:iam::123456789012:role/tom"
	p, _ := open(t, s)
	checks, report := validate(t, p, "")
	if in := time.Until(report.BackendCredentialsExpire); in < 10*time.Minute || in > 2*time.Hour {
		t.Errorf("credentials expire in %s", in)
	}
	wantContains(t, checks["identity"].Message, "assumed-role/tom/tom-")
	wantContains(t, checks["credentials"].Message, "expire at")
}

// TestRegion: which region is asked, and where it comes from.
func TestRegion(t *testing.T) {
	tests := map[string]struct {
		setting string
		env     map[string]string
		profile string
		want    string
		warns   bool
	}{
		"setting":                 {setting: "us-west-1", env: map[string]string{"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-east-2"}, want: "us-west-1"},
		"AWS_REGION":              {env: map[string]string{"AWS_REGION": "us-west-2"}, want: "us-west-2"},
		"AWS_DEFAULT_REGION":      {env: map[string]string{"AWS_DEFAULT_REGION": "us-east-2"}, want: "us-east-2"},
		"both":                    {env: map[string]string{"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-east-2"}, want: "us-east-2", warns: true},
		"both the same":           {env: map[string]string{"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-west-2"}, want: "us-west-2"},
		"profile":                 {profile: "eu-west-1", want: "eu-west-1"},
		"environment not profile": {profile: "eu-west-1", env: map[string]string{"AWS_REGION": "us-west-2"}, want: "us-west-2", warns: true},
		"not profile, as boto3":   {profile: "eu-west-1", env: map[string]string{"AWS_DEFAULT_REGION": "us-west-2"}, want: "us-west-2"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := awssmtest.StartTest(t, awssmtest.Options{SharedRegions: true})
			server.PutSecret("tom/credentials/lab", labSecret)
			useKeys(t)
			awsFiles(t, "", "")
			if test.profile != "" {
				awsFiles(t, "[default]\nregion = "+test.profile+"\n", "")
			}
			for variable, value := range test.env {
				t.Setenv(variable, value)
			}
			s := atServer(server)
			s.Region = test.setting
			p, log := open(t, s)
			if _, err := get(t, p, "lab"); err != nil {
				t.Fatal(err)
			}
			if got := server.Calls()[0].Region; got != test.want {
				t.Errorf("region %s, want %s", got, test.want)
			}
			if warned := strings.Contains(log.String(), "disagree"); warned != test.warns {
				t.Errorf("warned: %t, want %t", warned, test.warns)
			}
		})
	}
	t.Run("instance", func(t *testing.T) {
		server := awssmtest.StartTest(t, awssmtest.Options{})
		server.PutSecret("tom/credentials/lab", labSecret)
		instance(t, server)
		awsFiles(t, "", "")
		s := atServer(server)
		s.Region = ""
		p, _ := open(t, s)
		if p.plain().connected() != nil {
			t.Error("the region was looked up before it was needed")
		}
		if _, err := get(t, p, "lab"); err != nil {
			t.Fatal(err)
		}
		checks, _ := validate(t, p, "")
		wantContains(t, checks["configuration"].Message, "us-east-1 (from instance metadata)")
	})
	t.Run("none", func(t *testing.T) {
		useKeys(t)
		awsFiles(t, "", "")
		p, _ := open(t, defaultSettings())
		_, err := get(t, p, "lab")
		e := wantReason(t, err, credential.BackendMisconfigured)
		wantContains(t, e.Message+strings.Join(e.Help, "\n"), "plugin_aws_secrets_manager_region", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EC2_METADATA_DISABLED")
	})
	t.Run("no time to ask", func(t *testing.T) {
		useKeys(t)
		awsFiles(t, "", "")
		silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never answers
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = silent.Close() })
		useMetadata(t, "http://"+silent.Addr().String())
		p, _ := open(t, defaultSettings())
		_, err = p.Get(within(t, 100*time.Millisecond), credential.Request{ID: "lab"})
		_ = wantReason(t, err, credential.DeadlineExceeded)
	})
	t.Run("nonsense", func(t *testing.T) {
		useKeys(t)
		t.Setenv("AWS_REGION", "us east 1")
		p, _ := open(t, defaultSettings())
		_, err := get(t, p, "lab")
		wantContains(t, wantReason(t, err, credential.BackendMisconfigured).Message, "AWS_REGION")
	})
}

// TestNewUsesNoNetwork: everything that could be asked is one server, which counts.
func TestNewUsesNoNetwork(t *testing.T) {
	server := awssmtest.StartTest(t, awssmtest.Options{})
	useMetadata(t, server.URL())
	t.Setenv("AWS_DEFAULTS_MODE", "auto")
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
	s := defaultSettings()
	s.RoleARN = "arn:aws:iam::123456789012:role/tom"
	open(t, s)
	s.Region = "us-east-1"
	open(t, s)
	if n := server.Count(); n != 0 {
		t.Errorf("%d requests", n)
	}
}
