package main

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// codeOfReason is the contract's table of reasons as far as a backend brings them about.
var codeOfReason = map[credential.Reason]string{
	credential.CredentialNotFound:     "NOT_FOUND",
	credential.VersionNotFound:        "NOT_FOUND",
	credential.CredentialDeleted:      "NOT_FOUND",
	credential.CredentialMalformed:    "FAILED_PRECONDITION",
	credential.DecryptionFailed:       "FAILED_PRECONDITION",
	credential.AccessDenied:           "PERMISSION_DENIED",
	credential.PageTokenInvalid:       "INVALID_ARGUMENT",
	credential.BackendUnauthenticated: "UNAUTHENTICATED",
	credential.BackendMisconfigured:   "FAILED_PRECONDITION",
	credential.Throttled:              "RESOURCE_EXHAUSTED",
	credential.BackendUnavailable:     "UNAVAILABLE",
	credential.DeadlineExceeded:       "DEADLINE_EXCEEDED",
}

// wanted is what a fault makes of the operations, in their order: Get, Batch, List, Validate.
type wanted [4]outcome

// everywhere is a fault that strikes every request.
func everywhere(reason credential.Reason) wanted {
	return wanted{{reason: reason}, {reason: reason}, {reason: reason}, {reason: reason}}
}

// reading is a fault that strikes the reading of values alone.
func reading(reason credential.Reason) wanted {
	return wanted{{reason: reason}, {reason: reason}, {}, {reason: reason}}
}

// fault is something that goes wrong, and what shall become of it.
type fault struct {
	inject  awssmtest.Fault // of Secrets Manager
	prepare func(t *testing.T, server *awssmtest.Server, s *settings)
	want    wanted
	stage   string        // in the metadata of BACKEND_UNAVAILABLE
	retry   time.Duration // what the service says
	help    string        // a part of it
	alone   bool          // the batch's other secret is read
}

const html = "<html><body>" + canary + "</body></html>"

