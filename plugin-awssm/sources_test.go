package main

import (
	"crypto/sha1" //nolint:gosec // the name of a cache file
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
)

// This file holds what gives AWS credentials in these tests: each speaks the protocol of the real thing, on loopback.

// userKeys are keys of a user that the server knows, one user for each place a test puts keys in.
type userKeys struct{ id, secret string }

func addUser(server *awssmtest.Server, name string) userKeys {
	k := userKeys{id: "AKIA" + strings.ToUpper(name), secret: "secret-of-" + name}
	server.AddIdentity(k.id, k.secret, "arn:aws:iam::123456789012:user/"+name)
	return k
}

func (k userKeys) ini() string {
	return "aws_access_key_id = " + k.id + "\naws_secret_access_key = " + k.secret + "\n"
}

func (k userKeys) setenv(t *testing.T) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", k.id)
	t.Setenv("AWS_SECRET_ACCESS_KEY", k.secret)
}

// json is what credential processes, container endpoints and instance metadata give. Its canary must go nowhere but to AWS.
func sessionJSON(s awssmtest.Session, tokenKey string) string {
	return `{"Version":1,"Code":"Success","AccessKeyId":"` + s.AccessKeyID + `","SecretAccessKey":"` + s.SecretAccessKey + `","` + tokenKey + `":"` +
		s.SessionToken + `","Expiration":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `","RoleArn":"","Type":"AWS-HMAC"}`
}

func webIdentity(t *testing.T, server *awssmtest.Server, role string) {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	// A JSON web token's form is all that the server looks at.
	if err := os.WriteFile(token, []byte("eyJhbGciOiJub25lIn0.eyJzdWIiOiJwb2QifQ.c2ln"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token)
	t.Setenv("AWS_ROLE_ARN", role)
	t.Setenv("AWS_ROLE_SESSION_NAME", "pod")
}

// credentialProcess is a command that prints credentials.
func credentialProcess(t *testing.T, server *awssmtest.Server) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the command is one of a Unix shell")
	}
	session := server.AddSession("arn:aws:sts::123456789012:assumed-role/process/session", time.Hour)
	file := filepath.Join(t.TempDir(), "credentials.json")
	if err := os.WriteFile(file, []byte(sessionJSON(session, "SessionToken")), 0o600); err != nil {
		t.Fatal(err)
	}
	return "cat " + file
}

// container serves credentials as ECS and EKS do, and wants the token if there is one.
func container(t *testing.T, server *awssmtest.Server, token string) string {
	t.Helper()
	session := server.AddSession("arn:aws:sts::123456789012:assumed-role/task/session", time.Hour)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(sessionJSON(session, "Token")))
	}))
	t.Cleanup(endpoint.Close)
	return endpoint.URL + "/creds"
}

// instance serves instance metadata, version 2, and points the SDK at it.
func instance(t *testing.T, server *awssmtest.Server) {
	t.Helper()
	session := server.AddSession("arn:aws:sts::123456789012:assumed-role/machine/session", time.Hour)
	metadata := http.NewServeMux()
	metadata.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "300")
		_, _ = w.Write([]byte("metadata-token"))
	})
	get := func(path, body string) {
		metadata.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Aws-Ec2-Metadata-Token") != "metadata-token" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_, _ = w.Write([]byte(body))
		})
	}
	get("/latest/meta-data/iam/security-credentials/{$}", "machine")
	get("/latest/meta-data/iam/security-credentials/machine", sessionJSON(session, "Token"))
	get("/latest/dynamic/instance-identity/document", `{"region":"us-east-1"}`)
	endpoint := httptest.NewServer(metadata)
	t.Cleanup(endpoint.Close)
	useMetadata(t, endpoint.URL)
}

func useMetadata(t *testing.T, url string) {
	t.Helper()
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
}

// portal is AWS's SSO portal and its token service. It knows one access token at a time.
type portal struct {
	url       string
	token     atomic.Pointer[string]
	refreshed atomic.Int64
}

// startPortal starts the portal and points the SDK at it.
func startPortal(t *testing.T, server *awssmtest.Server) *portal {
	t.Helper()
	session := server.AddSession("arn:aws:sts::123456789012:assumed-role/reader/session", time.Hour)
	gate := &portal{}
	service := http.NewServeMux()
	service.HandleFunc("GET /federation/credentials", func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if known := gate.token.Load(); known == nil || r.Header.Get("X-Amz-Sso_bearer_token") != *known {
			w.Header().Set("X-Amzn-ErrorType", "UnauthorizedException")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if query.Get("account_id") != "123456789012" || query.Get("role_name") != "reader" {
			w.Header().Set("X-Amzn-ErrorType", "ForbiddenException")
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"roleCredentials": map[string]any{
			"accessKeyId": session.AccessKeyID, "secretAccessKey": session.SecretAccessKey, "sessionToken": session.SessionToken,
			"expiration": time.Now().Add(time.Hour).UnixMilli(),
		}})
	})
	service.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		var in struct{ ClientID, ClientSecret, GrantType, RefreshToken string }
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.GrantType != "refresh_token" || in.RefreshToken != "refresh-"+canary || in.ClientSecret != "client-"+canary {
			w.Header().Set("X-Amzn-ErrorType", "InvalidGrantException")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":"invalid_grant","error_description":"Invalid refresh token provided"}`))
			return
		}
		gate.refreshed.Add(1)
		renewed := "renewed-" + canary
		gate.token.Store(&renewed)
		_ = json.NewEncoder(w).Encode(map[string]any{"accessToken": renewed, "expiresIn": 3600, "refreshToken": in.RefreshToken, "tokenType": "Bearer"})
	})
	endpoint := httptest.NewServer(service)
	t.Cleanup(endpoint.Close)
	gate.url = endpoint.URL
	t.Setenv("AWS_ENDPOINT_URL_SSO", gate.url)
	t.Setenv("AWS_ENDPOINT_URL_SSO_OIDC", gate.url)
	return gate
}

// signedIn leaves what "aws sso login" leaves: a token in the cache, under the name of the session or of the start URL.
func (p *portal) signedIn(t *testing.T, name string, expires time.Time) {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	token := "signed-in-" + canary
	p.token.Store(&token)
	sum := sha1.Sum([]byte(name)) //nolint:gosec // the name of a cache file
	cache := filepath.Join(home, ".aws", "sso", "cache")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{
		"startUrl": startURL, "region": "us-east-1", "accessToken": token, "expiresAt": expires.UTC().Format(time.RFC3339),
		"clientId": "client", "clientSecret": "client-" + canary, "refreshToken": "refresh-" + canary,
		"registrationExpiresAt": time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(cache, hex.EncodeToString(sum[:])+".json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

const startURL = "https://lab.awsapps.example/start"

// The two forms of an SSO profile.
const (
	legacySSO  = "[default]\nsso_start_url = " + startURL + "\nsso_region = us-east-1\nsso_account_id = 123456789012\nsso_role_name = reader\n"
	sessionSSO = "[default]\nsso_session = lab\nsso_account_id = 123456789012\nsso_role_name = reader\n" +
		"[sso-session lab]\nsso_start_url = " + startURL + "\nsso_region = us-east-1\nsso_registration_scopes = sso:account:access\n"
)
