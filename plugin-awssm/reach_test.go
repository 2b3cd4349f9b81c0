package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// otherAccount is one whose secrets the default identity of awssmtest reads by ARN alone.
const (
	otherAccount = "210987654321"
	otherRole    = "arn:aws:iam::210987654321:role/tom-credentials"
	otherARNs    = "arn:aws:secretsmanager:us-east-1:210987654321:secret:tom/credentials/"
)

func of(account string) string { return `{"username":"` + account + `","password":"` + canary + `"}` }

// workerRole and otherKey are the worker's role and the KMS key of the README's policies.
const (
	workerRole = "arn:aws:iam::123456789012:role/tom-worker"
	otherKey   = "arn:aws:kms:us-east-1:210987654321:key/1234abcd-12ab-34cd-56ef-1234567890ab"
)

// twoAccounts is a server with the same secrets in two accounts, a worker with a role of the first one, and settings for it. Its
// policies are the README's, but those whose Sid is left out.
func twoAccounts(t *testing.T, leftOut ...string) (*awssmtest.Server, settings) {
	t.Helper()
	server := awssmtest.StartTest(t, awssmtest.Options{})
	other := server.InAccount(otherAccount, "us-east-1")
	step := func(sid string, put func(policy string)) {
		if !slices.Contains(leftOut, sid) {
			put(readmePolicy(t, sid))
		}
	}
	inOther := strings.NewReplacer("123456789012", otherAccount)
	for _, id := range []string{"lab", "branch_1", "branch_2"} {
		name := "tom/credentials/" + id
		server.PutSecret(name, of("own"))
		other.PutSecret(name, of("other"))
		if !slices.Contains(leftOut, "the key") {
			other.SetKey(name, otherKey)
		}
		step("TheOtherAccountsWorkerReads", func(policy string) { other.SetPolicy(name, policy) })
	}
	step("TheOtherAccountsWorkerDecrypts", func(policy string) { server.PutPolicy(otherKey, policy) })
	for _, sid := range []string{"ListNames", "ReadThemInBatches", "ReadTheOtherAccountsCredentials", "AssumeTheRole"} {
		step(sid, func(policy string) { server.AttachPolicy(workerRole, policy) })
	}
	step("TrustTheWorkers", func(policy string) { server.PutPolicy(otherRole, policy) })
	server.AttachPolicy(otherRole, inOther.Replace(readmePolicy(t, "ListNames")))
	server.AttachPolicy(otherRole, inOther.Replace(readmePolicy(t, "DecryptDeviceCredentials")))

	awsFiles(t, "", "")
	webIdentity(t, server, workerRole)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	return server, atServer(server)
}

// TestStepsToAnotherAccount leaves out one step of the README's page after the other: each is needed, and its lack is named.
func TestStepsToAnotherAccount(t *testing.T) {
	byPolicy := func(s *settings) { s.Region, s.SecretPrefix = "", otherARNs }
	byRole := func(s *settings) { s.RoleARN, s.ExternalID = otherRole, "choose-a-value" }
	for name, test := range map[string]struct {
		leftOut string
		way     func(*settings)
		reason  credential.Reason
		says    string
		remedy  string
	}{
		"policy, whole":                  {"", byPolicy, "", "", ""},
		"policy, not the secret's":       {"TheOtherAccountsWorkerReads", byPolicy, credential.AccessDenied, "is denied secretsmanager:GetSecretValue", "allow it in the secret's resource policy as well, which is in the account 210987654321"},
		"policy, not the identity's":     {"ReadTheOtherAccountsCredentials", byPolicy, credential.AccessDenied, "is denied secretsmanager:GetSecretValue", `"Resource": "` + otherARNs + `*"`},
		"policy, not the key's":          {"TheOtherAccountsWorkerDecrypts", byPolicy, credential.AccessDenied, "may not decrypt it (kms:Decrypt)", "in the key's policy and to the identity"},
		"policy, a key of its account":   {"the key", byPolicy, credential.AccessDenied, "it is encrypted with the key aws/secretsmanager, which only its own account can use", "--secret-id " + otherARNs + "lab --kms-key-id KEY"},
		"role, whole":                    {"", byRole, "", "", ""},
		"role, not the worker's":         {"AssumeTheRole", byRole, credential.BackendUnauthenticated, "it is denied (sts:AssumeRole)", "allow sts:AssumeRole on " + otherRole + " to the identity"},
		"role, without the id agreed on": {"", func(s *settings) { s.RoleARN, s.ExternalID = otherRole, "guessed" }, credential.BackendUnauthenticated, "it is denied (sts:AssumeRole)", "check that external_id is the external id that the trust policy asks for"},
	} {
		t.Run(name, func(t *testing.T) {
			_, s := twoAccounts(t, test.leftOut)
			test.way(&s)
			p, _ := open(t, s)
			found, err := get(t, p, "lab")
			if test.reason == "" {
				if err != nil || found.Username != "other" {
					t.Errorf("got %+v, %v", found, err)
				}
				return
			}
			e := wantReason(t, err, test.reason)
			wantContains(t, e.Message, test.says)
			wantContains(t, strings.Join(e.Help, "\n"), test.remedy)
		})
	}
}

