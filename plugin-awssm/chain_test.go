package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// userKeys are keys of a user that the server knows, one user for each place a test puts keys in.
type userKeys struct{ id, secret string }

func addUser(server *awssmtest.Server, name string) userKeys {
	k := userKeys{id: "AKIA" + strings.ToUpper(name), secret: "secret-of-" + name}
	server.AddIdentity(k.id, k.secret, "arn:aws:iam::123456789012:user/"+name)
	return k
}

func (k userKeys) ini() string {
	return "aws_access_key_id = " + k.id + "\naws_secret_access_key = " + k.secret + "\n"
}

func (k userKeys) setenv(t *testing.T) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", k.id)
	t.Setenv("AWS_SECRET_ACCESS_KEY", k.secret)
}

// json is what credential processes, container endpoints and instance metadata give. Its canary must go nowhere but to AWS.
func sessionJSON(s awssmtest.Session, tokenKey string) string {
	return `{"Version":1,"Code":"Success","AccessKeyId":"` + s.AccessKeyID + `","SecretAccessKey":"` + s.SecretAccessKey + `","` + tokenKey + `":"` +
		s.SessionToken + `","Expiration":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `","RoleArn":"","Type":"AWS-HMAC"}`
}

// TestWaysIn: each source of AWS credentials, and which one wins; the server tells who signed.
func TestWaysIn(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/tom"
	tests := map[string]struct {
		prepare func(t *testing.T, server *awssmtest.Server, s *settings)
		signer  string // how the ARN of the signer ends
		source  string // what Validate says
	}{
		"environment": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) { addUser(server, "env").setenv(t) },
			signer:  "user/env", source: "environment variables",
		},
		"environment with a session token": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				session := server.AddSession("arn:aws:sts::123456789012:assumed-role/r/session", time.Hour)
				userKeys{session.AccessKeyID, session.SecretAccessKey}.setenv(t)
				t.Setenv("AWS_SESSION_TOKEN", session.SessionToken)
			},
			signer: "assumed-role/r/session", source: "environment variables",
		},
		"AWS_SECURITY_TOKEN before AWS_SESSION_TOKEN": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				session := server.AddSession("arn:aws:sts::123456789012:assumed-role/r/session", time.Hour)
				userKeys{session.AccessKeyID, session.SecretAccessKey}.setenv(t)
				t.Setenv("AWS_SECURITY_TOKEN", session.SessionToken)
				t.Setenv("AWS_SESSION_TOKEN", "old")
			},
			signer: "assumed-role/r/session",
		},
		"shared credentials file": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				awsFiles(t, "", "[default]\n"+addUser(server, "file").ini())
			},
			signer: "user/file", source: `profile "default"`,
		},
		"shared configuration file": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				awsFiles(t, "[default]\n"+addUser(server, "config").ini(), "")
			},
			signer: "user/config",
		},
		"the setting profile beats the environment": {
			prepare: func(t *testing.T, server *awssmtest.Server, s *settings) {
				addUser(server, "env").setenv(t)
				awsFiles(t, "", "[lab]\n"+addUser(server, "lab").ini())
				s.Profile = "lab"
			},
			signer: "user/lab", source: `profile "lab"`,
		},
		"the environment's keys beat AWS_PROFILE": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				addUser(server, "env").setenv(t)
				awsFiles(t, "", "[lab]\n"+addUser(server, "lab").ini())
				t.Setenv("AWS_PROFILE", "lab")
			},
			signer: "user/env",
		},
		"AWS_DEFAULT_PROFILE beats AWS_PROFILE": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				awsFiles(t, "", "[one]\n"+addUser(server, "one").ini()+"[two]\n"+addUser(server, "two").ini())
				t.Setenv("AWS_DEFAULT_PROFILE", "one")
				t.Setenv("AWS_PROFILE", "two")
			},
			signer: "user/one",
		},
		"AWS_PROFILE alone": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				awsFiles(t, "", "[two]\n"+addUser(server, "two").ini())
				t.Setenv("AWS_PROFILE", "two")
			},
			signer: "user/two",
		},
		"key aliases are ignored": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				alias := addUser(server, "alias")
				t.Setenv("AWS_ACCESS_KEY", alias.id)
				t.Setenv("AWS_SECRET_KEY", alias.secret)
				endpoint := container(t, server, "")
				t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint)
			},
			signer: "assumed-role/task/session",
		},
		"a role of the profile": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
				awsFiles(t, "[default]\nrole_arn = "+role+"\nsource_profile = base\nrole_session_name = mine\n[profile base]\n"+addUser(server, "base").ini(), "")
			},
			signer: "assumed-role/tom/mine",
		},
		"web identity": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) { webIdentity(t, server, role) },
			signer:  "assumed-role/tom/pod", source: "web identity",
		},
		"a role of the profile beats web identity": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				webIdentity(t, server, "arn:aws:iam::123456789012:role/other")
				awsFiles(t, "[default]\nrole_arn = "+role+"\nsource_profile = base\nrole_session_name = mine\n[profile base]\n"+addUser(server, "base").ini(), "")
			},
			signer: "assumed-role/tom/mine",
		},
		"web identity beats the keys of a profile": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				webIdentity(t, server, role)
				awsFiles(t, "", "[default]\n"+addUser(server, "file").ini())
			},
			signer: "assumed-role/tom/pod",
		},
		"web identity in the profile": {
			prepare: func(t *testing.T, server *awssmtest.Server, s *settings) {
				webIdentity(t, server, role)
				awsFiles(t, "[profile pod]\nrole_arn = "+role+"\nrole_session_name = profiled\nweb_identity_token_file = "+os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE")+"\n", "")
				s.Profile = "pod"
			},
			signer: "assumed-role/tom/profiled",
		},
		"credential_process": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				if runtime.GOOS == "windows" {
					t.Skip("the command is one of a Unix shell")
				}
				session := server.AddSession("arn:aws:sts::123456789012:assumed-role/process/session", time.Hour)
				file := filepath.Join(t.TempDir(), "credentials.json")
				if err := os.WriteFile(file, []byte(sessionJSON(session, "SessionToken")), 0o600); err != nil {
					t.Fatal(err)
				}
				awsFiles(t, "[default]\ncredential_process = cat "+file+"\n", "")
			},
			signer: "assumed-role/process/session",
		},
		"container": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", container(t, server, ""))
			},
			signer: "assumed-role/task/session", source: "container",
		},
		"container with a token file": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				token := filepath.Join(t.TempDir(), "token")
				if err := os.WriteFile(token, []byte("the-token"), 0o600); err != nil {
					t.Fatal(err)
				}
				t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token)
				t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", container(t, server, "the-token"))
			},
			signer: "assumed-role/task/session",
		},
		"instance metadata": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) { instance(t, server) },
			signer:  "assumed-role/machine/session", source: "instance metadata",
		},
		"a profile without credentials falls through": {
			prepare: func(t *testing.T, server *awssmtest.Server, s *settings) {
				instance(t, server)
				awsFiles(t, "[profile lab]\noutput = json\n", "")
				s.Profile = "lab"
			},
			signer: "assumed-role/machine/session",
		},
		"role_arn on top of the environment": {
			prepare: func(t *testing.T, server *awssmtest.Server, s *settings) {
				t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
				addUser(server, "env").setenv(t)
				s.RoleARN, s.ExternalID, s.RoleSessionName = role, "ext-1", "worker-7"
			},
			signer: "assumed-role/tom/worker-7", source: "role " + role + ", assumed with environment variables",
		},
		"role_arn on top of instance metadata": {
			prepare: func(t *testing.T, server *awssmtest.Server, s *settings) {
				t.Setenv("AWS_ENDPOINT_URL", server.URL())
				instance(t, server)
				s.RoleARN, s.RoleSessionName = role, "worker-7"
			},
			signer: "assumed-role/tom/worker-7", source: "instance metadata",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := awssmtest.StartTest(t, awssmtest.Options{})
			server.PutSecret("tom/credentials/lab", labSecret)
			awsFiles(t, "", "")
			s := atServer(server)
			test.prepare(t, server, &s)
			p, _ := open(t, s)
			if _, err := get(t, p, "lab"); err != nil {
				t.Fatal(err)
			}
			for _, call := range server.Calls() {
				if call.Operation == "GetSecretValue" && !strings.HasSuffix(call.Identity, test.signer) {
					t.Errorf("signed by %s, want %s", call.Identity, test.signer)
				}
				if call.Operation == "AssumeRole" && s.ExternalID != call.ExternalID {
					t.Errorf("external id %q, want %q", call.ExternalID, s.ExternalID)
				}
			}
			wantContains(t, p.connected().chain.lastSource(), test.source)
		})
	}
}

