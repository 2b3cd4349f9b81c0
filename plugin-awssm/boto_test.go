package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
)

// surroundings are an environment in which AWS credentials and a region are looked for.
type surroundings struct {
	env         map[string]string
	config      string // the shared configuration file
	credentials string // the shared credentials file
	profile     string // the setting, and botocore's argument
	sso         bool   // a user has signed in to SSO
}

// found is what was found in them.
type found struct {
	Region   string `json:"region"`
	Identity string `json:"identity"` // the signer's ARN, "none", or "error"
	Problem  string `json:"problem"`
}

// difference is where the provider means to differ from boto3.
type difference struct {
	ours, boto3 found
	why         string
}

// keys are a user's, as the shared files have them.
func keys(user string) string {
	return "aws_access_key_id = AKIA" + strings.ToUpper(user) + "\naws_secret_access_key = secret-of-" + user + "\n"
}

// keysEnv has the keys of the user "one".
func keysEnv(more ...string) map[string]string {
	env := map[string]string{"AWS_ACCESS_KEY_ID": "AKIAONE", "AWS_SECRET_ACCESS_KEY": "secret-of-one", "AWS_DEFAULT_REGION": "us-east-1"}
	for i := 0; i < len(more); i += 2 {
		env[more[i]] = more[i+1]
	}
	return env
}

