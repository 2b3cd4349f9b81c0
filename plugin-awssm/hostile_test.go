package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// hostileInputs are more of each kind of the causes in the README's table: what isn't listed there has its own reason, text
// and remedy too. They are grouped by what is drawn into doubt.
var hostileInputs = map[string][]cause{
	"keys that can't be sent": {
		{"tab before the id", credential.BackendUnauthenticated, "the access key id holds a line end or another control character", "printf, not echo", with("AWS_ACCESS_KEY_ID", "\t"+awssmtest.AccessKeyID)},
		{"carriage return after the token", credential.BackendUnauthenticated, "the session token holds a line end", "printf, not echo", with("AWS_SESSION_TOKEN", canary+"\r")},
		{"NUL in a file", credential.BackendUnauthenticated, "the secret access key holds a line end or another control character", "printf, not echo", profiles("[default]\naws_access_key_id = AKIA\naws_secret_access_key = a\x00" + canary + "\n")},
		{"two lines in a file", credential.BackendUnauthenticated, "the secret access key holds a line end", "printf, not echo", profiles("[default]\naws_access_key_id = AKIA\naws_secret_access_key = a\n  " + canary + "\n")},
		{"bell from a process", credential.BackendUnauthenticated, "the secret access key holds a line end or another control character", "printf, not echo", printing(`{"Version":1,"AccessKeyId":"A","SecretAccessKey":"` + canary + `\u0007"}`)},
		{"escape in a base profile", credential.BackendUnauthenticated, "profile \"base\": the access key id holds a line end or another control", "printf, not echo", profiles("[default]\nrole_arn = " + tomRole + "\nsource_profile = base\n[profile base]\naws_access_key_id = A\x1bB\naws_secret_access_key = " + canary + "\n")},
	},
	"proxies": {
		{"401", credential.BackendMisconfigured, "the proxy refuses to connect to Secrets Manager (HTTP status 401)", "allow its host at the proxy", proxied(401)},
		{"404", credential.BackendMisconfigured, "the proxy refuses to connect to Secrets Manager (HTTP status 404)", "NO_PROXY", proxied(404)},
		{"redirects", credential.BackendMisconfigured, "the proxy refuses to connect to Secrets Manager (HTTP status 302)", "NO_PROXY", proxied(302)},
		{"429", credential.BackendUnavailable, "the proxy answers 429", "HTTPS_PROXY", proxied(429)},
		{"504", credential.BackendUnavailable, "the proxy answers 504", "HTTPS_PROXY", proxied(504)},
		{"hangs up", credential.BackendUnavailable, "the connection to the proxy was cut", "HTTPS_PROXY", proxySaying("")},
		{"speaks something else", credential.BackendMisconfigured, "the proxy doesn't speak HTTP", "HTTPS_PROXY", proxySaying("SSH-2.0-OpenSSH_9.2\r\n")},
		{"with TLS where there is none", credential.BackendMisconfigured, "the proxy doesn't speak TLS", `should start with "http://"`, func(t *testing.T, server *awssmtest.Server, s *settings) {
			proxied(200)(t, server, s)
			t.Setenv("HTTPS_PROXY", strings.Replace(os.Getenv("HTTPS_PROXY"), "http:", "https:", 1))
		}},
		{"a blank in it", credential.BackendMisconfigured, "HTTPS_PROXY is not a URL", "correct HTTPS_PROXY", proxy("http://192.0.2.1 :3128")},
		{"another scheme", credential.BackendMisconfigured, `HTTPS_PROXY must start with "http://"`, "correct HTTPS_PROXY", proxy("ftp://192.0.2.1:3128")},
		{"a slash in its password", credential.BackendMisconfigured, "HTTPS_PROXY is not a URL", `"/" as %2F`, proxy("http://me:a/" + canary + "@192.0.2.1:3128")},
		{"a question mark in its password", credential.BackendMisconfigured, "HTTPS_PROXY is not a URL", `"?" as %3F`, proxy("http://me:a?" + canary + "@192.0.2.1:3128")},
		{"no host", credential.BackendMisconfigured, "HTTPS_PROXY names no host", "correct HTTPS_PROXY", proxy("http://:3128")},
	},
	"endpoints": {
		{"without a scheme", credential.BackendMisconfigured, "AWS_ENDPOINT_URL_SECRETS_MANAGER", "http", endpointVariable("AWS_ENDPOINT_URL_SECRETS_MANAGER", "127.0.0.1:4566")},
		{"of another scheme", credential.BackendMisconfigured, "AWS_ENDPOINT_URL", "http", endpointVariable("AWS_ENDPOINT_URL", "ftp://127.0.0.1")},
		{"of two lines", credential.BackendMisconfigured, "AWS_ENDPOINT_URL", "http", endpointVariable("AWS_ENDPOINT_URL", "http://127.0.0.1\n")},
		{"without a host", credential.BackendMisconfigured, "AWS_ENDPOINT_URL", "http", endpointVariable("AWS_ENDPOINT_URL", "http://")},
		{"with a port that isn't one", credential.BackendMisconfigured, "AWS_ENDPOINT_URL", "http", endpointVariable("AWS_ENDPOINT_URL", "http://127.0.0.1:x")},
		{"in the profile", credential.BackendMisconfigured, "endpoint_url of profile \"default\"", "http", func(t *testing.T, server *awssmtest.Server, s *settings) {
			s.EndpointURL = ""
			awsFiles(t, "[default]\nendpoint_url = localhost\n", "")
		}},
		{"of STS", credential.BackendMisconfigured, "AWS_ENDPOINT_URL_STS", "http", func(t *testing.T, server *awssmtest.Server, s *settings) {
			s.RoleARN = tomRole
			t.Setenv("AWS_ENDPOINT_URL_STS", "127.0.0.1:4566")
		}},
	},
	"sign-in": {
		{"a region that leads elsewhere", credential.BackendUnauthenticated, "its sso_region is not the name of a region", "aws configure sso", profiles(strings.Replace(legacySSO, "us-east-1", "x.example/#", 1))},
		{"a token with a line end", credential.BackendUnauthenticated, "the SSO session has ended", "aws sso login", func(t *testing.T, server *awssmtest.Server, s *settings) {
			startPortal(t, server).signedIn(t, startURL, time.Now().Add(time.Hour))
			spoilTokens(t, "signed-in-", "signed\\n-in-")
			profiles(legacySSO)(t, server, s)
		}},
		{"a token that is a number", credential.BackendUnauthenticated, "the SSO session has ended", "aws sso login", func(t *testing.T, server *awssmtest.Server, s *settings) {
			startPortal(t, server).signedIn(t, startURL, time.Now().Add(time.Hour))
			spoilTokens(t, `"signed-in-`+canary+`"`, "17")
			profiles(legacySSO)(t, server, s)
		}},
		{"half a file", credential.BackendUnauthenticated, "the SSO session has ended", "aws sso login", func(t *testing.T, server *awssmtest.Server, s *settings) {
			startPortal(t, server).signedIn(t, startURL, time.Now().Add(time.Hour))
			spoilTokens(t, "}", "")
			profiles(legacySSO)(t, server, s)
		}},
	},
	"answers": {
		{"408", credential.BackendUnavailable, "HTTP status 408", "", answers(awssmtest.Fault{Status: 408})},
		{"425", credential.BackendUnavailable, "HTTP status 425", "", answers(awssmtest.Fault{Status: 425})},
		{"empty", credential.BackendMisconfigured, "what answers isn't Secrets Manager", "HTTPS_PROXY", answers(awssmtest.Fault{Status: 200})},
		{"a list", credential.BackendMisconfigured, "what answers isn't Secrets Manager", "HTTPS_PROXY", answers(awssmtest.Fault{Body: "[]", ContentType: "application/x-amz-json-1.1"})},
		{"an object of something else", credential.BackendMisconfigured, "what answers isn't Secrets Manager", "HTTPS_PROXY", answers(awssmtest.Fault{Body: "{}", ContentType: "application/x-amz-json-1.1"})},
		{"a login page", credential.BackendMisconfigured, "it answers with HTTP status 302", "HTTPS_PROXY", answers(awssmtest.Fault{Status: 302, Body: html})},
		{"half a gateway", credential.BackendUnavailable, "HTTP status 504", "health.aws.amazon.com", answers(awssmtest.Fault{Status: 504, Body: html})},
	},
	"STS": {
		{"an audience that doesn't fit", credential.BackendUnauthenticated, "is refused (InvalidIdentityToken)", "audience (aud)", podRefused("InvalidIdentityToken", "Incorrect token audience")},
		{"an issuer that can't be asked", credential.BackendUnavailable, "AWS can't ask the issuer", "can be reached from the internet", podRefused("IDPCommunicationError", "x")},
		{"a web identity denied in AWS's words", credential.BackendUnauthenticated, "it is denied (sts:AssumeRoleWithWebIdentity)", "oidc-provider/ISSUER", podRefused("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")},
		{"a web identity's session that is too long", credential.BackendMisconfigured, "the duration of its sessions is not what the role allows", "maximum", podRefused("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")},
		{"a web identity's region that isn't activated", credential.BackendMisconfigured, "STS is not activated in the region us-east-1", "activate the region", podRefused("RegionDisabledException", "x")},
		{"a source identity that may not be set", credential.BackendUnauthenticated, "it is denied (sts:SetSourceIdentity)", "allow sts:SetSourceIdentity on " + tomRole, stsRefuses("AccessDenied", "User: arn:aws:sts::1:assumed-role/a/b is not authorized to perform: sts:SetSourceIdentity on resource: "+tomRole)},
		{"an expired session that assumes", credential.BackendUnauthenticated, "can't be assumed (sts:AssumeRole): the AWS session credentials have expired", "renew them at their source", stsRefuses("ExpiredToken", "The security token included in the request is expired")},
		{"a key that STS doesn't know", credential.BackendUnauthenticated, "AWS doesn't know the access key", "run validate", stsRefuses("InvalidClientTokenId", "x")},
		{"a name that STS doesn't take", credential.BackendMisconfigured, "STS refuses the request (ValidationError)", "session's name", stsRefuses("ValidationError", "1 validation error detected: Value 'x' at 'roleSessionName' failed to satisfy constraint")},
		{"a role behind a role", credential.BackendUnauthenticated, "the role arn:aws:iam::123456789012:role/base can't be assumed", "arn:aws:iam::123456789012:role/base", func(t *testing.T, server *awssmtest.Server, s *settings) {
			server.Deny(awssmtest.Denial{Action: "sts:AssumeRole", Resource: "arn:aws:iam::123456789012:role/base"})
			profiles("[default]\nrole_arn = "+tomRole+"\nsource_profile = base\n[profile base]\nrole_arn = arn:aws:iam::123456789012:role/base\nsource_profile = root\n[profile root]\n"+addUser(server, "root").ini())(t, server, s)
		}},
	},
	"profiles": {
		{"source_profile without credentials", credential.BackendUnauthenticated, `names the profile "base", which holds no credentials`, "add credentials to that profile", profiles("[default]\nrole_arn = " + tomRole + "\nsource_profile = base\n[profile base]\nregion = us-east-1\n")},
		{"an empty role", credential.BackendUnauthenticated, "its role_arn is empty", "name a role", profiles("[default]\nrole_arn =\nsource_profile = base\n[profile base]\naws_access_key_id = a\naws_secret_access_key = b\n")},
		{"an empty process", credential.BackendUnauthenticated, "credential_process is empty", "name a program", profiles("[default]\ncredential_process =\n")},
		{"an open quote", credential.BackendUnauthenticated, "credential_process can't be split into words: a quote is not closed", "correct the quoting", profiles("[default]\ncredential_process = cat \"" + canary + "\n")},
		{"a session without region", credential.BackendUnauthenticated, "their [sso-session corp] lack sso_region", "aws configure sso", profiles("[default]\nsso_session = corp\nsso_account_id = 1\nsso_role_name = r\n[sso-session corp]\nsso_start_url = https://x.example\n")},
		{"an empty session", credential.BackendUnauthenticated, "its sso_session is empty", "name a section", profiles("[default]\nsso_session =\nsso_account_id = 1\nsso_role_name = r\n")},
		{"a session that differs", credential.BackendUnauthenticated, "its sso_region and that of [sso-session corp] differ", "remove it from the profile", profiles("[default]\nsso_session = corp\nsso_region = eu-west-1\nsso_account_id = 1\nsso_role_name = r\n[sso-session corp]\nsso_start_url = https://x.example\nsso_region = us-east-1\n")},
		{"no session of aws login", credential.BackendUnauthenticated, "the session of \"aws login\" has ended, or there is none", "aws login", profiles("[default]\nlogin_session = arn:aws:iam::123456789012:user/me\n")},
		{"a web identity without a role", credential.BackendUnauthenticated, "web_identity_token_file of profile \"default\"", "role_arn in the profile", profiles("[default]\nweb_identity_token_file = /absent\n")},
		{"a web identity whose file is missing", credential.BackendUnauthenticated, "the token file /absent can't be read", "correct the path", profiles("[default]\nrole_arn = " + tomRole + "\nweb_identity_token_file = /absent\n")},
		{"no attempts", credential.BackendMisconfigured, "AWS_MAX_ATTEMPTS is not a number of at least 1", "correct it", with("AWS_MAX_ATTEMPTS", "0")},
		{"an address family of instance metadata", credential.BackendMisconfigured, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is neither ipv4 nor ipv6", "correct it", withoutKeys("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ipv5")},
		{"services that aren't there", credential.BackendMisconfigured, "names the section [services s], which isn't there", "complete the section", profiles("[default]\nservices = s\n")},
		{"a container's token file that is missing", credential.BackendUnauthenticated, "the token file /absent (AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE) can't be read", "correct the path", func(t *testing.T, server *awssmtest.Server, s *settings) {
			withoutKeys("AWS_CONTAINER_CREDENTIALS_FULL_URI", container(t, server, ""))(t, server, s)
			t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/absent")
		}},
	},
	"processes": {
		{"killed by a signal", credential.BackendUnauthenticated, "credential_process sh fails (signal: killed)", "credential_plugin_pass_env", profiles("[default]\ncredential_process = sh -c 'kill -9 $$'\n")},
		{"an endless answer", credential.BackendUnauthenticated, "credential_process yes prints no credentials: it prints more than", "it must print JSON", profiles("[default]\ncredential_process = yes " + canary + "\n")},
		{"endless complaints", credential.BackendUnauthenticated, "credential_process sh fails", "by hand", profiles("[default]\ncredential_process = sh -c 'yes " + canary + " | head -c 4000000 >&2; exit 3'\n")},
		{"another version", credential.BackendUnauthenticated, `"Version" isn't 1`, "it must print JSON", printing(`{"Version":2,"AccessKeyId":"A","SecretAccessKey":"` + canary + `"}`)},
		{"a name that can't be shown", credential.BackendUnauthenticated, "credential_process (its name isn't shown) can't be started", "whole path", profiles("[default]\ncredential_process = '/absent/\x1b[31m'\n")},
	},
	"signatures": {
		{"of another region", credential.BackendMisconfigured, "the endpoint is of another region", "name the same region", secretsRefuse("SignatureDoesNotMatch", "Credential should be scoped to a valid region, not 'us-east-1'. ")},
		{"expired", credential.BackendUnauthenticated, "this machine's clock is off", "set the clock", secretsRefuse("SignatureDoesNotMatch", "Signature expired: 20260101T000000Z is now earlier than 20260101T000500Z")},
		{"of another day", credential.BackendUnauthenticated, "this machine's clock is off", "set the clock", secretsRefuse("InvalidSignatureException", "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20260101' != '20260102'")},
		{"without Host", credential.BackendMisconfigured, "the request's headers were changed on the way", "HTTPS_PROXY", secretsRefuse("InvalidSignatureException", "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")},
		{"an id with a slash", credential.BackendUnauthenticated, "AWS refuses the request's credentials (IncompleteSignature)", "run validate", secretsRefuse("IncompleteSignatureException", "Credential must have exactly 5 slash-delimited elements")},
	},
	"regions": {
		{"an endpoint of the profile with failover_regions", credential.BackendMisconfigured, "failover_regions can't be combined with endpoint_url of profile", "unset one", func(t *testing.T, server *awssmtest.Server, s *settings) {
			awsFiles(t, "[default]\nendpoint_url = "+server.URL()+"\n", "")
			s.EndpointURL, s.FailoverRegions = "", []string{"us-west-2"}
		}},
		{"an endpoint of a section with failover_regions", credential.BackendMisconfigured, "failover_regions can't be combined with endpoint_url in [services s]", "unset one", func(t *testing.T, server *awssmtest.Server, s *settings) {
			awsFiles(t, "[default]\nservices = s\n[services s]\nsecrets_manager =\n  endpoint_url = "+server.URL()+"\n", "")
			s.EndpointURL, s.FailoverRegions = "", []string{"us-west-2"}
		}},
		{"an endpoint of all services with failover_regions", credential.BackendMisconfigured, "failover_regions can't be combined with AWS_ENDPOINT_URL", "unset one", func(t *testing.T, server *awssmtest.Server, s *settings) {
			t.Setenv("AWS_ENDPOINT_URL", server.URL())
			s.EndpointURL, s.FailoverRegions = "", []string{"us-west-2"}
		}},
		{"a region that can't be", credential.BackendMisconfigured, "AWS_DEFAULT_REGION is not the name of a region", "us-east-1", func(t *testing.T, _ *awssmtest.Server, s *settings) {
			s.Region = ""
			t.Setenv("AWS_DEFAULT_REGION", "us-east-1/"+canary)
		}},
	},
}

// TestHostileInputs: each has its own reason, names what it is about, and says what to do.
func TestHostileInputs(t *testing.T) {
	for kind, causes := range hostileInputs {
		for _, c := range causes {
			t.Run(kind+"/"+c.what, c.bring)
		}
	}
}

// TestEndpointVariables: an endpoint in the environment or a file is the one that is asked, for each service, also where the SDK's
// clients wouldn't look: with AWS_ENDPOINT_URL set, even to nothing.
func TestEndpointVariables(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, url string){
		"AWS_ENDPOINT_URL": func(t *testing.T, url string) { t.Setenv("AWS_ENDPOINT_URL", url) },
		"one for each service": func(t *testing.T, url string) {
			t.Setenv("AWS_ENDPOINT_URL", noHost)
			t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", url)
			t.Setenv("AWS_ENDPOINT_URL_STS", url)
		},
		"a profile, and an empty AWS_ENDPOINT_URL": func(t *testing.T, url string) {
			t.Setenv("AWS_ENDPOINT_URL", "")
			awsFiles(t, "[default]\nendpoint_url = "+url+"\n", "")
		},
		"a section, and an empty AWS_ENDPOINT_URL": func(t *testing.T, url string) {
			t.Setenv("AWS_ENDPOINT_URL", "")
			awsFiles(t, "[default]\nservices = s\n[services s]\nsecrets_manager =\n  endpoint_url = "+url+"\nsts =\n  endpoint_url = "+url+"\n", "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := awssmtest.StartTest(t, awssmtest.Options{})
			server.PutSecret("tom/credentials/lab", labSecret)
			awsFiles(t, "", "")
			useKeys(t)
			prepare(t, server.URL())
			s := defaultSettings()
			s.Region, s.RoleARN = "us-east-1", tomRole
			p, _ := open(t, s)
			if _, err := get(t, p, "lab"); err != nil {
				t.Fatal(err)
			}
			checks, _ := validate(t, p, "lab")
			wantContains(t, checks[checkIdentity].Message, "assumed-role/tom")
			wantContains(t, checks[checkConfiguration].Message, server.URL())
		})
	}
}

