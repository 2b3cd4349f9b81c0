package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/provider"
)

var _ provider.BatchGetter = (*awsProvider)(nil)

// fill puts n secrets into a region and returns their ids.
func fill(region *awssmtest.Region, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("device-%05d", i)
		region.PutSecret("tom/credentials/"+ids[i], fmt.Sprintf(`{"username":"%s","password":"%s"}`, ids[i], canary))
	}
	return ids
}

// batch reads the ids' current versions.
func batch(t *testing.T, p *awsProvider, ids ...string) []credential.Result {
	t.Helper()
	requests := make([]credential.Request, len(ids))
	for i, id := range ids {
		requests[i].ID = id
	}
	return batchOf(t, p, requests...)
}

func batchOf(t *testing.T, p *awsProvider, requests ...credential.Request) []credential.Result {
	t.Helper()
	results, err := p.GetBatch(within(t, 20*time.Second), requests)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != len(requests) {
		t.Fatalf("%d results of %d requests", len(results), len(requests))
	}
	for i, result := range results {
		if (result.Credential == nil) == (result.Err == nil) {
			t.Fatalf("result %d: %+v", i, result)
		}
		if result.Err != nil {
			noCanary(t, result.Err.Error())
		}
		if result.Credential != nil && result.Credential.ID != requests[i].ID {
			t.Fatalf("result %d is %q, want %q", i, result.Credential.ID, requests[i].ID)
		}
	}
	return results
}

// wantAll fails the test unless every id was read, each with its own value.
func wantAll(t *testing.T, results []credential.Result, ids []string) {
	t.Helper()
	for i, result := range results {
		if result.Err != nil {
			t.Fatalf("%s: %v", ids[i], result.Err)
		}
		if password, _ := result.Credential.Password.Get(); result.Credential.Username != ids[i] || password.Reveal() != canary {
			t.Fatalf("%s: user name %q", ids[i], result.Credential.Username)
		}
	}
}

func TestBatch(t *testing.T) {
	server, p := start(t)
	ids := fill(server.In("us-east-1"), 100)
	results := batch(t, p, ids...)
	wantAll(t, results, ids)
	if n := server.Count("BatchGetSecretValue"); n != 5 || server.Count() != n {
		t.Errorf("%d batches, %d calls in all, want 5", n, server.Count())
	}
	for _, result := range results {
		if c := result.Credential; c.VersionID == "" || c.VersionCreated.IsZero() || c.BackendRequestID == "" || c.FromReplica {
			t.Fatalf("metadata: %+v", c)
		}
	}
	single, err := get(t, p, ids[0])
	if err != nil {
		t.Fatal(err)
	}
	if c := results[0].Credential; c.VersionID != single.VersionID || !c.VersionCreated.Equal(single.VersionCreated) {
		t.Errorf("a batch gives %+v, a single call %+v", c, single)
	}
}

func TestBatchTwice(t *testing.T) {
	server, p := start(t)
	ids := fill(server.In("us-east-1"), 3)
	asked := slices.Concat(ids, ids, []string{"none", "none"}, ids)
	results := batch(t, p, asked...)
	for i, result := range results {
		if asked[i] == "none" {
			_ = wantReason(t, result.Err, credential.CredentialNotFound)
		} else if result.Err != nil {
			t.Errorf("%s: %v", asked[i], result.Err)
		}
	}
	calls := server.Calls()
	if len(calls) != 1 || len(calls[0].SecretIDs) != 4 {
		t.Errorf("calls = %+v, want one for four names", calls)
	}
}

func TestBatchOfOne(t *testing.T) {
	server, p := start(t)
	ids := fill(server.In("us-east-1"), 1)
	wantAll(t, batch(t, p, ids...), ids)
	if server.Count("BatchGetSecretValue") != 0 || server.Count("GetSecretValue") != 1 {
		t.Errorf("calls = %+v", server.Calls())
	}
	if results := batch(t, p); len(results) != 0 {
		t.Errorf("results of nothing = %v", results)
	}
}

