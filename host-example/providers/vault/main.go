// Program tom-credential-vault is the credential provider for HashiCorp Vault and OpenBao: it reads device credentials
// from a key/value secrets engine of version 2. A credential is an object with username and password at
// <mount>/data/<credential_path_prefix>/<credential id>.
//
// It is the example of a backend with a session: session.go logs in once for all callers, renews the token before its end,
// and logs in once more when the backend has dropped it. client.go makes the requests, read.go reads credentials, and
// list.go lists and validates.
//
// It speaks HTTP itself. Vault's own Go client would link 14 modules that nothing else here needs, for the six kinds of request
// that are made here, and its retries and its token handling would have to be turned off, since deadlines and the one login for all callers
// are decided here.
package main

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/provider"
	"github.com/tom-worker/credential-provider/shared/regular"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version = "dev"

// settings have the names of the older worker's Vault plugin: plugin_vault_url and so on.
type settings struct {
	URL            string              `json:"url" jsonschema:"Where Vault is, such as https://vault.example.com:8200." pattern:"^https?://"`
	Token          credential.Redacted `json:"token,omitempty" jsonschema:"A token to sign in with."`
	TokenFile      string              `json:"token_file,omitempty" jsonschema:"A file with the token, such as the sink of a Vault Agent. It is read again when Vault refuses the token."`
	RoleID         string              `json:"role_id,omitempty" jsonschema:"The role id of an AppRole, in place of a token."`
	SecretID       credential.Redacted `json:"secret_id,omitempty" jsonschema:"The secret id of the AppRole."`
	AppRoleMount   string              `json:"approle_mount,omitempty" jsonschema:"Where the AppRole method is mounted."`
	AgentAuth      bool                `json:"agent_auth,omitempty" jsonschema:"The url is that of a Vault Agent or Proxy that adds the token."`
	Mount          string              `json:"mount,omitempty" jsonschema:"Where the key/value engine of version 2 is mounted."`
	PathPrefix     string              `json:"credential_path_prefix,omitempty" jsonschema:"The directory of the credentials in that engine." empty:"allowed"`
	Namespace      string              `json:"namespace,omitempty" jsonschema:"The namespace, for Vault Enterprise and OpenBao."`
	CACert         string              `json:"ca_cert,omitempty" jsonschema:"A PEM file with the certificate authority of Vault's certificate."`
	VerifySSL      bool                `json:"verify_ssl,omitempty" jsonschema:"Whether Vault's certificate is checked. Turn it off in a laboratory only."`
	RequestTimeout provider.Duration   `json:"request_timeout,omitempty" jsonschema:"How long one request to Vault may take."`
}

var definition = provider.Definition[settings, *vault]{
	Name:        "vault",
	Version:     version,
	Description: "reads device credentials from HashiCorp Vault or OpenBao (KV version 2)",
	Versions:    true,
	Defaults: settings{
		AppRoleMount: "approle", Mount: "secret", PathPrefix: "credentials", VerifySSL: true, RequestTimeout: provider.Duration(3 * time.Second),
	},
	New: newProvider,

	PreviousVersionLabel: labelPrevious,
}

func main() { provider.Main(definition) }

// vault is the provider.
type vault struct {
	client  *client
	session *session
	pages   []byte // the key of page tokens
}

// path is what a mount, a prefix or a namespace may be: segments without dots alone, no slash at either end.
var path = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_. -]*(/[A-Za-z0-9_-][A-Za-z0-9_. -]*)*$`)

// check returns what is wrong with settings taken together.
func (s settings) check() (base *url.URL, violations []credential.Violation) {
	refuse := func(setting, problem string) {
		violations = append(violations, credential.Violation{Setting: setting, Problem: problem})
	}
	base, err := url.Parse(s.URL)
	if err != nil || base.Host == "" || base.User != nil {
		refuse("url", "must be a URL with a host and without a password")
	}
	for name, value := range map[string]string{"mount": s.Mount, "approle_mount": s.AppRoleMount} {
		if !path.MatchString(value) {
			refuse(name, "must be a path without a slash at its ends")
		}
	}
	if s.PathPrefix != "" && !path.MatchString(s.PathPrefix) {
		refuse("credential_path_prefix", "must be a path without a slash at its ends, or empty")
	}
	if s.Namespace != "" && !path.MatchString(s.Namespace) {
		refuse("namespace", "must be a path without a slash at its ends")
	}
	if (s.RoleID == "") != s.SecretID.IsEmpty() {
		refuse("role_id", "needs secret_id, and the other way round")
	}
	ways := 0
	for _, set := range []bool{!s.Token.IsEmpty(), s.TokenFile != "", s.RoleID != "", s.AgentAuth} {
		if set {
			ways++
		}
	}
	if ways != 1 {
		refuse("token", "set one way to authenticate: token, token_file, role_id with secret_id, or agent_auth")
	}
	return base, violations
}

// maxFile bounds the files that settings name, in bytes.
const maxFile = 1 << 20

// newProvider uses no network: a worker must be able to start while Vault is down. It reads the certificate authority's
// file; the token's file is read at each login.
func newProvider(s settings, log hclog.Logger) (*vault, error) {
	base, violations := s.check()
	config := &tls.Config{InsecureSkipVerify: !s.VerifySSL} //nolint:gosec // the operator's choice, with a warning below
	if s.CACert != "" {
		pem, err := regular.Read(s.CACert, maxFile)
		config.RootCAs = x509.NewCertPool()
		if err != nil || !config.RootCAs.AppendCertsFromPEM(pem) {
			violations = append(violations, credential.Violation{Setting: "ca_cert", Problem: "must name a readable PEM file with a certificate"})
		}
	}
	if len(violations) > 0 {
		return nil, &credential.Error{Reason: credential.SettingsInvalid, Message: "the settings are refused", Violations: violations}
	}
	if !s.VerifySSL {
		log.Warn("Vault's certificate is not checked (verify_ssl is false): passwords can be read on the way")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = config
	transport.MaxIdleConnsPerHost = maxParallel
	c := &client{
		base: base, mount: s.Mount, prefix: s.PathPrefix, namespace: s.Namespace,
		http: &http.Client{Transport: transport, Timeout: time.Duration(s.RequestTimeout), CheckRedirect: sameServer},
	}
	pages := make([]byte, 32)
	_, _ = rand.Read(pages) // never fails
	return &vault{client: c, session: newSession(c, s, log), pages: pages}, nil
}

// Close releases what the process holds when it ends in an orderly way.
func (v *vault) Close() error { //nolint:unparam // a provider's Close may fail
	v.session.close()
	v.client.http.CloseIdleConnections()
	return nil
}
