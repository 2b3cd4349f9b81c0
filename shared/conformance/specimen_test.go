//go:build unix

package conformance

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// envSpecimen makes the test binary a specimen; envIdle makes it a process that does nothing for so long.
const (
	envSpecimen = "TEST_SPECIMEN"
	envIdle     = "TEST_IDLE"
)

func TestMain(m *testing.M) {
	if idle, err := time.ParseDuration(os.Getenv(envIdle)); err == nil {
		time.Sleep(idle)
		return
	}
	if name := os.Getenv(envSpecimen); name == "right" {
		specimen{}.live()
	} else if name != "" {
		specimens[name].live()
	}
	if os.Getenv(envSpecimen) != "" {
		return
	}
	goleak.VerifyTestMain(m)
}

// specimens are wrong in one point each: that of the check at the beginning of the name.
var specimens = map[string]specimen{
	"CP-HANDSHAKE-001 exits with 0":         {byHand: func() { fmt.Println("this is a provider"); os.Exit(0) }},
	"CP-HANDSHAKE-001 serves a person":      {byHand: func() { fmt.Println("1|1|unix|/x|grpc|" + base64Raw(certificate(elliptic.P256()))); os.Exit(1) }},
	"CP-HANDSHAKE-002 says nothing":         {byHand: func() { os.Exit(1) }},
	"CP-HANDSHAKE-003 has five fields":      {line: func(address string, _ tls.Certificate) string { return "1|1|unix|" + address + "|grpc" }},
	"CP-HANDSHAKE-003 pads its certificate": {line: paddedLine},
	"CP-HANDSHAKE-003 greets first": {line: func(address string, cert tls.Certificate) string {
		return "hello\n1|1|unix|" + address + "|grpc|" + base64Raw(cert)
	}},
	"CP-HANDSHAKE-004 listens elsewhere":      {listens: func() string { return must(os.MkdirTemp(os.Getenv(wire.EnvSocketDir), "x")) }},
	"CP-HANDSHAKE-005 compares, not searches": {oneOnly: true},
	"CP-HANDSHAKE-006 prints afterwards":      {prints: "ready\n"},
	"CP-TLS-001 shows another certificate": {line: func(address string, _ tls.Certificate) string {
		return "1|1|unix|" + address + "|grpc|" + base64Raw(certificate(elliptic.P256()))
	}},
	"CP-TLS-002 admits any certificate":    {admits: tls.RequireAnyClientCert},
	"CP-TLS-003 admits without":            {admits: tls.VerifyClientCertIfGiven},
	"CP-TLS-004 is on P-384":               {curve: func() tls.Certificate { return certificate(elliptic.P384()) }},
	"CP-HEALTH-001 doesn't serve":          {health: grpc_health_v1.HealthCheckResponse_NOT_SERVING},
	"CP-METADATA-001 wants settings first": {answers: on(metadataRefused)},
	"CP-METADATA-001 takes its time": {answers: on(func(_ context.Context, _ *credentialv1.GetMetadataRequest, next answer[credentialv1.GetMetadataResponse]) (*credentialv1.GetMetadataResponse, error) {
		time.Sleep(atOnce + 100*time.Millisecond)
		return next()
	})},
	"CP-METADATA-002 has another name": {metadata: func(m *credentialv1.GetMetadataResponse, _ bool) { m.Name = "other" }},
	"CP-METADATA-003 has no schema":    {metadata: func(m *credentialv1.GetMetadataResponse, _ bool) { m.SettingsSchema = "{" }},
	"CP-METADATA-004 describes nothing": {metadata: func(m *credentialv1.GetMetadataResponse, _ bool) {
		m.SettingsSchema = strings.Replace(modelSchema, "How often.", "", 1)
	}},
	"CP-METADATA-004 allows anything": {metadata: func(m *credentialv1.GetMetadataResponse, _ bool) {
		m.SettingsSchema = strings.Replace(modelSchema, `"additionalProperties": false,`, "", 1)
	}},
	"CP-METADATA-005 changes its mind": {metadata: func(m *credentialv1.GetMetadataResponse, configured bool) {
		m.Capabilities = m.Capabilities[:4-btoi(configured)]
	}},
	"CP-METADATA-006 has no version": {metadata: func(m *credentialv1.GetMetadataResponse, _ bool) { m.Version = "" }},
	"CP-CONFIGURE-001 refuses everything": {refuse: func(v []credential.Violation) []credential.Violation {
		return append(v, credential.Violation{Setting: "token", Problem: "no"})
	}},
	"CP-CONFIGURE-002 validates nothing":  {change: func(m *model) { m.early = true }},
	"CP-CONFIGURE-003 takes anything":     {refuse: without("no such setting")},
	"CP-CONFIGURE-003 names nothing":      {refuse: rename},
	"CP-CONFIGURE-004 takes any type":     {refuse: without("is of the wrong type")},
	"CP-CONFIGURE-005 stops at the first": {refuse: func(v []credential.Violation) []credential.Violation { return v[:min(1, len(v))] }},
	"CP-CONFIGURE-006 never forgives":     {change: func(m *model) { m.stubborn = true }},
	"CP-CONFIGURE-007 may be set again":   {change: func(m *model) { m.again = true }},
	"CP-CONFIGURE-008 has gRPC's bounds":  {small: true},
	"CP-GET-001 trims":                    {answers: onGet(func(c *credentialv1.Credential) { c.Extra = map[string]string{} })},
	"CP-GET-001 has an empty password":    {answers: onGet(func(c *credentialv1.Credential) { c.Password = Text(c.GetPassword()) })},
	"CP-GET-002 has another id":           {answers: onGet(func(c *credentialv1.Credential) { c.CredentialId = strings.ToUpper(c.CredentialId) })},
	"CP-GET-003 denies":                   {answers: failing("nobody", credential.AccessDenied)},
	"CP-GET-003 gives no reason":          {answers: onID("nobody", func() error { return status.Error(codes.NotFound, "no such credential") })},
	"CP-GET-003 has another code": {answers: onID("nobody", func() error {
		return detailed(codes.Internal, "x", &errdetails.ErrorInfo{Domain: wire.Domain, Reason: "CREDENTIAL_NOT_FOUND"})
	})},
	"CP-GET-004 looks for nothing":        {answers: failing("", credential.CredentialNotFound)},
	"CP-GET-004 takes what can't be":      {answers: failing("a:b", credential.CredentialNotFound)},
	"CP-GET-005 panics at a line end":     {answers: failing("a\nb", credential.Internal)},
	"CP-GET-005 dies of NUL":              {answers: onID("a\x00b", func() error { os.Exit(3); return nil })},
	"CP-GET-006 finds nothing":            {answers: failing("broken", credential.CredentialNotFound)},
	"CP-BATCH-001 answers backwards":      {answers: onBatch(func(r *credentialv1.BatchGetCredentialsResponse) { slices.Reverse(r.Results) })},
	"CP-BATCH-001 leaves repetitions out": {answers: onBatch(func(r *credentialv1.BatchGetCredentialsResponse) { r.Results = r.Results[:len(r.Results)/2] })},
	"CP-BATCH-002 fails as one":           {answers: on(failTogether)},
	"CP-BATCH-002 has no reasons":         {answers: onBatch(func(r *credentialv1.BatchGetCredentialsResponse) { clearReasons(r) })},
	"CP-BATCH-003 takes any number":       {answers: on(takeMany)},
	"CP-BATCH-004 takes fifty":            {answers: on(takeFifty)},
	"CP-LIST-001 forgets one": {answers: onList(func(_ *credentialv1.ListCredentialsRequest, r *credentialv1.ListCredentialsResponse) {
		r.Credentials = r.Credentials[1:]
	})},
	"CP-LIST-001 goes round": {answers: onList(func(_ *credentialv1.ListCredentialsRequest, r *credentialv1.ListCredentialsResponse) {
		r.NextPageToken = "page-1"
	})},
	"CP-LIST-002 lists what isn't there":   {answers: onList(addNobody)},
	"CP-LIST-003 repeats":                  {answers: onList(repeat)},
	"CP-LIST-004 gives more":               {answers: on(doublePage)},
	"CP-LIST-005 begins again":             {answers: on(forgivingToken)},
	"CP-LIST-006 takes any size":           {answers: on(anySize)},
	"CP-VERSION-001 gives the current one": {answers: on(ignoreLabel)},
	"CP-VERSION-002 finds nothing":         {answers: on(noCredential)},
	"CP-CAPABILITY-001 hides its listing":  {metadata: func(m *credentialv1.GetMetadataResponse, _ bool) { m.Capabilities = []string{"BATCH", "VERSION"} }},
	"CP-CAPABILITY-001 hides its batches":  {metadata: func(m *credentialv1.GetMetadataResponse, _ bool) { m.Capabilities = []string{"LIST", "VERSION"} }},
	"CP-CAPABILITY-001 ignores versions":   {metadata: func(m *credentialv1.GetMetadataResponse, _ bool) { m.Capabilities = []string{"LIST", "BATCH"} }},
	"CP-VALIDATE-001 has no name":          {answers: onReport(func(c *credentialv1.Check) { c.Name = "" })},
	"CP-VALIDATE-001 has no remedy":        {answers: onReport(func(c *credentialv1.Check) { c.Remedy = "" })},
	"CP-VALIDATE-002 fails for nothing":    {answers: onReport(failCheck)},
	"CP-VALIDATE-003 fails as a call":      {answers: on(failReport("nobody"))},
	"CP-CONCURRENT-001 mixes callers up":   {answers: mixing()},
	"CP-DEADLINE-001 never answers":        {answers: onID("slow", func() error { time.Sleep(10 * time.Second); return refused(credential.DeadlineExceeded) })},
	"CP-CANCEL-001 works in vain":          {answers: working()},
	"CP-BACKEND-001 connects too early":    {answers: on(connectEarly)},
	"CP-BACKEND-002 finds nothing":         {answers: replacing(credential.BackendUnavailable, credential.CredentialNotFound)},
	"CP-BACKEND-003 fails as a call":       {answers: on(failUnlessGiven)},
	"CP-SHUTDOWN-001 is deaf":              {deaf: true},
	"CP-LIFELINE-001 outlives its host":    {outlives: true},
	"CP-PROCESS-001 leaves a child":        {answers: onceGot(func() { spawn("", "5s") })},
	"CP-LOG-001 logs a number":             {logs: []string{`{"@level":"trace","@message":1,"@timestamp":"x"}`}},
	"CP-LOG-002 logs plain text":           {logs: []string{"starting"}},
	"CP-LOG-002 logs null":                 {logs: []string{"null"}},
	"CP-LOG-003 always logs":               {talkative: true},
	"CP-GROWTH-001 keeps everything":       {answers: leaking()},
	"CP-GROWTH-002 keeps files open":       {answers: opening()},
	"CP-SECRECY-001 gives it to a program": {answers: onceGot(func() { _ = spawn("--password=canary-<4711>", "200ms").Wait() })},
	"CP-SECRECY-002 logs it":               {logs: []string{`{"@level":"info","@message":"password canary-4712","@timestamp":"x"}`}},
	"CP-SECRECY-002 logs it in JSON":       {logs: []string{`{"@level":"info","@message":"{\"password\":\"canary-\\u003c4711\\u003e\"}","@timestamp":"x"}`}},
	"CP-SECRECY-002 logs it in base64":     {logs: []string{`{"@level":"info","@message":"` + base64.StdEncoding.EncodeToString([]byte("admin:canary-4714!")) + `","@timestamp":"x"}`}},
	"CP-SECRECY-002 logs settings":         {answers: on(logSettings)},
	"CP-SECRECY-003 quotes what is broken": {answers: onID("broken", func() error {
		return wire.StatusError(credential.Errorf(credential.CredentialMalformed, "no").With("value", "canary-4715"))
	})},
	"CP-SECRECY-003 quotes settings":   {answers: on(quoteSettings)},
	"CP-SECRECY-003 quotes in a batch": {answers: onBatch(quoteInBatch)},
	"CP-SECRECY-004 describes it":      {answers: onList(describe)},
	"CP-SECRECY-004 validates aloud":   {answers: onReport(func(c *credentialv1.Check) { c.Message = "read canary-4714" })},
	"CP-ERROR-001 tells everything": {answers: onID("nobody", func() error {
		return detailed(codes.NotFound, "no", notFound, &errdetails.DebugInfo{Detail: strings.Repeat("x", 5000)})
	})},
	"CP-ERROR-002 has no message": {answers: onID("nobody", func() error { return detailed(codes.NotFound, "", notFound) })},
}