// TestNeedlessConfiguration: what isn't used breaks nothing; a warning names it.
func TestNeedlessConfiguration(t *testing.T) {
	for name, test := range map[string]struct{ config, warning string }{
		"a role without a source": {"[default]\nrole_arn = " + tomRole + "\n", "neither source_profile nor credential_source"},
		"a loop":                  {"[default]\nrole_arn = " + tomRole + "\nsource_profile = a\n[profile a]\nrole_arn = " + tomRole + "\nsource_profile = default\n", "leads back to itself"},
		"half a pair":             {"[default]\naws_access_key_id = A\n", "lacks a value for aws_secret_access_key"},
		"incomplete SSO":          {"[default]\nsso_account_id = 1\n", "lack"},
		"an older retry mode":     {"[default]\nretry_mode = legacy\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := awssmtest.StartTest(t, awssmtest.Options{})
			server.PutSecret("tom/credentials/lab", labSecret)
			useKeys(t)
			awsFiles(t, test.config, "")
			p, log := open(t, atServer(server))
			if _, err := get(t, p, "lab"); err != nil {
				t.Fatal(err)
			}
			wantContains(t, log.String(), test.warning)
		})
	}
}

// TestProcessLeavesChild: credentials count once the process has ended, even if a child of it keeps its output open.
func TestProcessLeavesChild(t *testing.T) {
	server := awssmtest.StartTest(t, awssmtest.Options{})
	server.PutSecret("tom/credentials/lab", labSecret)
	profiles("[default]\ncredential_process = sh -c '"+credentialProcess(t, server)+"; sleep 20 &'\n")(t, server, nil)
	p, _ := open(t, atServer(server))
	if _, err := get(t, p, "lab"); err != nil {
		t.Fatal(err)
	}
}