func wantUser(t *testing.T, p *awsProvider, id, username string) {
	t.Helper()
	found, err := get(t, p, id)
	if err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	if found.Username != username {
		t.Errorf("%s: read from account %q, want %q", id, found.Username, username)
	}
}

// TestByResourcePolicy: an ARN prefix reads another account's secrets, one by one and in batches, and can't list them. This is
// the README's first way to another account.
func TestByResourcePolicy(t *testing.T) {
	server, s := twoAccounts(t)
	s.Region, s.SecretPrefix = "", otherARNs // the region is the ARN's
	p, _ := open(t, s)
	wantUser(t, p, "lab", "other")
	for _, result := range batch(t, p, "lab", "branch_1") {
		if result.Err != nil || result.Credential.Username != "other" {
			t.Errorf("batch: %+v", result)
		}
	}
	if n := server.Count("BatchGetSecretValue"); n != 1 {
		t.Errorf("%d batches", n)
	}
	missing := batch(t, p, "lab", "absent")
	_ = wantReason(t, missing[1].Err, credential.CredentialNotFound)

	_, err := p.List(t.Context(), 10, "")
	wantContains(t, wantReason(t, err, credential.Unsupported).Message, otherAccount, "the caller's own account")
	checks, _ := validate(t, p, "lab")
	if checks[checkList].Status != credential.StatusSkipped || checks[checkCredential].Status != credential.StatusPassed || checks[checkRead].Status != credential.StatusPassed {
		t.Errorf("checks = %+v", checks)
	}

	for name, denial := range map[string]awssmtest.Denial{
		"by policy": {Action: actionGet, Resource: otherARNs + "*"},
		"by KMS":    {Action: actionDecrypt, Resource: otherARNs + "*"},
	} {
		t.Run("denied "+name, func(t *testing.T) {
			rule := server.Deny(denial)
			defer rule.Remove()
			_, err := get(t, p, "lab")
			e := wantReason(t, err, credential.AccessDenied)
			if denial.Action == actionGet {
				wantContains(t, strings.Join(e.Help, "\n"), `"Resource": "`+otherARNs+`*"`, "resource policy", otherAccount, "must not be aws/secretsmanager")
			}
		})
	}
}

// TestByRole is the README's second way to another account.
func TestByRole(t *testing.T) {
	server, s := twoAccounts(t)
	s.RoleARN, s.ExternalID = otherRole, "choose-a-value"
	p, _ := open(t, s)
	wantUser(t, p, "lab", "other")
	if page, err := p.List(t.Context(), 10, ""); err != nil || len(page.Credentials) != 3 {
		t.Errorf("list: %+v, %v", page, err)
	}
	server.Deny(awssmtest.Denial{Identity: "arn:aws:sts::123456789012:assumed-role/tom-worker/*", Action: "sts:AssumeRole", Resource: otherRole})
	denied, _ := open(t, s)
	_, err := get(t, denied, "lab")
	e := wantReason(t, err, credential.BackendUnauthenticated)
	wantContains(t, e.Message, otherRole, "sts:AssumeRole")
	wantContains(t, strings.Join(e.Help, "\n"), "trust policy", "external_id")
}

