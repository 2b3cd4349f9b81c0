package awssmtest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

const workerRole = "arn:aws:iam::123456789012:role/ops/worker"

func TestAssumedRoles(t *testing.T) {
	clock := newClock()
	s := StartTest(t, Options{Now: clock.now})
	s.PutSecret("s", "v")
	token := filepath.Join(t.TempDir(), "token")
	check(t, os.WriteFile(token, []byte("a web identity token"), 0o600))

	caller := defaultCaller(t)
	base := caller.sts(s.URL())
	caller.provider = aws.AnonymousCredentials{}
	anonymous := caller.sts(s.URL())
	for name, provider := range map[string]aws.CredentialsProvider{
		"role": stscreds.NewAssumeRoleProvider(base, workerRole, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName, o.ExternalID, o.Duration = "shift-1", aws.String("from-outside"), 20*time.Minute
		}),
		"web identity": stscreds.NewWebIdentityRoleProvider(anonymous, workerRole, stscreds.IdentityTokenFile(token), func(o *stscreds.WebIdentityRoleOptions) {
			o.RoleSessionName, o.Duration = "shift-1", 20*time.Minute
		}),
	} {
		t.Run(name, func(t *testing.T) {
			s.ResetCalls()
			session, err := provider.Retrieve(t.Context())
			check(t, err)
			if left := session.Expires.Sub(clock.now()); left < 20*time.Minute-2*time.Second || left > 20*time.Minute {
				t.Errorf("valid for %s", left)
			}
			if !strings.HasPrefix(session.AccessKeyID, "ASIA") {
				t.Errorf("access key = %q", session.AccessKeyID)
			}
			first := s.Calls()[0]
			if first.RoleARN != workerRole || first.RoleSessionName != "shift-1" || (name == "role") != (first.ExternalID == "from-outside") {
				t.Errorf("recorded: %+v", first)
			}

			caller := defaultCaller(t)
			caller.provider = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return session, nil })
			_, err = get(t, caller.secrets(s.URL()), "s")
			check(t, err)
			me, err := caller.sts(s.URL()).GetCallerIdentity(t.Context(), nil)
			check(t, err)
			const want = "arn:aws:sts::123456789012:assumed-role/worker/shift-1"
			if *me.Arn != want || *me.Account != "123456789012" || !strings.HasPrefix(*me.UserId, "AROA") || !strings.HasSuffix(*me.UserId, ":shift-1") {
				t.Errorf("identity = %s %s %s", *me.Arn, *me.Account, *me.UserId)
			}
			if last := s.Calls()[1]; last.Identity != want || !last.SessionToken {
				t.Errorf("recorded: %+v", last)
			}

			s.ExpireSessions()
			_, err = get(t, caller.secrets(s.URL()), "s")
			wantCode(t, err, "ExpiredTokenException")
		})
	}

	s.SetSessionLifetime(time.Minute)
	out, err := base.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String(workerRole), RoleSessionName: aws.String("me")})
	check(t, err)
	if left := out.Credentials.Expiration.Sub(clock.now()); left > time.Minute {
		t.Errorf("valid for %s", left)
	}
	me, err := base.GetCallerIdentity(t.Context(), nil)
	check(t, err)
	if *me.Arn != "arn:aws:iam::123456789012:user/tom" {
		t.Errorf("identity = %s", *me.Arn)
	}
}

func TestRefusedRoles(t *testing.T) {
	s := StartTest(t, Options{})
	client := defaultCaller(t).sts(s.URL())
	for name, in := range map[string]sts.AssumeRoleInput{
		"ARN too short":     {RoleArn: aws.String("arn"), RoleSessionName: aws.String("me")},
		"no role":           {RoleArn: aws.String("arn:aws:iam::123456789012:user/me"), RoleSessionName: aws.String("me")},
		"name too short":    {RoleArn: aws.String(workerRole), RoleSessionName: aws.String("m")},
		"name too long":     {RoleArn: aws.String(workerRole), RoleSessionName: aws.String(strings.Repeat("m", 65))},
		"space in the name": {RoleArn: aws.String(workerRole), RoleSessionName: aws.String("m e")},
		"too brief":         {RoleArn: aws.String(workerRole), RoleSessionName: aws.String("me"), DurationSeconds: aws.Int32(899)},
		"too long":          {RoleArn: aws.String(workerRole), RoleSessionName: aws.String("me"), DurationSeconds: aws.Int32(43201)},
	} {
		_, err := client.AssumeRole(t.Context(), &in)
		if codeOf(t, err) != "ValidationError" {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := client.GetSessionToken(t.Context(), nil)
	wantCode(t, err, "InvalidAction")
}

func TestSessionsAreBounded(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	first := s.AddSession("arn:aws:iam::123456789012:user/x", time.Hour)
	for range maxSessions {
		s.AddSession("arn:aws:iam::123456789012:user/x", time.Hour)
	}
	if _, known := s.identity.lookup(first.AccessKeyID); known || len(s.identity.keys) != maxSessions+1 {
		t.Errorf("%d keys are remembered", len(s.identity.keys))
	}
}
