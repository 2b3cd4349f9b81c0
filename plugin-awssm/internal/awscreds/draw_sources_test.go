package awscreds

import (
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
)

// startAnswers starts what answers as a container's endpoint, as instance metadata and as IAM Identity Center.
func (w *world) startAnswers(t *testing.T) {
	t.Helper()
	session := func(of string) awssmtest.Session {
		return w.server.AddSession("arn:aws:sts::123456789012:assumed-role/"+of+"/session", time.Hour)
	}
	task, instance, signedIn := session("task"), session("instance"), session("sso")
	w.login = session("login")
	keys := func(s awssmtest.Session) string {
		return fmt.Sprintf(`{"AccessKeyId":%q,"SecretAccessKey":%q,"Token":%q,"Expiration":%q,"Code":"Success"}`, s.AccessKeyID, s.SecretAccessKey, s.SessionToken, s.Expires.UTC().Format(time.RFC3339))
	}
	mux := http.NewServeMux()
	answer := func(pattern, text string) {
		mux.HandleFunc(pattern, func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(text)) })
	}
	answer("GET /creds", keys(task))
	answer("GET /creds/no-token", strings.Replace(keys(task), `"Token"`, `"token"`, 1))
	answer("GET /creds/null-token", `{"AccessKeyId":"AKIAONE","SecretAccessKey":"secret-of-one","Token":null,"Expiration":"2100-01-01T00:00:00Z"}`)
	answer("GET /creds/no-expiration", strings.Replace(keys(task), `"Expiration"`, `"Expires"`, 1))
	answer("GET /creds/null-expiration", strings.Replace(keys(task), `"Expiration":"`, `"Expiration":null,"Expires":"`, 1))
	answer("GET /creds/no-secret", strings.Replace(keys(task), `"SecretAccessKey"`, `"secretaccesskey"`, 1))
	answer("GET /creds/list", `[]`)
	answer("GET /creds/text", `nonsense`)
	mux.HandleFunc("GET /creds/guarded", func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Basic of-the-task" {
			http.Error(rw, "no", http.StatusForbidden)
			return
		}
		_, _ = rw.Write([]byte(keys(task)))
	})
	answer("PUT /latest/api/token", "metadata-token")
	answer("GET /latest/meta-data/iam/security-credentials/{$}", "worker")
	answer("GET /latest/meta-data/iam/security-credentials/worker", keys(instance))
	refuse := func(rw http.ResponseWriter, status int, kind string) {
		rw.Header().Set("X-Amzn-ErrorType", kind)
		rw.WriteHeader(status)
		fmt.Fprintf(rw, `{"message":"refused","error":%q}`, strings.TrimSuffix(kind, "Exception"))
	}
	mux.HandleFunc("GET /federation/credentials", func(rw http.ResponseWriter, r *http.Request) {
		switch q := r.URL.Query(); {
		case r.Header.Get("X-Amz-Sso_bearer_token") != "valid":
			refuse(rw, http.StatusUnauthorized, "UnauthorizedException")
		case q.Get("role_name") != "reader" || q.Get("account_id") != "123456789012":
			refuse(rw, http.StatusForbidden, "ForbiddenException")
		default:
			fmt.Fprintf(rw, `{"roleCredentials":{"accessKeyId":%q,"secretAccessKey":%q,"sessionToken":%q,"expiration":%d}}`,
				signedIn.AccessKeyID, signedIn.SecretAccessKey, signedIn.SessionToken, signedIn.Expires.UnixMilli())
		}
	})
	mux.HandleFunc("POST /token", func(rw http.ResponseWriter, r *http.Request) {
		if text, _ := io.ReadAll(r.Body); !strings.Contains(string(text), `"renewing"`) {
			refuse(rw, http.StatusBadRequest, "InvalidGrantException")
			return
		}
		_, _ = rw.Write([]byte(`{"accessToken":"valid","expiresIn":28800,"refreshToken":"renewing","tokenType":"Bearer"}`))
	})
	w.answers = httptest.NewServer(mux)
	t.Cleanup(w.answers.Close)
}