// faultTable drives every operation into every fault.
var faultTable = map[string]fault{
	"throttling":              {inject: awssmtest.Fault{Code: "ThrottlingException", RetryAfter: "7"}, want: everywhere(credential.Throttled), retry: 7 * time.Second},
	"throttling, no time":     {inject: awssmtest.Fault{Code: "ThrottlingException"}, want: everywhere(credential.Throttled), retry: defaultRetryDelay},
	"busy for thirty years":   {inject: awssmtest.Fault{Code: "ServiceUnavailable", Status: 503, RetryAfter: "999999999"}, want: everywhere(credential.BackendUnavailable), stage: stageRead, retry: time.Hour},
	"HTTP 429":                {inject: awssmtest.Fault{Status: 429, RetryAfter: "2"}, want: everywhere(credential.Throttled), retry: 2 * time.Second},
	"internal error (500)":    {inject: awssmtest.Fault{Code: "InternalServiceError"}, want: everywhere(credential.BackendUnavailable), stage: stageRead},
	"HTTP 500":                {inject: awssmtest.Fault{Status: 500}, want: everywhere(credential.BackendUnavailable), stage: stageRead},
	"unavailable (503)":       {inject: awssmtest.Fault{Code: "ServiceUnavailable", Status: 503, RetryAfter: "9"}, want: everywhere(credential.BackendUnavailable), stage: stageRead, retry: 9 * time.Second},
	"HTTP 503":                {inject: awssmtest.Fault{Status: 503}, want: everywhere(credential.BackendUnavailable), stage: stageRead},
	"reset":                   {inject: awssmtest.Fault{Reset: true}, want: everywhere(credential.BackendUnavailable), stage: stageRead},
	"stall":                   {inject: awssmtest.Fault{Stall: true}, want: everywhere(credential.BackendUnavailable), stage: stageRead, help: "endpoint_url"},
	"truncated body":          {inject: awssmtest.Fault{Truncate: true}, want: everywhere(credential.BackendUnavailable), stage: stageRead},
	"malformed JSON":          {inject: awssmtest.Fault{Body: `{"Name": ` + canary, ContentType: "application/x-amz-json-1.1"}, want: everywhere(credential.BackendMisconfigured), help: "endpoint_url"},
	"HTML from a proxy":       {inject: awssmtest.Fault{Body: html}, want: everywhere(credential.BackendMisconfigured), help: "HTTPS_PROXY"},
	"HTML with 403":           {inject: awssmtest.Fault{Body: html, Status: 403}, want: everywhere(credential.BackendMisconfigured), help: "HTTPS_PROXY"},
	"HTML with 502":           {inject: awssmtest.Fault{Body: html, Status: 502}, want: everywhere(credential.BackendUnavailable), stage: stageRead},
	"proxy sign-in (407)":     {inject: awssmtest.Fault{Status: 407}, want: everywhere(credential.BackendMisconfigured), help: "HTTPS_PROXY"},
	"expired token":           {inject: awssmtest.Fault{Code: "ExpiredTokenException"}, want: everywhere(credential.BackendUnauthenticated), help: "renew"},
	"unknown access key":      {inject: awssmtest.Fault{Code: "UnrecognizedClientException"}, want: everywhere(credential.BackendUnauthenticated), help: "validate"},
	"clock skew":              {inject: awssmtest.Fault{ClockSkew: time.Hour}, want: everywhere(credential.BackendUnauthenticated), help: "clock"},
	"clock skew, backwards":   {inject: awssmtest.Fault{ClockSkew: -time.Hour}, want: everywhere(credential.BackendUnauthenticated), help: "clock"},
	"decryption failure":      {inject: awssmtest.Fault{SecretID: "tom/credentials/lab", Code: "DecryptionFailure"}, want: reading(credential.DecryptionFailed), help: "KMS", alone: true},
	"page token not taken":    {inject: awssmtest.Fault{Operation: "ListSecrets", Code: "InvalidNextTokenException"}, want: wanted{2: {reason: credential.PageTokenInvalid}, 3: {reason: credential.PageTokenInvalid, warned: true}}, help: "again"},
	"no value with the label": {inject: awssmtest.Fault{SecretID: "tom/credentials/lab", Code: "ResourceNotFoundException", Message: "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT"}, want: reading(credential.CredentialNotFound), help: "put-secret-value", alone: true},
	"missing secret": {
		prepare: func(_ *testing.T, server *awssmtest.Server, _ *settings) { server.DeleteSecret("tom/credentials/lab") },
		want:    reading(credential.CredentialNotFound), help: "create-secret", alone: true,
	},
	"deleted secret": {
		prepare: func(_ *testing.T, server *awssmtest.Server, _ *settings) {
			server.ScheduleDeletion("tom/credentials/lab")
		},
		want: reading(credential.CredentialDeleted), help: "restore-secret", alone: true,
	},
	"malformed secret": {
		prepare: func(_ *testing.T, server *awssmtest.Server, _ *settings) {
			server.PutSecret("tom/credentials/lab", `{"password":"`+canary+`"}`)
		},
		want: reading(credential.CredentialMalformed), help: "put-secret-value", alone: true,
	},
	"IAM denies one secret": {
		prepare: denying(awssmtest.Denial{Action: actionGet, Resource: "tom/credentials/lab"}),
		want:    reading(credential.AccessDenied), help: actionGet, alone: true,
	},
	"IAM denies reading": {prepare: denying(awssmtest.Denial{Action: actionGet}), want: reading(credential.AccessDenied), help: actionGet},
	"IAM denies listing": {
		prepare: denying(awssmtest.Denial{Action: actionList}),
		want:    wanted{2: {reason: credential.AccessDenied}, 3: {reason: credential.AccessDenied, warned: true}}, help: actionList,
	},
	"IAM denies batches": {prepare: denying(awssmtest.Denial{Action: actionBatch}), want: wanted{}},
	"KMS denies":         {prepare: denying(awssmtest.Denial{Action: actionDecrypt, Resource: "tom/credentials/lab"}), want: reading(credential.AccessDenied), help: actionDecrypt, alone: true},
	"TLS, unknown authority": {
		prepare: func(t *testing.T, _ *awssmtest.Server, s *settings) {
			s.EndpointURL = awssmtest.StartTest(t, awssmtest.Options{TLS: true}).URL()
			s.RequestTimeout = duration(2 * time.Second) // a handshake on a busy machine takes its time
		},
		want: everywhere(credential.BackendMisconfigured), help: "AWS_CA_BUNDLE",
	},
	"TLS, none there": {
		prepare: func(_ *testing.T, server *awssmtest.Server, s *settings) {
			s.EndpointURL = strings.Replace(server.URL(), "http:", "https:", 1)
		},
		want: everywhere(credential.BackendMisconfigured), help: "endpoint_url",
	},
	"unknown host": {
		prepare: func(_ *testing.T, _ *awssmtest.Server, s *settings) { s.EndpointURL = noHost },
		want:    everywhere(credential.BackendMisconfigured), help: "DNS",
	},
	"refused connection": {
		prepare: func(t *testing.T, _ *awssmtest.Server, s *settings) {
			s.EndpointURL = "http://127.0.0.1:" + freePort(t)
		},
		want: everywhere(credential.BackendUnavailable), stage: stageRead, help: "endpoint_url",
	},
	"STS, 503":               {prepare: stsFault(awssmtest.Fault{Code: "ServiceUnavailable", Status: 503}), want: everywhere(credential.BackendUnavailable), stage: stageCredentials},
	"STS, stall":             {prepare: stsFault(awssmtest.Fault{Stall: true}), want: everywhere(credential.BackendUnavailable), stage: stageCredentials},
	"STS, reset":             {prepare: stsFault(awssmtest.Fault{Reset: true}), want: everywhere(credential.BackendUnavailable), stage: stageCredentials},
	"STS, throttling":        {prepare: stsFault(awssmtest.Fault{Code: "Throttling"}), want: everywhere(credential.BackendUnavailable), stage: stageCredentials},
	"STS, truncated body":    {prepare: stsFault(awssmtest.Fault{Truncate: true}), want: everywhere(credential.BackendUnavailable), stage: stageCredentials},
	"STS, HTML from a proxy": {prepare: stsFault(awssmtest.Fault{Body: html}), want: everywhere(credential.BackendMisconfigured)},
	"STS, denied":            {prepare: stsFault(awssmtest.Fault{Code: "AccessDenied"}), want: everywhere(credential.BackendUnauthenticated), help: "sts:AssumeRole"},
	"STS, clock":             {prepare: stsFault(awssmtest.Fault{ClockSkew: time.Hour}), want: everywhere(credential.BackendUnauthenticated), help: "clock"},
	"STS, expired":           {prepare: stsFault(awssmtest.Fault{Code: "ExpiredToken"}), want: everywhere(credential.BackendUnauthenticated)},
	"STS, refused connection": {
		prepare: func(t *testing.T, server *awssmtest.Server, s *settings) {
			stsFault(awssmtest.Fault{})(t, server, s)
			t.Setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:"+freePort(t))
		},
		want: everywhere(credential.BackendUnavailable), stage: stageCredentials,
	},
	"no AWS credentials": {
		prepare: func(t *testing.T, _ *awssmtest.Server, _ *settings) {
			t.Setenv("AWS_ACCESS_KEY_ID", "")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "")
		},
		want: everywhere(credential.BackendUnauthenticated),
	},
	"none": {want: wanted{}},
}

