//go:build unix

package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"google.golang.org/grpc/metadata"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

func (m *model) log(ctx context.Context, level, message string) {
	if os.Getenv(wire.EnvLogLevel) == "trace" || m.specimen.talkative {
		fields := map[string]string{"@level": level, "@message": message, "@timestamp": time.Now().Format(time.RFC3339)}
		if sent := metadata.ValueFromIncomingContext(ctx, "traceparent"); len(sent) == 1 && !m.specimen.traceless {
			if parts := strings.Split(sent[0], "-"); len(parts) == 4 {
				fields["trace_id"] = parts[1]
			}
		}
		line, _ := json.Marshal(fields)
		fmt.Fprintln(os.Stderr, string(line))
	}
}

func refused(reason credential.Reason) error {
	err := credential.Errorf(reason, "no: %s", reason)
	for _, name := range wanted[reason] {
		err = err.With(name, "x")
	}
	return wire.StatusError(err)
}

func (m *model) state() (configured, gone bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.configured, m.gone
}

func (m *model) GetMetadata(context.Context, *credentialv1.GetMetadataRequest) (*credentialv1.GetMetadataResponse, error) {
	out := &credentialv1.GetMetadataResponse{
		Name: "model", Version: "1", Description: "makes credentials up",
		Capabilities: []string{"LIST", "BATCH", "VERSION", "OF THE FUTURE"}, SettingsSchema: modelSchema, PreviousVersionLabel: "OLD",
	}
	if m.specimen.describes != nil {
		configured, _ := m.state()
		m.specimen.describes(out, configured)
	}
	return out, nil
}

func (m *model) Configure(ctx context.Context, in *credentialv1.ConfigureRequest) (*credentialv1.ConfigureResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.configured && !m.again {
		return nil, refused(credential.AlreadyConfigured)
	}
	settings := in.GetSettings().AsMap()
	var violations []credential.Violation
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		_, text := settings[name].(string)
		_, number := settings[name].(float64)
		switch {
		case !slices.Contains([]string{"backend", "token", "tries", "service", "state"}, name):
			violations = append(violations, credential.Violation{Setting: name, Problem: "no such setting"})
		case name == "tries" && !number, name != "tries" && !text:
			violations = append(violations, credential.Violation{Setting: name, Problem: "is of the wrong type"})
		case name == "tries":
			if n := settings[name].(float64); n < 0 || n > 100 || n != float64(int(n)) {
				violations = append(violations, credential.Violation{Setting: name, Problem: "is beyond its bounds"})
			}
		case name == "service" && !strings.HasPrefix(settings[name].(string), "http://"):
			violations = append(violations, credential.Violation{Setting: name, Problem: "is no URL"})
		}
	}
	if settings["tries"] == nil {
		violations = append(violations, credential.Violation{Setting: "tries", Problem: "must be set"})
	}
	if m.specimen.refuse != nil {
		violations = m.specimen.refuse(violations)
	}
	if len(violations) > 0 {
		m.refused++
		return nil, wire.StatusError(&credential.Error{Reason: credential.SettingsInvalid, Message: "refused", Violations: violations})
	}
	if m.stubborn && m.refused > 0 {
		return nil, refused(credential.AlreadyConfigured)
	}
	m.configured, m.gone = true, settings["backend"] == "gone"
	m.service, _ = settings["service"].(string)
	m.token, _ = settings["token"].(string)
	m.file, _ = settings["state"].(string)
	if m.specimen.eager && m.service != "" {
		if response, err := http.Get(m.service); err == nil {
			_ = response.Body.Close()
		}
	}
	m.log(ctx, "info", "configured")
	return &credentialv1.ConfigureResponse{}, nil
}

func (m *model) Validate(ctx context.Context, in *credentialv1.ValidateRequest) (*credentialv1.ValidateResponse, error) {
	configured, gone := m.state()
	if !configured && !m.early {
		return nil, refused(credential.NotConfigured)
	}
	check := &credentialv1.Check{Name: "backend", Status: credentialv1.CheckStatus_CHECK_STATUS_PASSED}
	all, reasons := held(m.backendState())
	_, exists := all[in.GetCredentialId()]
	if gone || m.ask(ctx) != nil || in.CredentialId != nil && (!exists || reasons[in.GetCredentialId()] != "") {
		check = &credentialv1.Check{Name: "read", Status: credentialv1.CheckStatus_CHECK_STATUS_FAILED, Reason: "BACKEND_UNAVAILABLE", Remedy: "repair it"}
	}
	return &credentialv1.ValidateResponse{Checks: []*credentialv1.Check{check}}, nil
}

