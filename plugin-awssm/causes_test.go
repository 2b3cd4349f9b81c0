package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/shared/credential"
)

//go:generate go test -run ^TestCauses$ . -update-causes=true

var updateCauses = flag.Bool("update-causes", false, "write the table of causes into README.md")

// cause is something that goes wrong when a credential is read, and a line of the README's table.
type cause struct {
	what    string
	reason  credential.Reason
	says    string // a part of the message
	remedy  string // a part of what to do
	prepare func(t *testing.T, server *awssmtest.Server, s *settings)
}

// chapters are the causes, in the README's order.
var chapters = []struct {
	title  string
	causes []cause
}{
	{"AWS credentials", credentialCauses},
	{"Roles", roleCauses},
	{"Signatures", signatureCauses},
	{"Networks and proxies", networkCauses},
	{"Secrets", secretCauses},
}

const tomRole = "arn:aws:iam::123456789012:role/tom"

var credentialCauses = []cause{
	{"no AWS credentials anywhere", credential.BackendUnauthenticated, "no AWS credentials were found; tried:", "give the worker AWS credentials", noKeys},
	{"half of a pair of access keys in the environment", credential.BackendUnauthenticated, "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not", "set both", with("AWS_SECRET_ACCESS_KEY", "")},
	{"a line end at the end of an access key or token", credential.BackendUnauthenticated, "the secret access key holds a line end or another control character", "printf, not echo", with("AWS_SECRET_ACCESS_KEY", canary+"\n")},
	{"`AWS_CREDENTIAL_EXPIRATION` that is no time", credential.BackendUnauthenticated, "AWS_CREDENTIAL_EXPIRATION is not a time with a zone", "2026-01-31T12:00:00Z", with("AWS_CREDENTIAL_EXPIRATION", "soon")},
	{"a profile that doesn't exist", credential.BackendMisconfigured, "names a profile that is in neither the shared configuration file", "correct AWS_PROFILE", with("AWS_PROFILE", "lbb")},
	{"a shared file with a byte-order mark", credential.BackendMisconfigured, "the file starts with a byte-order mark", "aws configure list", profiles("\ufeff[default]\n")},
	{"a key twice in a section of a shared file", credential.BackendMisconfigured, "is twice in section", "aws configure list", profiles("[default]\nregion = a\nregion = b\n")},
	{"half of a pair in a shared file", credential.BackendUnauthenticated, "it lacks a value for aws_secret_access_key", "complete the pair", profiles("[default]\naws_access_key_id = AKIA\n")},
	{"a misspelt `retry_mode`", credential.BackendMisconfigured, "is none of legacy, standard and adaptive", "correct it", profiles("[default]\nretry_mode = standrad\n")},
	{"`sso_session` without its section", credential.BackendUnauthenticated, "its sso_session names [sso-session corp]", "add that section", profiles("[default]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = tom\n")},
	{"SSO settings that lack one", credential.BackendUnauthenticated, "its SSO settings lack sso_region", "aws configure sso", profiles("[default]\nsso_start_url = https://x.example\nsso_account_id = 123456789012\nsso_role_name = tom\n")},
	{"an SSO session that has ended", credential.BackendUnauthenticated, "the SSO session has ended", "aws sso login", func(t *testing.T, server *awssmtest.Server, s *settings) {
		startPortal(t, server).signedIn(t, startURL, time.Now().Add(-time.Hour))
		profiles(legacySSO)(t, server, s)
	}},
	{"`credential_process` that isn't there", credential.BackendUnauthenticated, "credential_process missing-program can't be started", "credential_plugin_pass_env", profiles("[default]\ncredential_process = missing-program\n")},
	{"`credential_process` that fails", credential.BackendUnauthenticated, "credential_process sh fails (exit status 3); what it printed to standard error isn't shown", "by hand as the worker's user", profiles("[default]\ncredential_process = sh -c 'echo " + canary + " >&2; exit 3'\n")},
	{"`credential_process` that prints something else", credential.BackendUnauthenticated, "credential_process echo prints no credentials: it isn't a JSON object", "it must print JSON", profiles("[default]\ncredential_process = echo " + canary + "\n")},
	{"`credential_process` that doesn't end", credential.BackendUnavailable, "credential_process sleep doesn't end in time", "credential_process_timeout", func(t *testing.T, server *awssmtest.Server, s *settings) {
		profiles("[default]\ncredential_process = sleep 60\n")(t, server, s)
		s.CredentialProcessTimeout = duration(200 * time.Millisecond)
	}},
	{"`AWS_CONTAINER_CREDENTIALS_FULL_URI` on a host that isn't allowed", credential.BackendUnauthenticated, `the host "192.0.2.1" of AWS_CONTAINER_CREDENTIALS_FULL_URI is not allowed`, "use https, or a loopback address", withoutKeys("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/creds")},
	{"a container's endpoint that refuses", credential.BackendUnauthenticated, "it refuses with HTTP status 401", "AWS_CONTAINER_AUTHORIZATION_TOKEN", func(t *testing.T, server *awssmtest.Server, s *settings) {
		withoutKeys("AWS_CONTAINER_CREDENTIALS_FULL_URI", container(t, server, "another token"))(t, server, s)
	}},
	{"a web identity's token file that isn't there", credential.BackendUnauthenticated, "can't be read: no such file or directory", "AWS_WEB_IDENTITY_TOKEN_FILE", func(t *testing.T, server *awssmtest.Server, s *settings) {
		pod(t, server, s)
		t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", filepath.Join(t.TempDir(), "absent"))
	}},
	{"a web identity without a role", credential.BackendUnauthenticated, "AWS_WEB_IDENTITY_TOKEN_FILE is set, but no role", "set AWS_ROLE_ARN", func(t *testing.T, server *awssmtest.Server, s *settings) {
		pod(t, server, s)
		t.Setenv("AWS_ROLE_ARN", "")
	}},
}

