package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/shared/credential"
)

const labSecret = `{"username":"admin","password":"` + canary + `"}`

func TestGet(t *testing.T) {
	server, p := start(t)
	version := server.PutSecret("tom/credentials/lab_creds", `{"username":"admin","password":"`+canary+`","enable_password":"en","port":22}`)
	found, err := get(t, p, "lab_creds")
	if err != nil {
		t.Fatal(err)
	}
	password, _ := found.Password.Get()
	if found.ID != "lab_creds" || found.Username != "admin" || password.Reveal() != canary {
		t.Errorf("got %+v", found)
	}
	if found.Extra["enable_password"].Reveal() != "en" || found.Extra["port"].Reveal() != "22" || len(found.Extra) != 2 {
		t.Errorf("extra = %q", revealed(found.Extra))
	}
	if found.VersionID != version || found.VersionCreated.IsZero() || found.BackendRequestID == "" || found.FromReplica || found.MaxCacheAge != nil {
		t.Errorf("metadata = %+v", found)
	}
	calls := server.Calls()
	call := calls[len(calls)-1]
	if call.VersionStage != "AWSCURRENT" {
		t.Errorf("asked for stage %q, want AWSCURRENT by name", call.VersionStage)
	}
	if !strings.Contains(call.UserAgent, "app/tom-credential-provider") {
		t.Errorf("User-Agent %q lacks the app id", call.UserAgent)
	}
}

func TestGetVersions(t *testing.T) {
	server, p := start(t)
	old := server.PutSecret("tom/credentials/lab", `{"username":"admin","password":"old"}`)
	current := server.Rotate("tom/credentials/lab", `{"username":"admin","password":"new"}`)
	tests := map[string]struct {
		request credential.Request
		version string
		reason  credential.Reason
	}{
		"current":        {request: credential.Request{}, version: current},
		"by id":          {request: credential.Request{VersionID: old}, version: old},
		"by label":       {request: credential.Request{VersionLabel: "AWSPREVIOUS"}, version: old},
		"unknown id":     {request: credential.Request{VersionID: strings.Repeat("0", 32)}, reason: credential.VersionNotFound},
		"impossible id":  {request: credential.Request{VersionID: "1"}, reason: credential.VersionNotFound},
		"unknown label":  {request: credential.Request{VersionLabel: "NEXT"}, reason: credential.VersionNotFound},
		"too long label": {request: credential.Request{VersionLabel: strings.Repeat("x", 257)}, reason: credential.VersionNotFound},
		"pending":        {request: credential.Request{VersionLabel: "AWSPENDING"}, reason: credential.VersionNotFound},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.request.ID = "lab"
			found, err := p.Get(within(t, 10*time.Second), test.request)
			if test.reason != "" {
				_ = wantReason(t, err, test.reason)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if found.VersionID != test.version {
				t.Errorf("version %s, want %s", found.VersionID, test.version)
			}
		})
	}
	t.Run("of no secret", func(t *testing.T) {
		_, err := p.Get(within(t, 10*time.Second), credential.Request{ID: "none", VersionLabel: "AWSPREVIOUS"})
		_ = wantReason(t, err, credential.CredentialNotFound)
	})
}

func TestGetMalformed(t *testing.T) {
	server, p := start(t)
	for name, test := range refusals {
		if test.secret == "" {
			continue // AWS stores no empty value
		}
		t.Run(name, func(t *testing.T) {
			if strings.HasPrefix(name, "binary") || strings.HasPrefix(name, "UTF-16") {
				server.PutBinary("tom/credentials/bad", []byte(test.secret))
			} else {
				server.PutSecret("tom/credentials/bad", test.secret)
			}
			t.Cleanup(func() { server.DeleteSecret("tom/credentials/bad") })
			_, err := get(t, p, "bad")
			e := wantReason(t, err, credential.CredentialMalformed)
			wantContains(t, e.Message, "tom/credentials/bad", "us-east-1", "request id", test.problem)
			if e.Metadata["field"] != test.field || e.Metadata["problem"] == "" || e.Metadata["request_id"] == "" {
				t.Errorf("metadata = %q", e.Metadata)
			}
			wantContains(t, strings.Join(e.Help, "\n"), test.advice, "aws secretsmanager put-secret-value --region us-east-1")
		})
	}
}