// TestBatchOrder: every kind of outcome in one batch, each in its place.
func TestBatchOrder(t *testing.T) {
	server, p := start(t)
	old := server.PutSecret("tom/credentials/good", `{"username":"good","password":"old"}`)
	server.Rotate("tom/credentials/good", `{"username":"good","password":"`+canary+`"}`)
	server.PutSecret("tom/credentials/deleted", labSecret)
	server.ScheduleDeletion("tom/credentials/deleted")
	server.PutSecret("tom/credentials/malformed", `{"password":"`+canary+`"}`)
	server.PutSecret("tom/credentials/denied", labSecret)
	server.Deny(awssmtest.Denial{Action: actionGet, Resource: "tom/credentials/denied"})
	server.PutSecret("tom/credentials/undecryptable", labSecret)
	server.Inject(awssmtest.Fault{SecretID: "tom/credentials/undecryptable", Code: "DecryptionFailure"})
	server.PutSecret("tom/credentials/key", labSecret)
	server.Deny(awssmtest.Denial{Action: actionDecrypt, Resource: "tom/credentials/key"})
	server.PutBinary("tom/credentials/binary", []byte(labSecret))
	tests := []struct {
		request credential.Request
		reason  credential.Reason // empty: read
		version string
	}{
		{request: credential.Request{ID: "none"}, reason: credential.CredentialNotFound},
		{request: credential.Request{ID: "good"}},
		{request: credential.Request{ID: "deleted"}, reason: credential.CredentialDeleted},
		{request: credential.Request{ID: "../climb"}, reason: credential.CredentialIDInvalid},
		{request: credential.Request{ID: "malformed"}, reason: credential.CredentialMalformed},
		{request: credential.Request{ID: "good", VersionID: old}, version: old},
		{request: credential.Request{ID: "denied"}, reason: credential.AccessDenied},
		{request: credential.Request{ID: "undecryptable"}, reason: credential.DecryptionFailed},
		{request: credential.Request{ID: "key"}, reason: credential.AccessDenied},
		{request: credential.Request{ID: "good", VersionLabel: "AWSPREVIOUS"}, version: old},
		{request: credential.Request{ID: "binary"}},
		{request: credential.Request{ID: "good", VersionLabel: "NEXT"}, reason: credential.VersionNotFound},
		{request: credential.Request{ID: "good", VersionID: "short"}, reason: credential.VersionNotFound},
	}
	var requests []credential.Request
	for _, test := range tests {
		requests = append(requests, test.request)
	}
	for i, result := range batchOf(t, p, requests...) {
		test := tests[i]
		switch {
		case test.reason != "":
			e := wantReason(t, result.Err, test.reason)
			if test.reason != credential.CredentialIDInvalid {
				wantContains(t, e.Message, "tom/credentials/"+test.request.ID, "us-east-1")
			}
		case result.Err != nil:
			t.Errorf("%+v: %v", test.request, result.Err)
		case test.version != "" && result.Credential.VersionID != test.version:
			t.Errorf("%+v: version %s", test.request, result.Credential.VersionID)
		}
	}
	if n := server.Count("BatchGetSecretValue"); n != 1 {
		t.Errorf("%d batches, want 1", n)
	}
	// Three with versions that can be, and the confirmation of two denials.
	if n := server.Count("GetSecretValue"); n != 5 {
		t.Errorf("%d single calls, want 5", n)
	}
}

// TestBatchConfirmsDenials: a policy that allows AWSCURRENT alone denies what a batch asks, but not what a single call does.
func TestBatchConfirmsDenials(t *testing.T) {
	server, p := start(t)
	ids := fill(server.In("us-east-1"), 3)
	server.Deny(awssmtest.Denial{Action: actionGet, VersionStage: "none", Resource: "tom/credentials/" + ids[1]})
	wantAll(t, batch(t, p, ids...), ids)
	if n := server.Count("GetSecretValue"); n != 1 {
		t.Errorf("%d single calls, want 1", n)
	}
}

// TestBatchItemTrouble: a passing trouble of one secret is tried again, as a single read of it would be.
func TestBatchItemTrouble(t *testing.T) {
	server, p := start(t)
	ids := fill(server.In("us-east-1"), 3)
	server.Inject(awssmtest.Fault{SecretID: "tom/credentials/" + ids[2], Code: "InternalServiceError", Times: 1})
	wantAll(t, batch(t, p, ids...), ids)
}