var roleCauses = []cause{
	{"a role that may not be assumed", credential.BackendUnauthenticated, "can't be assumed (sts:AssumeRole): it is denied (sts:AssumeRole)", "set external_id to it", func(_ *testing.T, server *awssmtest.Server, s *settings) {
		server.Deny(awssmtest.Denial{Action: "sts:AssumeRole"})
		s.RoleARN = tomRole
	}},
	{"session tags that may not be passed on", credential.BackendUnauthenticated, "it is denied (sts:TagSession)", "allow sts:TagSession besides sts:AssumeRole in the role's trust policy", stsRefuses("AccessDenied", "User: arn:aws:sts::1:assumed-role/a/b is not authorized to perform: sts:TagSession on resource: "+tomRole)},
	{"a web identity that may not assume its role", credential.BackendUnauthenticated, "can't be assumed (sts:AssumeRoleWithWebIdentity): it is denied (sts:AssumeRoleWithWebIdentity)", "to the federated principal that is the token's issuer", func(t *testing.T, server *awssmtest.Server, s *settings) {
		server.Deny(awssmtest.Denial{Action: "sts:AssumeRoleWithWebIdentity"})
		pod(t, server, s)
	}},
	{"a web identity's token that has expired", credential.BackendUnauthenticated, "has expired", "let what writes that file renew it", func(t *testing.T, server *awssmtest.Server, s *settings) {
		server.Inject(awssmtest.Fault{Service: "sts", Code: "ExpiredTokenException", Message: "Token expired: current date/time must be before the expiration date/time", Status: 400})
		pod(t, server, s)
	}},
	{"a web identity's token that AWS refuses", credential.BackendUnauthenticated, "is refused (InvalidIdentityToken)", "OIDC provider", func(t *testing.T, server *awssmtest.Server, s *settings) {
		server.Inject(awssmtest.Fault{Service: "sts", Code: "InvalidIdentityToken", Message: "No OpenIDConnect provider found in your account", Status: 400})
		pod(t, server, s)
	}},
	{"a session that is longer than the role allows", credential.BackendMisconfigured, "duration_seconds of profile \"default\"", "maximum session duration", func(t *testing.T, server *awssmtest.Server, s *settings) {
		server.Inject(awssmtest.Fault{Service: "sts", Code: "ValidationError", Message: "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.", Status: 400})
		profiles("[default]\nrole_arn = "+tomRole+"\nsource_profile = base\nduration_seconds = 43200\n[profile base]\n"+addUser(server, "base").ini())(t, server, s)
	}},
	{"STS that isn't activated in a region", credential.BackendMisconfigured, "STS is not activated in the region us-east-1", "activate the region", stsRefuses("RegionDisabledException", "STS is not activated in this region for account:1.")},
	{"a role that needs a code (`mfa_serial`)", credential.BackendUnauthenticated, "asks for a code from a person (mfa_serial)", "use a role that needs no mfa_serial", func(t *testing.T, server *awssmtest.Server, s *settings) {
		profiles("[default]\nrole_arn = "+tomRole+"\nmfa_serial = arn:aws:iam::123456789012:mfa/me\nsource_profile = base\n[profile base]\n"+addUser(server, "base").ini())(t, server, s)
	}},
	{"a role without a source", credential.BackendUnauthenticated, "neither source_profile nor credential_source", "setting role_arn", profiles("[default]\nrole_arn = " + tomRole + "\n")},
	{"a role with two sources", credential.BackendUnauthenticated, "it has both source_profile and credential_source", "remove one", profiles("[default]\nrole_arn = " + tomRole + "\nsource_profile = base\ncredential_source = Environment\n")},
	{"`source_profile` that isn't there", credential.BackendUnauthenticated, `its source_profile names the profile "base", which is in neither`, "correct source_profile", profiles("[default]\nrole_arn = " + tomRole + "\nsource_profile = base\n")},
	{"`source_profile` in a circle", credential.BackendUnauthenticated, "its source_profile leads back to itself: default -> base -> default", "have credentials instead", profiles("[default]\nrole_arn = " + tomRole + "\nsource_profile = base\n[profile base]\nrole_arn = " + tomRole + "\nsource_profile = default\n")},
	{"a misspelt `credential_source`", credential.BackendUnauthenticated, "its credential_source is none of Environment, EcsContainer and Ec2InstanceMetadata", "case-sensitive", profiles("[default]\nrole_arn = " + tomRole + "\ncredential_source = Enviroment\n")},
	{"STS that throttles or fails", credential.BackendUnavailable, "STS fails (ServiceUnavailable)", "health.aws.amazon.com", stsFault(awssmtest.Fault{Code: "ServiceUnavailable", Status: 503})},
}

