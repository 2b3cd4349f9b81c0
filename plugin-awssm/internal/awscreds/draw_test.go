package awscreds

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
)

// world is what the drawn environments lead to: a server that knows users, files that processes print, a container's endpoint.
type world struct {
	server  *awssmtest.Server
	home    string
	answers *httptest.Server  // of containers, instances and sign-in services
	token   string            // a web identity's file
	session awssmtest.Session // of keys and processes
	login   awssmtest.Session // of "aws login"
	http    aws.HTTPClient
	files   int
}

type fixed aws.Credentials

func (f fixed) Retrieve(context.Context) (aws.Credentials, error) { return aws.Credentials(f), nil }

var users = []string{"one", "two", "three", "four"}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{server: awssmtest.StartTest(t, awssmtest.Options{}), home: t.TempDir()}
	for _, user := range users {
		w.server.AddIdentity("AKIA"+strings.ToUpper(user), "secret-of-"+user, "arn:aws:iam::123456789012:user/"+user)
	}
	w.session = w.server.AddSession("arn:aws:sts::123456789012:assumed-role/given/session", time.Hour)
	w.startAnswers(t)
	w.token = filepath.Join(w.home, "token")
	w.write(t, "token", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJwb2QifQ.c2ln")
	w.write(t, "print.sh", "#!/bin/sh\ncat \"$1\"\n")
	if err := os.Chmod(filepath.Join(w.home, "print.sh"), 0o700); err != nil {
		t.Fatal(err)
	}
	client := awshttp.NewBuildableClient()
	w.http = client
	return w
}

func (w *world) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(w.home, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// artist draws one environment.
type artist struct {
	*rand.Rand
	*world
	c     *drawn
	names []string // of profiles
}

// artist starts with an environment that leads nowhere but to the test's servers.
func (w *world) artist(source *rand.Rand) *artist {
	return &artist{Rand: source, world: w, c: &drawn{env: map[string]string{
		"AWS_EC2_METADATA_DISABLED": "true", "HOME": w.home, "AWS_ENDPOINT_URL_STS": w.server.URL(), "LAB_DIR": w.home,
		"AWS_DEFAULT_REGION":                "us-east-1",
		"AWS_EC2_METADATA_SERVICE_ENDPOINT": w.answers.URL, "AWS_ENDPOINT_URL_SSO": w.answers.URL, "AWS_ENDPOINT_URL_SSO_OIDC": w.answers.URL, "AWS_ENDPOINT_URL_SIGNIN": w.answers.URL,
	}, cache: make(map[string]string)}}
}

// draw makes an environment with its files. Files that the same number of cases ago wrote are overwritten.
func (w *world) draw(source *rand.Rand) *drawn {
	a := w.artist(source)
	a.names = []string{"default", a.pick("lab", "lab", "my lab", "ops.eu", "ünï", "a:b"), a.pick("base", "lab2", "Base")}
	if a.chance(30) {
		a.theme()
		return a.c
	}
	a.c.config, a.c.credentials = a.file(true), a.file(false)
	if a.chance(10) {
		a.c.config = ""
	}
	if a.chance(25) {
		a.c.credentials = ""
	}
	a.place("AWS_CONFIG_FILE", "config", a.c.config)
	a.place("AWS_SHARED_CREDENTIALS_FILE", "credentials", a.c.credentials)
	a.variables()
	return a.c
}

// theme draws one source in an environment that leads to it: among everything else, most would never be asked.
func (a *artist) theme() {
	text, more := "[default]\n", ""
	switch n := a.IntN(100); {
	case n < 35:
		text += strings.Join(a.ssoLines(), "")
		more = a.sessionSection()
	case n < 40:
		text += strings.Join(a.loginLines(), "")
	case n < 65:
		text += strings.Join(a.processLines(), "")
	case n < 70:
		a.c.env["AWS_EC2_METADATA_DISABLED"] = a.pick("false", "no", "TRUE")
		text = a.pick("", "[default]\nrole_arn = arn:aws:iam::123456789012:role/lab\ncredential_source = Ec2InstanceMetadata\n")
	default:
		text = a.pick("", "", "[default]\nrole_arn = arn:aws:iam::123456789012:role/lab\ncredential_source = EcsContainer\n")
		a.c.env[containerFull] = a.answers.URL + "/creds/guarded"
		for range 3 {
			a.container()
		}
	}
	if a.chance(30) { // the source of a role
		text = strings.Replace(text, "[default]\n", "[profile lab]\n", 1) + "[default]\nrole_arn = arn:aws:iam::123456789012:role/themed\nsource_profile = lab\n"
	}
	a.c.config = text + more
	if a.chance(10) {
		a.c.config = a.spoil(a.c.config)
	}
	a.place("AWS_CONFIG_FILE", "config", a.c.config)
	a.place("AWS_SHARED_CREDENTIALS_FILE", "credentials", "")
}

func (a *artist) chance(percent int) bool { return a.IntN(100) < percent }

func (a *artist) pick(choices ...string) string { return choices[a.IntN(len(choices))] }

// place writes a file and names it in a variable, in one of the spellings of its path.
func (a *artist) place(variable, name, text string) {
	a.files++
	file := fmt.Sprintf("%s-%d", name, a.files%8)
	path := filepath.Join(a.home, file)
	if text == "" {
		_ = os.Remove(path)
	} else if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		panic(err)
	}
	spelled := path
	if a.chance(40) {
		spelled = a.pick("~/"+file, "$HOME/"+file, "${HOME}/"+file, "$LAB_DIR/"+file, "${LAB_DIR}/./"+file, "~/../"+filepath.Base(a.home)+"/"+file,
			"$NOT_SET/"+file, "~no-such-user/"+file, "~root/"+file, "$HOME"+"/$NOT_SET/"+file, `"`+path+`"`, path+" ", "$LAB_DIR_/"+file)
	}
	if a.chance(2) {
		spelled = ""
		a.c.emptyVariable = true
	}
	a.c.env[variable] = spelled
}

