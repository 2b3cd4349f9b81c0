package awssmtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func TestSignatures(t *testing.T) {
	s := StartTest(t, Options{})
	s.PutSecret("s", "v")
	alive := s.AddSession("arn:aws:sts::123456789012:assumed-role/worker/1", time.Hour)
	dead := s.AddSession("arn:aws:sts::123456789012:assumed-role/worker/2", -time.Second)
	gone := s.AddSession("arn:aws:sts::123456789012:assumed-role/worker/3", time.Hour)
	s.RemoveIdentity(gone.AccessKeyID)
	s.AddIdentity("AKIDOTHER", "other/secret+key", "arn:aws:iam::123456789012:user/other")
	for name, c := range map[string]struct {
		id, key, token       string
		skew                 time.Duration
		secretsCode, stsCode string
		stsStatus            int
		message              string
	}{
		"right":                 {id: AccessKeyID, key: SecretAccessKey},
		"another identity":      {id: "AKIDOTHER", key: "other/secret+key"},
		"session":               {id: alive.AccessKeyID, key: alive.SecretAccessKey, token: alive.SessionToken},
		"almost too old":        {id: AccessKeyID, key: SecretAccessKey, skew: 4*time.Minute + 50*time.Second},
		"wrong secret key":      {id: AccessKeyID, key: SecretAccessKey + "x", secretsCode: "InvalidSignatureException", stsCode: "SignatureDoesNotMatch", stsStatus: 403},
		"unknown key":           {id: "AKIDABSENT", key: SecretAccessKey, secretsCode: "UnrecognizedClientException", stsCode: "InvalidClientTokenId", stsStatus: 403},
		"removed key":           {id: gone.AccessKeyID, key: gone.SecretAccessKey, token: gone.SessionToken, secretsCode: "UnrecognizedClientException", stsCode: "InvalidClientTokenId", stsStatus: 403},
		"session without token": {id: alive.AccessKeyID, key: alive.SecretAccessKey, secretsCode: "UnrecognizedClientException", stsCode: "InvalidClientTokenId", stsStatus: 403},
		"token of another":      {id: alive.AccessKeyID, key: alive.SecretAccessKey, token: dead.SessionToken, secretsCode: "UnrecognizedClientException", stsCode: "InvalidClientTokenId", stsStatus: 403},
		"expired session":       {id: dead.AccessKeyID, key: dead.SecretAccessKey, token: dead.SessionToken, secretsCode: "ExpiredTokenException", stsCode: "ExpiredToken", stsStatus: 403},
		"old":                   {id: AccessKeyID, key: SecretAccessKey, skew: 6 * time.Minute, secretsCode: "InvalidSignatureException", stsCode: "SignatureDoesNotMatch", stsStatus: 403, message: "Signature expired: "},
		"from the future":       {id: AccessKeyID, key: SecretAccessKey, skew: -6 * time.Minute, secretsCode: "InvalidSignatureException", stsCode: "SignatureDoesNotMatch", stsStatus: 403, message: "Signature not yet current: "},
	} {
		t.Run(name, func(t *testing.T) {
			skewed := s.Inject(Fault{ClockSkew: c.skew})
			defer skewed.Remove()
			caller := defaultCaller(t)
			caller.provider = credentials.NewStaticCredentialsProvider(c.id, c.key, c.token)
			_, err := get(t, caller.secrets(s.URL()), "s")
			if message := wantCode(t, err, c.secretsCode); !strings.HasPrefix(message, c.message) {
				t.Errorf("message = %q", message)
			}
			wantStatus(t, err, 400)
			_, err = caller.sts(s.URL()).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
			wantCode(t, err, c.stsCode)
			wantStatus(t, err, c.stsStatus)
		})
	}

	t.Run("client corrects its clock", func(t *testing.T) {
		defer s.Inject(Fault{ClockSkew: time.Hour}).Remove()
		caller := defaultCaller(t)
		caller.retries = 1
		_, err := get(t, caller.secrets(s.URL()), "s")
		check(t, err)
	})
	t.Run("wrong secret key accepted on request", func(t *testing.T) {
		lax := StartTest(t, Options{AcceptAnyCredentials: true})
		lax.PutSecret("s", "v")
		caller := defaultCaller(t)
		caller.provider = credentials.NewStaticCredentialsProvider("anything", "goes", "")
		_, err := get(t, caller.secrets(lax.URL()), "s")
		check(t, err)
	})
}