// executable is the test binary under a provider's name.
func executable(t *testing.T) string {
	t.Helper()
	plugin := filepath.Join(t.TempDir(), "tom-credential-model")
	if err := os.Symlink(must(os.Executable()), plugin); err != nil {
		t.Fatal(err)
	}
	return plugin
}

func examine(ctx context.Context, plugin, name string) (*Report, error) {
	return Examine(ctx, Options{
		Plugin:   plugin,
		Settings: map[string]any{"token": "canary-4717", "tries": 3},
		Fixtures: modelFixtures(),
		Environ:  []string{envSpecimen + "=" + name, "GORACE=atexit_sleep_ms=0", "TMPDIR=" + os.TempDir()},
		calls:    200,
	})
}

func TestRightSpecimen(t *testing.T) {
	report, err := examine(t.Context(), executable(t), "right")
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range report.Results {
		if result.Verdict != Passed {
			t.Errorf("%s %s: %s", result.ID, result.Verdict, result.Detail)
		}
	}
	if !report.Conforms() {
		t.Error("it does not conform")
	}
}

// Each specimen fails the check that it was made for, and no other; others may be blocked by it.
func TestSpecimens(t *testing.T) {
	levels := map[string]Level{}
	for _, info := range Checks() {
		levels[info.ID] = info.Level
	}
	// Most of the time they wait: more of them than there are processors, and parallel tests, can be examined at a time.
	const atATime = 8
	turns := make(chan struct{}, atATime)
	type examined struct {
		report *Report
		err    error
	}
	results := map[string]chan examined{}
	plugin := executable(t)
	for name := range specimens {
		done := make(chan examined, 1)
		results[name] = done
		go func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			report, err := examine(t.Context(), plugin, name)
			done <- examined{report, err}
		}()
	}
	for _, name := range slices.Sorted(maps.Keys(specimens)) {
		t.Run(name, func(t *testing.T) {
			want, _, _ := strings.Cut(name, " ")
			outcome := <-results[name]
			if outcome.err != nil {
				t.Fatal(outcome.err)
			}
			report := outcome.report
			for _, result := range report.Results {
				failed := result.Verdict == Failed
				if failed != (result.ID == want) {
					t.Errorf("%s %s: %s", result.ID, result.Verdict, result.Detail)
				} else if failed {
					t.Log(result.Detail)
				}
			}
			if report.Conforms() == (levels[want] == Must) {
				t.Errorf("conforms: %v", report.Conforms())
			}
		})
	}
}