func denying(denial awssmtest.Denial) func(*testing.T, *awssmtest.Server, *settings) {
	return func(_ *testing.T, server *awssmtest.Server, _ *settings) { server.Deny(denial) }
}

// stsFault is a fault of STS where a role has to be assumed.
func stsFault(f awssmtest.Fault) func(*testing.T, *awssmtest.Server, *settings) {
	return func(_ *testing.T, server *awssmtest.Server, s *settings) {
		s.RoleARN = "arn:aws:iam::123456789012:role/tom"
		f.Service = "sts"
		server.Inject(f)
	}
}

// TestFaults drives every operation into every fault, by real HTTP.
func TestFaults(t *testing.T) {
	useKeys(t)
	awsFiles(t, "", "")
	t.Setenv("AWS_MAX_ATTEMPTS", "1") // the waits between attempts are the SDK's affair
	report := newMatrix("fault")
	reached := make(map[credential.Reason]bool)
	for name, f := range sortedMap(faultTable) {
		t.Run(name, func(t *testing.T) {
			server := awssmtest.StartTest(t, awssmtest.Options{})
			server.PutSecret("tom/credentials/lab", labSecret)
			server.PutSecret("tom/credentials/other", labSecret)
			t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
			s := atServer(server)
			s.RequestTimeout = duration(300 * time.Millisecond)
			if f.prepare != nil {
				f.prepare(t, server, &s)
			}
			if f.inject != (awssmtest.Fault{}) {
				f.inject.Service = "secretsmanager"
				server.Inject(f.inject)
			}
			cells := []string{name}
			for i, operation := range operations {
				p, _ := open(t, s) // each another provider: what one has learnt doesn't help the next
				start := time.Now()
				got := operation.run(t, p)
				if took := time.Since(start); took > 3*time.Second {
					t.Errorf("%s took %s", operation.name, took)
				}
				f.check(t, operation.name, got, f.want[i])
				if got.err != nil {
					reached[got.reason] = true
				}
				cells = append(cells, got.String())
			}
			if f.alone {
				p, _ := open(t, s)
				if other := batch(t, p, "lab", "other")[1]; other.Err != nil {
					t.Errorf("the other secret of the batch: %v", other.Err)
				}
			}
			report.add(cells...)
		})
	}
	t.Logf("\n%s", report)
	if len(report.lines) <= len(faultTable) {
		return // some were left out by -run
	}
	// Reached elsewhere: a version takes a request with one, a deadline takes a caller with little time.
	reached[credential.VersionNotFound] = true  // TestGetVersions, TestBatchOrder
	reached[credential.DeadlineExceeded] = true // TestDeadlines
	for reason, code := range codeOfReason {
		if !reached[reason] {
			t.Errorf("no fault leads to %s", reason)
		}
		if reason.Code() != code || !reason.FromProvider() {
			t.Errorf("%s has code %s, want %s", reason, reason.Code(), code)
		}
	}
}