func wantStatus(t *testing.T, err error, status int) {
	t.Helper()
	var response *awshttp.ResponseError
	if errors.As(err, &response) && response.HTTPStatusCode() != status {
		t.Errorf("status = %d, want %d", response.HTTPStatusCode(), status)
	}
}

// signedRequest captures a request as the SDK signs it.
func signedRequest(t *testing.T) (*http.Request, []byte) {
	t.Helper()
	var captured *http.Request
	var body []byte
	caller := defaultCaller(t)
	caller.http = &http.Client{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
		captured = r.Clone(t.Context())
		body, _ = io.ReadAll(r.Body)
		return nil, errors.New("not sent")
	})}
	_, _ = get(t, caller.secrets("http://example.test"), "s")
	if captured == nil {
		t.Fatal("no request was made")
	}
	captured.Host = "example.test"
	captured.Header.Set("Content-Length", fmt.Sprint(len(body))) // as a client writes it on the wire
	return captured, body
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTamperedRequests(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	s.PutSecret("s", "v")
	s.PutSecret("x", "v")
	for name, c := range map[string]struct {
		tamper func(r *http.Request, body *[]byte)
		code   string
	}{
		"untouched":      {func(*http.Request, *[]byte) {}, ""},
		"body":           {func(_ *http.Request, b *[]byte) { *b = bytes.Replace(*b, []byte(`"s"`), []byte(`"x"`), 1) }, "InvalidSignatureException"},
		"target":         {func(r *http.Request, _ *[]byte) { r.Header.Set("X-Amz-Target", "secretsmanager.DescribeSecret") }, "InvalidSignatureException"},
		"host":           {func(r *http.Request, _ *[]byte) { r.Host = "other.test" }, "InvalidSignatureException"},
		"path":           {func(r *http.Request, _ *[]byte) { r.URL.Path = "/x" }, "InvalidSignatureException"},
		"query":          {func(r *http.Request, _ *[]byte) { r.URL.RawQuery = "a=b" }, "InvalidSignatureException"},
		"method":         {func(r *http.Request, _ *[]byte) { r.Method = http.MethodPut }, "InvalidSignatureException"},
		"region":         {replaceAuthorization("us-east-1", "eu-west-1"), "InvalidSignatureException"},
		"service":        {replaceAuthorization("/secretsmanager/", "/sts/"), "InvalidSignatureException"},
		"signed headers": {replaceAuthorization(";x-amz-target", ""), "InvalidSignatureException"},
		"added header":   {func(r *http.Request, _ *[]byte) { r.Header.Set("X-Amz-Extra", "1") }, "InvalidSignatureException"},
		"user agent":     {func(r *http.Request, _ *[]byte) { r.Header.Set("User-Agent", "proxy") }, ""},
		"no signature":   {replaceAuthorization("Signature=", "Signed="), "IncompleteSignatureException"},
		"no header":      {func(r *http.Request, _ *[]byte) { r.Header.Del("Authorization") }, "MissingAuthenticationTokenException"},
		"added token":    {func(r *http.Request, _ *[]byte) { r.Header.Set("X-Amz-Security-Token", "t") }, "UnrecognizedClientException"},
		"unknown target": {func(r *http.Request, _ *[]byte) { r.Header.Set("X-Amz-Target", "secretsmanager.Explode") }, "UnknownOperationException"},
		"another scheme": {func(r *http.Request, _ *[]byte) { r.Header.Set("Authorization", "Bearer token") }, "IncompleteSignatureException"},
	} {
		r, body := signedRequest(t)
		c.tamper(r, &body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if got := w.Header().Get("X-Amzn-Errortype"); got != c.code || (w.Code == 200) != (c.code == "") || w.Header().Get("X-Amzn-Requestid") == "" {
			t.Errorf("%s: %d %q %s, want %q", name, w.Code, got, w.Body, c.code)
		}
		if c.code != "" && !strings.Contains(w.Body.String(), `"__type":"`+c.code+`"`) {
			t.Errorf("%s: body = %s", name, w.Body)
		}
	}
}

// AWS's own signer as the judge of ours, on requests that the services' clients don't make.
func TestSignerAgrees(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	for name, c := range map[string]struct {
		url, service, code string
	}{
		"plain":              {"http://example.test/", serviceSecrets, ""},
		"escaped path":       {"http://example.test/a%20b/%C3%BC+c//d", serviceSecrets, ""},
		"query":              {"http://example.test/?l&k&j&i&h&g&f&e&d&c&b=2&a=%20x&b=1+1", serviceSecrets, ""},
		"port":               {"http://example.test:8080/", serviceSecrets, ""},
		"scope of a service": {"http://example.test/", serviceSTS, "InvalidSignatureException"},
	} {
		body := []byte(`{"MaxResults":1}`)
		r := httptest.NewRequest(http.MethodPost, c.url, bytes.NewReader(body))
		r.RequestURI = ""
		r.Header.Set("X-Amz-Target", "secretsmanager.ListSecrets")
		r.Header.Set("X-Spaces", "  a   b  ")
		r.Header.Add("X-Twice", "1")
		r.Header.Add("X-Twice", "2")
		hash := sha256.Sum256(body)
		check(t, v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: AccessKeyID, SecretAccessKey: SecretAccessKey}, r,
			hex.EncodeToString(hash[:]), c.service, "us-east-1", time.Now()))
		r.Header.Set("Content-Length", fmt.Sprint(len(body)))
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if got := w.Header().Get("X-Amzn-Errortype"); got != c.code {
			t.Errorf("%s: %d %s, want %q", name, w.Code, w.Body, c.code)
		}
		if c.service == serviceSTS && !strings.Contains(w.Body.String(), "correct service") {
			t.Errorf("%s: %s", name, w.Body)
		}
	}
}