func TestEveryCheckHasASpecimen(t *testing.T) {
	covered := map[string]bool{}
	for name := range specimens {
		id, _, _ := strings.Cut(name, " ")
		covered[id] = true
	}
	seen := map[string]bool{}
	for _, info := range Checks() {
		if !covered[info.ID] {
			t.Errorf("no specimen fails %s", info.ID)
		}
		if seen[info.ID] || info.Title == "" || info.Reason == "" || strings.Contains(info.Title+info.Reason, "\n") {
			t.Errorf("%s is there twice, or isn't described in one line", info.ID)
		}
		seen[info.ID] = true
	}
	for id := range covered {
		if !seen[id] {
			t.Errorf("there is no check %s", id)
		}
	}
}

// What the specimens are made of.

type answer[A any] func() (*A, error)

// on makes an interceptor of what is done to one call, which is told by its request.
func on[Q, A any](f func(context.Context, *Q, answer[A]) (*A, error)) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		in, ok := request.(*Q)
		if !ok {
			return handler(ctx, request)
		}
		return f(ctx, in, func() (*A, error) {
			out, err := handler(ctx, request)
			if err != nil {
				return nil, err
			}
			return out.(*A), nil
		})
	}
}

func onGet(change func(*credentialv1.Credential)) grpc.UnaryServerInterceptor {
	return on(func(_ context.Context, in *credentialv1.GetCredentialRequest, next answer[credentialv1.GetCredentialResponse]) (*credentialv1.GetCredentialResponse, error) {
		out, err := next()
		if err == nil && in.GetVersion() == nil {
			change(out.Credential)
		}
		return out, err
	})
}