func TestGetBinary(t *testing.T) {
	server, p := start(t)
	server.PutBinary("tom/credentials/bin", []byte(labSecret))
	found, err := get(t, p, "bin")
	if err != nil {
		t.Fatal(err)
	}
	if password, _ := found.Password.Get(); password.Reveal() != canary {
		t.Error("another password")
	}
}

func TestGetOwnFieldsAndPrefix(t *testing.T) {
	server, p := start(t, func(s *settings) { s.SecretPrefix, s.UsernameField, s.PasswordField = "", "user", "pass" })
	server.PutSecret("anywhere/lab", `{"user":"admin","pass":"`+canary+`"}`)
	found, err := get(t, p, "anywhere/lab")
	if err != nil || found.Username != "admin" {
		t.Fatalf("got %v, %v", found, err)
	}
	server.PutSecret("usual", labSecret)
	_, err = get(t, p, "usual")
	wantContains(t, wantReason(t, err, credential.CredentialMalformed).Message, `"user" is missing`)
}

// TestGetFailures drives every answer that AWS or something in its place can give.
func TestGetFailures(t *testing.T) {
	useKeys(t)
	t.Setenv("AWS_MAX_ATTEMPTS", "1") // the waits between attempts are the SDK's affair
	tests := map[string]struct {
		fault   awssmtest.Fault
		prepare func(*awssmtest.Server)
		id      string
		reason  credential.Reason
		message string
		help    string
		meta    map[string]string
		retry   time.Duration
	}{
		"missing": {
			id: "none", reason: credential.CredentialNotFound, message: "there is no such secret",
			help: "--name tom/credentials/none --secret-string file://credential.json",
		},
		"deleted": {
			prepare: func(s *awssmtest.Server) { s.ScheduleDeletion("tom/credentials/lab") },
			reason:  credential.CredentialDeleted, message: "scheduled for deletion", help: "aws secretsmanager restore-secret --region us-east-1",
		},
		"denied": {
			prepare: func(s *awssmtest.Server) { s.Deny(awssmtest.Denial{Action: actionGet}) },
			reason:  credential.AccessDenied, message: "arn:aws:iam::123456789012:user/tom is denied secretsmanager:GetSecretValue",
			help: `{"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "arn:aws:secretsmanager:us-east-1:*:secret:tom/credentials/*"}`,
			meta: map[string]string{"action": actionGet},
		},
		"denied by KMS": {
			prepare: func(s *awssmtest.Server) { s.Deny(awssmtest.Denial{Action: "kms:Decrypt"}) },
			reason:  credential.AccessDenied, message: "decrypt", help: "kms:Decrypt", meta: map[string]string{"action": "kms:Decrypt"},
		},
		"denied without the stage": {
			// Not refused: the stage is always named.
			prepare: func(s *awssmtest.Server) { s.Deny(awssmtest.Denial{Action: actionGet, VersionStage: "none"}) },
		},
		"decryption":        {fault: awssmtest.Fault{Code: "DecryptionFailure"}, reason: credential.DecryptionFailed, help: "describe-secret"},
		"throttled":         {fault: awssmtest.Fault{Code: "ThrottlingException", RetryAfter: "7"}, reason: credential.Throttled, retry: 7 * time.Second},
		"internal":          {fault: awssmtest.Fault{Code: "InternalServiceError"}, reason: credential.BackendUnavailable, meta: map[string]string{"stage": "read"}},
		"503":               {fault: awssmtest.Fault{Status: 503}, reason: credential.BackendUnavailable, message: "503", meta: map[string]string{"stage": "read"}},
		"429":               {fault: awssmtest.Fault{Status: 429, RetryAfter: "2"}, reason: credential.Throttled, retry: 2 * time.Second},
		"reset":             {fault: awssmtest.Fault{Reset: true}, reason: credential.BackendUnavailable, meta: map[string]string{"stage": "read"}},
		"truncated":         {fault: awssmtest.Fault{Truncate: true}, reason: credential.BackendUnavailable, meta: map[string]string{"stage": "read"}},
		"HTML":              {fault: awssmtest.Fault{Body: "<html>" + canary + "</html>"}, reason: credential.BackendMisconfigured, message: "isn't Secrets Manager", help: "endpoint_url"},
		"HTML with 403":     {fault: awssmtest.Fault{Body: "<html>" + canary + "</html>", Status: 403}, reason: credential.BackendMisconfigured},
		"HTML with 502":     {fault: awssmtest.Fault{Body: "<html>" + canary + "</html>", Status: 502}, reason: credential.BackendUnavailable},
		"malformed JSON":    {fault: awssmtest.Fault{Body: `{"Name": ` + canary, ContentType: "application/x-amz-json-1.1"}, reason: credential.BackendMisconfigured},
		"JSON of another":   {fault: awssmtest.Fault{Body: `{"hello":"` + canary + `"}`, ContentType: "application/json"}, reason: credential.BackendMisconfigured, message: "another secret"},
		"proxy sign-in":     {fault: awssmtest.Fault{Status: 407, Body: canary}, reason: credential.BackendMisconfigured, message: "proxy"},
		"expired token":     {fault: awssmtest.Fault{Code: "ExpiredTokenException"}, reason: credential.BackendUnauthenticated, message: "expired"},
		"unknown key":       {fault: awssmtest.Fault{Code: "UnrecognizedClientException"}, reason: credential.BackendUnauthenticated},
		"wrong secret key":  {fault: awssmtest.Fault{Code: "InvalidSignatureException", Message: "The request signature we calculated does not match"}, reason: credential.BackendUnauthenticated, message: "secret access key"},
		"request expired":   {fault: awssmtest.Fault{Code: "RequestExpired"}, reason: credential.BackendUnauthenticated, message: "clock"},
		"signature in time": {fault: awssmtest.Fault{Code: "InvalidSignatureException", Message: "Signature expired: 20260101T000000Z is now earlier than 20260102T000000Z"}, reason: credential.BackendUnauthenticated, message: "clock"},
		"unknown operation": {fault: awssmtest.Fault{Code: "UnknownOperationException"}, reason: credential.BackendMisconfigured},
		"other refusal":     {fault: awssmtest.Fault{Code: "InvalidParameterException", Message: canary}, reason: credential.BackendMisconfigured, message: "InvalidParameterException"},
		"code of nonsense":  {fault: awssmtest.Fault{Code: "no code " + canary, Message: canary}, reason: credential.BackendMisconfigured},
		"no value yet": {
			fault:  awssmtest.Fault{Code: "ResourceNotFoundException", Message: "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT"},
			reason: credential.CredentialNotFound, message: "no value yet", help: "put-secret-value",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := awssmtest.StartTest(t, awssmtest.Options{})
			server.PutSecret("tom/credentials/lab", labSecret)
			if test.prepare != nil {
				test.prepare(server)
			}
			if test.fault != (awssmtest.Fault{}) {
				test.fault.Operation = "GetSecretValue"
				server.Inject(test.fault)
			}
			p, _ := open(t, atServer(server))
			id := test.id
			if id == "" {
				id = "lab"
			}
			_, err := get(t, p, id)
			if test.reason == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			e := wantReason(t, err, test.reason)
			wantContains(t, e.Message, "tom/credentials/"+id, "us-east-1", test.message)
			if !test.fault.Reset && test.fault.Status == 0 && test.fault.Body == "" && !test.fault.Truncate {
				wantContains(t, e.Message, "request id")
			}
			wantContains(t, strings.Join(e.Help, "\n"), test.help)
			for key, value := range test.meta {
				if e.Metadata[key] != value {
					t.Errorf("metadata %s = %q, want %q", key, e.Metadata[key], value)
				}
			}
			if test.retry != 0 && e.RetryDelay != test.retry {
				t.Errorf("retry delay = %s, want %s", e.RetryDelay, test.retry)
			}
		})
	}
}

