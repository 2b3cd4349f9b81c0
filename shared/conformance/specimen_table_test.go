//go:build unix

package conformance

import (
	"context"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// specimens are wrong in one point each: that of the check that starts the name.
var specimens = map[string]specimen{
	"CP-HANDSHAKE-001 exits with 0":         {byHand: func() { fmt.Println("this is a provider"); os.Exit(0) }},
	"CP-HANDSHAKE-001 serves a user":        {byHand: func() { fmt.Println("1|1|unix|/x|grpc|" + base64Raw(certificate(elliptic.P256()))); os.Exit(1) }},
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
		time.Sleep(8 * time.Second)
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
	"CP-METADATA-008 shows its token": {describes: func(m *credentialv1.GetMetadataResponse, _ bool) {
		m.SettingsSchema = strings.ReplaceAll(modelSchema, `"writeOnly": true`, `"deprecated": false`)
	}},
	"CP-HEALTH-002 is ill with its backend": {answers: illWithBackend()},
	"CP-METADATA-006 has no version":        {describes: func(m *credentialv1.GetMetadataResponse, _ bool) { m.Version = "" }},
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
	"CP-GET-001 has an empty password":    {answers: onGet(func(c *credentialv1.Credential) { c.Password = new(c.GetPassword()) })},
	"CP-GET-002 has another id":           {answers: onGet(func(c *credentialv1.Credential) { c.CredentialId = strings.ToUpper(c.CredentialId) })},
	"CP-GET-003 denies":                   {answers: failing("absent", credential.AccessDenied)},
	"CP-GET-003 gives no reason":          {answers: onID("absent", func() error { return status.Error(codes.NotFound, "no such credential") })},
	"CP-GET-003 has another code": {answers: onID("absent", func() error {
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
	"CP-LIST-005 starts again":             {answers: on(forgivingToken)},
	"CP-LIST-006 takes any size":           {answers: on(anySize)},
	"CP-VERSION-001 gives the current one": {answers: on(ignoreLabel)},
	"CP-VERSION-002 finds nothing":         {answers: on(noCredential)},
	"CP-CAPABILITY-001 hides its listing":  {describes: func(m *credentialv1.GetMetadataResponse, _ bool) { m.Capabilities = []string{"BATCH", "VERSION"} }},
	"CP-CAPABILITY-001 hides its batches":  {describes: func(m *credentialv1.GetMetadataResponse, _ bool) { m.Capabilities = []string{"LIST", "VERSION"} }},
	"CP-CAPABILITY-001 ignores versions":   {describes: func(m *credentialv1.GetMetadataResponse, _ bool) { m.Capabilities = []string{"LIST", "BATCH"} }},
	"CP-VALIDATE-001 has no name":          {answers: onReport(func(c *credentialv1.Check) { c.Name = "" })},
	"CP-VALIDATE-001 has no remedy":        {answers: onReport(func(c *credentialv1.Check) { c.Remedy = "" })},
	"CP-VALIDATE-002 fails for nothing":    {answers: onReport(failCheck)},
	"CP-VALIDATE-003 fails as a call":      {answers: on(failReport("absent"))},
	"CP-CONCURRENT-001 mixes callers up":   {answers: mixing()},
	"CP-DEADLINE-001 never answers":        {answers: onID("slow", func() error { time.Sleep(time.Minute); return refused(credential.DeadlineExceeded) })},
	"CP-CANCEL-001 works in vain":          {answers: working()},
	"CP-BACKEND-001 connects too early":    {answers: on(connectEarly)},
	"CP-BACKEND-002 finds nothing":         {answers: replacing(credential.BackendUnavailable, credential.CredentialNotFound)},
	"CP-BACKEND-003 fails as a call":       {answers: on(failUnlessGiven)},
	"CP-SHUTDOWN-001 is deaf":              {deaf: true},
	"CP-LIFELINE-001 outlives its host":    {outlives: true},
	"CP-PROCESS-001 leaves a child":        {answers: onceGot(func() { spawn("", "60s") })},
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
		return wire.StatusError(credential.Errorf(credential.CredentialMalformed, "no").With("field", "x").With("problem", "canary-4715"))
	})},
	"CP-SECRECY-003 quotes settings":   {answers: on(quoteSettings)},
	"CP-SECRECY-003 quotes in a batch": {answers: onBatch(quoteInBatch)},
	"CP-SECRECY-004 describes it":      {answers: onList(describe)},
	"CP-SECRECY-004 validates aloud":   {answers: onReport(func(c *credentialv1.Check) { c.Message = "read canary-4714" })},
	"CP-ERROR-001 sends everything": {answers: onID("absent", func() error {
		return detailed(codes.NotFound, "no", notFound, &errdetails.DebugInfo{Detail: strings.Repeat("x", 5000)})
	})},
	"CP-METADATA-007 says other than it does": {describes: func(m *credentialv1.GetMetadataResponse, _ bool) {
		m.SettingsSchema = strings.Replace(modelSchema, `"minimum": 0`, `"minimum": 0, "multipleOf": 2`, 1)
	}},
	"CP-CONFIGURE-009 folds names":             {refuse: withoutSetting("Tries")},
	"CP-CONFIGURE-009 trims names":             {refuse: withoutSetting(" state")},
	"CP-CONFIGURE-010 has a switch":            {refuse: withoutSetting("debug")},
	"CP-CONFIGURE-011 has no bounds":           {refuse: without("is beyond its bounds")},
	"CP-CONFIGURE-012 requires nothing":        {refuse: without("must be set")},
	"CP-GET-007 finds nothing":                 {answers: failing("denied", credential.CredentialNotFound)},
	"CP-GET-008 denies":                        {answers: onID("deleted", func() error { return refused(credential.AccessDenied) })},
	"CP-BATCH-005 has its own error":           {answers: onBatch(loneMalformed)},
	"CP-BATCH-006 ignores versions":            {answers: on(batchWithoutVersions)},
	"CP-BATCH-006 knows an id once":            {answers: on(batchByID)},
	"CP-BATCH-007 waits":                       {answers: on(batchWaits)},
	"CP-BATCH-008 mixes batches up":            {answers: mixingBatches()},
	"CP-LIST-007 has tokens for one use":       {answers: singleUse()},
	"CP-LIST-008 reads numbers":                {lenient: true},
	"CP-LIST-009 loses one on pages of 3":      {answers: onList(loseOne)},
	"CP-LIST-010 lists a ghost":                {ghost: true},
	"CP-VERSION-003 has one version":           {answers: on(oneVersion)},
	"CP-VERSION-003 has none":                  {answers: onGet(func(c *credentialv1.Credential) { c.VersionId = "" })},
	"CP-VERSION-004 can't read it back":        {answers: on(noReadBack)},
	"CP-VERSION-005 knows no such version":     {answers: on(versionOfNobody)},
	"CP-VERSION-006 names the current one":     {describes: func(m *credentialv1.GetMetadataResponse, _ bool) { m.PreviousVersionLabel = "NOW" }, answers: on(nowIsCurrent)},
	"CP-ID-001 folds case":                     {answers: onIDs(strings.ToLower)},
	"CP-ID-001 trims":                          {answers: onIDs(strings.TrimSpace)},
	"CP-ID-001 decodes":                        {answers: onIDs(func(id string) string { decoded, _ := url.PathUnescape(id); return decoded })},
	"CP-ID-001 cleans":                         {answers: onIDs(func(id string) string { return strings.TrimPrefix(path.Clean("/"+id), "/") })},
	"CP-ID-001 normalises":                     {answers: onIDs(norm.NFKC.String)},
	"CP-ID-001 matches":                        {answers: onIDs(func(id string) string { return map[string]string{"l*": "lab", "cor?": "core"}[id] })},
	"CP-ID-002 looks for a tab":                {answers: failing("core	", credential.CredentialNotFound)},
	"CP-ID-003 folds case in batches":          {answers: on(foldBatch)},
	"CP-ID-004 folds case of versions":         {answers: on(foldVersions)},
	"CP-VALIDATE-004 ignores the id":           {answers: on(ignoreID)},
	"CP-VALIDATE-005 waits":                    {answers: on(validateWaits)},
	"CP-ROBUST-001 refuses the future":         {answers: on(refuseUnknown)},
	"CP-ROBUST-002 trusts a header":            {answers: on(trustTrace)},
	"CP-ROBUST-003 reads beside itself":        {answers: onGet(func(*credentialv1.Credential) { must(os.Stat("doc.go")) })},
	"CP-CONCURRENT-002 has 32 workers":         {answers: pooled(32)},
	"CP-BACKEND-004 finds nothing in batches":  {answers: onBatch(outageIsNotFound)},
	"CP-BACKEND-005 has an empty listing":      {answers: on(emptyListing)},
	"CP-BACKEND-006 finds no version":          {answers: on(noVersionInOutage)},
	"CP-BACKEND-007 believes a 404":            {notFound: true},
	"CP-BACKEND-008 asks at once":              {eager: true},
	"CP-BACKEND-009 waits for ever":            {patient: true},
	"CP-BACKEND-010 follows":                   {http: &http.Client{}},
	"CP-SHUTDOWN-002 waits for calls":          {endless: true},
	"CP-SHUTDOWN-003 exits with 1":             {status: 1},
	"CP-LIFELINE-002 waits for calls":          {lingers: true},
	"CP-LIFELINE-003 reads it in any case":     {hasty: true},
	"CP-PROCESS-002 cleans up only when asked": childUntilShutdown,
	"CP-PROCESS-003 listens":                   {starts: func() { must(net.Listen("tcp", "127.0.0.1:0")) }},
	"CP-ENDURANCE-001 errs after 50":           {answers: tiring(50, func(c *credentialv1.Credential) { c.Username = "x" })},
	"CP-ENDURANCE-001 dies after 50":           {answers: tiring(50, func(*credentialv1.Credential) { os.Exit(3) })},
	"CP-GROWTH-003 keeps listings":             {answers: onList(func(*credentialv1.ListCredentialsRequest, *credentialv1.ListCredentialsResponse) { keep() })},
	"CP-GROWTH-004 keeps batches":              {answers: onBatch(func(*credentialv1.BatchGetCredentialsResponse) { keep() })},
	"CP-GROWTH-005 keeps validations":          {answers: onReport(func(*credentialv1.Check) { keep() })},
	"CP-GROWTH-006 keeps what is cancelled":    {answers: on(keepSlow)},
	"CP-GROWTH-007 keeps threads":              {answers: tiring(0, func(*credentialv1.Credential) { go func() { runtime.LockOSThread(); select {} }() })},
	"CP-CHANGE-001 has a cache":                {answers: caching("lab")},
	"CP-CHANGE-001 remembers what wasn't":      {answers: caching("new")},
	"CP-CHANGE-002 has a cache":                {answers: caching("core")},
	"CP-CHANGE-003 has a cache":                {state: except("denied")},
	"CP-CHANGE-004 hangs":                      {answers: hangs("edge")},
	"CP-SESSION-001 forgets its session":       {answers: sessionless()},
	"CP-SECRECY-005 prints it":                 {stdio: "password: canary-4712\n"},
	"CP-SECRECY-006 has it in a header":        {answers: onceEach(func(ctx context.Context) { _ = grpc.SetTrailer(ctx, metadata.Pairs("x-debug", "Y2FuYXJ5LTQ3MTI=")) })},
	"CP-SECRECY-007 has it for an id":          {answers: onGet(func(c *credentialv1.Credential) { c.BackendRequestId = "req-" + c.GetExtra()["enable_password"] })},
	"CP-SECRECY-008 writes it":                 {answers: onGet(writes("state.json", false))},
	"CP-SECRECY-008 writes it for a moment":    {answers: onGet(writes("state.json", true))},
	"CP-SECRECY-009 has its digest": {answers: onGet(func(c *credentialv1.Credential) {
		c.BackendRequestId = fmt.Sprintf("%x", sha256.Sum256([]byte(c.GetExtra()["enable_password"])))
	})},
	"CP-SECRECY-002 logs it in numbers":    {logs: []string{`{"@level":"info","@message":"` + fmt.Sprint([]byte("canary-4712")) + `","@timestamp":"x"}`}}, //nolint:staticcheck // the bytes as numbers are meant
	"CP-SECRECY-002 logs it twice encoded": {logs: []string{`{"@level":"info","@message":"` + base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%X", "canary-4712")) + `","@timestamp":"x"}`}},
	"CP-SECRECY-002 logs a part of it":     {logs: []string{`{"@level":"info","@message":"password anary-471?","@timestamp":"x"}`}},
	"CP-ERROR-003 has two":                 {answers: onID("absent", func() error { return detailed(codes.NotFound, "no", notFound, notFound) })},
	"CP-ERROR-004 wants no more calls": {answers: onID("absent", func() error {
		return detailed(codes.NotFound, "no", notFound, &errdetails.RetryInfo{RetryDelay: durationpb.New(9999 * time.Hour)})
	})},
	"CP-ERROR-005 names no field":     {answers: onID("broken", func() error { return wire.StatusError(credential.Errorf(credential.CredentialMalformed, "no")) })},
	"CP-ERROR-006 has much to say":    {answers: onID("absent", func() error { return detailed(codes.NotFound, strings.Repeat("x", 2000), notFound) })},
	"CP-VALUE-001 has expired":        {answers: onGet(func(c *credentialv1.Credential) { c.ExpireTime = timestamppb.New(time.Now().Add(-time.Hour)) })},
	"CP-VALUE-001 has a negative age": {answers: onGet(func(c *credentialv1.Credential) { c.MaxCacheAge = durationpb.New(-time.Second) })},
	"CP-LOG-004 logs much":            {answers: onGet(func(*credentialv1.Credential) { logMuch() })},
	"CP-ERROR-002 has no message":     {answers: onID("absent", func() error { return detailed(codes.NotFound, "", notFound) })},
}

// also are checks that a specimen can't but fail besides its own.
var also = map[string]string{
	"CP-GROWTH-007 keeps threads":          "CP-GROWTH-001",  // which take memory
	"CP-VERSION-001 gives the current one": "CP-VERSION-006", // by the label of the previous version
	"CP-VERSION-002 finds nothing":         "CP-VERSION-006",
}