func onID(id string, failure func() error) grpc.UnaryServerInterceptor {
	return on(func(_ context.Context, in *credentialv1.GetCredentialRequest, next answer[credentialv1.GetCredentialResponse]) (*credentialv1.GetCredentialResponse, error) {
		out, err := next0(in.GetCredentialId() == id, next)
		if in.GetCredentialId() == id && err == nil {
			return nil, failure()
		}
		return out, err
	})
}

// next0 leaves the right answer out, but not its refusal before Configure.
func next0(skip bool, next answer[credentialv1.GetCredentialResponse]) (*credentialv1.GetCredentialResponse, error) {
	if !skip {
		return next()
	}
	return nil, nil
}

func failing(id string, reason credential.Reason) grpc.UnaryServerInterceptor {
	return onID(id, func() error { return refused(reason) })
}

func replacing(reason, other credential.Reason) grpc.UnaryServerInterceptor {
	return on(func(_ context.Context, _ *credentialv1.GetCredentialRequest, next answer[credentialv1.GetCredentialResponse]) (*credentialv1.GetCredentialResponse, error) {
		out, err := next()
		if got, _ := wellFormed(err); got == reason {
			return nil, refused(other)
		}
		return out, err
	})
}

func onBatch(change func(*credentialv1.BatchGetCredentialsResponse)) grpc.UnaryServerInterceptor {
	return on(func(_ context.Context, _ *credentialv1.BatchGetCredentialsRequest, next answer[credentialv1.BatchGetCredentialsResponse]) (*credentialv1.BatchGetCredentialsResponse, error) {
		out, err := next()
		if err == nil {
			change(out)
		}
		return out, err
	})
}

