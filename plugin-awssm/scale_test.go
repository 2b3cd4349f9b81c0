package main

import (
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/plugin-awssm/internal/awscreds"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// TestListTenThousand: each id once, in as few calls as AWS allows, and each page as soon as AWS has given it: a page is
// fetched when the host asks for it, so that the provider never holds more than one.
func TestListTenThousand(t *testing.T) {
	const secrets, pages = 10_000, 100
	server, p := start(t)
	ids := fill(server.In("us-east-1"), secrets)
	seen := make(map[string]int)
	token := ""
	for page := int64(1); ; page++ {
		got, err := p.List(within(t, 20*time.Second), 1000, token)
		if err != nil {
			t.Fatalf("page %d: %v", page, err)
		}
		if n := server.Count(); n != page {
			t.Fatalf("%d calls when the host has page %d", n, page)
		}
		for _, summary := range got.Credentials {
			seen[summary.ID]++
		}
		if token = got.NextToken; token == "" {
			break
		}
	}
	if n := server.Count("ListSecrets"); n > pages {
		t.Errorf("%d calls, want at most %d", n, pages)
	}
	for _, id := range ids {
		if seen[id] != 1 {
			t.Fatalf("%s was listed %d times", id, seen[id])
		}
	}
	if len(seen) != secrets {
		t.Errorf("%d ids, want %d", len(seen), secrets)
	}
}

// TestBatchThousand: the numbers of calls and the time that a cold start of a worker with a thousand devices takes.
func TestBatchThousand(t *testing.T) {
	server := awssmtest.StartTest(t, awssmtest.Options{Latency: 10 * time.Millisecond})
	useKeys(t)
	p, _ := open(t, atServer(server))
	ids := fill(server.In("us-east-1"), 1000)
	read := func() time.Duration {
		start := time.Now()
		for from := 0; from < len(ids); from += credential.MaxBatch {
			wantAll(t, batch(t, p, ids[from:from+credential.MaxBatch]...), ids[from:])
		}
		return time.Since(start)
	}
	took := read()
	if n := server.Count(); n > 50 {
		t.Errorf("%d calls, want at most 50", n)
	}
	server.Deny(awssmtest.Denial{Action: actionBatch})
	alone := read()
	t.Logf("1,000 credentials with 10 ms a call: %s by batches, %s by single calls; one after the other they take at least 10s",
		took.Round(time.Millisecond), alone.Round(time.Millisecond))
}

// TestAppID: every request can be told in CloudTrail, by the app id in its User-Agent.
func TestAppID(t *testing.T) {
	server := awssmtest.StartTest(t, awssmtest.Options{})
	server.PutSecret("tom/credentials/lab", labSecret)
	server.PutSecret("tom/credentials/other", labSecret)
	useKeys(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
	s := atServer(server)
	s.RoleARN = "arn:aws:iam::123456789012:role/tom"
	p, _ := open(t, s)
	for _, operation := range operations {
		if got := operation.run(t, p); got.reason != "" {
			t.Fatalf("%s: %s", operation.name, got)
		}
	}
	seen := make(map[string]bool)
	for _, call := range server.Calls() {
		seen[call.Operation] = true
		if !strings.Contains(call.UserAgent, "app/"+awscreds.AppID) {
			t.Errorf("%s: User-Agent %q lacks the app id", call.Operation, call.UserAgent)
		}
	}
	for _, operation := range []string{"GetSecretValue", "BatchGetSecretValue", "ListSecrets", "GetCallerIdentity", "AssumeRole"} {
		if !seen[operation] {
			t.Errorf("no %s", operation)
		}
	}
}
