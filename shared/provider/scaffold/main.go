// Program tom-credential-keyvalue is a credential provider for a key-value service with an HTTP API. It is a scaffold: copy
// the directory, rename the provider, and replace what knows the service (client.go and the paths in the other files).
package main

import (
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/provider"
)

// version is set by the linker: go build -ldflags "-X main.version=1.0.0".
var version = "dev"

// settings are what a worker's configuration may say: plugin_keyvalue_url and so on.
type settings struct {
	URL            string              `json:"url" jsonschema:"Where the service is." pattern:"^https?://"`
	Token          credential.Redacted `json:"token" jsonschema:"The token to sign in with."`
	RequestTimeout provider.Duration   `json:"request_timeout,omitempty" jsonschema:"How long one request may take."`
}

var definition = provider.Definition[settings, *keyvalue]{
	Name:        "keyvalue",
	Version:     version,
	Description: "reads device credentials from a key-value service",
	Versions:    true, // Get and GetBatch honour a version (VERSION)
	Defaults:    settings{RequestTimeout: provider.Duration(3 * time.Second)},
	New:         newProvider,

	PreviousVersionLabel: "previous",
}

func main() { provider.Main(definition) }

// keyvalue is the provider. Its abilities are its methods: Get, and those in abilities.go; versions are in the definition.
type keyvalue struct{ client *client }

// newProvider uses no network: a worker must be able to start while the service is down.
func newProvider(s settings, log hclog.Logger) (*keyvalue, error) {
	base, err := url.Parse(s.URL)
	if err != nil || base.Host == "" || base.User != nil {
		return nil, &credential.Error{
			Reason:     credential.SettingsInvalid,
			Message:    "the settings are refused",
			Violations: []credential.Violation{{Setting: "url", Problem: "must be a URL with a host and without a password"}},
		}
	}
	log.Debug("configured", "service", base.Host) // never the settings as a whole
	return &keyvalue{client: &client{base: base, token: s.Token, http: &http.Client{
		Transport: http.DefaultTransport.(*http.Transport).Clone(),
		Timeout:   time.Duration(s.RequestTimeout),
		// The token is for this service alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}}, nil
}

// Close releases what the process holds when it ends in an orderly way.
func (p *keyvalue) Close() error { //nolint:unparam // provider.Closer has the error
	p.client.http.CloseIdleConnections()
	return nil
}