func onList(change func(*credentialv1.ListCredentialsRequest, *credentialv1.ListCredentialsResponse)) grpc.UnaryServerInterceptor {
	return on(func(_ context.Context, in *credentialv1.ListCredentialsRequest, next answer[credentialv1.ListCredentialsResponse]) (*credentialv1.ListCredentialsResponse, error) {
		out, err := next()
		if err == nil {
			change(in, out)
		}
		return out, err
	})
}

func onReport(change func(*credentialv1.Check)) grpc.UnaryServerInterceptor {
	return on(func(_ context.Context, _ *credentialv1.ValidateRequest, next answer[credentialv1.ValidateResponse]) (*credentialv1.ValidateResponse, error) {
		out, err := next()
		if err == nil {
			change(out.Checks[0])
		}
		return out, err
	})
}

func onceGot(act func()) grpc.UnaryServerInterceptor {
	var once sync.Once
	return onGet(func(*credentialv1.Credential) { once.Do(act) })
}

func metadataRefused(context.Context, *credentialv1.GetMetadataRequest, answer[credentialv1.GetMetadataResponse]) (*credentialv1.GetMetadataResponse, error) {
	return nil, refused(credential.NotConfigured)
}

func without(problem string) func([]credential.Violation) []credential.Violation {
	return func(all []credential.Violation) []credential.Violation {
		return slices.DeleteFunc(all, func(v credential.Violation) bool { return v.Problem == problem })
	}
}

func rename(all []credential.Violation) []credential.Violation {
	for i := range all {
		if all[i].Problem == "no such setting" {
			all[i].Setting = "settings"
		}
	}
	return all
}

func failTogether(_ context.Context, _ *credentialv1.BatchGetCredentialsRequest, next answer[credentialv1.BatchGetCredentialsResponse]) (*credentialv1.BatchGetCredentialsResponse, error) {
	out, err := next()
	for _, result := range out.GetResults() {
		if result.GetError() != nil {
			return nil, refused(credential.CredentialNotFound)
		}
	}
	return out, err
}

func clearReasons(r *credentialv1.BatchGetCredentialsResponse) {
	for _, result := range r.Results {
		if result.GetError() != nil {
			result.GetError().Reason = ""
		}
	}
}

