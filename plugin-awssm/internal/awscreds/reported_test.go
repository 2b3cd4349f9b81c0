package awscreds

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

// reported are spellings from public reports with which boto3 users found themselves without credentials, or with others.
var reported = []struct {
	name    string
	prepare func(a *artist)
	want    string // how the identity ends; empty: an error
	says    string // a part of the error
}{
	{"~ in AWS_SHARED_CREDENTIALS_FILE", func(a *artist) { a.named("AWS_SHARED_CREDENTIALS_FILE", "~/lab", keysOf("one", "default")) }, "user/one", ""},
	{"$HOME in AWS_SHARED_CREDENTIALS_FILE", func(a *artist) { a.named("AWS_SHARED_CREDENTIALS_FILE", "$HOME/lab", keysOf("one", "default")) }, "user/one", ""},
	{"~ in AWS_CONFIG_FILE", func(a *artist) { a.named("AWS_CONFIG_FILE", "~/lab", keysOf("two", "default")) }, "user/two", ""},
	{"${HOME} in AWS_CONFIG_FILE", func(a *artist) { a.named("AWS_CONFIG_FILE", "${HOME}/lab", keysOf("two", "default")) }, "user/two", ""},
	{"a byte-order mark, and a container", func(a *artist) {
		a.c.env[containerFull] = a.answers.URL + "/creds"
		a.named("AWS_CONFIG_FILE", "$HOME/lab", "\ufeff"+keysOf("one", "default"))
	}, "", "byte-order mark"},
	{"aws_security_token", func(a *artist) {
		a.named("AWS_SHARED_CREDENTIALS_FILE", "$HOME/lab", a.sessionKeys("aws_security_token"))
	}, "assumed-role/given/session", ""},
	{"a token in the other file", func(a *artist) {
		a.named("AWS_CONFIG_FILE", "$HOME/config", a.sessionKeys("aws_session_token"))
		a.named("AWS_SHARED_CREDENTIALS_FILE", "$HOME/lab", keysOf("three", "default"))
	}, "user/three", ""},
	{"[profile default] before [default]", func(a *artist) {
		a.named("AWS_CONFIG_FILE", "$HOME/config", keysOf("one", "profile default")+keysOf("two", "default"))
	}, "user/two", ""},
	{"[default] before [profile default]", func(a *artist) {
		a.named("AWS_CONFIG_FILE", "$HOME/config", keysOf("one", "default")+keysOf("two", "profile default"))
	}, "user/two", ""},
	{"[profile 'my lab']", func(a *artist) {
		a.c.env["AWS_PROFILE"] = "my lab"
		a.named("AWS_CONFIG_FILE", "$HOME/config", keysOf("four", "profile 'my lab'"))
	}, "user/four", ""},
	{"[sso-session 'My Corp']", func(a *artist) {
		a.c.cache["sso/cache/"+sha1Of("My Corp")+".json"] = fmt.Sprintf(`{"accessToken":"valid","expiresAt":%q}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		a.named("AWS_CONFIG_FILE", "$HOME/config", "[default]\nsso_session = My Corp\nsso_account_id = 123456789012\nsso_role_name = reader\n[sso-session 'My Corp']\nsso_region = us-east-1\nsso_start_url = https://x.example/start\n")
	}, "assumed-role/sso/session", ""},
	{"a process in quotes, with a parameter of several words", func(a *artist) {
		a.named("AWS_CONFIG_FILE", "$HOME/config", fmt.Sprintf("[default]\ncredential_process = \"%s\" \"%s\" p \"parameter with spaces\"\n", filepath.Join(a.home, "print.sh"), a.printed("2006-01-02T15:04:05Z")))
	}, "assumed-role/given/session", ""},
	{"Expiration in UTC by name", func(a *artist) {
		a.named("AWS_CONFIG_FILE", "$HOME/config", fmt.Sprintf("[default]\ncredential_process = cat %q\n", a.printed("2006-01-02T15:04:05UTC")))
	}, "assumed-role/given/session", ""},
	{"Expiration with +0000", func(a *artist) {
		a.named("AWS_CONFIG_FILE", "$HOME/config", fmt.Sprintf("[default]\ncredential_process = cat %q\n", a.printed("2006-01-02T15:04:05+0000")))
	}, "assumed-role/given/session", ""},
	{"AWS_CREDENTIAL_EXPIRATION in UTC by name", func(a *artist) {
		a.c.env["AWS_ACCESS_KEY_ID"], a.c.env["AWS_SECRET_ACCESS_KEY"] = "AKIAONE", "secret-of-one"
		a.c.env["AWS_CREDENTIAL_EXPIRATION"] = time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05UTC")
	}, "user/one", ""},
	{"a named file that isn't there", func(a *artist) { a.c.env["AWS_CONFIG_FILE"] = "~/absent" }, "none", "/absent (AWS_CONFIG_FILE), which doesn't exist"},
}

func keysOf(user, section string) string {
	return "[" + section + "]\naws_access_key_id = AKIA" + strings.ToUpper(user) + "\naws_secret_access_key = secret-of-" + user + "\n"
}

func (a *artist) sessionKeys(token string) string {
	return fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n%s = %s\n", a.session.AccessKeyID, a.session.SecretAccessKey, token, a.session.SessionToken)
}

// named writes a file, and names it in a variable.
func (a *artist) named(variable, spelled, text string) {
	if err := os.WriteFile(filepath.Join(a.home, filepath.Base(spelled)), []byte(text), 0o600); err != nil {
		panic(err)
	}
	a.c.env[variable] = spelled
}

// printed is a file with what a process prints.
func (a *artist) printed(layout string) string {
	path := filepath.Join(a.home, "printed by report")
	text := fmt.Sprintf(`{"Version":1,"AccessKeyId":%q,"SecretAccessKey":%q,"SessionToken":%q,"Expiration":%q}`,
		a.session.AccessKeyID, a.session.SecretAccessKey, a.session.SessionToken, time.Now().Add(time.Hour).UTC().Format(layout))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		panic(err)
	}
	return path
}

// TestReportedSpellings: each gives the identity that boto3 gives, or an error that says why not.
func TestReportedSpellings(t *testing.T) {
	w := newWorld(t)
	for _, report := range reported {
		t.Run(report.name, func(t *testing.T) {
			c := w.reported(t, report.prepare)
			got := w.whoAmI(t, c)
			if report.want != "" && !strings.HasSuffix(got.identity, report.want) || report.want == "" && got.identity != "error" || !strings.Contains(got.problem, report.says) {
				t.Errorf("got %s (%s), want %q, %q\n%s", got.identity, got.problem, report.want, report.says, c)
			}
		})
	}
}

// TestReportedSpellingsOfBotocore holds what is expected of them to botocore.
func TestReportedSpellingsOfBotocore(t *testing.T) {
	w := newWorld(t)
	boto := startBotocore(t, w)
	for _, report := range reported {
		c := w.reported(t, report.prepare)
		got := boto.ask(t, c)
		if report.want != "" && !strings.HasSuffix(got.Identity, report.want) || report.want == "" && got.Identity != "error" {
			t.Errorf("%s: boto3 gives %s (%s), and %q is expected\n%s", report.name, got.Identity, got.Problem, report.want, c)
		}
	}
}

func (w *world) reported(t *testing.T, prepare func(a *artist)) *drawn {
	t.Helper()
	a := w.artist(rand.New(rand.NewPCG(1, 1)))
	a.c.env["AWS_CONFIG_FILE"], a.c.env["AWS_SHARED_CREDENTIALS_FILE"] = filepath.Join(w.home, "no-config"), filepath.Join(w.home, "no-credentials")
	prepare(a)
	w.lay(t, a.c)
	return a.c
}

// TestWarnings: what boto3 reads and this doesn't is named, and REQUESTS_CA_BUNDLE counts after AWS_CA_BUNDLE.
func TestWarnings(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AWS_CREDENTIAL_FILE", "/x")
	t.Setenv("BOTO_CONFIG", "/y")
	options := Options{Region: "us-east-1", SessionName: "s", RequestTimeout: time.Second}
	e, err := Load(options)
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	e.Warn(hclog.New(&hclog.LoggerOptions{Output: &said}))
	for _, variable := range []string{"AWS_CREDENTIAL_FILE", "BOTO_CONFIG"} {
		if !strings.Contains(said.String(), "variable="+variable) {
			t.Errorf("no warning of %s: %s", variable, said.String())
		}
	}
	t.Setenv("REQUESTS_CA_BUNDLE", "/absent-1.pem")
	if _, err = Load(options); err == nil || !strings.Contains(err.Error(), "/absent-1.pem (REQUESTS_CA_BUNDLE)") {
		t.Errorf("REQUESTS_CA_BUNDLE: %v", err)
	}
	t.Setenv("AWS_CA_BUNDLE", "/absent-2.pem")
	if _, err = Load(options); err == nil || !strings.Contains(err.Error(), "/absent-2.pem (AWS_CA_BUNDLE)") {
		t.Errorf("AWS_CA_BUNDLE: %v", err)
	}
}
