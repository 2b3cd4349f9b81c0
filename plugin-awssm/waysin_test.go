package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// wayIn is a source of AWS credentials, or a choice between several.
type wayIn struct {
	prepare func(t *testing.T, server *awssmtest.Server, s *settings)
	signer  string            // how the ARN of the signer ends
	source  string            // what Validate says
	warns   credential.Reason // what Validate warns of, without a role on top
	way     bool              // a source that a role is assumed on top of, too
}

// TestWaysIn: each source of AWS credentials, and which one wins; the server knows who signed.
func TestWaysIn(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/tom"
	tests := map[string]wayIn{
		"environment": {
			way:     true,
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) { addUser(server, "env").setenv(t) },
			signer:  "user/env", source: "environment variables",
		},
		"environment with a session token": {
			way: true,
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				session := server.AddSession("arn:aws:sts::123456789012:assumed-role/r/session", time.Hour)
				userKeys{session.AccessKeyID, session.SecretAccessKey}.setenv(t)
				t.Setenv("AWS_SESSION_TOKEN", session.SessionToken)
			},
			signer: "assumed-role/r/session", source: "environment variables", warns: credential.BackendUnauthenticated,
		},
		"AWS_SECURITY_TOKEN before AWS_SESSION_TOKEN": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				session := server.AddSession("arn:aws:sts::123456789012:assumed-role/r/session", time.Hour)
				userKeys{session.AccessKeyID, session.SecretAccessKey}.setenv(t)
				t.Setenv("AWS_SECURITY_TOKEN", session.SessionToken)
				t.Setenv("AWS_SESSION_TOKEN", "old")
			},
			signer: "assumed-role/r/session", warns: credential.BackendUnauthenticated,
		},
		"shared credentials file": {
			way: true,
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				awsFiles(t, "", "[default]\n"+addUser(server, "file").ini())
			},
			signer: "user/file", source: `profile "default"`,
		},
		"shared configuration file": {
			way: true,
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				awsFiles(t, "[default]\n"+addUser(server, "config").ini(), "")
			},
			signer: "user/config",
		},
		"the setting profile beats the environment": {
			way: true,
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
			way: true,
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
			way: true,
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
				awsFiles(t, "[default]\nrole_arn = "+role+"\nsource_profile = base\nrole_session_name = mine\n[profile base]\n"+addUser(server, "base").ini(), "")
			},
			signer: "assumed-role/tom/mine",
		},
		"web identity": {
			way:     true,
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
			way: true,
			prepare: func(t *testing.T, server *awssmtest.Server, s *settings) {
				webIdentity(t, server, role)
				awsFiles(t, "[profile pod]\nrole_arn = "+role+"\nrole_session_name = profiled\nweb_identity_token_file = "+os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE")+"\n", "")
				s.Profile = "pod"
			},
			signer: "assumed-role/tom/profiled",
		},
		"credential_process": {
			way: true,
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				awsFiles(t, "[default]\ncredential_process = "+credentialProcess(t, server)+"\n", "")
			},
			signer: "assumed-role/process/session",
		},
		"a process beats the keys of the configuration file": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				awsFiles(t, "[default]\ncredential_process = "+credentialProcess(t, server)+"\n"+addUser(server, "config").ini(), "")
			},
			signer: "assumed-role/process/session",
		},
		"the keys of the credentials file beat a process": {
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				awsFiles(t, "[default]\ncredential_process = "+credentialProcess(t, server)+"\n", "[default]\n"+addUser(server, "file").ini())
			},
			signer: "user/file",
		},
		"container": {
			way: true,
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", container(t, server, ""))
			},
			signer: "assumed-role/task/session", source: "container",
		},
		"container with a token file": {
			way: true,
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
			way:     true,
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) { instance(t, server) },
			signer:  "assumed-role/machine/session", source: "instance metadata",
		},
		"SSO, by start URL": {
			way: true,
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				startPortal(t, server).signedIn(t, startURL, time.Now().Add(time.Hour))
				awsFiles(t, legacySSO, "")
			},
			signer: "assumed-role/reader/session", source: `profile "default"`,
		},
		"SSO session": {
			way: true,
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				startPortal(t, server).signedIn(t, "lab", time.Now().Add(time.Hour))
				awsFiles(t, sessionSSO, "")
			},
			signer: "assumed-role/reader/session", source: `profile "default"`,
		},
		"SSO session whose token is renewed": {
			way: true,
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) {
				gate := startPortal(t, server)
				gate.signedIn(t, "lab", time.Now().Add(-time.Minute))
				awsFiles(t, sessionSSO, "")
				t.Cleanup(func() {
					if gate.refreshed.Load() == 0 {
						t.Error("the token was not renewed")
					}
				})
			},
			signer: "assumed-role/reader/session",
		},
		"instance metadata (AWS's own mock)": {
			way:     true,
			prepare: func(t *testing.T, server *awssmtest.Server, _ *settings) { metadataMock(t, server, "us-east-1") },
			signer:  "assumed-role/mocked/session", source: "instance metadata",
		},
		"a profile without credentials falls through": {
			prepare: func(t *testing.T, server *awssmtest.Server, s *settings) {
				instance(t, server)
				awsFiles(t, "[profile lab]\noutput = json\n", "")
				s.Profile = "lab"
			},
			signer: "assumed-role/machine/session",
		},
	}

	report := newMatrix("source of AWS credentials", "signed by")
	for name, test := range sortedMap(tests) {
		t.Run(name, func(t *testing.T) { test.run(t, settings{}, report, name) })
		if test.way {
			on := name + ", role on top"
			t.Run(on, func(t *testing.T) {
				test.run(t, settings{RoleARN: role, ExternalID: "ext-1", RoleSessionName: "worker-7"}, report, on)
			})
		}
	}
	t.Logf("\n%s", report)
}

