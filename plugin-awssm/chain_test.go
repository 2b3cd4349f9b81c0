package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// TestNoWayIn: what is said when there are no AWS credentials, or half of them.
func TestNoWayIn(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/tom"
	tests := map[string]struct {
		prepare func(t *testing.T, server *awssmtest.Server, s *settings)
		reason  credential.Reason
		message []string
	}{
		"none": {
			prepare: func(*testing.T, *awssmtest.Server, *settings) {},
			reason:  credential.BackendUnauthenticated,
			message: []string{"no AWS credentials were found", "AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", `profile "default"`, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_EC2_METADATA_DISABLED"},
		},
		"half a pair in the environment": {
			prepare: func(t *testing.T, _ *awssmtest.Server, _ *settings) { t.Setenv("AWS_ACCESS_KEY_ID", "AKIA") },
			reason:  credential.BackendUnauthenticated, message: []string{"AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not"},
		},
		"the other half": {
			prepare: func(t *testing.T, _ *awssmtest.Server, _ *settings) { t.Setenv("AWS_SECRET_ACCESS_KEY", canary) },
			reason:  credential.BackendUnauthenticated, message: []string{"AWS_SECRET_ACCESS_KEY is set, but AWS_ACCESS_KEY_ID is not"},
		},
		"half a pair with an alias": {
			prepare: func(t *testing.T, _ *awssmtest.Server, _ *settings) {
				t.Setenv("AWS_ACCESS_KEY_ID", "AKIA")
				t.Setenv("AWS_SECRET_KEY", canary)
			},
			reason: credential.BackendUnauthenticated, message: []string{"AWS_SECRET_ACCESS_KEY is not"},
		},
		"half a pair in a file": {
			prepare: func(t *testing.T, _ *awssmtest.Server, _ *settings) {
				awsFiles(t, "", "[default]\naws_secret_access_key = "+canary+"\n")
			},
			reason: credential.BackendUnauthenticated, message: []string{"aws_access_key_id"},
		},
		"no such profile": {
			prepare: func(t *testing.T, _ *awssmtest.Server, _ *settings) { t.Setenv("AWS_PROFILE", "lbb") },
			reason:  credential.BackendMisconfigured, message: []string{"AWS_PROFILE", `"lbb"`},
		},
		"no such default profile, with keys": {
			prepare: func(t *testing.T, _ *awssmtest.Server, _ *settings) {
				useKeys(t)
				t.Setenv("AWS_DEFAULT_PROFILE", "lbb")
			},
			reason: credential.BackendMisconfigured, message: []string{"AWS_DEFAULT_PROFILE", `"lbb"`},
		},
		"a role without a source": {
			prepare: func(t *testing.T, _ *awssmtest.Server, _ *settings) {
				awsFiles(t, "[default]\nrole_arn = "+role+"\n", "")
			},
			reason: credential.BackendUnauthenticated, message: []string{"source_profile"},
		},
		"a role with a code": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				awsFiles(t, "[default]\nrole_arn = "+role+"\nmfa_serial = arn:aws:iam::123456789012:mfa/me\nsource_profile = base\n[profile base]\n"+addUser(server, "base").ini(), "")
			},
			reason: credential.BackendUnauthenticated, message: []string{"mfa_serial"},
		},
		"keys and SSO in one profile": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				awsFiles(t, legacySSO, "[default]\n"+addUser(server, "file").ini())
			},
			reason: credential.BackendUnauthenticated, message: []string{`profile "default"`, "both access keys and SSO"},
		},
		"SSO session that has ended": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				startPortal(t, server).signedIn(t, startURL, time.Now().Add(-time.Hour))
				awsFiles(t, legacySSO, "")
			},
			reason: credential.BackendUnauthenticated, message: []string{"SSO session"},
		},
		"SSO portal refuses the token": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				gate := startPortal(t, server)
				gate.signedIn(t, startURL, time.Now().Add(time.Hour))
				gate.token.Store(nil)
				awsFiles(t, legacySSO, "")
			},
			reason: credential.BackendUnauthenticated, message: []string{"SSO session has ended"},
		},
		"SSO portal unreachable": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				startPortal(t, server).signedIn(t, startURL, time.Now().Add(time.Hour))
				t.Setenv("AWS_ENDPOINT_URL_SSO", "http://127.0.0.1:"+freePort(t))
				t.Setenv("AWS_MAX_ATTEMPTS", "1")
				awsFiles(t, legacySSO, "")
			},
			reason: credential.BackendUnavailable, message: []string{"refused"},
		},
		"credential_process prints nonsense": {
			prepare: func(t *testing.T, _ *awssmtest.Server, _ *settings) {
				awsFiles(t, "[default]\ncredential_process = echo "+canary+"\n", "")
			},
			reason: credential.BackendUnauthenticated, message: []string{"credential_process"},
		},
		"credential_process fails": {
			prepare: func(t *testing.T, _ *awssmtest.Server, _ *settings) {
				awsFiles(t, "[default]\ncredential_process = exit 3\n", "")
			},
			reason: credential.BackendUnauthenticated, message: []string{"credential_process"},
		},
		"no SSO session": {
			prepare: func(t *testing.T, _ *awssmtest.Server, _ *settings) {
				awsFiles(t, "[default]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = tom\n[sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://example.awsapps.com/start\n", "")
			},
			reason: credential.BackendUnauthenticated, message: []string{`profile "default"`},
		},
		"no token file": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				webIdentity(t, server, role)
				t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", filepath.Join(t.TempDir(), "absent"))
			},
			reason: credential.BackendUnauthenticated, message: []string{"web identity", "absent"},
		},
		"container refuses": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", container(t, server, "another token"))
			},
			reason: credential.BackendUnauthenticated, message: []string{"container", "401"},
		},
		"container on a foreign host": {
			prepare: func(t *testing.T, _ *awssmtest.Server, _ *settings) {
				t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/creds")
			},
			reason: credential.BackendUnauthenticated, message: []string{"container"},
		},
		"role_arn denied": {
			prepare: func(t *testing.T, server *awssmtest.Server, s *settings) {
				useKeys(t)
				t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
				server.Deny(awssmtest.Denial{Action: "sts:AssumeRole"})
				s.RoleARN = role
			},
			reason: credential.BackendUnauthenticated, message: []string{role, "denied"},
		},
		"STS fails": {
			prepare: func(t *testing.T, server *awssmtest.Server, s *settings) {
				useKeys(t)
				t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
				t.Setenv("AWS_MAX_ATTEMPTS", "1")
				server.Inject(awssmtest.Fault{Service: "sts", Code: "ServiceUnavailable", Status: 503})
				s.RoleARN = role
			},
			reason: credential.BackendUnavailable, message: []string{role},
		},
		"STS stalls": {
			prepare: func(t *testing.T, server *awssmtest.Server, s *settings) {
				useKeys(t)
				t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
				t.Setenv("AWS_MAX_ATTEMPTS", "1")
				server.Inject(awssmtest.Fault{Service: "sts", Stall: true})
				s.RoleARN, s.RequestTimeout = role, duration(300*time.Millisecond)
			},
			reason: credential.BackendUnavailable, message: []string{role, "in time"},
		},
		"STS refuses the key": {
			prepare: func(t *testing.T, server *awssmtest.Server, s *settings) {
				userKeys{"AKIAUNKNOWN", canary}.setenv(t)
				t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
				s.RoleARN = role
			},
			reason: credential.BackendUnauthenticated, message: []string{role},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := awssmtest.StartTest(t, awssmtest.Options{})
			awsFiles(t, "", "")
			s := atServer(server)
			test.prepare(t, server, &s)
			p, _ := open(t, s)
			_, err := get(t, p, "lab")
			e := wantReason(t, err, test.reason)
			wantContains(t, e.Message, test.message...)
			if test.reason == credential.BackendUnavailable && e.Metadata["stage"] != stageCredentials {
				t.Errorf("stage = %q", e.Metadata["stage"])
			}
			if n := server.Count("GetSecretValue"); n != 0 {
				t.Errorf("%d reads without credentials", n)
			}
		})
	}
}