// env is an environment with a region and the pairs.
func env(pairs ...string) map[string]string {
	m := map[string]string{"AWS_DEFAULT_REGION": "us-east-1"}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

const (
	someRole  = "role_arn = arn:aws:iam::123456789012:role/profiled\nrole_session_name = mine\n"
	webTokens = "{token}" // stands for the path of a web identity token file
)

var webEnv = env("AWS_WEB_IDENTITY_TOKEN_FILE", webTokens, "AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/web", "AWS_ROLE_SESSION_NAME", "pod")

// botoCases are surroundings that both sides are asked about. "one", "two" and the like are users that the server knows.
var botoCases = map[string]surroundings{
	"nothing":                                  {env: env()},
	"keys":                                     {env: keysEnv()},
	"keys and an alias":                        {env: keysEnv("AWS_ACCESS_KEY", "AKIATWO", "AWS_SECRET_KEY", "secret-of-two")},
	"aliases alone":                            {env: env("AWS_ACCESS_KEY", "AKIATWO", "AWS_SECRET_KEY", "secret-of-two")},
	"half a pair: id":                          {env: env("AWS_ACCESS_KEY_ID", "AKIAONE"), credentials: "[default]\n" + keys("two")},
	"half a pair: secret":                      {env: env("AWS_SECRET_ACCESS_KEY", "secret-of-one"), credentials: "[default]\n" + keys("two")},
	"empty keys":                               {env: env("AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", ""), credentials: "[default]\n" + keys("two")},
	"half a pair in the file: id":              {env: env(), credentials: "[default]\naws_access_key_id = AKIAONE\n"},
	"half a pair in the file: secret":          {env: env(), credentials: "[default]\naws_secret_access_key = secret-of-one\n"},
	"credentials file":                         {env: env(), credentials: "[default]\n" + keys("one")},
	"configuration file":                       {env: env(), config: "[default]\n" + keys("one")},
	"both files":                               {env: env(), config: "[default]\n" + keys("one"), credentials: "[default]\n" + keys("two")},
	"keys in capitals":                         {env: env(), credentials: "[default]\n" + strings.Replace(keys("one"), "aws_access_key_id", "AWS_ACCESS_KEY_ID", 1)},
	"keys and AWS_PROFILE":                     {env: keysEnv("AWS_PROFILE", "lab"), credentials: "[lab]\n" + keys("two")},
	"keys and a missing AWS_PROFILE":           {env: keysEnv("AWS_PROFILE", "lbb"), credentials: "[lab]\n" + keys("two")},
	"keys and the setting profile":             {env: keysEnv(), credentials: "[lab]\n" + keys("two"), profile: "lab"},
	"a missing setting profile":                {env: keysEnv(), credentials: "[lab]\n" + keys("two"), profile: "lbb"},
	"AWS_PROFILE":                              {env: env("AWS_PROFILE", "lab"), credentials: "[default]\n" + keys("one") + "[lab]\n" + keys("two")},
	"AWS_DEFAULT_PROFILE":                      {env: env("AWS_DEFAULT_PROFILE", "lab"), credentials: "[default]\n" + keys("one") + "[lab]\n" + keys("two")},
	"AWS_DEFAULT_PROFILE and AWS_PROFILE":      {env: env("AWS_DEFAULT_PROFILE", "one", "AWS_PROFILE", "two"), credentials: "[one]\n" + keys("one") + "[two]\n" + keys("two")},
	"an empty AWS_PROFILE":                     {env: env("AWS_PROFILE", ""), credentials: "[default]\n" + keys("one")},
	"AWS_PROFILE=default, which isn't there":   {env: env("AWS_PROFILE", "default")},
	"setting profile and AWS_PROFILE":          {env: env("AWS_PROFILE", "two"), credentials: "[one]\n" + keys("one") + "[two]\n" + keys("two"), profile: "one"},
	"a profile without the word in the config": {env: env("AWS_PROFILE", "lab"), config: "[lab]\n" + keys("one")},
	"a profile of settings alone":              {env: env("AWS_PROFILE", "lab"), config: "[default]\n" + keys("one") + "[profile lab]\noutput = json\n"},
	"a role of the profile":                    {env: env(), config: "[default]\n" + someRole + "source_profile = base\n[profile base]\n" + keys("one")},
	"a role of the profile over its keys":      {env: env(), config: "[default]\n" + someRole + "source_profile = base\n" + keys("two") + "[profile base]\n" + keys("one")},
	"a role on its own keys":                   {env: env("AWS_PROFILE", "lab"), config: "[profile lab]\n" + someRole + "source_profile = lab\n" + keys("one")},
	"a role and keys in the environment":       {env: keysEnv(), config: "[default]\n" + someRole + "source_profile = base\n[profile base]\n" + keys("two")},
	"a role with keys of the environment":      {env: keysEnv(), config: "[profile lab]\n" + someRole + "credential_source = Environment\n", profile: "lab"},
	"a role without a source":                  {env: env(), config: "[default]\n" + someRole},
	"a role of a role":                         {env: env(), config: "[default]\n" + someRole + "source_profile = middle\n[profile middle]\nrole_arn = arn:aws:iam::123456789012:role/middle\nsource_profile = base\n[profile base]\n" + keys("one")},
	"a role whose source is missing":           {env: env(), config: "[default]\n" + someRole + "source_profile = absent\n"},
	"web identity":                             {env: webEnv},
	"web identity and keys":                    {env: merged(webEnv, keysEnv())},
	"web identity and a profile's keys":        {env: webEnv, credentials: "[default]\n" + keys("one")},
	"web identity and a profile's role":        {env: webEnv, config: "[default]\n" + someRole + "source_profile = base\n[profile base]\n" + keys("one")},
	"web identity and the setting profile":     {env: webEnv, credentials: "[lab]\n" + keys("one"), profile: "lab"},
	"web identity in the profile":              {env: env(), config: "[default]\n" + someRole + "web_identity_token_file = " + webTokens + "\n"},
	"web identity without a role":              {env: env("AWS_WEB_IDENTITY_TOKEN_FILE", webTokens)},
	"process":                                  {env: env(), config: "[default]\ncredential_process = echo {session}\n"},
	"process and keys in the credentials file": {env: env(), config: "[default]\ncredential_process = echo {session}\n", credentials: "[default]\n" + keys("one")},
	"process and keys in the configuration":    {env: env(), config: "[default]\ncredential_process = echo {session}\n" + keys("one")},
	"SSO":                                      {env: env(), config: legacySSO, sso: true},
	"SSO and keys":                             {env: env(), config: legacySSO + keys("one"), sso: true},
	"SSO and keys in the credentials file":     {env: env(), config: legacySSO, credentials: "[default]\n" + keys("one"), sso: true},
	"container":                                {env: env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "{container}")},
	"container and a profile":                  {env: env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "{container}"), credentials: "[default]\n" + keys("one")},
	"container and web identity":               {env: merged(webEnv, env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "{container}"))},
	"AWS_REGION":                               {env: only(keysEnv(), "AWS_REGION", "us-west-2")},
	"AWS_DEFAULT_REGION and AWS_REGION":        {env: keysEnv("AWS_DEFAULT_REGION", "us-east-2", "AWS_REGION", "us-west-2")},
	"region of the profile":                    {env: only(keysEnv()), config: "[default]\nregion = eu-west-1\n"},
	"region of the profile and AWS_REGION":     {env: only(keysEnv(), "AWS_REGION", "us-west-2"), config: "[default]\nregion = eu-west-1\n"},
	"region of AWS_PROFILE":                    {env: only(keysEnv(), "AWS_PROFILE", "lab"), config: "[default]\nregion = eu-west-1\n[profile lab]\nregion = eu-west-2\n"},
	"an empty AWS_DEFAULT_REGION":              {env: keysEnv("AWS_DEFAULT_REGION", ""), config: "[default]\nregion = eu-west-1\n"},
	"region of the profile, overruled":         {env: keysEnv(), config: "[default]\nregion = eu-west-1\n"},
	"region of the credentials file":           {env: only(keysEnv()), credentials: "[default]\nregion = eu-west-1\n"},
	"no region":                                {env: only(keysEnv())},
}

