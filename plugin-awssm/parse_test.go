package main

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/shared/credential"
)

var usual = fields{username: "username", password: "password"}

func revealed(extra map[string]credential.Redacted) map[string]string {
	texts := make(map[string]string)
	for key, value := range extra {
		texts[key] = value.Reveal()
	}
	return texts
}

func TestParseLogin(t *testing.T) {
	tests := map[string]struct {
		secret   string
		fields   fields
		username string
		password string
		absent   bool // the password
		extra    map[string]string
	}{
		"plain":                   {secret: `{"username":"admin","password":"pw"}`, username: "admin", password: "pw"},
		"spaces are kept":         {secret: `{"username":" admin ","password":"  pw\t "}`, username: " admin ", password: "  pw\t "},
		"empty password":          {secret: `{"username":"admin","password":""}`, username: "admin"},
		"escapes":                 {secret: `{"username":"\u0061dmin","password":"\"\\\/\u00e9\ud83d\ude00"}`, username: "admin", password: "\"\\/é😀"},
		"escaped key":             {secret: `{"user\u006eame":"admin","password":"pw"}`, username: "admin", password: "pw"},
		"white space around":      {secret: " \n{ \"username\" : \"admin\" , \"password\" : \"pw\" } \r\n", username: "admin", password: "pw"},
		"a replacement character": {secret: `{"username":"admin","password":"\ufffd"}`, username: "admin", password: "\ufffd"},
		"key instead of password": {
			secret: `{"username":"admin","private_key":"-----BEGIN\nKEY-----\n"}`, username: "admin", absent: true,
			extra: map[string]string{"private_key": "-----BEGIN\nKEY-----\n"},
		},
		"RDS style": {
			secret:   `{"engine":"postgres","host":"db","port":5432,"username":"admin","password":"pw","ssl":true,"ratio":1.50,"big":12345678901234567890,"none":null,"list":[1],"map":{"a":1}}`,
			username: "admin", password: "pw",
			extra: map[string]string{"engine": "postgres", "host": "db", "port": "5432", "ssl": "true", "ratio": "1.50", "big": "12345678901234567890"},
		},
		"other fields": {
			secret: `{"user":"admin","pass":"pw","username":"other"}`, fields: fields{"user", "pass"}, username: "admin", password: "pw",
			extra: map[string]string{"username": "other"},
		},
		"capitals beside": {
			secret: `{"Username":"other","username":"admin","password":"pw"}`, username: "admin", password: "pw",
			extra: map[string]string{"Username": "other"},
		},
		"64 KiB": {secret: `{"username":"admin","password":"` + strings.Repeat("x", 65_000) + `"}`, username: "admin", password: strings.Repeat("x", 65_000)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want := test.fields
			if want == (fields{}) {
				want = usual
			}
			found, problem := parseLogin([]byte(test.secret), want)
			if problem != nil {
				t.Fatalf("refused: %+v", problem)
			}
			password, present := found.password.Get()
			if found.username != test.username || password.Reveal() != test.password || present == test.absent {
				t.Errorf("username %q, password %q (%t)", found.username, password.Reveal(), present)
			}
			if got := revealed(found.extra); !maps.Equal(got, test.extra) {
				t.Errorf("extra = %q, want %q", got, test.extra)
			}
		})
	}
}