// TestByRoutes is the README's third way: several accounts in one provider.
func TestByRoutes(t *testing.T) {
	server, s := twoAccounts(t)
	s.Routes = []string{"branch_1 secret_prefix=" + otherARNs, "branch_* role_arn=" + otherRole + " external_id=choose-a-value", "branch_2 secret_prefix=never/"}
	server.InAccount(otherAccount, "us-east-1").PutSecret("tom/credentials/unrelated", of("other"))
	server.AttachPolicy(workerRole, strings.ReplaceAll(readmePolicy(t, "ListNames"), "tom/credentials/", "never/"))
	p, log := open(t, s)
	wantUser(t, p, "lab", "own")
	wantUser(t, p, "branch_1", "other")
	wantUser(t, p, "branch_2", "other")
	t.Run("batch", func(t *testing.T) {
		results := batch(t, p, "lab", "branch_1", "branch_2", "branch_3")
		for i, want := range []string{"own", "other", "other"} {
			if results[i].Err != nil || results[i].Credential.Username != want {
				t.Errorf("result %d: %+v", i, results[i])
			}
		}
		_ = wantReason(t, results[3].Err, credential.CredentialNotFound)
	})
	t.Run("list", func(t *testing.T) {
		// branch_1 can't be listed: its account is another one, by ARN. unrelated is in the other account, and no route leads to it.
		if got := listAll(t, p, 10); !slices.Equal(sorted(got), []string{"branch_2", "lab"}) {
			t.Errorf("ids = %v", got)
		}
		if !strings.Contains(log.String(), "route branch_1") {
			t.Errorf("the log doesn't name the route that can't be listed: %s", log)
		}
	})
	t.Run("validate", func(t *testing.T) {
		checks, _ := validate(t, p, "branch_2")
		for name, c := range checks {
			if c.Status != credential.StatusPassed && c.Status != credential.StatusSkipped {
				t.Errorf("%s: %+v", name, c)
			}
		}
		wantContains(t, checks["route branch_*"].Message, "assumed-role/tom-credentials", "reading allowed")
		wantContains(t, checks["route branch_1"].Message, "can't be listed")
	})
	t.Run("one fails", func(t *testing.T) {
		server.Deny(awssmtest.Denial{Action: "sts:AssumeRole"})
		p, _ := open(t, s)
		wantUser(t, p, "lab", "own")
		wantUser(t, p, "branch_1", "other")
		_, err := get(t, p, "branch_2")
		_ = wantReason(t, err, credential.BackendUnauthenticated)
		results := batch(t, p, "lab", "branch_2")
		if results[0].Err != nil {
			t.Errorf("the other route's: %v", results[0].Err)
		}
		_ = wantReason(t, results[1].Err, credential.BackendUnauthenticated)
		if got := listAll(t, p, 10); !slices.Equal(got, []string{"lab"}) {
			t.Errorf("ids = %v", got)
		}
		checks, _ := validate(t, p, "lab")
		if c := checks["route branch_*"]; c.Status != credential.StatusWarning || c.Reason != credential.BackendUnauthenticated || c.Remedy == "" {
			t.Errorf("check = %+v", c)
		}
		if c := checks[checkCredential]; c.Status != credential.StatusPassed {
			t.Errorf("the credential of the plain settings: %+v", c)
		}
	})
}

// TestRoutesOfRegions: a route has its own region and profile.
func TestRoutesOfRegions(t *testing.T) {
	server := awssmtest.StartTest(t, awssmtest.Options{})
	server.PutSecret("tom/credentials/lab", of("here"))
	server.In("eu-west-1").PutSecret("tom/credentials/eu/lab", of("there"))
	awsFiles(t, "", "[my lab]\n"+addUser(server, "lab").ini())
	useKeys(t)
	s := defaultSettings()
	s.Region = "us-east-1"
	s.Routes = []string{`eu/* region=eu-west-1 profile='my lab'`}
	p, _ := openEverywhere(t, server, s)
	wantUser(t, p, "lab", "here")
	wantUser(t, p, "eu/lab", "there")
	last := server.Calls()[len(server.Calls())-1]
	if last.Region != "eu-west-1" || !strings.HasSuffix(last.Identity, "user/lab") {
		t.Errorf("call = %+v", last)
	}
	if got := listAll(t, p, 1); !slices.Equal(sorted(got), []string{"eu/lab", "lab"}) {
		t.Errorf("ids = %v", got)
	}
}