func takeMany(_ context.Context, in *credentialv1.BatchGetCredentialsRequest, next answer[credentialv1.BatchGetCredentialsResponse]) (*credentialv1.BatchGetCredentialsResponse, error) {
	if len(in.Requests) > 100 {
		in.Requests = in.Requests[:100]
	}
	return next()
}

func takeFifty(_ context.Context, in *credentialv1.BatchGetCredentialsRequest, next answer[credentialv1.BatchGetCredentialsResponse]) (*credentialv1.BatchGetCredentialsResponse, error) {
	if len(in.Requests) > 50 {
		return nil, refused(credential.RequestInvalid)
	}
	return next()
}

func addNobody(in *credentialv1.ListCredentialsRequest, r *credentialv1.ListCredentialsResponse) {
	if in.GetPageSize() == 0 {
		r.Credentials = append(r.Credentials, &credentialv1.CredentialSummary{CredentialId: "nobody"})
	}
}

func repeat(in *credentialv1.ListCredentialsRequest, r *credentialv1.ListCredentialsResponse) {
	if in.GetPageSize() == 1 && in.GetPageToken() != "" {
		r.Credentials[0].CredentialId = "core"
	}
}

func describe(_ *credentialv1.ListCredentialsRequest, r *credentialv1.ListCredentialsResponse) {
	r.Credentials[0].Description = "private key canary-4714"
}

func doublePage(_ context.Context, in *credentialv1.ListCredentialsRequest, next answer[credentialv1.ListCredentialsResponse]) (*credentialv1.ListCredentialsResponse, error) {
	if in.PageSize == 1 {
		in.PageSize = 2
	}
	return next()
}

func forgivingToken(_ context.Context, in *credentialv1.ListCredentialsRequest, next answer[credentialv1.ListCredentialsResponse]) (*credentialv1.ListCredentialsResponse, error) {
	if !strings.HasPrefix(in.GetPageToken(), "page-") {
		in.PageToken = ""
	}
	return next()
}

func anySize(_ context.Context, in *credentialv1.ListCredentialsRequest, next answer[credentialv1.ListCredentialsResponse]) (*credentialv1.ListCredentialsResponse, error) {
	in.PageSize = max(0, in.PageSize)
	return next()
}

func ignoreLabel(_ context.Context, in *credentialv1.GetCredentialRequest, next answer[credentialv1.GetCredentialResponse]) (*credentialv1.GetCredentialResponse, error) {
	if in.GetVersionLabel() == "OLD" {
		in.Version = nil
	}
	return next()
}

func noCredential(_ context.Context, _ *credentialv1.GetCredentialRequest, next answer[credentialv1.GetCredentialResponse]) (*credentialv1.GetCredentialResponse, error) {
	out, err := next()
	if reason, _ := wellFormed(err); reason == credential.VersionNotFound {
		return nil, refused(credential.CredentialNotFound)
	}
	return out, err
}

func failCheck(c *credentialv1.Check) {
	c.Status, c.Reason, c.Remedy = credentialv1.CheckStatus_CHECK_STATUS_FAILED, "BACKEND_UNAVAILABLE", "wait"
}

func failReport(id string) func(context.Context, *credentialv1.ValidateRequest, answer[credentialv1.ValidateResponse]) (*credentialv1.ValidateResponse, error) {
	return func(_ context.Context, in *credentialv1.ValidateRequest, next answer[credentialv1.ValidateResponse]) (*credentialv1.ValidateResponse, error) {
		if in.GetCredentialId() == id {
			return nil, refused(credential.CredentialNotFound)
		}
		return next()
	}
}

func failUnlessGiven(_ context.Context, in *credentialv1.ValidateRequest, next answer[credentialv1.ValidateResponse]) (*credentialv1.ValidateResponse, error) {
	out, err := next()
	if in.CredentialId == nil && out.GetChecks() != nil && out.Checks[0].Status == credentialv1.CheckStatus_CHECK_STATUS_FAILED {
		return nil, refused(credential.BackendUnavailable)
	}
	return out, err
}

func connectEarly(_ context.Context, in *credentialv1.ConfigureRequest, next answer[credentialv1.ConfigureResponse]) (*credentialv1.ConfigureResponse, error) {
	if in.GetSettings().AsMap()["backend"] == "gone" {
		return nil, refused(credential.BackendUnavailable)
	}
	return next()
}

