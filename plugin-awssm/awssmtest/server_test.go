package awssmtest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func TestEnvIsEnough(t *testing.T) {
	s := StartTest(t, Options{Region: "eu-central-1"})
	s.PutSecret("s", "v")
	for _, entry := range s.Env() {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
	caller := defaultCaller(t)
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithHTTPClient(caller.http))
	check(t, err)
	_, err = get(t, secretsmanager.NewFromConfig(cfg), "s")
	check(t, err)
	me, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), nil)
	check(t, err)
	if *me.Account != s.Account() {
		t.Errorf("account = %s", *me.Account)
	}
}

func TestRegions(t *testing.T) {
	for _, shared := range []bool{false, true} {
		s := StartTest(t, Options{SharedRegions: shared})
		s.PutSecret("s", "home")
		caller := defaultCaller(t)
		caller.region = "eu-west-1"
		away := caller.secrets(s.URL())
		out, err := get(t, away, "s")
		if !shared {
			wantCode(t, err, "ResourceNotFoundException")
			s.In("eu-west-1").PutSecret("s", "away")
			out, err = get(t, away, "s")
		}
		check(t, err)
		if !strings.HasPrefix(*out.ARN, "arn:aws:secretsmanager:eu-west-1:") || (*out.SecretString == "away") == shared {
			t.Errorf("shared=%v: %s %s", shared, *out.ARN, *out.SecretString)
		}
		if names, _ := list(t, away, secretsmanager.ListSecretsInput{Filters: filterBy("primary-region", "us-east-1")}); (len(names) == 1) != shared {
			t.Errorf("shared=%v: replicas = %v", shared, names)
		}
		if c := s.Calls()[0]; c.Region != "eu-west-1" {
			t.Errorf("recorded region = %q", c.Region)
		}
	}
}

func TestRecordIsBoundedAndCountsAreExact(t *testing.T) {
	r := newRecord()
	s := &Server{record: r}
	for i := range 3*recordedCalls + 7 {
		r.add(Call{Operation: "GetSecretValue", UserAgent: fmt.Sprint(i)})
	}
	for i := range 5000 {
		r.add(Call{Operation: fmt.Sprint("Invented", i)})
	}
	calls := s.Calls()
	if len(calls) != recordedCalls || calls[recordedCalls-1].Operation != "Invented4999" || calls[0].UserAgent != fmt.Sprint(3*recordedCalls+7-5000) {
		t.Errorf("%d calls, first %+v", len(calls), calls[0])
	}
	if len(r.counts) > 1000 {
		t.Errorf("%d counters", len(r.counts))
	}
	if s.Count("GetSecretValue") != 3*recordedCalls+7 || s.Count() != 3*recordedCalls+5007 || s.Count("GetSecretValue", "Invented1") != 3*recordedCalls+8 {
		t.Errorf("count = %d of %d", s.Count("GetSecretValue"), s.Count())
	}
	s.ResetCalls()
	if s.Count() != 0 || len(s.Calls()) != 0 || s.Count("GetSecretValue") != 0 {
		t.Error("reset left something behind")
	}
}

func TestRecordHoldsNoSecret(t *testing.T) {
	s, client := start(t, Options{})
	_, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("s"), SecretString: aws.String("hunter2-value")})
	check(t, err)
	_, err = client.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("s"), VersionStage: aws.String("AWSCURRENT")})
	check(t, err)
	text := fmt.Sprintf("%+v", s.Calls())
	if strings.Contains(text, "hunter2") || strings.Contains(text, SecretAccessKey) {
		t.Errorf("the record holds a secret: %s", text)
	}
	c := s.Calls()[1]
	if c.Service != "secretsmanager" || c.Operation != "GetSecretValue" || !slices.Equal(c.SecretIDs, []string{"s"}) || c.VersionStage != "AWSCURRENT" ||
		c.AccessKeyID != AccessKeyID || c.Identity != "arn:aws:iam::123456789012:user/tom" || c.SessionToken || !strings.Contains(c.UserAgent, "aws-sdk-go") {
		t.Errorf("recorded: %+v", c)
	}
}

func TestConcurrentCallers(t *testing.T) {
	s, client := start(t, Options{})
	for i := range 16 {
		s.PutSecret(fmt.Sprint("s", i), "0")
	}
	var wg sync.WaitGroup
	for caller := range 64 {
		wg.Go(func() {
			id := fmt.Sprint("s", caller%16)
			for i := range 20 {
				var err error
				switch (caller + i) % 4 {
				case 0:
					_, err = client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &id, SecretString: aws.String(fmt.Sprint(i + 1))})
				case 1:
					_, err = client.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(5)})
				case 2:
					s.Deny(Denial{Identity: "absent"}).Remove()
					s.Inject(Fault{Operation: "Nothing"}).Remove()
					_, err = client.BatchGetSecretValue(t.Context(), &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{id, "s0"}})
				default:
					_, err = get(t, client, id)
				}
				if err != nil {
					t.Errorf("caller %d: %v", caller, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := s.Count(); n != 64*20 {
		t.Errorf("%d calls counted, want %d", n, 64*20)
	}
	// However the puts fell, each secret has one current version and at most one previous.
	for i := range 16 {
		var labels []string
		for _, l := range stagesOf(t, client, fmt.Sprint("s", i)) {
			labels = append(labels, l)
		}
		slices.Sort(labels)
		if !slices.Equal(labels, []string{"AWSCURRENT", "AWSPREVIOUS"}) {
			t.Errorf("s%d: labels = %v", i, labels)
		}
	}
}

func TestVersionsAreBounded(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	for range 3 * keptVersions {
		s.PutSecret("s", "v")
	}
	if n := len(s.stateOf(s.Account(), "us-east-1").byName["s"].versions); n != keptVersions {
		t.Errorf("%d versions are kept", n)
	}
}