func sorted(ids []string) []string {
	slices.Sort(ids)
	return ids
}

func TestRoutesRefused(t *testing.T) {
	base := func(s *settings) { s.Region = "us-east-1" }
	for name, test := range map[string]struct {
		routes  []string
		change  func(*settings)
		problem string
	}{
		"nothing":         {[]string{""}, base, "must be a glob"},
		"a glob alone":    {[]string{"lab_*"}, base, "must be a glob"},
		"no glob":         {[]string{"region=eu-west-1 profile=x"}, base, "must be a glob"},
		"no value":        {[]string{"lab_* region"}, base, "without ="},
		"unknown setting": {[]string{"lab_* endpoint_url=http://x"}, base, `"endpoint_url"`},
		"twice":           {[]string{"lab_* region=a region=b"}, base, "region twice"},
		"open quote":      {[]string{"lab_* profile='x"}, base, "quote"},
		"bad region":      {[]string{"lab_* region=Mars"}, base, "item 1 (lab_*): region must be"},
		"bad role":        {[]string{"ok_* region=eu-west-1", "lab_* role_arn=tom"}, base, "item 2 (lab_*): role_arn must be"},
		"external id":     {[]string{"lab_* external_id=abc"}, base, "external_id needs role_arn"},
		"ARN's region":    {[]string{"lab_* region=eu-west-1 secret_prefix=" + otherARNs}, base, "secret_prefix is an ARN of the region us-east-1"},
		"never reached":   {[]string{"* region=eu-west-1", "lab_* region=eu-west-2"}, base, "never reached"},
		"endpoint":        {[]string{"lab_* region=eu-west-1"}, func(s *settings) { s.Region, s.EndpointURL = "us-east-1", "http://127.0.0.1:1" }, "can't be combined with endpoint_url"},
		"profile unknown": {[]string{"lab_* profile=absent"}, base, "route lab_*: profile names a profile"},
		"too many":        {make([]string, 101), base, "at most 100"},
	} {
		t.Run(name, func(t *testing.T) {
			awsFiles(t, "", "")
			s := defaultSettings()
			s.Routes = test.routes
			test.change(&s)
			_, err := newProvider(s, hclog.NewNullLogger())
			e := wantReason(t, err, credential.SettingsInvalid)
			for _, v := range e.Violations {
				if v.Setting != "routes" {
					t.Errorf("violation of %s", v.Setting)
				}
			}
			wantContains(t, e.Error(), test.problem)
		})
	}
}

// TestRoutesInherit: what a route doesn't set is the plain settings', except that an external id belongs to its role, and
// failover regions to their region.
func TestRoutesInherit(t *testing.T) {
	s := defaultSettings()
	s.Region, s.RoleARN, s.ExternalID, s.FailoverRegions = "us-east-1", tomRole, "plain", []string{"us-west-2"}
	s.Routes = []string{"a profile=x", "b role_arn=" + otherRole, "c region=eu-west-1", "d role_arn="}
	all, violations := s.routes()
	if len(violations) > 0 || len(all) != 5 {
		t.Fatalf("%d routes, %v", len(all), violations)
	}
	for i, want := range []struct {
		role, external string
		failover       int
	}{{tomRole, "plain", 1}, {otherRole, "", 1}, {tomRole, "plain", 0}, {"", "", 1}, {tomRole, "plain", 1}} {
		if got := all[i].settings; got.RoleARN != want.role || got.ExternalID != want.external || len(got.FailoverRegions) != want.failover {
			t.Errorf("%s: role %q, external id %q, failover %v", all[i], got.RoleARN, got.ExternalID, got.FailoverRegions)
		}
	}
}

// TestNamesOfAWS: names that AWS services make have a "!", which would negate a filter at its front.
func TestNamesOfAWS(t *testing.T) {
	for _, prefix := range []string{"", "rds!", "!odd/"} {
		t.Run(prefix, func(t *testing.T) {
			server, p := start(t, func(s *settings) { s.SecretPrefix = prefix })
			server.PutSecret(prefix+"cluster-4711!x", labSecret)
			server.PutSecret("zzz", labSecret)
			if _, err := get(t, p, "cluster-4711!x"); err != nil {
				t.Fatal(err)
			}
			got := listAll(t, p, 10)
			if !slices.Contains(got, "cluster-4711!x") || prefix != "" && len(got) != 1 {
				t.Errorf("ids = %v", got)
			}
		})
	}
}