// check compares an outcome with the one wanted; Validate shows no more of an error than its reason.
func (f fault) check(t *testing.T, operation string, got, want outcome) {
	t.Helper()
	if got.String() != want.String() {
		t.Errorf("%s: %s, want %s (%v)", operation, got, want, got.err)
		return
	}
	if got.err == nil {
		return
	}
	if stage := got.err.Metadata["stage"]; got.reason == credential.BackendUnavailable && stage != f.stage {
		t.Errorf("%s: stage %q, want %q", operation, stage, f.stage)
	}
	if got.err.RetryDelay != f.retry {
		t.Errorf("%s: retry after %s, want %s", operation, got.err.RetryDelay, f.retry)
	}
	if got.err.Metadata["region"] != "us-east-1" && got.reason != credential.CredentialIDInvalid {
		t.Errorf("%s: metadata %q name no region", operation, got.err.Metadata)
	}
	if len(got.err.Help) == 0 {
		t.Errorf("%s: no help", operation)
	}
	wantContains(t, strings.Join(got.err.Help, "\n"), f.help)
}

// TestDeadlines: an operation that its caller gives little time ends in it, with the reason for that.
func TestDeadlines(t *testing.T) {
	for _, service := range []string{"secretsmanager", "sts"} {
		t.Run(service, func(t *testing.T) {
			server := awssmtest.StartTest(t, awssmtest.Options{})
			useKeys(t)
			t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
			s := atServer(server)
			s.RoleARN = "arn:aws:iam::123456789012:role/tom"
			p, _ := open(t, s)
			server.Inject(awssmtest.Fault{Service: service, Stall: true})
			ctx := within(t, 300*time.Millisecond)
			start := time.Now()
			_, getErr := p.Get(ctx, credential.Request{ID: "lab"})
			results, err := p.GetBatch(ctx, []credential.Request{{ID: "lab"}, {ID: "other"}})
			if err != nil {
				t.Fatal(err)
			}
			_, listErr := p.List(ctx, 10, "")
			for _, err := range []error{getErr, results[0].Err, results[1].Err, listErr} {
				_ = wantReason(t, err, credential.DeadlineExceeded)
			}
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// TestClockSkewHeals: the SDK learns the difference from AWS's answer and signs again, so that a wrong clock costs an attempt.
func TestClockSkewHeals(t *testing.T) {
	server, p := start(t)
	server.PutSecret("tom/credentials/lab", labSecret)
	server.Inject(awssmtest.Fault{ClockSkew: time.Hour})
	if _, err := get(t, p, "lab"); err != nil {
		t.Fatal(err)
	}
}

// TestLongOutage: the reason stays the same when the SDK's quota of retries is used up, and the first call after the outage
// succeeds.
func TestLongOutage(t *testing.T) {
	server, p := start(t)
	server.PutSecret("tom/credentials/lab", labSecret)
	outage := server.Inject(awssmtest.Fault{Code: "InternalServiceError"})
	var calls sync.WaitGroup
	for range 80 {
		calls.Go(func() {
			_, err := get(t, p, "lab")
			if e := credential.ReasonOf(err); e != credential.BackendUnavailable {
				t.Errorf("reason %s: %v", e, err)
			}
		})
	}
	calls.Wait()
	if attempts := server.Count("GetSecretValue"); attempts >= 3*80 {
		t.Errorf("%d attempts: the quota wasn't used up, and this test shows nothing", attempts)
	}
	outage.Remove()
	if _, err := get(t, p, "lab"); err != nil {
		t.Fatal(err)
	}
}