// TestBatchRefused: when batches aren't allowed or not known, single calls take their place, that is said once, and an hour
// later it is tried again with one call.
func TestBatchRefused(t *testing.T) {
	tests := map[string]func(*awssmtest.Server) (allow func()){
		"by IAM": func(s *awssmtest.Server) func() { return s.Deny(awssmtest.Denial{Action: actionBatch}).Remove },
		"unknown operation": func(s *awssmtest.Server) func() {
			return s.Inject(awssmtest.Fault{Operation: "BatchGetSecretValue", Code: "UnknownOperationException"}).Remove
		},
		"not implemented": func(s *awssmtest.Server) func() {
			return s.Inject(awssmtest.Fault{Operation: "BatchGetSecretValue", Code: "InternalFailure", Status: 501}).Remove
		},
	}
	for name, refuse := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_MAX_ATTEMPTS", "1")
			server := awssmtest.StartTest(t, awssmtest.Options{})
			useKeys(t)
			p, log := open(t, atServer(server))
			now := time.Now()
			var clock sync.Mutex
			p.plain().batching.now = func() time.Time { clock.Lock(); defer clock.Unlock(); return now }
			pass := func(d time.Duration) { clock.Lock(); defer clock.Unlock(); now = now.Add(d) }
			ids := fill(server.In("us-east-1"), 100)
			allow := refuse(server)

			wantAll(t, batch(t, p, ids...), ids)
			if n := server.Count("BatchGetSecretValue"); n < 1 || n > batchesInFlight {
				t.Errorf("%d batches tried, want at most %d", n, batchesInFlight)
			}
			if n := server.Count("GetSecretValue"); n != 100 {
				t.Errorf("%d single calls, want 100", n)
			}
			server.ResetCalls()
			pass(59 * time.Minute)
			wantAll(t, batch(t, p, ids...), ids)
			if n := server.Count("BatchGetSecretValue"); n != 0 {
				t.Errorf("%d batches within the hour", n)
			}
			pass(2 * time.Minute)
			wantAll(t, batch(t, p, ids...), ids)
			if n := server.Count("BatchGetSecretValue"); n != 1 {
				t.Errorf("%d batches after an hour, want 1", n)
			}
			if n := strings.Count(log.String(), "[INFO]"); n != 1 {
				t.Errorf("%d INFO lines, want 1: %s", n, log)
			}
			wantContains(t, log.String(), "missing_action="+actionBatch)

			allow()
			pass(time.Hour)
			wantAll(t, batch(t, p, ids...), ids)
			server.ResetCalls()
			wantAll(t, batch(t, p, ids...), ids)
			if batches := server.Count("BatchGetSecretValue"); batches != 5 || server.Count() != batches {
				t.Errorf("%d batches in %d calls once they are allowed, want 5 in 5", batches, server.Count())
			}
		})
	}
}

// TestBatchInFlight: how many calls are under way at once, over all batches together.
func TestBatchInFlight(t *testing.T) {
	for name, test := range map[string]struct {
		deny bool
		most int64
	}{"batches": {false, batchesInFlight}, "singles": {true, singlesInFlight}} {
		t.Run(name, func(t *testing.T) {
			server := awssmtest.StartTest(t, awssmtest.Options{Latency: 2 * time.Millisecond})
			ids := fill(server.In("us-east-1"), 100)
			operation := "BatchGetSecretValue"
			if test.deny {
				server.Deny(awssmtest.Denial{Action: actionBatch})
				operation = "GetSecretValue"
			}
			var under, most atomic.Int64
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+operation) {
					now := under.Add(1)
					defer under.Add(-1)
					for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
					}
				}
				server.ServeHTTP(w, r)
			}))
			t.Cleanup(front.Close)
			useKeys(t)
			s := atServer(server)
			s.EndpointURL = front.URL
			p, _ := open(t, s)
			var hosts sync.WaitGroup
			for range 3 {
				hosts.Go(func() { wantAll(t, batch(t, p, ids...), ids) })
			}
			hosts.Wait()
			if got := most.Load(); got > test.most || got < test.most/2 {
				t.Errorf("%d in flight, want about %d and no more", got, test.most)
			}
		})
	}
}

func TestBatchPages(t *testing.T) {
	server := awssmtest.StartTest(t, awssmtest.Options{BatchPage: 3})
	useKeys(t)
	p, _ := open(t, atServer(server))
	ids := fill(server.In("us-east-1"), 20)
	wantAll(t, batch(t, p, ids...), ids)
	if n := server.Count("BatchGetSecretValue"); n != 7 || server.Count() != 7 {
		t.Errorf("%d pages of 3 for 20 secrets in %d calls, want 7", n, server.Count())
	}
}