// TestNestedFields: JSON Pointers reach into objects and arrays; what they point at is checked as other fields are.
func TestNestedFields(t *testing.T) {
	const nested = `{"login":{"user":"admin","pass/word":"` + canary + `"},"list":[{"p":"first"},{"p":"` + canary + `"}],"n":1,"/odd":"x","note":"y","login2":{"user":"a","user":"b"}}`
	for name, test := range map[string]struct {
		username, password string
		problem            string // empty: read
	}{
		"objects":          {"/login/user", "/login/pass~1word", ""},
		"array":            {"/login/user", "/list/1/p", ""},
		"one token":        {"/note", "/login/pass~1word", ""},
		"key with a slash": {"/~1odd", "/list/1/p", ""},
		"missing":          {"/login/absent", "/list/1/p", "/login/absent"},
		"into a string":    {"/note/x", "/list/1/p", "/note/x"},
		"index of nothing": {"/login/user", "/list/7/p", "/list/7/p"},
		"leading zero":     {"/login/user", "/list/01/p", "/list/01/p"},
		"an object":        {"/login", "/list/1/p", "must be a string, not an object"},
		"a number":         {"/n", "/list/1/p", "must be a string, not a number"},
	} {
		t.Run(name, func(t *testing.T) {
			text := nested
			if name != "duplicate" {
				text = strings.Replace(text, `,"login2":{"user":"a","user":"b"}`, "", 1)
			}
			server, p := start(t, func(s *settings) { s.UsernameField, s.PasswordField = test.username, test.password })
			server.PutSecret("tom/credentials/lab", text)
			found, err := get(t, p, "lab")
			if test.problem != "" {
				wantContains(t, wantReason(t, err, credential.CredentialMalformed).Message, test.problem)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if password, ok := found.Password.Get(); !ok || password.Reveal() != canary {
				t.Error("another password")
			}
			if _, ok := found.Extra[strings.TrimPrefix(test.username, "/")]; ok {
				t.Error("the username is an extra field as well")
			}
		})
	}
	t.Run("a key twice further down", func(t *testing.T) {
		server, p := start(t, func(s *settings) { s.UsernameField, s.PasswordField = "/login/user", "/list/1/p" })
		server.PutSecret("tom/credentials/lab", nested)
		_, err := get(t, p, "lab")
		wantContains(t, wantReason(t, err, credential.CredentialMalformed).Message, "twice")
	})
}

// TestPlainPassword: a secret that is nothing but the password.
func TestPlainPassword(t *testing.T) {
	for name, test := range map[string]struct{ text, problem string }{
		"password":        {canary, ""},
		"with spaces":     {" " + canary + " ", ""},
		"like JSON":       {`"` + canary + `"`, ""},
		"line end":        {canary + "\n", "ends with a line end"},
		"carriage return": {canary + "\r\n", "ends with a line end"},
		"two lines":       {canary + "\nx", "holds a line end"},
		"NUL":             {canary + "\x00", "NUL"},
		"JSON object":     {labSecret, "is a JSON object, not a password"},
		"byte-order mark": {"\ufeff" + canary, "byte-order mark"},
	} {
		t.Run(name, func(t *testing.T) {
			server, p := start(t, func(s *settings) { s.SecretFormat, s.Username = "password", "admin" })
			server.PutSecret("tom/credentials/lab", test.text)
			found, err := get(t, p, "lab")
			if test.problem != "" {
				e := wantReason(t, err, credential.CredentialMalformed)
				wantContains(t, e.Message, test.problem)
				if strings.HasPrefix(test.problem, "ends") {
					wantContains(t, strings.Join(e.Help, "\n"), "password.txt")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if password, _ := found.Password.Get(); found.Username != "admin" || password.Reveal() != test.text || len(found.Extra) > 0 {
				t.Errorf("got %+v", found)
			}
		})
	}
}
