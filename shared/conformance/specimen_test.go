//go:build unix

package conformance

import (
	"context"
	"crypto/elliptic"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

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
	"CP-METADATA-002 has another name": {describes: func(m *credentialv1.GetMetadataResponse, _ bool) { m.Name = "other" }},
	"CP-METADATA-003 has no schema":    {describes: func(m *credentialv1.GetMetadataResponse, _ bool) { m.SettingsSchema = "{" }},
	"CP-METADATA-004 describes nothing": {describes: func(m *credentialv1.GetMetadataResponse, _ bool) {
		m.SettingsSchema = strings.Replace(modelSchema, "How often.", "", 1)
	}},
	"CP-METADATA-004 allows anything": {describes: func(m *credentialv1.GetMetadataResponse, _ bool) {
		m.SettingsSchema = strings.Replace(modelSchema, `"additionalProperties": false,`, "", 1)
	}},
	"CP-METADATA-005 changes its mind": {describes: func(m *credentialv1.GetMetadataResponse, configured bool) {
		m.Capabilities = m.Capabilities[:4-btoi(configured)]
	}},
	"CP-METADATA-006 has no version": {describes: func(m *credentialv1.GetMetadataResponse, _ bool) { m.Version = "" }},
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
	"CP-CAPABILITY-001 hides its listing":  {describes: func(m *credentialv1.GetMetadataResponse, _ bool) { m.Capabilities = []string{"BATCH", "VERSION"} }},
	"CP-CAPABILITY-001 hides its batches":  {describes: func(m *credentialv1.GetMetadataResponse, _ bool) { m.Capabilities = []string{"LIST", "VERSION"} }},
	"CP-CAPABILITY-001 ignores versions":   {describes: func(m *credentialv1.GetMetadataResponse, _ bool) { m.Capabilities = []string{"LIST", "BATCH"} }},
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
	"CP-TRACE-001 forgets the trace":       {traceless: true},
	"CP-GROWTH-001 keeps everything":       {answers: leaking()},
	"CP-GROWTH-002 keeps files open":       {answers: opening()},
	"CP-SECRECY-001 gives it to a program": {answers: onceGot(func() { _ = spawn("--password=canary-<4711>", "2s").Wait() })},
	"CP-SECRECY-002 logs it":               {logs: []string{`{"@level":"info","@message":"password canary-4712","@timestamp":"x"}`}},
	"CP-SECRECY-002 logs it in JSON":       {logs: []string{`{"@level":"info","@message":"{\"password\":\"canary-\\u003c4711\\u003e\"}","@timestamp":"x"}`}},
	"CP-SECRECY-002 logs it in base64":     {logs: []string{`{"@level":"info","@message":"` + base64.StdEncoding.EncodeToString([]byte("admin:canary-4714!")) + `","@timestamp":"x"}`}},
	"CP-SECRECY-002 logs a key's line":     {logs: []string{`{"@level":"info","@message":"line 2 is canary-4718","@timestamp":"x"}`}},
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
	binary, err := plainBinary()
	if err != nil {
		t.Fatal(err)
	}
	plugin := filepath.Join(t.TempDir(), "tom-credential-model")
	if err := os.Symlink(binary, plugin); err != nil {
		t.Fatal(err)
	}
	return plugin
}

// plainBinary is the test binary without the race detector, under which two thousand starts take minutes. What is tested is
// the kit, which runs in this process.
var plainBinary = sync.OnceValues(func() (string, error) {
	own := must(os.Executable())
	if build, ok := debug.ReadBuildInfo(); !ok || !slices.Contains(build.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		return own, nil
	}
	plain := own + ".plain" // in the folder that the go command removes after the test
	if output, err := exec.Command("go", "test", "-c", "-o", plain, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the specimens: %w\n%s", err, output)
	}
	return plain, nil
})

func examine(ctx context.Context, plugin, name string) (*Report, error) {
	return Examine(ctx, Options{
		Plugin:   plugin,
		Settings: map[string]any{"token": "canary-4717", "tries": 3},
		Fixtures: modelFixtures(),
		Environ:  []string{envSpecimen + "=" + name, "GORACE=atexit_sleep_ms=0", "TMPDIR=" + os.TempDir()},
		calls:    80,
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
	const atATime = 6
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
