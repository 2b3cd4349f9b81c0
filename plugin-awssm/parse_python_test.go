package main

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// pythonsAnswer is the answer of Python's json about a secret.
type pythonsAnswer struct {
	Taken   bool
	Problem string
	Members map[string]struct{ Kind, Text string }
}

// TestParseLikePython compares with Python's json, which the older worker read secrets with: both take and refuse the same
// texts as JSON, and both find the same values in them.
func TestParseLikePython(t *testing.T) {
	corpus := parserCorpus()
	encoded := make([]string, len(corpus))
	for i, secret := range corpus {
		encoded[i] = base64.StdEncoding.EncodeToString([]byte(secret))
	}
	var answers []pythonsAnswer
	askPython(t, "testdata/parse.py", "json", encoded, &answers)
	if len(answers) != len(corpus) {
		t.Fatalf("%d answers of %d", len(answers), len(corpus))
	}
	var taken, logins int
	for i, secret := range corpus {
		_, syntax := readObject([]byte(secret))
		if ours := syntax == nil; ours != answers[i].Taken {
			t.Errorf("%.200q: ours takes it: %t (%v); Python: %t (%s)", secret, ours, syntax, answers[i].Taken, answers[i].Problem)
			continue
		}
		if syntax != nil {
			continue
		}
		taken++
		found, problem := parseLogin([]byte(secret), usual)
		if problem != nil {
			continue
		}
		logins++
		want := make(map[string]string)
		for key, member := range answers[i].Members {
			if member.Kind != "other" {
				want[key] = member.Text
			}
		}
		got := revealed(found.extra)
		got["username"] = found.username
		if password, ok := found.password.Get(); ok {
			got["password"] = password.Reveal()
		}
		if !maps.Equal(got, want) {
			t.Errorf("%.200q: ours %q, Python's %q", secret, got, want)
		}
	}
	t.Logf("%d texts: %d are objects, %d of them logins", len(corpus), taken, logins)
	if taken < len(corpus)/4 || taken > len(corpus)*3/4 || logins < 100 {
		t.Error("the corpus is one-sided")
	}
}

// parserCorpus is what the other tests refuse, and texts that are made of tokens by chance, with a fixed seed.
func parserCorpus() []string {
	var corpus []string
	for _, test := range sortedMap(refusals) {
		if len(test.secret) < 10_000 { // how deep a reader goes is its own affair
			corpus = append(corpus, test.secret)
		}
	}
	values := []string{
		`"admin"`, `""`, `" a "`, `"\u00e9\ud83d\ude00"`, `"\ud800"`, `"\udc00\ud800"`, `"\ud83dx"`, `"é"`, "\"\xff\"", `"\n"`, "\"\n\"", "\"\x7f\"", "\"\x01\"",
		`"\/\b\f\t\"\\"`, `"\x41"`, `"\u00"`, `"\u0000"`, `"\U0041"`, `'x'`, `0`, `-0`, `00`, `01`, `1.`, `.5`, `1.50`, `1e5`, `1E+05`, `-1e-7`, `+1`, `0x1`, `1_000`,
		`12345678901234567890123`, `true`, `false`, `null`, `True`, `None`, `NaN`, `Infinity`, `-Infinity`, `[]`, `[1,"a",null]`, `[1,]`, `{}`, `{"a":1}`, `{"a":1,"a":1}`, `{"a":"\ud800"}`, "\u00a0", "\ufeff", `/*x*/1`,
	}
	keys := []string{`"username"`, `"password"`, `"private_key"`, `"Username"`, `"user\u006eame"`, `"x"`, `""`, `"\ud83d\ude00"`, `"\ud800"`, `username`}
	spaces := []string{"", "", "", " ", "\t", "\r\n", "\u00a0", "\v"}
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from []string) string { return from[random.IntN(len(from))] }
	// Most of a text is well-formed, or hardly any would be.
	mostly := func(usual string, from []string) string {
		if random.IntN(8) > 0 {
			return usual
		}
		return pick(from)
	}
	for range 4000 {
		members := []string{
			`"username":` + mostly(`"admin"`, values),
			mostly(`"password"`, keys) + mostly("", spaces) + `:` + mostly(`"secret"`, values),
		}
		for i := range random.IntN(3) {
			members = append(members, mostly(fmt.Sprintf(`"key%d"`, i), keys)+`:`+mostly("", spaces)+mostly(`"v"`, values))
		}
		random.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		text := mostly("{", []string{"", "[", "{{"}) + strings.Join(members, mostly(",", []string{", ", ";", ",,"})) + mostly("}", []string{"", ",}", "]", "}}", "} ", "}\n", "}x"})
		corpus = append(corpus, text)
	}
	return slices.Compact(corpus)
}

// TestSecretsOfRDS: what the console and the rotation functions of Amazon RDS store.
func TestSecretsOfRDS(t *testing.T) {
	server, p := start(t)
	for name, test := range map[string]struct {
		secret string
		extra  map[string]string
	}{
		"console": {
			`{"username":"admin","password":"` + canary + `","engine":"mysql","host":"db.example.us-east-1.rds.amazonaws.com","port":3306,"dbInstanceIdentifier":"db"}`,
			map[string]string{"engine": "mysql", "host": "db.example.us-east-1.rds.amazonaws.com", "port": "3306", "dbInstanceIdentifier": "db"},
		},
		"rotation of two users": {
			`{"engine":"postgres","host":"db","username":"admin","password":"` + canary + `","dbname":null,"port":5432,"masterarn":"arn:aws:secretsmanager:us-east-1:123456789012:secret:master-AbCdEf"}`,
			map[string]string{"engine": "postgres", "host": "db", "port": "5432", "masterarn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:master-AbCdEf"},
		},
		"managed by RDS": {`{"username":"admin","password":"` + canary + `"}`, map[string]string{}},
		"Redshift": {
			`{"engine":"redshift","namespaceName":"ns","username":"admin","password":"` + canary + `","port":"5439","ssl":true}`,
			map[string]string{"engine": "redshift", "namespaceName": "ns", "port": "5439", "ssl": "true"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			server.PutSecret("tom/credentials/db", test.secret)
			found, err := p.Get(within(t, operationTime), credential.Request{ID: "db"})
			if err != nil {
				t.Fatal(err)
			}
			password, _ := found.Password.Get()
			if found.Username != "admin" || password.Reveal() != canary || !maps.Equal(revealed(found.Extra), test.extra) {
				t.Errorf("user name %q, extra %q", found.Username, revealed(found.Extra))
			}
		})
	}
}