var signatureCauses = []cause{
	{"an access key that AWS doesn't know", credential.BackendUnauthenticated, "AWS doesn't know the access key", "run validate", secretsRefuse("UnrecognizedClientException", "The security token included in the request is invalid.")},
	{"a wrong secret access key", credential.BackendUnauthenticated, "the secret access key doesn't belong to the access key id", "run validate", with("AWS_SECRET_ACCESS_KEY", canary)},
	{"an expired session", credential.BackendUnauthenticated, "the AWS session credentials have expired", "renew them at their source", secretsRefuse("ExpiredTokenException", "The security token included in the request is expired")},
	{"a clock that is wrong", credential.BackendUnauthenticated, "this machine's clock is off", "set the clock", func(_ *testing.T, server *awssmtest.Server, _ *settings) {
		server.Inject(awssmtest.Fault{ClockSkew: time.Hour})
	}},
	{"an endpoint of another region", credential.BackendMisconfigured, "the endpoint is of another region", "name the same region", secretsRefuse("InvalidSignatureException", "Credential should be scoped to a valid region. ")},
	{"an endpoint of another service", credential.BackendMisconfigured, "the endpoint is of another service", "AWS_ENDPOINT_URL", secretsRefuse("SignatureDoesNotMatch", "Credential should be scoped to correct service: 'sts'. ")},
}