// meantDifferences are the cases that end differently on purpose.
var meantDifferences = map[string]difference{
	"half a pair: secret": {
		ours: found{Identity: "error"}, boto3: found{Region: "us-east-1", Identity: "arn:aws:iam::123456789012:user/two"},
		why: "boto3 passes over a secret key without its id in silence, to sign as another identity; half a pair is refused, either half",
	},
	"half a pair in the file: secret": {
		ours: found{Identity: "error"}, boto3: found{Region: "us-east-1", Identity: "none"},
		why: "the same in a file; saying which half is missing helps more than saying that there is nothing",
	},
	"an empty AWS_PROFILE": {
		ours: found{Region: "us-east-1", Identity: "arn:aws:iam::123456789012:user/one"}, boto3: found{Identity: "error"},
		why: "an empty variable is unset, here as everywhere else; boto3 looks for a profile without a name",
	},
	"SSO and keys": {
		ours: found{Identity: "error"}, boto3: found{Region: "us-east-1", Identity: "arn:aws:sts::123456789012:assumed-role/reader/session"},
		why: "boto3 takes SSO, the SDK for Go the keys; a profile that holds both is refused, so that neither is used by mistake",
	},
	"SSO and keys in the credentials file": {
		ours: found{Identity: "error"}, boto3: found{Region: "us-east-1", Identity: "arn:aws:sts::123456789012:assumed-role/reader/session"},
		why: "the same",
	},
	"AWS_REGION": {
		ours: found{Region: "us-west-2", Identity: "arn:aws:iam::123456789012:user/one"}, boto3: found{Identity: "arn:aws:iam::123456789012:user/one"},
		why: "boto3 doesn't read AWS_REGION and has no region then; containers and the AWS CLI set it",
	},
	"region of the profile and AWS_REGION": {
		ours: found{Region: "us-west-2", Identity: "arn:aws:iam::123456789012:user/one"}, boto3: found{Region: "eu-west-1", Identity: "arn:aws:iam::123456789012:user/one"},
		why: "an environment overrules a file, as in all newer AWS tools; that the two disagree is warned about",
	},
	"an empty AWS_DEFAULT_REGION": {
		ours: found{Region: "eu-west-1", Identity: "arn:aws:iam::123456789012:user/one"}, boto3: found{Identity: "arn:aws:iam::123456789012:user/one"},
		why: "an empty variable is unset; boto3 has no region then",
	},
}

func merged(all ...map[string]string) map[string]string {
	m := make(map[string]string)
	for _, one := range all {
		maps.Copy(m, one)
	}
	return m
}