func replaceAuthorization(old, with string) func(*http.Request, *[]byte) {
	return func(r *http.Request, _ *[]byte) {
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, with, 1))
	}
}

func TestDenials(t *testing.T) {
	s, client := start(t, Options{})
	s.PutSecret("tom/credentials/lab", "v")
	read := func() error { _, err := get(t, client, "tom/credentials/lab"); return err }
	for name, c := range map[string]struct {
		denial  Denial
		message string // empty: allowed
	}{
		"everything": {Denial{}, "User: arn:aws:iam::123456789012:user/tom is not authorized to perform: secretsmanager:GetSecretValue on resource: tom/credentials/lab because no identity-based policy allows the secretsmanager:GetSecretValue action"},
		"by name":    {Denial{Action: "secretsmanager:Get*", Resource: "tom/*"}, "User: "},
		"by ARN":     {Denial{Resource: "arn:aws:secretsmanager:*:*:secret:tom/credentials/*"}, "User: "},
		"own words":  {Denial{Identity: "*:user/tom", Message: "go away"}, "go away"},
		"key":        {Denial{Action: "kms:Decrypt"}, "Access to KMS is not allowed"},
		"no label":   {Denial{VersionStage: "none"}, "User: "},

		"another identity": {Denial{Identity: "*:user/other"}, ""},
		"another action":   {Denial{Action: "secretsmanager:ListSecrets"}, ""},
		"another resource": {Denial{Resource: "tom/credentials/la"}, ""},
		"another label":    {Denial{VersionStage: "AWSPREVIOUS"}, ""},
	} {
		rule := s.Deny(c.denial)
		err := read()
		code := ""
		if c.message != "" {
			code = "AccessDeniedException"
		}
		if message := wantCode(t, err, code); !strings.HasPrefix(message, c.message) {
			t.Errorf("%s: message = %q", name, message)
		}
		wantStatus(t, err, 400)
		rule.Remove()
		check(t, read())
	}

	defer s.Deny(Denial{Action: "secretsmanager:BatchGetSecretValue"}).Remove()
	_, err := client.BatchGetSecretValue(t.Context(), &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"tom/credentials/lab"}})
	message := wantCode(t, err, "AccessDeniedException")
	if !strings.Contains(message, "perform: secretsmanager:BatchGetSecretValue because") {
		t.Errorf("message = %q", message)
	}
	defer s.Deny(Denial{Resource: "*"}).Remove()
	_, err = client.ListSecrets(t.Context(), nil)
	wantCode(t, err, "AccessDeniedException")
	caller := defaultCaller(t).sts(s.URL())
	_, err = caller.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::123456789012:role/r"), RoleSessionName: aws.String("me")})
	message = wantCode(t, err, "AccessDenied")
	wantStatus(t, err, 403)
	if message != "User: arn:aws:iam::123456789012:user/tom is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/r" {
		t.Errorf("message = %q", message)
	}
	_, err = caller.AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: aws.String(workerRole), RoleSessionName: aws.String("me"), WebIdentityToken: aws.String("token")})
	if message := wantCode(t, err, "AccessDenied"); message != "Not authorized to perform sts:AssumeRoleWithWebIdentity" {
		t.Errorf("message = %q", message)
	}
	_, err = caller.GetCallerIdentity(t.Context(), nil)
	check(t, err)
}