var networkCauses = []cause{
	{"no region", credential.BackendMisconfigured, "no AWS region is set", "AWS_DEFAULT_REGION", func(_ *testing.T, _ *awssmtest.Server, s *settings) { s.Region = "" }},
	{"`failover_regions` with an endpoint in the environment", credential.BackendMisconfigured, "failover_regions can't be combined with AWS_ENDPOINT_URL_SECRETS_MANAGER", "unset one", func(t *testing.T, server *awssmtest.Server, s *settings) {
		s.EndpointURL, s.FailoverRegions = "", []string{"us-west-2"}
		t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", server.URL())
	}},
	{"a proxy that demands a password (407)", credential.BackendMisconfigured, "the proxy demands a user name and password (HTTP status 407)", "write them into HTTPS_PROXY", proxied(407)},
	{"a proxy that refuses (403)", credential.BackendMisconfigured, "the proxy refuses to connect to Secrets Manager (HTTP status 403)", "allow its host at the proxy", proxied(403)},
	{"a proxy that fails (5xx)", credential.BackendUnavailable, "the proxy answers 503", "HTTPS_PROXY", proxied(503)},
	{"`HTTPS_PROXY` that is no URL", credential.BackendMisconfigured, "HTTPS_PROXY is not a URL", `"%" as %25`, proxy("http://me:100%-" + canary + "@192.0.2.1:3128")},
	{"`HTTPS_PROXY` with a `#` in its password", credential.BackendMisconfigured, "HTTPS_PROXY has something after host and port", `"#" as %23`, proxy("http://me:#" + canary + "@192.0.2.1:3128")},
	{"a proxy's host that doesn't exist", credential.BackendMisconfigured, `there is no proxy "` + strings.TrimPrefix(noHost, "http://"), "check HTTPS_PROXY", proxy(noHost + ":3128")},
	{"a proxy that isn't running", credential.BackendUnavailable, "the connection to the proxy is refused", "whether it runs", func(t *testing.T, server *awssmtest.Server, s *settings) {
		proxy("http://127.0.0.1:"+freePort(t))(t, server, s)
	}},
	{"a certificate of an authority of your own", credential.BackendMisconfigured, "the TLS certificate is signed by an unknown authority", "AWS_CA_BUNDLE", func(t *testing.T, _ *awssmtest.Server, s *settings) {
		s.EndpointURL = awssmtest.StartTest(t, awssmtest.Options{TLS: true}).URL()
	}},
	{"`AWS_CA_BUNDLE` that can't be read", credential.BackendMisconfigured, "the CA bundle /absent.pem (AWS_CA_BUNDLE) can't be read", "correct the path", with("AWS_CA_BUNDLE", "/absent.pem")},
	{"an endpoint without TLS", credential.BackendMisconfigured, "what answers doesn't speak TLS", "should start with http://", func(_ *testing.T, server *awssmtest.Server, s *settings) {
		s.EndpointURL = strings.Replace(server.URL(), "http:", "https:", 1)
	}},
	{"a host that doesn't exist", credential.BackendMisconfigured, "there is no host", "this machine's DNS", func(_ *testing.T, _ *awssmtest.Server, s *settings) { s.EndpointURL = noHost }},
	{"a page of a proxy instead of AWS's answer", credential.BackendMisconfigured, "what answers isn't Secrets Manager", "HTTPS_PROXY", answers(awssmtest.Fault{Body: html})},
	{"nothing listens", credential.BackendUnavailable, "the connection is refused", "whether the service runs", func(t *testing.T, _ *awssmtest.Server, s *settings) {
		s.EndpointURL = "http://127.0.0.1:" + freePort(t)
	}},
	{"no answer in time", credential.BackendUnavailable, "Secrets Manager didn't answer in time", "routes, firewalls", func(_ *testing.T, server *awssmtest.Server, s *settings) {
		s.RequestTimeout = duration(200 * time.Millisecond)
		server.Inject(awssmtest.Fault{Stall: true})
	}},
	{"an answer that is cut", credential.BackendUnavailable, "the answer was cut short", "health.aws.amazon.com", answers(awssmtest.Fault{Truncate: true})},
	{"an error of AWS", credential.BackendUnavailable, "AWS fails (InternalServiceError)", "health.aws.amazon.com", answers(awssmtest.Fault{Code: "InternalServiceError"})},
	{"AWS throttles", credential.Throttled, "AWS throttles", "health.aws.amazon.com", answers(awssmtest.Fault{Status: 429})},
}

var secretCauses = []cause{
	{"no such secret", credential.CredentialNotFound, "there is no such secret", "aws secretsmanager create-secret", func(_ *testing.T, server *awssmtest.Server, _ *settings) { server.DeleteSecret("tom/credentials/lab") }},
	{"a secret without a value", credential.CredentialNotFound, "the secret has no value yet", "put-secret-value", secretsRefuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT")},
	{"a secret that is scheduled for deletion", credential.CredentialDeleted, "scheduled for deletion", "restore-secret", func(_ *testing.T, server *awssmtest.Server, _ *settings) {
		server.ScheduleDeletion("tom/credentials/lab")
	}},
	{"a password with a line end", credential.CredentialMalformed, `"password" ends with a line end`, "printf, not echo", holds(`{"username":"admin","password":"` + canary + `\n"}`)},
	{"a secret that isn't JSON", credential.CredentialMalformed, "the secret is not JSON", "store a JSON object", holds(canary)},
	{"reading isn't allowed", credential.AccessDenied, "is denied secretsmanager:GetSecretValue", `"Action": "secretsmanager:GetSecretValue"`, denying(awssmtest.Denial{Action: actionGet})},
	{"decrypting isn't allowed", credential.AccessDenied, "may not decrypt it (kms:Decrypt)", "in the key's policy", denying(awssmtest.Denial{Action: actionDecrypt})},
	{"a KMS key that is disabled", credential.DecryptionFailed, "AWS can't decrypt the secret", "is enabled", secretsRefuse("DecryptionFailure", "x")},
}

func noKeys(t *testing.T, _ *awssmtest.Server, _ *settings) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
}