func TestGetUnreachable(t *testing.T) {
	useKeys(t)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	listener.Close()
	secure := awssmtest.StartTest(t, awssmtest.Options{TLS: true})
	plain := awssmtest.StartTest(t, awssmtest.Options{})
	tests := map[string]struct {
		endpoint string
		reason   credential.Reason
		message  string
		help     string
	}{
		"refused":           {"http://" + closed, credential.BackendUnavailable, "refused", "endpoint_url"},
		"no such host":      {noHost, credential.BackendMisconfigured, `there is no host "x`, "DNS"},
		"unknown authority": {secure.URL(), credential.BackendMisconfigured, "unknown authority", "AWS_CA_BUNDLE"},
		"not TLS":           {strings.Replace(plain.URL(), "http:", "https:", 1), credential.BackendMisconfigured, "TLS", "endpoint_url"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := defaultSettings()
			s.Region, s.EndpointURL = "us-east-1", test.endpoint
			p, _ := open(t, s)
			_, err := get(t, p, "lab")
			e := wantReason(t, err, test.reason)
			wantContains(t, e.Message, "tom/credentials/lab", test.message)
			wantContains(t, strings.Join(e.Help, "\n"), test.help)
		})
	}
	t.Run("known authority", func(t *testing.T) {
		bundle := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(bundle, secure.CAPEM(), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("AWS_CA_BUNDLE", bundle)
		secure.PutSecret("tom/credentials/lab", labSecret)
		p, _ := open(t, atServer(secure))
		if _, err := get(t, p, "lab"); err != nil {
			t.Fatal(err)
		}
	})
}