// refusals are secrets that are no credentials. Every one holds the canary, where it holds anything.
var refusals = map[string]struct {
	secret  string
	field   string
	problem string
	advice  string
}{
	"empty":                {secret: "", problem: "is empty"},
	"white space":          {secret: " \n", problem: "is empty"},
	"binary":               {secret: "\x00\x9f\x92" + canary, problem: "not UTF-8"},
	"UTF-16":               {secret: "\xff\xfe{\x00}\x00", problem: "UTF-16"},
	"byte-order mark":      {secret: "\ufeff" + `{"username":"admin","password":"` + canary + `"}`, problem: "byte-order mark", advice: "without byte-order mark"},
	"not JSON":             {secret: canary, problem: "is not JSON"},
	"assignment":           {secret: "username=admin password=" + canary, problem: "is not JSON"},
	"cut":                  {secret: `{"username":"admin","password":"` + canary, problem: "is not JSON"},
	"single quotes":        {secret: `{'username':'admin','password':'` + canary + `'}`, problem: "is not JSON"},
	"trailing comma":       {secret: `{"username":"admin","password":"` + canary + `",}`, problem: "is not JSON"},
	"raw line end":         {secret: "{\"username\":\"admin\",\"password\":\"" + canary + "\n\"}", problem: "is not JSON"},
	"array":                {secret: `["admin","` + canary + `"]`, problem: "an array, not a JSON object"},
	"string":               {secret: `"` + canary + `"`, problem: "a JSON string"},
	"number":               {secret: `17`, problem: "a number"},
	"null":                 {secret: `null`, problem: "null, not"},
	"two objects":          {secret: `{"username":"admin","password":"` + canary + `"}{}`, problem: "follows the JSON object"},
	"text after":           {secret: `{"username":"admin","password":"` + canary + `"} ` + canary, problem: "follows the JSON object"},
	"no username":          {secret: `{"password":"` + canary + `"}`, field: "username", problem: "is missing"},
	"no password":          {secret: `{"username":"admin","other":"` + canary + `"}`, field: "password", problem: "is missing", advice: "private_key"},
	"empty key":            {secret: `{"username":"admin","private_key":"","x":"` + canary + `"}`, field: "password", problem: "is missing"},
	"empty object":         {secret: `{}`, field: "username", problem: "is missing"},
	"empty username":       {secret: `{"username":"","password":"` + canary + `"}`, field: "username", problem: "is empty"},
	"null username":        {secret: `{"username":null,"password":"` + canary + `"}`, field: "username", problem: "not null"},
	"null password":        {secret: `{"username":"admin","password":null,"x":"` + canary + `"}`, field: "password", problem: "not null"},
	"null with a key":      {secret: `{"username":"admin","password":null,"private_key":"` + canary + `"}`, field: "password", problem: "not null"},
	"number as password":   {secret: `{"username":"admin","password":12345}`, field: "password", problem: "not a number"},
	"boolean as username":  {secret: `{"username":true,"password":"` + canary + `"}`, field: "username", problem: "not a boolean"},
	"nested password":      {secret: `{"username":"admin","password":{"value":"` + canary + `"}}`, field: "password", problem: "not an object"},
	"list as password":     {secret: `{"username":"admin","password":["` + canary + `"]}`, field: "password", problem: "not an array"},
	"Username in capitals": {secret: `{"Username":"admin","Password":"` + canary + `"}`, field: "username", problem: "is missing", advice: `rename "Username" to "username"`},
	"PASSWORD in capitals": {secret: `{"username":"admin","PASSWORD":"` + canary + `"}`, field: "password", problem: "is missing", advice: `rename "PASSWORD" to "password"`},
	"duplicate password":   {secret: `{"username":"admin","password":"a","password":"` + canary + `"}`, field: "password", problem: "comes twice"},
	"escaped duplicate":    {secret: `{"username":"admin","password":"a","p\u0061ssword":"` + canary + `"}`, field: "password", problem: "comes twice"},
	"duplicate extra":      {secret: `{"username":"admin","password":"` + canary + `","` + canary + `":"a","` + canary + `":"b"}`, problem: "comes twice"},
	"nested duplicate":     {secret: `{"username":"admin","password":"` + canary + `","x":{"a":1,"a":2}}`, problem: "comes twice"},
	"lone high surrogate":  {secret: `{"username":"admin","password":"` + canary + `\ud800"}`, problem: "surrogate"},
	"lone low surrogate":   {secret: `{"username":"admin","password":"\udc00` + canary + `"}`, problem: "surrogate"},
	"surrogates swapped":   {secret: `{"username":"admin","password":"` + canary + `\udc00\ud800"}`, problem: "surrogate"},
	"surrogate in extra":   {secret: `{"username":"admin","password":"` + canary + `","x":"\ud800"}`, problem: "surrogate"},
	"line feed at the end": {secret: `{"username":"admin","password":"` + canary + `\n"}`, field: "password", problem: "ends with a line end", advice: "printf"},
	"CR LF at the end":     {secret: `{"username":"admin\r\n","password":"` + canary + `"}`, field: "username", problem: "ends with a line end"},
	"line feed inside":     {secret: `{"username":"admin","password":"a\n` + canary + `"}`, field: "password", problem: "holds a line end"},
	"NUL":                  {secret: `{"username":"admin","password":"a\u0000` + canary + `"}`, field: "password", problem: "NUL"},
	"64 KiB of nothing":    {secret: `{"username":"admin","other":"` + strings.Repeat(canary, 4300) + `"}`, field: "password", problem: "is missing"},
	"deep":                 {secret: strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000), problem: "is not JSON"},
}