// variables draws the rest of the environment.
func (a *artist) variables() {
	env := a.c.env
	if a.chance(40) {
		env[a.pick("AWS_PROFILE", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")] = a.pick(append(a.names, "missing")...)
	}
	if a.chance(8) {
		env["AWS_PROFILE"], env["AWS_DEFAULT_PROFILE"] = a.pick(a.names...), a.pick(a.names...)
	}
	if a.chance(2) {
		env[a.pick("AWS_PROFILE", "AWS_DEFAULT_PROFILE")] = ""
		a.c.emptyVariable = true
	}
	if a.chance(10) {
		a.c.profile = a.pick(append(a.names, "missing")...)
	}
	switch n := a.IntN(100); {
	case n < 12:
		a.keysInEnvironment()
	case n < 14:
		env["AWS_ACCESS_KEY_ID"] = "AKIAONE"
	case n < 16:
		env["AWS_SECRET_ACCESS_KEY"] = "secret-of-one"
	case n < 18:
		env["AWS_ACCESS_KEY"], env["AWS_SECRET_KEY"] = "AKIATWO", "secret-of-two"
	}
	a.container()
	a.instance()
	if a.chance(10) {
		env["AWS_WEB_IDENTITY_TOKEN_FILE"] = a.pick(a.token, a.token, a.token, a.token+"-missing", "~/token", "$HOME/token", " "+a.token)
		if a.chance(80) {
			env["AWS_ROLE_ARN"] = "arn:aws:iam::123456789012:role/web"
		}
		if a.chance(50) {
			env["AWS_ROLE_SESSION_NAME"] = "pod"
		}
	}
	if a.chance(1) {
		env["AWS_WEB_IDENTITY_TOKEN_FILE"] = ""
		a.c.emptyVariable = true
	}
}

func (a *artist) keysInEnvironment() {
	env := a.c.env
	if a.chance(50) {
		user := a.pick(users...)
		env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"] = "AKIA"+strings.ToUpper(user), "secret-of-"+user+a.pick("", "", "", "", "", "\n", " ")
		return
	}
	env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"] = a.session.AccessKeyID, a.session.SecretAccessKey
	if a.chance(80) {
		env[a.pick("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")] = a.session.SessionToken
	}
	if a.chance(15) {
		env[a.pick("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")] = a.pick("stale", "", a.session.SessionToken+"\r\n")
	}
	if a.chance(50) {
		env["AWS_CREDENTIAL_EXPIRATION"] = a.expiration()
	}
}

// expiration draws a time, mostly one to come.
func (a *artist) expiration() string {
	at := time.Now().Add(time.Duration(1+a.IntN(50)) * time.Hour).UTC()
	if a.chance(6) {
		at = at.Add(-1000 * time.Hour)
		a.c.expired = true
	}
	layout := a.pick(time.RFC3339, time.RFC3339, "2006-01-02T15:04:05UTC", "2006-01-02T15:04:05+0000", "2006-01-02T15:04:05.000Z", "2006-01-02 15:04:05+00:00",
		"2006-01-02 15:04:05 UTC", "20060102T150405Z", "2006-01-02T15:04:05", "Mon, 02 Jan 2006 15:04:05 GMT", "2006-01-02T15:04:05 +0000", "2006-01-02T15:04Z",
		"2006-01-02T15:04:05.123456+00:00", "soon", "2006-01-02T25:04:05Z")
	if a.chance(10) {
		at = at.In(time.FixedZone("", 2*3600))
		layout = a.pick(time.RFC3339, "2006-01-02T15:04:05-0700", "2006-01-02T15:04:05-07")
	}
	return at.Format(layout)
}

// file draws the text of a file.
func (a *artist) file(config bool) string {
	var text strings.Builder
	if a.chance(7) {
		text.WriteString(a.pick("# a comment\n", "\n\n", "; a comment\n", "  # an indented one\n", "\ufeff", "stray = line\n", "\x0c\n"))
	}
	for _, name := range a.names {
		if !a.chance(75) {
			continue
		}
		text.WriteString(a.section(config, name))
		text.WriteString(a.block(config, name))
		if a.chance(2) { // the same profile in another spelling, or once more
			text.WriteString(a.section(config, name))
			text.WriteString(a.block(config, name))
		}
	}
	if a.chance(4) {
		text.WriteString("[DEFAULT]\n" + a.block(config, "DEFAULT"))
	}
	if config && a.chance(60) {
		text.WriteString(a.sessionSection())
	}
	all := text.String()
	if a.chance(8) {
		all = a.spoil(all)
	}
	switch n := a.IntN(100); {
	case n < 8:
		all = strings.ReplaceAll(all, "\n", "\r\n")
	case n < 10:
		all = strings.ReplaceAll(all, "\n", "\r")
	case n < 12:
		all = strings.TrimSuffix(all, "\n")
	case n < 13:
		all += a.pick("\xff\xfe\n", "[unclosed\n", "no delimiter\n", "[]\n", "= no key\n", "   \n")
	}
	return all
}

// section draws a section's line.
func (a *artist) section(config bool, name string) string {
	quoted := name
	if strings.Contains(name, " ") {
		quoted = a.pick("'"+name+"'", `"`+name+`"`, strings.ReplaceAll(name, " ", `\ `))
	}
	head := "profile " + quoted
	switch {
	case name == "default":
		head = a.pick("default", "default", "default", "profile default")
	case !config:
		head = name
	}
	if a.chance(9) {
		head = a.pick("profile  "+quoted, "profile\t"+quoted, "profile \""+name+"\"", " "+head, head+" ", "Profile "+quoted, name, "profile "+name, "profiles "+quoted,
			"profile "+quoted+" extra", "profile '"+name, `"`+name+`"`, "profile"+quoted, "profile "+quoted+"]")
	}
	line := "[" + head + "]"
	if a.chance(6) {
		line = a.pick(" "+line, line+" ", line+" # comment", line+" ; comment", line+"x", "\t"+line, line+"]")
	}
	return line + "\n"
}

// block draws what a profile has.
func (a *artist) block(config bool, name string) string {
	var lines []string
	switch n := a.IntN(100); {
	case n < 38:
		lines = a.keyLines()
	case n < 62 && config:
		lines = a.roleLines(name)
	case n < 74 && config:
		lines = a.processLines()
	case n < 79 && config:
		lines = []string{a.line("role_arn", "arn:aws:iam::123456789012:role/profiled"), a.line("web_identity_token_file", a.pick(a.token, a.token, a.token+"-missing", ""))}
	case n < 85 && config:
		lines = a.ssoLines()
	case n < 86 && config:
		lines = a.loginLines()
	case n < 87:
		lines = append(a.roleLines(name), a.keyLines()...)
	case n < 94:
		lines = a.keyLines()
	default:
		lines = []string{a.line("output", "json")}
	}
	if a.chance(20) {
		lines = append(lines, a.pick("", "# comment\n", "; comment\n", "region = us-east-1\n", "s3 =\n    max_concurrent_requests = 20\n", "s3 =\n  not a setting\n", "   # indented comment\n", "\n\n"))
	}
	if a.chance(15) {
		a.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	}
	return strings.Join(lines, "")
}

// line draws the spelling of a key and its value.
func (a *artist) line(key, value string) string {
	if a.chance(6) {
		key = a.pick(strings.ToUpper(key), strings.ToUpper(key[:1])+key[1:], key+" ")
	}
	delimiter := " = "
	if a.chance(30) {
		delimiter = a.pick("=", "= ", " =", ":", " : ", "\t=\t", "  =   ", "\u00a0=\u00a0")
	}
	if a.chance(2) {
		value = a.pick(`"`+value+`"`, "'"+value+"'", value+" # comment", value+" ; comment", value+"  ", value+"\t", "\n  "+value, value+"\n  more", value+"\n\n", value+"\x1f")
	}
	line := key + delimiter + value + "\n"
	if a.chance(1) {
		line = a.pick(" "+line, line+line, "\t"+line, line+"\n# comment\n")
	}
	return line
}

func (a *artist) keyLines() []string {
	if a.chance(75) {
		user := a.pick(users...)
		lines := []string{a.line("aws_access_key_id", "AKIA"+strings.ToUpper(user)), a.line("aws_secret_access_key", "secret-of-"+user)}
		switch n := a.IntN(100); {
		case n < 3:
			return lines[:1]
		case n < 6:
			return lines[1:]
		case n < 8:
			lines[0] = a.line("aws_access_key_id", "")
		}
		return lines
	}
	lines := []string{a.line("aws_access_key_id", a.session.AccessKeyID), a.line("aws_secret_access_key", a.session.SecretAccessKey)}
	if a.chance(90) {
		lines = append(lines, a.line(a.pick("aws_session_token", "aws_security_token"), a.session.SessionToken))
	}
	if a.chance(15) {
		lines = append(lines, a.line(a.pick("aws_session_token", "aws_security_token"), a.pick("stale", "")))
	}
	return lines
}

func (a *artist) roleLines(name string) []string {
	lines := []string{a.line("role_arn", "arn:aws:iam::123456789012:role/"+strings.NewReplacer(" ", "-", "ü", "u", "ï", "i", ":", "-").Replace(name))}
	if a.chance(50) {
		lines = append(lines, a.line("role_session_name", "mine"))
	}
	if a.chance(78) {
		lines = append(lines, a.line("source_profile", a.pick(append(a.names, a.pick(append(a.names, "missing")...))...)))
	}
	if a.chance(100 - 75*(len(lines)-1)) {
		lines = append(lines, a.line("credential_source", a.pick("Environment", "EcsContainer", "EcsContainer", "Ec2InstanceMetadata", "environment", "Nonsense")))
	}
	if a.chance(15) {
		lines = append(lines, a.line("external_id", "ext-1"))
	}
	if a.chance(10) {
		lines = append(lines, a.line("duration_seconds", a.pick("900", "3600", "an hour", "1200 ")))
	}
	if a.chance(4) {
		lines = append(lines, a.line("mfa_serial", "arn:aws:iam::123456789012:mfa/me"))
	}
	return lines
}

func (a *artist) processLines() []string {
	text := fmt.Sprintf(`{"Version": %s, "AccessKeyId": %q, "SecretAccessKey": %q, "SessionToken": %q`, a.pick("1", "1", "1", "1", "1", "2", `"1"`, "1.0"),
		a.session.AccessKeyID, a.session.SecretAccessKey, a.session.SessionToken)
	if a.chance(60) {
		text += fmt.Sprintf(`, "Expiration": %q`, a.expiration())
	}
	text += a.pick("}", "}", "}", "}", "}\n", ", \"Extra\": null}", "")
	if a.chance(6) {
		text = a.pick(strings.Replace(text, "AccessKeyId", "accesskeyid", 1), strings.Replace(text, "SecretAccessKey", "Secret", 1), "[]", "nonsense", "", "\ufeff"+text,
			strings.Replace(text, `"SessionToken"`, `"SessionToken": "other", "SessionToken"`, 1), text+text, "null", strings.Replace(text, `{`, `{"Expiration": null, "AccountId": 5, `, 1), text+"\xff")
	}
	a.files++
	file := filepath.Join(a.home, fmt.Sprintf("printed %d", a.files%16))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		panic(err)
	}
	script := filepath.Join(a.home, "print.sh")
	command := a.pick("cat '"+file+"'", `cat "`+file+`"`, "cat "+strings.ReplaceAll(file, " ", `\ `), `"/bin/cat" '`+file+`'`, script+` "`+file+`" p "two words"`,
		`"`+script+`" '`+file+`'`, "cat "+file, "cat '"+file, "exit 3", "false", "missing-program", "cat '"+file+"' | cat", "cat $HOME/printed", "FOO=1 cat '"+file+"'", `cat '`+file+`' \`)
	switch n := a.IntN(100); {
	case n < 15:
		command = a.quoted("cat") + a.pick(" ", "  ", "\t") + a.quoted(file)
	case n < 60:
		command = `cat "` + file + `"`
	}
	return []string{a.line("credential_process", command)}
}