func TestGetDeadline(t *testing.T) {
	server, p := start(t)
	server.Inject(awssmtest.Fault{Stall: true})
	t.Run("up", func(t *testing.T) {
		_, err := p.Get(within(t, 200*time.Millisecond), credential.Request{ID: "lab"})
		_ = wantReason(t, err, credential.DeadlineExceeded)
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		_, err := p.Get(ctx, credential.Request{ID: "lab"})
		_ = wantReason(t, err, credential.Cancelled)
	})
}

// TestGetRetries: one attempt that stalls is given up after request_timeout, and the next one answers.
func TestGetRetries(t *testing.T) {
	server, p := start(t, func(s *settings) { s.RequestTimeout = duration(200 * time.Millisecond) })
	server.PutSecret("tom/credentials/lab", labSecret)
	server.Inject(awssmtest.Fault{Stall: true, Times: 1})
	if _, err := get(t, p, "lab"); err != nil {
		t.Fatal(err)
	}
	server.Inject(awssmtest.Fault{Stall: true})
	_, err := get(t, p, "lab")
	e := wantReason(t, err, credential.BackendUnavailable)
	if e.Metadata["stage"] != "read" {
		t.Errorf("metadata = %q", e.Metadata)
	}
}

func TestGetExpiredTokenRenews(t *testing.T) {
	server := awssmtest.StartTest(t, awssmtest.Options{})
	server.PutSecret("tom/credentials/lab", labSecret)
	session := server.AddSession("arn:aws:iam::123456789012:user/tom", time.Hour)
	awsFiles(t, "", credentialsFile(session))
	p, _ := open(t, atServer(server))
	if _, err := get(t, p, "lab"); err != nil {
		t.Fatal(err)
	}
	server.ExpireSessions()
	// What feeds the file has renewed it.
	renewed := server.AddSession("arn:aws:iam::123456789012:user/tom", time.Hour)
	if err := os.WriteFile(os.Getenv("AWS_SHARED_CREDENTIALS_FILE"), []byte(credentialsFile(renewed)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := get(t, p, "lab"); err != nil {
		t.Fatalf("with renewed credentials: %v", err)
	}
	server.ExpireSessions()
	before := server.Count("GetSecretValue")
	_, err := get(t, p, "lab")
	_ = wantReason(t, err, credential.BackendUnauthenticated)
	if calls := server.Count("GetSecretValue") - before; calls != 1 {
		t.Errorf("%d calls within 30 s of the last renewal, want 1", calls)
	}
}

func credentialsFile(s awssmtest.Session) string {
	return "[default]\naws_access_key_id = " + s.AccessKeyID + "\naws_secret_access_key = " + s.SecretAccessKey + "\naws_session_token = " + s.SessionToken + "\n"
}

func TestFailover(t *testing.T) {
	regional := func(t *testing.T) (*awssmtest.Server, *awsProvider) {
		t.Helper()
		server := awssmtest.StartTest(t, awssmtest.Options{})
		useKeys(t)
		t.Setenv("AWS_MAX_ATTEMPTS", "1")
		s := defaultSettings()
		s.Region, s.FailoverRegions = "us-east-1", []string{"us-west-2", "eu-west-1"}
		p, _ := openEverywhere(t, server, s)
		return server, p
	}
	t.Run("the first answers", func(t *testing.T) {
		server, p := regional(t)
		server.PutSecret("tom/credentials/lab", labSecret)
		found, err := get(t, p, "lab")
		if err != nil || found.FromReplica || found.MaxCacheAge != nil {
			t.Fatalf("got %+v, %v", found, err)
		}
	})
	t.Run("the first fails", func(t *testing.T) {
		server, p := regional(t)
		server.In("us-west-2").PutSecret("tom/credentials/lab", labSecret)
		server.Inject(awssmtest.Fault{Region: "us-east-1", Code: "InternalServiceError"})
		found, err := get(t, p, "lab")
		if err != nil {
			t.Fatal(err)
		}
		if !found.FromReplica || found.MaxCacheAge == nil || *found.MaxCacheAge != 30*time.Second {
			t.Errorf("got %+v", found)
		}
	})
	t.Run("the first stalls", func(t *testing.T) {
		server, p := regional(t)
		server.In("us-west-2").PutSecret("tom/credentials/lab", labSecret)
		server.Inject(awssmtest.Fault{Region: "us-east-1", Stall: true})
		found, err := p.Get(within(t, 900*time.Millisecond), credential.Request{ID: "lab"})
		if err != nil || !found.FromReplica {
			t.Fatalf("got %+v, %v", found, err)
		}
	})
	t.Run("the first says no", func(t *testing.T) {
		server, p := regional(t)
		server.In("us-west-2").PutSecret("tom/credentials/lab", labSecret)
		_, err := get(t, p, "lab")
		_ = wantReason(t, err, credential.CredentialNotFound)
	})
	t.Run("no AWS credentials", func(t *testing.T) {
		// They are the same everywhere: another region is not asked.
		server, _ := regional(t)
		t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
		server.Inject(awssmtest.Fault{Service: "sts", Code: "ServiceUnavailable", Status: 503})
		s := defaultSettings()
		s.Region, s.FailoverRegions, s.RoleARN = "us-east-1", []string{"us-west-2"}, "arn:aws:iam::123456789012:role/tom"
		p, _ := openEverywhere(t, server, s)
		_, err := get(t, p, "lab")
		e := wantReason(t, err, credential.BackendUnavailable)
		if e.Metadata["stage"] != stageCredentials || strings.Contains(e.Message, "us-west-2") {
			t.Errorf("%v, metadata %q", e, e.Metadata)
		}
	})
	t.Run("another says no", func(t *testing.T) {
		server, p := regional(t)
		server.Inject(awssmtest.Fault{Region: "us-east-1", Code: "InternalServiceError"})
		_, err := get(t, p, "lab")
		e := wantReason(t, err, credential.BackendUnavailable)
		wantContains(t, e.Message, "us-east-1", "us-west-2", "eu-west-1", "AWS fails", "no such secret")
	})
}
