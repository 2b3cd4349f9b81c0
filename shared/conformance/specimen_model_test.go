//go:build unix

package conformance

import (
	"context"
	"crypto/tls"
	"io"
	"maps"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// specimen is a provider that was made without the SDK and without go-plugin, right in all points but those that its
// fields change.
type specimen struct {
	byHand     func()                                              // instead of the explanation
	curve      func() tls.Certificate                              // another kind of certificate
	admits     tls.ClientAuthType                                  // instead of the one right way
	listens    func() string                                       // the directory of the socket
	line       func(address string, cert tls.Certificate) string   // the handshake line
	prints     string                                              // on standard output, after the handshake
	logs       []string                                            // on standard error
	health     grpc_health_v1.HealthCheckResponse_ServingStatus    // 0: SERVING
	answers    grpc.UnaryServerInterceptor                         // in the way of the right answer
	small      bool                                                // gRPC's own bounds on messages
	deaf       bool                                                // Shutdown does nothing
	outlives   bool                                                // the end of standard input does nothing
	talkative  bool                                                // logs whatever the level
	traceless  bool                                                // knows nothing of trace ids
	oneOnly    bool                                                // knows a host that speaks version 1 only
	change     func(*model)                                        // another model
	describes  func(*credentialv1.GetMetadataResponse, bool)       // told differently; true: has settings
	refuse     func([]credential.Violation) []credential.Violation // what it says of wrong settings
	http       *http.Client                                        // for its service
	notFound   bool                                                // takes 404 of whatever answers for a missing credential
	patient    bool                                                // waits for the service beyond any deadline
	eager      bool                                                // Configure asks the service
	endless    bool                                                // Shutdown waits for calls under way
	status     int                                                 // its exit status after Shutdown
	lingers    bool                                                // the end of standard input waits for calls under way
	hasty      bool                                                // exits at the end of standard input in any case
	stdio      string                                              // what go-plugin would pass on
	atShutdown func()
	ghost      bool                // lists what doesn't exist
	lenient    bool                // takes numbers of any form in page tokens
	starts     func()              // before it serves
	state      func(string) string // what it believes of the backend's state
}

// model is what the specimens serve.
type model struct {
	credentialv1.UnimplementedCredentialProviderServer
	specimen specimen

	mu         sync.Mutex
	configured bool
	refused    int
	gone       bool
	again      bool // Configure may be called again
	stubborn   bool // and not after a refusal
	early      bool // Validate works without settings
	service    string
	token      string
	file       string // the backend's state
	calls      sync.WaitGroup
}

const modelSchema = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false,
	"properties": {
		"backend": {"type": "string", "description": "gone, or here.", "default": "here"},
		"token": {"type": "string", "description": "A secret.", "writeOnly": true},
		"service": {"type": "string", "description": "What it asks before it answers.", "pattern": "^http://"},
		"state": {"type": "string", "description": "A file with the backend's state."},
		"tries": {"type": "integer", "description": "How often.", "minimum": 0, "maximum": 100}
	},
	"required": ["tries"]
}`

// modelFixtures are what the model holds.
func modelFixtures() Fixtures {
	happens := func(state string) []string { return []string{"sh", "-c", "echo " + state + ` >"$SETTING_STATE"`} }
	return Fixtures{
		Credentials: map[string]Credential{
			"lab":  {Username: "admin", Password: new("canary-<4711>"), Extra: map[string]string{"enable_password": "canary-4712"}},
			"core": {Username: "netops", Password: new(""), Extra: map[string]string{"private_key": "-----BEGIN KEY-----\ncanary-4718\n-----END KEY-----\n"}},
			"edge": {Username: "key", Extra: map[string]string{"private_key": "canary-4714"}},
		},
		Missing:     []string{"absent"},
		Malformed:   map[string][]string{"broken": {"canary-4715"}},
		InvalidIDs:  []string{"a:b"},
		Slow:        []string{"slow"},
		Denied:      []string{"denied"},
		Deleted:     []string{"deleted"},
		Versions:    []Version{{CredentialID: "lab", VersionLabel: "OLD", Credential: Credential{Username: "admin", Password: new("canary-4716")}}},
		BackendGone: &Variation{Settings: map[string]any{"backend": "gone"}, Environment: map[string]string{envGone: "1"}},
		Events: []Event{
			{Command: happens("changed"), Undo: happens("-"), Credentials: map[string]Credential{
				"lab": {Username: "admin", Password: new("canary-4719")}, "new": {Username: "new", Password: new("canary-4720")}}},
			{Command: happens("deleted"), Undo: happens("-"), Missing: []string{"core"}, Deleted: []string{"edge"}},
			{Command: happens("denied"), Undo: happens("-"), Denied: []string{"edge"}},
			{Command: happens("slow"), Undo: happens("-"), Slow: []string{"edge"}},
			{Command: happens("session"), Undo: happens("-"), SessionEnded: true},
		},
	}
}

// backendState is what the fixtures' commands have written.
func (m *model) backendState() string {
	m.mu.Lock()
	file := m.file
	m.mu.Unlock()
	text, _ := os.ReadFile(file)
	state := strings.TrimSpace(string(text))
	if m.specimen.state != nil {
		return m.specimen.state(state)
	}
	return state
}

// held are the credentials that there are in a state of the backend, with the reasons for those that can't be read.
func held(state string) (map[string]Credential, map[string]credential.Reason) {
	all, reasons := modelFixtures().Credentials, map[string]credential.Reason{
		"broken": credential.CredentialMalformed, "denied": credential.AccessDenied, "deleted": credential.CredentialDeleted,
	}
	switch state {
	case "changed":
		maps.Copy(all, modelFixtures().Events[0].Credentials)
	case "deleted":
		delete(all, "core")
		reasons["edge"] = credential.CredentialDeleted
	case "denied":
		reasons["edge"] = credential.AccessDenied
	}
	return all, reasons
}

// ask asks the service, which answers in one way if it is the service.
func (m *model) ask(ctx context.Context) error {
	m.mu.Lock()
	service, token := m.service, m.token
	m.mu.Unlock()
	if service == "" {
		return nil
	}
	client := m.specimen.http
	if client == nil {
		client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	asked := ctx
	if deadline, bounded := ctx.Deadline(); bounded {
		var cancel context.CancelFunc
		asked, cancel = context.WithDeadline(ctx, time.Now().Add(time.Until(deadline)/2))
		defer cancel()
	}
	if m.specimen.patient {
		asked = context.WithoutCancel(ctx)
	}
	request := must(http.NewRequestWithContext(asked, http.MethodGet, service, nil))
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(request)
	if err != nil && asked.Err() != nil {
		return refused(credential.DeadlineExceeded)
	}
	if err != nil {
		return outage()
	}
	defer func() { _ = response.Body.Close() }()
	text, _ := io.ReadAll(response.Body)
	if response.StatusCode == http.StatusNotFound && m.specimen.notFound {
		return refused(credential.CredentialNotFound)
	}
	if response.StatusCode != http.StatusOK || string(text) != service200 {
		return outage()
	}
	return nil
}

const service200 = `{"it is": "the service"}`

func outage() error {
	return wire.StatusError(credential.Errorf(credential.BackendUnavailable, "no").With("stage", "read"))
}