func TestProfileOfSettingsMustExist(t *testing.T) {
	awsFiles(t, "[profile lab]\nregion = us-east-1\n", "")
	s := defaultSettings()
	s.Profile = "lbb"
	_, err := newProvider(s, hclog.NewNullLogger())
	e := wantReason(t, err, credential.SettingsInvalid)
	if len(e.Violations) != 1 || e.Violations[0].Setting != "profile" {
		t.Errorf("violations = %v", e.Violations)
	}
}

// TestSilentMetadata: where nothing answers, looking for an instance's role costs a second, and the region too.
func TestSilentMetadata(t *testing.T) {
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(silent.Close)
	server := awssmtest.StartTest(t, awssmtest.Options{})
	useMetadata(t, silent.URL)
	t.Run("credentials", func(t *testing.T) {
		p, _ := open(t, atServer(server))
		start := time.Now()
		_, err := get(t, p, "lab")
		wantContains(t, wantReason(t, err, credential.BackendUnauthenticated).Message, "instance metadata: it doesn't answer")
		if took := time.Since(start); took > 1500*time.Millisecond {
			t.Errorf("took %s, want about a second", took)
		}
	})
	t.Run("region", func(t *testing.T) {
		s := atServer(server)
		s.Region = ""
		p, _ := open(t, s)
		start := time.Now()
		for range 3 {
			_, err := get(t, p, "lab")
			_ = wantReason(t, err, credential.BackendMisconfigured)
		}
		if took := time.Since(start); took > 1500*time.Millisecond {
			t.Errorf("three calls took %s, want about a second", took)
		}
	})
}