func TestParseLoginRefuses(t *testing.T) {
	for name, test := range refusals {
		t.Run(name, func(t *testing.T) {
			found, problem := parseLogin([]byte(test.secret), usual)
			if problem == nil {
				t.Fatal("taken")
			}
			if found.username != "" || found.extra != nil {
				t.Error("something was returned beside the problem")
			}
			if problem.field != test.field {
				t.Errorf("field = %q, want %q", problem.field, test.field)
			}
			wantContains(t, problem.problem, test.problem)
			wantContains(t, problem.advice, test.advice)
			noCanary(t, problem.problem+problem.advice+problem.field)
		})
	}
}

// FuzzParseLogin: never panics; what it returns is what encoding/json reads under exactly that key; it never takes what the
// other reader refuses, or a login that mustn't be sent to a device; and says nothing of what the secret holds.
func FuzzParseLogin(f *testing.F) {
	for _, test := range refusals {
		if len(test.secret) < 1000 {
			f.Add([]byte(test.secret))
		}
	}
	f.Add([]byte(`{"username":"admin","password":"pw","port":22,"on":true,"none":null,"nested":{"a":["b"]}}`))
	f.Add([]byte(`{"username":"a","private_key":"k","passphrase":"\ud83d\ude00"}`))
	f.Fuzz(func(t *testing.T, secret []byte) {
		found, problem := parseLogin(secret, usual)
		if problem != nil {
			if problem.problem == "" {
				t.Error("refused without a problem")
			}
			return
		}
		var reference map[string]json.RawMessage
		if err := json.Unmarshal(secret, &reference); err != nil {
			t.Fatalf("taken, but encoding/json refuses it: %v", err)
		}
		text := func(key string) string {
			var value string
			if err := json.Unmarshal(reference[key], &value); err != nil {
				t.Fatalf("key %q is no string to encoding/json: %v", key, err)
			}
			return value
		}
		if found.username == "" || found.username != text("username") {
			t.Errorf("username = %q", found.username)
		}
		password, present := found.password.Get()
		if _, there := reference["password"]; there != present {
			t.Errorf("password present: %t, in the secret: %t", present, there)
		}
		if present && password.Reveal() != text("password") {
			t.Errorf("password = %q", password.Reveal())
		}
		if !present && found.extra[credential.PrivateKeyField].IsEmpty() {
			t.Error("neither password nor key")
		}
		if strings.ContainsAny(found.username+password.Reveal(), "\x00\r\n") {
			t.Error("a control character reached the login")
		}
		for key, raw := range reference {
			value, taken := found.extra[key]
			switch first := raw[0]; {
			case key == "username" || key == "password":
				if taken {
					t.Errorf("%q is in extra", key)
				}
			case first == '"':
				if !taken || value.Reveal() != text(key) {
					t.Errorf("extra %q = %q", key, value.Reveal())
				}
			case strings.IndexByte("-0123456789tf", first) >= 0:
				if !taken || value.Reveal() != string(raw) {
					t.Errorf("extra %q = %q", key, value.Reveal())
				}
			case taken:
				t.Errorf("extra has %q, which is %s", key, raw)
			}
		}
	})
}