func webIdentity(t *testing.T, server *awssmtest.Server, role string) {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	// A JSON web token's form is all that the server looks at.
	if err := os.WriteFile(token, []byte("eyJhbGciOiJub25lIn0.eyJzdWIiOiJwb2QifQ.c2ln"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token)
	t.Setenv("AWS_ROLE_ARN", role)
	t.Setenv("AWS_ROLE_SESSION_NAME", "pod")
}

// container serves credentials as ECS and EKS do, and wants the token if there is one.
func container(t *testing.T, server *awssmtest.Server, token string) string {
	t.Helper()
	session := server.AddSession("arn:aws:sts::123456789012:assumed-role/task/session", time.Hour)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(sessionJSON(session, "Token")))
	}))
	t.Cleanup(endpoint.Close)
	return endpoint.URL + "/creds"
}

// instance serves instance metadata, version 2, and points the SDK at it.
func instance(t *testing.T, server *awssmtest.Server) {
	t.Helper()
	session := server.AddSession("arn:aws:sts::123456789012:assumed-role/machine/session", time.Hour)
	metadata := http.NewServeMux()
	metadata.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "300")
		_, _ = w.Write([]byte("metadata-token"))
	})
	get := func(path, body string) {
		metadata.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Aws-Ec2-Metadata-Token") != "metadata-token" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_, _ = w.Write([]byte(body))
		})
	}
	get("/latest/meta-data/iam/security-credentials/{$}", "machine")
	get("/latest/meta-data/iam/security-credentials/machine", sessionJSON(session, "Token"))
	get("/latest/dynamic/instance-identity/document", `{"region":"us-east-1"}`)
	endpoint := httptest.NewServer(metadata)
	t.Cleanup(endpoint.Close)
	useMetadata(t, endpoint.URL)
}

func useMetadata(t *testing.T, url string) {
	t.Helper()
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
}

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
		begin := time.Now()
		_, err := get(t, p, "lab")
		wantContains(t, wantReason(t, err, credential.BackendUnauthenticated).Message, "instance metadata: it doesn't answer")
		if took := time.Since(begin); took > 1500*time.Millisecond {
			t.Errorf("took %s, want about a second", took)
		}
	})
	t.Run("region", func(t *testing.T) {
		s := atServer(server)
		s.Region = ""
		p, _ := open(t, s)
		begin := time.Now()
		for range 3 {
			_, err := get(t, p, "lab")
			wantReason(t, err, credential.BackendMisconfigured)
		}
		if took := time.Since(begin); took > 1500*time.Millisecond {
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