// mixing gives a caller beside others somebody else's credential.
func mixing() grpc.UnaryServerInterceptor {
	var busy atomic.Int32
	return onGet(func(c *credentialv1.Credential) {
		defer busy.Add(-1)
		if busy.Add(1) > 1 {
			c.Username = "somebody"
		}
		time.Sleep(time.Millisecond)
	})
}

// working has eight workers, and doesn't notice that nobody waits for them any more.
func working() grpc.UnaryServerInterceptor {
	workers := make(chan struct{}, 8)
	return on(func(ctx context.Context, in *credentialv1.GetCredentialRequest, next answer[credentialv1.GetCredentialResponse]) (*credentialv1.GetCredentialResponse, error) {
		workers <- struct{}{}
		defer func() { <-workers }()
		if _, bounded := ctx.Deadline(); in.GetCredentialId() == "slow" && !bounded {
			time.Sleep(time.Minute)
		}
		return next()
	})
}

func leaking() grpc.UnaryServerInterceptor {
	var kept [][]byte
	var mu sync.Mutex
	return onGet(func(*credentialv1.Credential) {
		mu.Lock()
		defer mu.Unlock()
		kept = append(kept, []byte(strings.Repeat("x", 512<<10)))
	})
}

func opening() grpc.UnaryServerInterceptor {
	var kept []*os.File
	var mu sync.Mutex
	return onGet(func(*credentialv1.Credential) {
		mu.Lock()
		defer mu.Unlock()
		kept = append(kept, must(os.Open(os.DevNull)))
	})
}

// spawn starts a process that does nothing for a time.
func spawn(argument, idle string) *exec.Cmd {
	cmd := exec.Command(must(os.Executable()), argument)
	cmd.Env = []string{envIdle + "=" + idle}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	return cmd
}

func logSettings(_ context.Context, in *credentialv1.ConfigureRequest, next answer[credentialv1.ConfigureResponse]) (*credentialv1.ConfigureResponse, error) {
	for name, value := range in.GetSettings().AsMap() {
		if text, ok := value.(string); ok && len(text) < 100 && os.Getenv(wire.EnvLogLevel) == "trace" {
			fmt.Fprintf(os.Stderr, `{"@level":"trace","@message":"%s is %s","@timestamp":"x"}`+"\n", name, text)
		}
	}
	return next()
}

func quoteSettings(_ context.Context, in *credentialv1.ConfigureRequest, next answer[credentialv1.ConfigureResponse]) (*credentialv1.ConfigureResponse, error) {
	out, err := next()
	text, _ := in.GetSettings().AsMap()["no_such_setting"].(string)
	if err == nil || len(text) < 8 || len(text) > 100 {
		return out, err
	}
	return nil, wire.StatusError(&credential.Error{Reason: credential.SettingsInvalid, Message: "refused",
		Violations: []credential.Violation{{Setting: "no_such_setting", Problem: "what is " + text + "?"}}})
}

func quoteInBatch(r *credentialv1.BatchGetCredentialsResponse) {
	for _, result := range r.Results {
		if result.GetError() != nil {
			result.GetError().Message = "not like canary-4714"
		}
	}
}

var notFound = &errdetails.ErrorInfo{Domain: wire.Domain, Reason: "CREDENTIAL_NOT_FOUND"}

func paddedLine(address string, cert tls.Certificate) string {
	text := base64Raw(cert)
	return "1|1|unix|" + address + "|grpc|" + text + strings.Repeat("=", 4-len(text)%4)
}

func base64Raw(cert tls.Certificate) string {
	return base64.RawStdEncoding.EncodeToString(cert.Certificate[0])
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// certificate is one like the contract's, on a curve.
func certificate(curve elliptic.Curve) tls.Certificate {
	template := must(x509.ParseCertificate(must(wire.NewCertificate()).Certificate[0]))
	template.SignatureAlgorithm, template.PublicKey = 0, nil
	key := must(ecdsa.GenerateKey(curve, rand.Reader))
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// detailed is a status with details.
func detailed(code codes.Code, message string, details ...protoadapt.MessageV1) error {
	return must(status.New(code, message).WithDetails(details...)).Err()
}