// TestMetadataOutage: once an instance's role has worked, its silence is an outage and not a lack of credentials.
func TestMetadataOutage(t *testing.T) {
	server := awssmtest.StartTest(t, awssmtest.Options{})
	server.PutSecret("tom/credentials/lab", labSecret)
	var broken atomic.Bool
	session := server.AddSession("arn:aws:sts::123456789012:assumed-role/machine/session", time.Hour)
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case broken.Load():
			panic(http.ErrAbortHandler)
		case r.Method == http.MethodPut:
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "300")
			_, _ = w.Write([]byte("token"))
		case strings.HasSuffix(r.URL.Path, "/"):
			_, _ = w.Write([]byte("machine"))
		default:
			_, _ = w.Write([]byte(sessionJSON(session, "Token")))
		}
	}))
	t.Cleanup(metadata.Close)
	useMetadata(t, metadata.URL)
	p, _ := open(t, atServer(server))
	if _, err := get(t, p, "lab"); err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	server.ExpireSessions()
	_, err := get(t, p, "lab")
	if e := wantReason(t, err, credential.BackendUnavailable); e.Metadata["stage"] != stageCredentials {
		t.Errorf("metadata = %q", e.Metadata)
	}
}

// TestRoleOnInstanceUnreachable: what is unreachable is STS, not the instance metadata that gave the credentials.
func TestRoleOnInstanceUnreachable(t *testing.T) {
	server := awssmtest.StartTest(t, awssmtest.Options{})
	awsFiles(t, "", "")
	instance(t, server)
	t.Setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	s := atServer(server)
	s.RoleARN = "arn:aws:iam::123456789012:role/tom"
	p, _ := open(t, s)
	_, err := get(t, p, "lab")
	e := wantReason(t, err, credential.BackendUnavailable)
	wantContains(t, e.Message, s.RoleARN, "refused")
	if e.Metadata["stage"] != stageCredentials {
		t.Errorf("metadata = %q", e.Metadata)
	}
}

// TestWarnsOfSessions: session credentials that nothing renews are warned about, once, also if a role is assumed with them.
func TestWarnsOfSessions(t *testing.T) {
	for name, test := range map[string]struct {
		role    string
		prepare func(t *testing.T, session awssmtest.Session)
		lines   int
	}{
		"environment": {
			prepare: func(t *testing.T, session awssmtest.Session) {
				userKeys{session.AccessKeyID, session.SecretAccessKey}.setenv(t)
				t.Setenv("AWS_SESSION_TOKEN", session.SessionToken)
			},
			lines: 1,
		},
		"environment with its end": {
			prepare: func(t *testing.T, session awssmtest.Session) {
				userKeys{session.AccessKeyID, session.SecretAccessKey}.setenv(t)
				t.Setenv("AWS_SESSION_TOKEN", session.SessionToken)
				t.Setenv("AWS_CREDENTIAL_EXPIRATION", time.Now().Add(time.Hour).Format(time.RFC3339))
			},
		},
		"profile": {
			prepare: func(t *testing.T, session awssmtest.Session) { awsFiles(t, "", credentialsFile(session)) },
			lines:   1,
		},
		"profile with a role on top": {
			role:    "arn:aws:iam::123456789012:role/tom",
			prepare: func(t *testing.T, session awssmtest.Session) { awsFiles(t, "", credentialsFile(session)) },
			lines:   1,
		},
		"lasting keys": {
			prepare: func(t *testing.T, _ awssmtest.Session) { useKeys(t) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := awssmtest.StartTest(t, awssmtest.Options{})
			server.PutSecret("tom/credentials/lab", labSecret)
			awsFiles(t, "", "")
			t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
			test.prepare(t, server.AddSession("arn:aws:iam::123456789012:user/tom", time.Hour))
			s := atServer(server)
			s.RoleARN = test.role
			p, log := open(t, s)
			for range 3 {
				if _, err := get(t, p, "lab"); err != nil {
					t.Fatal(err)
				}
				held, _ := p.plain().connected().keys.Current()
				p.plain().connected().keys.AskAgain(&smithy.GenericAPIError{Code: "ExpiredToken"}, held)
			}
			if n := strings.Count(log.String(), "nothing renews"); n != test.lines {
				t.Errorf("%d warnings, want %d: %s", n, test.lines, log)
			}
		})
	}
}