// printing is a profile whose process prints a text.
func printing(text string) func(*testing.T, *awssmtest.Server, *settings) {
	return func(t *testing.T, server *awssmtest.Server, s *settings) {
		path := filepath.Join(t.TempDir(), "printed")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		profiles("[default]\ncredential_process = cat "+path+"\n")(t, server, s)
	}
}

// endpointVariable is an endpoint in the environment, and none in the settings.
func endpointVariable(variable, value string) func(*testing.T, *awssmtest.Server, *settings) {
	return func(t *testing.T, _ *awssmtest.Server, s *settings) {
		s.EndpointURL = ""
		t.Setenv(variable, value)
	}
}

// spoilTokens changes the files that signing in has left.
func spoilTokens(t *testing.T, old, with string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(os.Getenv("HOME"), ".aws", "sso", "cache", "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], []byte(strings.ReplaceAll(string(text), old, with)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// podRefused is a web identity that STS refuses.
func podRefused(code, message string) func(*testing.T, *awssmtest.Server, *settings) {
	return func(t *testing.T, server *awssmtest.Server, s *settings) {
		server.Inject(awssmtest.Fault{Service: "sts", Code: code, Message: message, Status: http.StatusBadRequest})
		pod(t, server, s)
	}
}

// proxySaying is a proxy that reads the request, says this, and hangs up.
func proxySaying(text string) func(*testing.T, *awssmtest.Server, *settings) {
	return func(t *testing.T, server *awssmtest.Server, s *settings) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Read(make([]byte, 4096))
				_, _ = io.WriteString(conn, text)
				_ = conn.Close()
			}
		}()
		t.Cleanup(func() { _ = listener.Close(); <-done })
		proxy("http://"+listener.Addr().String())(t, server, s)
	}
}