// lay puts the files of signing in where they are looked for, and removes those of other cases.
func (w *world) lay(t *testing.T, c *drawn) {
	t.Helper()
	for _, directory := range []string{"sso/cache", "login/cache"} {
		path := filepath.Join(w.home, ".aws", directory)
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range c.cache {
		w.write(t, filepath.Join(".aws", name), text)
	}
}

// container draws what a container's environment has.
func (a *artist) container() {
	env := a.c.env
	if a.chance(35) {
		env[containerFull] = a.answers.URL + "/creds"
	}
	if a.chance(4) {
		port := a.answers.URL[strings.LastIndexByte(a.answers.URL, ':'):]
		env[containerFull] = a.pick("http://192.0.2.1/creds", "http://example.com/creds", "ftp://127.0.0.1/", "nonsense", "http://LOCALHOST"+port+"/creds", "HTTP://127.0.0.1"+port+"/creds",
			"http://127.1"+port+"/creds", a.answers.URL+"/creds#x", a.answers.URL+"/creds?a=b", "http://127.0.0.1"+port+"/creds ", "http://[::1", "http://127.0.0.1:1/creds", "//127.0.0.1"+port+"/creds")
	}
	if a.chance(6) {
		env[a.pick(containerFull, containerFull, containerRelative)] = a.answers.URL + "/creds/" + a.pick("no-token", "null-token", "no-expiration", "null-expiration", "no-secret", "list", "text", "absent")
	}
	if a.chance(5) {
		env[containerRelative] = a.pick("/creds", "/creds", "/creds/guarded", "/creds/text", "creds")
	}
	if a.chance(5) {
		env[containerFull] = a.answers.URL + "/creds/guarded"
	}
	if a.chance(8) {
		env[containerToken] = a.pick("Basic of-the-task", "Basic of-the-task", "Basic of-the-task\n", "Basic of another", " Basic of-the-task", "tök")
	}
	if a.chance(5) {
		const content = "Basic of-the-task"
		a.files++
		path := filepath.Join(a.home, fmt.Sprintf("container-token-%d", a.files%8))
		if err := os.WriteFile(path, []byte(a.pick(content, content, content, content+"\n", content+"\r\n", "")), 0o600); err != nil {
			panic(err)
		}
		env[containerTokenFile] = a.pick(path, path, path, path+"-missing", "~/token")
	}
	if a.chance(2) {
		env[a.pick(containerFull, containerRelative, containerToken, containerTokenFile)] = ""
		a.c.emptyVariable = true
	}
}

// instance draws whether this is an instance with a role.
func (a *artist) instance() {
	if a.chance(7) {
		a.c.env["AWS_EC2_METADATA_DISABLED"] = a.pick("false", "false", "1", "no", "TRUE", "")
	}
}

// sessionSection draws a section that is no profile.
func (a *artist) sessionSection() string {
	if a.chance(15) {
		return a.pick("[services s]\n", "[plugins]\n", "[preview]\n", "[sso-session]\n", "[sso-session a b]\n") + "sso_region = us-east-1\n"
	}
	text := a.pick("[sso-session corp]\n", "[sso-session corp]\n", "[sso-session 'my corp']\n", "[sso-session \"corp\"]\n", "[sso-session  corp]\n", "[sso-sessions corp]\n")
	if a.chance(90) {
		text += a.line("sso_start_url", a.pick(startOfCorp, startOfCorp, startOfCorp, startOfCorp+"/", ""))
	}
	if a.chance(90) {
		text += a.line("sso_region", a.pick("us-east-1", "us-east-1", "us-east-1", "eu-west-1"))
	}
	if a.chance(30) {
		text += a.line("sso_registration_scopes", "sso:account:access")
	}
	return text
}

const startOfCorp = "https://lab.awsapps.example/start"

func (a *artist) ssoLines() []string {
	session := a.pick("corp", "corp", "my corp", "missing")
	all := []string{
		a.line("sso_account_id", a.pick("123456789012", "123456789012", "123456789012", "210987654321")), a.line("sso_role_name", a.pick("reader", "reader", "reader", "writer", "")),
		a.line("sso_start_url", startOfCorp), a.line("sso_region", a.pick("us-east-1", "us-east-1", "us-east-1", "eu-west-1")),
	}
	withSession := a.chance(50)
	if withSession {
		all = append(all[:2], a.line("sso_session", session))
		if a.chance(20) {
			all = append(all, a.line(a.pick("sso_start_url", "sso_region"), a.pick(startOfCorp, "us-east-1")))
		}
	}
	var lines []string
	for _, line := range all {
		if a.chance(93) {
			lines = append(lines, line)
		}
	}
	if a.chance(6) {
		lines = append(lines, a.keyLines()...)
	}
	if a.chance(95) {
		key := startOfCorp
		if withSession {
			key = session
		}
		a.c.cache["sso/cache/"+sha1Of(key)+".json"] = a.ssoToken()
	}
	return lines
}

// sha1Of names the file of a session as AWS's tools do.
func sha1Of(key string) string { return fmt.Sprintf("%x", sha1.Sum([]byte(key))) } //nolint:gosec // their choice

// ssoToken draws the file that "aws sso login" leaves.
func (a *artist) ssoToken() string {
	token, ends := "valid", time.Now().Add(5*time.Hour)
	if a.chance(35) {
		token, ends = "ended", time.Now().Add(-5*time.Hour)
	}
	layout := a.pick("2006-01-02T15:04:05Z", "2006-01-02T15:04:05Z", "2006-01-02T15:04:05UTC", "2006-01-02T15:04:05+00:00", "2006-01-02 15:04:05 UTC", "2006-01-02T15:04:05")
	text := fmt.Sprintf(`{"startUrl": %q, "region": "us-east-1", "accessToken": %q, "expiresAt": %q`, startOfCorp, token, ends.UTC().Format(layout))
	if a.chance(50) {
		text += fmt.Sprintf(`, "clientId": "id", "clientSecret": "client's", "refreshToken": %q`, a.pick("renewing", "renewing", "ended"))
		if a.chance(85) {
			text += fmt.Sprintf(`, "registrationExpiresAt": %q`, time.Now().Add(time.Duration(a.IntN(60)-10)*24*time.Hour).UTC().Format(layout[:19]+"Z"))
		}
	}
	text += "}"
	if a.chance(8) {
		text = a.pick("", "[]", "nonsense", strings.Replace(text, "accessToken", "token", 1), strings.Replace(text, "expiresAt", "expires", 1), strings.Replace(text, `"accessToken": "`, `"accessToken": 5, "x": "`, 1), "\ufeff"+text)
	}
	return text
}

// loginLines draws the session of "aws login", for which botocore needs the package awscrt.
func (a *artist) loginLines() []string {
	session := a.pick("arn:aws:iam::123456789012:user/me", "123456789012", "arn:aws:iam::123456789012:user/missing")
	a.c.login = true
	text := fmt.Sprintf(`{"accessToken": {"accessKeyId": %q, "secretAccessKey": %q, "sessionToken": %q, "accountId": "123456789012", "expiresAt": %q}, "tokenType": "aws_sigv4", "refreshToken": "r", "clientId": "c", "dpopKey": %q}`,
		a.login.AccessKeyID, a.login.SecretAccessKey, a.login.SessionToken, time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05Z"), "-----BEGIN EC PRIVATE KEY-----\n-----END EC PRIVATE KEY-----\n")
	if a.chance(20) {
		text = a.pick("", "{}", "[]", strings.Replace(text, `"clientId"`, `"client"`, 1), strings.Replace(text, `"refreshToken"`, `"refresh"`, 1))
	}
	directory := "login/cache"
	if a.chance(30) {
		a.c.env["AWS_LOGIN_CACHE_DIRECTORY"] = a.pick("~/.aws/"+directory, "$HOME/.aws/"+directory, a.home+"/.aws/"+directory, "${LAB_DIR}/elsewhere")
	}
	if !strings.HasSuffix(session, "missing") {
		a.c.cache[fmt.Sprintf("%s/%x.json", directory, sha256.Sum256([]byte(session)))] = text
	}
	return []string{a.line("login_session", session)}
}

// quoted draws one of the spellings of a word for which a shell's rules give the word back, and some that give another.
func (a *artist) quoted(word string) string {
	at := 1 + a.IntN(len(word)-1)
	head, tail := word[:at], word[at:]
	escape := strings.NewReplacer(" ", `\ `).Replace
	return a.pick(
		`"`+head+`"'`+tail+`'`, `'`+word+`'`, escape(word), `"`+word+`"`, `""`+escape(word)+`''`, escape(head)+`"`+tail+`"`, `'`+head+`'`+escape(tail),
		`\`+escape(word), `"\`+word+`"`, `"`+head+`\\`+tail+`"`, `'`+head+`\'`+tail, escape(word)+" '' \"\"", escape(word)+" # comment", "'' "+escape(word), escape(word)+" \\\\", escape(word)+"\u00a0", `"`+head+"$HOME"+tail+`"`,
	)
}

// spoil puts a character into a text that readers of such files disagree about.
func (a *artist) spoil(text string) string {
	for range 1 + a.IntN(2) {
		runes := []rune(text)
		at := a.IntN(len(runes) + 1)
		mark := a.pick("\x00", "\t", " ", "%", "%(lab)s", `"`, "'", `\`, "[", "]", "=", ":", "#", ";", "\n", "\n ", "\n\t", "\r", "\x0b", "\x0c", "\x1c", "\u0085", "\u00a0", "\u2028", "\u3000", "\ufeff", "é", "\n[", "\n# ", "\n=")
		text = string(runes[:at]) + mark + string(runes[at:])
	}
	return text
}