func with(variable, value string) func(*testing.T, *awssmtest.Server, *settings) {
	return func(t *testing.T, _ *awssmtest.Server, _ *settings) { t.Setenv(variable, value) }
}

func withoutKeys(variable, value string) func(*testing.T, *awssmtest.Server, *settings) {
	return func(t *testing.T, server *awssmtest.Server, s *settings) {
		noKeys(t, server, s)
		t.Setenv(variable, value)
	}
}

// profiles is a shared configuration file, and no other AWS credentials.
func profiles(config string) func(*testing.T, *awssmtest.Server, *settings) {
	return func(t *testing.T, server *awssmtest.Server, s *settings) {
		noKeys(t, server, s)
		awsFiles(t, config, "")
	}
}

// pod is a web identity.
func pod(t *testing.T, server *awssmtest.Server, s *settings) {
	t.Helper()
	noKeys(t, server, s)
	webIdentity(t, server, tomRole)
}

func stsRefuses(code, message string) func(*testing.T, *awssmtest.Server, *settings) {
	return stsFault(awssmtest.Fault{Code: code, Message: message, Status: 403})
}

func secretsRefuse(code, message string) func(*testing.T, *awssmtest.Server, *settings) {
	return answers(awssmtest.Fault{Code: code, Message: message})
}

func answers(fault awssmtest.Fault) func(*testing.T, *awssmtest.Server, *settings) {
	return func(_ *testing.T, server *awssmtest.Server, _ *settings) {
		fault.Service = "secretsmanager"
		server.Inject(fault)
	}
}

func holds(text string) func(*testing.T, *awssmtest.Server, *settings) {
	return func(_ *testing.T, server *awssmtest.Server, _ *settings) {
		server.PutSecret("tom/credentials/lab", text)
	}
}

// TestCauses brings each cause about, and holds the README's table to it.
func TestCauses(t *testing.T) {
	var table strings.Builder
	for _, chapter := range chapters {
		fmt.Fprintf(&table, "\n### %s\n\n| What is wrong | Reason | The error says | What to do |\n| --- | --- | --- | --- |\n", chapter.title)
		for _, c := range chapter.causes {
			t.Run(c.what, func(t *testing.T) { c.bring(t) })
			cell := func(text string) string {
				return strings.NewReplacer("|", `\|`, strings.TrimPrefix(noHost, "http://"), "NAME").Replace(text)
			}
			fmt.Fprintf(&table, "| %s | `%s` | %s | %s |\n", c.what, c.reason, cell(c.says), cell(c.remedy))
		}
	}
	const start, end = "<!-- causes: written by make generate -->\n", "\n<!-- end of causes -->"
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), start)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("README.md has no %q and %q", start, end)
	}
	want := before + start + table.String() + end + after
	switch {
	case want == string(text):
	case *updateCauses:
		if err := os.WriteFile("README.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Error("the table of causes in README.md isn't what the tests show; run make generate")
	}
}

// bring brings the cause about.
func (c cause) bring(t *testing.T) {
	t.Helper()
	server := awssmtest.StartTest(t, awssmtest.Options{})
	server.PutSecret("tom/credentials/lab", labSecret)
	awsFiles(t, "", "")
	useKeys(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	s := atServer(server)
	c.prepare(t, server, &s)
	p, _ := open(t, s)
	_, err := get(t, p, "lab")
	e := wantReason(t, err, c.reason)
	wantContains(t, e.Message, c.says)
	wantContains(t, strings.Join(e.Help, "\n"), c.remedy)
	for _, text := range append(e.Help, e.Message) {
		if strings.Contains(text, "%!") || strings.Contains(text, "*errors.") || strings.Contains(text, "*fmt.") || strings.Contains(text, "()") {
			t.Errorf("a hole, or a Go type, in %q", text)
		}
	}
}