func (m *model) GetCredential(ctx context.Context, in *credentialv1.GetCredentialRequest) (*credentialv1.GetCredentialResponse, error) {
	m.log(ctx, "debug", "read")
	configured, gone := m.state()
	id, state := in.GetCredentialId(), ""
	if configured {
		state = m.backendState()
	}
	all, reasons := held(state)
	switch {
	case !configured:
		return nil, refused(credential.NotConfigured)
	case id == "" || len(id) > 512 || strings.Contains(id, ":") || strings.ContainsFunc(id, unicode.IsControl):
		return nil, refused(credential.CredentialIDInvalid)
	case gone:
		return nil, outage()
	case id == "slow" || state == "slow" && id == "edge":
		return nil, wait(ctx)
	}
	if err := m.ask(ctx); err != nil {
		return nil, err
	}
	found, ok := all[id]
	version := "v2"
	switch label, number := in.GetVersionLabel(), in.GetVersionId(); {
	case reasons[id] != "":
		return nil, refused(reasons[id])
	case !ok:
		return nil, refused(credential.CredentialNotFound)
	case (label == "OLD" || number == "v1") && id == "lab":
		found, version = modelFixtures().Versions[0].Credential, "v1"
	case label != "" || number != "" && number != "v2":
		return nil, refused(credential.VersionNotFound)
	}
	out := message(id, found)
	out.VersionId = version
	return &credentialv1.GetCredentialResponse{Credential: out}, nil
}

func message(id string, c Credential) *credentialv1.Credential {
	return &credentialv1.Credential{CredentialId: id, Username: c.Username, Password: c.Password, Extra: c.Extra}
}

// wait waits for a backend that never answers, as long as that makes sense.
func wait(ctx context.Context) error {
	deadline, bounded := ctx.Deadline()
	if !bounded {
		<-ctx.Done()
		return refused(credential.Cancelled)
	}
	select {
	case <-ctx.Done():
		return refused(credential.Cancelled)
	case <-time.After(time.Until(deadline) / 2):
		return refused(credential.DeadlineExceeded)
	}
}

func (m *model) BatchGetCredentials(ctx context.Context, in *credentialv1.BatchGetCredentialsRequest) (*credentialv1.BatchGetCredentialsResponse, error) {
	if configured, _ := m.state(); !configured {
		return nil, refused(credential.NotConfigured)
	}
	if n := len(in.GetRequests()); n < 1 || n > 100 {
		return nil, refused(credential.RequestInvalid)
	}
	out := &credentialv1.BatchGetCredentialsResponse{}
	for _, request := range in.GetRequests() {
		found, err := m.GetCredential(ctx, request)
		result := &credentialv1.CredentialResult{Result: &credentialv1.CredentialResult_Credential{Credential: found.GetCredential()}}
		if err != nil {
			result = wire.ResultToProto(credential.Result{Err: wire.FromStatus(err)})
		}
		out.Results = append(out.Results, result)
	}
	return out, nil
}

func (m *model) ListCredentials(ctx context.Context, in *credentialv1.ListCredentialsRequest) (*credentialv1.ListCredentialsResponse, error) {
	if configured, _ := m.state(); !configured {
		return nil, refused(credential.NotConfigured)
	}
	size := int(in.GetPageSize())
	if size < 0 {
		return nil, refused(credential.RequestInvalid)
	}
	if size == 0 || size > 1000 {
		size = 1000
	}
	if _, gone := m.state(); gone {
		return nil, outage()
	}
	if err := m.ask(ctx); err != nil {
		return nil, err
	}
	all, _ := held(m.backendState())
	ids := slices.Sorted(maps.Keys(all))
	if m.specimen.ghost {
		ids = append(ids, "ghost")
	}
	first := 0
	if token := in.GetPageToken(); token != "" {
		text, ok := strings.CutPrefix(token, "page-")
		number, err := strconv.Atoi(text)
		if !ok || err != nil || number < 1 || number >= len(ids) || text != strconv.Itoa(number) && !m.specimen.lenient {
			return nil, refused(credential.PageTokenInvalid)
		}
		first = number
	}
	end := min(first+size, len(ids))
	out := &credentialv1.ListCredentialsResponse{}
	for _, id := range ids[first:end] {
		out.Credentials = append(out.Credentials, &credentialv1.CredentialSummary{CredentialId: id})
	}
	if end < len(ids) {
		out.NextPageToken = fmt.Sprintf("page-%d", end)
	}
	return out, nil
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