// only is an environment without AWS_DEFAULT_REGION, and with the pairs.
func only(m map[string]string, pairs ...string) map[string]string {
	m = maps.Clone(m)
	delete(m, "AWS_DEFAULT_REGION")
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

// TestLikeBoto3 asks botocore, which the older worker used, for the region and the identity that it would use, and compares:
// a user who changes over must not find another account in use.
func TestLikeBoto3(t *testing.T) {
	server := awssmtest.StartTest(t, awssmtest.Options{})
	for _, user := range []string{"one", "two"} {
		addUser(server, user)
	}
	session := server.AddSession("arn:aws:sts::123456789012:assumed-role/process/session", time.Hour)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("eyJhbGciOiJub25lIn0.eyJzdWIiOiJwb2QifQ.c2ln"), 0o600); err != nil {
		t.Fatal(err)
	}
	printed := filepath.Join(t.TempDir(), "session.json")
	if err := os.WriteFile(printed, []byte(sessionJSON(session, "SessionToken")), 0o600); err != nil {
		t.Fatal(err)
	}
	gate := startPortal(t, server)
	gate.signedIn(t, startURL, time.Now().Add(time.Hour))
	fill := strings.NewReplacer(webTokens, token, "echo {session}", "cat "+printed, "{container}", container(t, server, ""))

	type question struct {
		Environment map[string]string `json:"environment"`
		Profile     string            `json:"profile"`
	}
	var questions []question
	names := slices.Sorted(maps.Keys(botoCases))
	for _, name := range names {
		around := botoCases[name]
		q := question{Profile: around.profile, Environment: map[string]string{
			"AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL_STS": server.URL(), "AWS_ENDPOINT_URL_SSO": gate.url, "AWS_ENDPOINT_URL_SSO_OIDC": gate.url,
		}}
		for variable, value := range around.env {
			q.Environment[variable] = fill.Replace(value)
		}
		dir := t.TempDir()
		for variable, text := range map[string]string{"AWS_CONFIG_FILE": around.config, "AWS_SHARED_CREDENTIALS_FILE": around.credentials} {
			q.Environment[variable] = filepath.Join(dir, variable)
			if text == "" {
				continue
			}
			if err := os.WriteFile(q.Environment[variable], []byte(fill.Replace(text)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		questions = append(questions, q)
	}
	var answers []found
	askPython(t, "testdata/whoami.py", "botocore.session", questions, &answers)

	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			for variable, value := range questions[i].Environment {
				t.Setenv(variable, value)
			}
			ours, theirs := whoAmI(t, botoCases[name].profile), answers[i]
			meant, differs := meantDifferences[name]
			switch {
			case differs && (ours.same(theirs) || !ours.same(meant.ours) || !theirs.same(meant.boto3)):
				t.Errorf("ours %+v, boto3's %+v: not the difference that is meant", ours, theirs)
			case !differs && !ours.same(theirs):
				t.Errorf("ours %+v, boto3's %+v", ours, theirs)
			}
		})
	}
	for name, meant := range sortedMap(meantDifferences) {
		if _, ok := botoCases[name]; !ok {
			t.Errorf("no case %q", name)
		}
		t.Logf("differs: %s: %s", name, meant.why)
	}
}

// same compares what was found; sessions have their own names where nothing gives them one.
func (f found) same(other found) bool {
	return f.Identity == "error" && other.Identity == "error" || f.Region == other.Region && f.Identity == other.Identity
}

// whoAmI is what this provider finds in the process's environment.
func whoAmI(t *testing.T, profile string) found {
	t.Helper()
	s := defaultSettings()
	s.Profile = profile
	failure := func(err error) found { return found{Identity: "error", Problem: err.Error()} }
	p, err := newProvider(s, hclog.NewNullLogger())
	if err != nil {
		return failure(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	answer := found{}
	c := p.plain().connected()
	if c == nil {
		// There is no region, or something is wrong with profile or files. With a region, the first is not in the way.
		if _, err := p.plain().environment(); err != nil {
			return failure(err)
		}
		s.Region = "us-east-1"
		second, err := newProvider(s, hclog.NewNullLogger())
		if err != nil {
			return failure(err)
		}
		t.Cleanup(func() { _ = second.Close() })
		c = second.plain().connected()
	} else {
		answer.Region = c.regions[0]
	}
	out, err := c.sts.GetCallerIdentity(within(t, operationTime), &sts.GetCallerIdentityInput{})
	switch {
	case err == nil:
		answer.Identity = *out.Arn
	case strings.Contains(err.Error(), "no AWS credentials were found"):
		answer.Identity, answer.Problem = "none", err.Error()
	default:
		answer.Identity, answer.Problem = "error", err.Error()
	}
	return answer
}