// run reads, lists and validates with the source, and on top of it with the role if there is one.
func (w wayIn) run(t *testing.T, role settings, report *matrix, name string) {
	t.Helper()
	server := awssmtest.StartTest(t, awssmtest.Options{})
	server.PutSecret("tom/credentials/lab", labSecret)
	server.PutSecret("tom/credentials/other", labSecret)
	awsFiles(t, "", "")
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
	s := atServer(server)
	s.RoleARN, s.ExternalID, s.RoleSessionName = role.RoleARN, role.ExternalID, role.RoleSessionName
	w.prepare(t, server, &s)
	p, _ := open(t, s)
	signer, source := w.signer, w.source
	if s.RoleARN != "" {
		signer, source = "assumed-role/tom/worker-7", "role "+s.RoleARN+", assumed with "+source
	}
	cells := []string{name, signer}
	for _, operation := range operations {
		got, want := operation.run(t, p), outcome{}
		if operation.name == "Validate" && w.warns != "" && s.RoleARN == "" {
			want = outcome{reason: w.warns, warned: true}
		}
		if got.String() != want.String() {
			t.Errorf("%s: %s, want %s (%v)", operation.name, got, want, got.err)
		}
		cells = append(cells, got.String())
	}
	report.add(cells...)
	var assumed int
	for _, call := range server.Calls() {
		switch {
		case call.Operation == "AssumeRole" && call.RoleSessionName == "worker-7":
			assumed++
			if !strings.HasSuffix(call.Identity, w.signer) || call.ExternalID != "ext-1" || call.RoleARN != s.RoleARN {
				t.Errorf("role assumed by %s with external id %q: %+v", call.Identity, call.ExternalID, call)
			}
		case call.Operation == "GetCallerIdentity", call.Service == "secretsmanager":
			if !strings.HasSuffix(call.Identity, signer) {
				t.Errorf("%s signed by %s, want %s", call.Operation, call.Identity, signer)
			}
		}
	}
	if want := len(s.RoleARN) / max(1, len(s.RoleARN)); assumed != want {
		t.Errorf("the role was assumed %d times, want %d", assumed, want)
	}
	wantContains(t, p.plain().connected().chain.Last(), source)
}