// TestBatchStrangeAnswers: an endpoint that leaves names out, names others or goes on forever decides nothing.
func TestBatchStrangeAnswers(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":        `{}`,
		"others":         `{"SecretValues":[{"Name":"tom/credentials/other","SecretString":"x"}],"Errors":[{"SecretId":"other","ErrorCode":"ResourceNotFoundException"}]}`,
		"without end":    `{"NextToken":"more"}`,
		"an ARN, denied": `{"Errors":[{"SecretId":"arn:aws:secretsmanager:us-east-1:123456789012:secret:tom/credentials/device-00000-AbCdEf","ErrorCode":"AccessDeniedException"}]}`,
		"empty ARN":      `{"Errors":[{"SecretId":"arn:aws:secretsmanager:us-east-1:123456789012:secret:","ErrorCode":"AccessDeniedException"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			server, p := start(t)
			ids := fill(server.In("us-east-1"), 3)
			server.Inject(awssmtest.Fault{Operation: "BatchGetSecretValue", Body: body, ContentType: "application/x-amz-json-1.1"})
			wantAll(t, batch(t, p, ids...), ids)
			if n := server.Count("GetSecretValue"); n != 3 {
				t.Errorf("%d single calls, want 3", n)
			}
		})
	}
	t.Run("an ARN, missing", func(t *testing.T) {
		server, p := start(t)
		ids := fill(server.In("us-east-1"), 2)
		server.Inject(awssmtest.Fault{Operation: "BatchGetSecretValue", ContentType: "application/x-amz-json-1.1",
			Body: `{"Errors":[{"SecretId":"arn:aws:secretsmanager:us-east-1:123456789012:secret:tom/credentials/` + ids[0] + `-AbCdEf","ErrorCode":"ResourceNotFoundException"}]}`})
		results := batch(t, p, ids...)
		_ = wantReason(t, results[0].Err, credential.CredentialNotFound)
		wantAll(t, results[1:], ids[1:])
	})
}

// TestBatchRefusedForOne: a batch that is refused as a whole, for one of its secrets, says nothing about batches.
func TestBatchRefusedForOne(t *testing.T) {
	for name, fault := range map[string]awssmtest.Fault{
		"decryption": {Code: "DecryptionFailure"},
		"the policy of a VPC endpoint": {Code: "AccessDeniedException", Message: "User: arn:aws:iam::123456789012:user/tom is not authorized to perform: " +
			"secretsmanager:GetSecretValue on resource: tom/credentials/device-00001 because no VPC endpoint policy allows the secretsmanager:GetSecretValue action"},
	} {
		t.Run(name, func(t *testing.T) {
			server := awssmtest.StartTest(t, awssmtest.Options{})
			useKeys(t)
			p, log := open(t, atServer(server))
			ids := fill(server.In("us-east-1"), 3)
			server.Deny(awssmtest.Denial{Action: actionGet, Resource: "tom/credentials/" + ids[1]})
			fault.Operation, fault.Times = "BatchGetSecretValue", 1
			server.Inject(fault)
			for range 2 {
				results := batch(t, p, ids...)
				_ = wantReason(t, results[1].Err, credential.AccessDenied)
				wantAll(t, []credential.Result{results[0], results[2]}, []string{ids[0], ids[2]})
			}
			if n := server.Count("BatchGetSecretValue"); n != 2 {
				t.Errorf("%d batches, want 2", n)
			}
			if strings.Contains(log.String(), "missing_action") {
				t.Errorf("log = %s", log)
			}
		})
	}
}

// TestBatchDeadline: a batch that gets no answer ends in time, and leaves room for the next one.
func TestBatchDeadline(t *testing.T) {
	server, p := start(t)
	ids := fill(server.In("us-east-1"), 100)
	stall := server.Inject(awssmtest.Fault{Operation: "BatchGetSecretValue", Stall: true})
	requests := make([]credential.Request, len(ids))
	for i, id := range ids {
		requests[i].ID = id
	}
	start := time.Now()
	results, err := p.GetBatch(within(t, 300*time.Millisecond), requests)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
	for _, result := range results {
		_ = wantReason(t, result.Err, credential.DeadlineExceeded)
	}
	stall.Remove()
	wantAll(t, batch(t, p, ids...), ids)
}

func TestBatchWithoutCredentials(t *testing.T) {
	server := awssmtest.StartTest(t, awssmtest.Options{})
	awsFiles(t, "", "")
	p, _ := open(t, atServer(server))
	for _, result := range batch(t, p, "a", "b") {
		if e := wantReason(t, result.Err, credential.BackendUnauthenticated); e.Metadata["stage"] != stageCredentials {
			t.Errorf("metadata = %q", e.Metadata)
		}
	}
}

func TestBatchExpiredTokenRenews(t *testing.T) {
	server := awssmtest.StartTest(t, awssmtest.Options{})
	awsFiles(t, "", "")
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
	useKeys(t)
	s := atServer(server)
	s.RoleARN = "arn:aws:iam::123456789012:role/tom"
	p, _ := open(t, s)
	ids := fill(server.In("us-east-1"), 100)
	wantAll(t, batch(t, p, ids...), ids)
	server.ExpireSessions()
	wantAll(t, batch(t, p, ids...), ids)
	if n := server.Count("AssumeRole"); n != 2 {
		t.Errorf("%d roles assumed, want 2", n)
	}
}
