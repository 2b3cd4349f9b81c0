package wire

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// rounds is how many random values each round trip is tried with. A failure names its seed.
const rounds = 2000

func eachSeed(t *testing.T, check func(r random) error) {
	t.Helper()
	for seed := range uint64(rounds) {
		if err := check(random{rand.New(rand.NewPCG(seed, 1))}); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// random makes values of which any part may be missing, empty or odd.
type random struct{ *rand.Rand }

func (r random) text() string {
	parts := []string{"", "a", "secret", " ", "\n", "\t", "\x00", "\\", `"`, "é", "密", "🔑", "\u202e", "=", "\uFFFD", "\U0010FFFF", strings.Repeat("x", 300)}
	var b strings.Builder
	for range r.IntN(4) {
		b.WriteString(parts[r.IntN(len(parts))])
	}
	return b.String()
}

// name is a text that is kept as a whole where names are bounded.
func (r random) name() string { return strings.ReplaceAll(r.text(), strings.Repeat("x", 300), "x") }

func (r random) optional() credential.Optional {
	if r.IntN(3) == 0 {
		return credential.Optional{}
	}
	return credential.Password(r.text())
}

func (r random) moment() time.Time {
	if r.IntN(3) == 0 {
		return time.Time{}
	}
	return time.Unix(r.Int64N(4e9)-1e9, r.Int64N(1e9)).UTC()
}

func (r random) age() *time.Duration {
	if r.IntN(3) == 0 {
		return nil
	}
	age := []time.Duration{0, 1, time.Second, time.Hour, 100 * 365 * 24 * time.Hour, time.Duration(r.Int64N(1e15))}[r.IntN(6)]
	return &age
}

func (r random) credential() *credential.Credential {
	c := &credential.Credential{
		ID: r.text(), Username: r.text(), Password: r.optional(), VersionID: r.text(), VersionCreated: r.moment(),
		MaxCacheAge: r.age(), ExpireTime: r.moment(), FromReplica: r.IntN(2) == 0, BackendRequestID: r.name(),
	}
	for range r.IntN(4) {
		if c.Extra == nil {
			c.Extra = map[string]credential.Redacted{}
		}
		c.Extra[r.text()] = credential.NewRedacted(r.text())
	}
	return c
}

func (r random) reason() credential.Reason {
	reasons := []credential.Reason{
		credential.CredentialNotFound, credential.VersionNotFound, credential.AccessDenied, credential.Throttled, credential.DeadlineExceeded,
		credential.Cancelled, credential.Internal, credential.SettingsInvalid, credential.BackendUnavailable,
	}
	return reasons[r.IntN(len(reasons))]
}

func (r random) error() *credential.Error {
	e := &credential.Error{Reason: r.reason(), Message: r.text(), Cause: nil}
	e.Cause = causeOf(e.Reason)
	for i := range r.IntN(3) {
		e.Help = append(e.Help, r.text())
		if e.Metadata == nil {
			e.Metadata = map[string]string{}
		}
		e.Metadata[fmt.Sprint("key", i)] = strings.ReplaceAll(r.text(), strings.Repeat("x", 300), "x") // longer ones are cut
	}
	if r.IntN(2) == 0 {
		e.RetryDelay = time.Duration(r.Int64N(1e13))
	}
	return e
}

// overWire encodes and decodes, as gRPC does.
func overWire[M proto.Message](in, out M) (M, error) {
	encoded, err := proto.Marshal(in)
	if err != nil {
		return out, err
	}
	return out, proto.Unmarshal(encoded, out)
}

func same(got, want any) error {
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("got %#v, want %#v", got, want)
	}
	return nil
}

func TestCredentialRoundTrip(t *testing.T) {
	eachSeed(t, func(r random) error {
		want := r.credential()
		message, err := overWire(CredentialToProto(want), &credentialv1.Credential{})
		if err != nil {
			return err
		}
		got := CredentialFromProto(message)
		if !got.SameMaterial(want) {
			return errors.New("the login material differs")
		}
		return same(got, want)
	})
}

func TestAbsentPasswordIsNotAnEmptyOne(t *testing.T) {
	for name, password := range map[string]credential.Optional{"absent": {}, "empty": credential.Password("")} {
		message, err := overWire(CredentialToProto(&credential.Credential{Password: password}), &credentialv1.Credential{})
		if err != nil {
			t.Fatal(err)
		}
		if got := CredentialFromProto(message).Password; !got.Equal(password) {
			t.Errorf("an %s password arrives as %v", name, got)
		}
	}
	zero := time.Duration(0)
	message, _ := overWire(CredentialToProto(&credential.Credential{MaxCacheAge: &zero}), &credentialv1.Credential{})
	if got := CredentialFromProto(message).MaxCacheAge; got == nil || *got != 0 {
		t.Errorf("max_cache_age 0 arrives as %v", got)
	}
}

func TestNothingArrivesAsNothing(t *testing.T) {
	// The getters of a missing message are safe, and so must be what is built on them.
	if got := CredentialFromProto(&credentialv1.Credential{}); !reflect.DeepEqual(got, &credential.Credential{}) {
		t.Errorf("%+v", got)
	}
	if got := RequestFromProto(nil); got != (credential.Request{}) {
		t.Errorf("%+v", got)
	}
	if got := ReportFromProto(nil); len(got.Checks) != 0 {
		t.Errorf("%+v", got)
	}
	if got := SummaryFromProto(nil); got != (credential.Summary{}) {
		t.Errorf("%+v", got)
	}
}

func TestMissingCredentialMessageIsEmpty(t *testing.T) {
	if got := CredentialFromProto((&credentialv1.GetCredentialResponse{}).GetCredential()); got.ID != "" {
		t.Errorf("%+v", got)
	}
}

func TestRequestRoundTrip(t *testing.T) {
	eachSeed(t, func(r random) error {
		want := credential.Request{ID: r.text()}
		switch r.IntN(3) {
		case 1:
			want.VersionID = r.text()
		case 2:
			want.VersionLabel = r.text()
		}
		message, err := overWire(RequestToProto(want), &credentialv1.GetCredentialRequest{})
		if err != nil {
			return err
		}
		return same(RequestFromProto(message), want)
	})
	both := RequestFromProto(RequestToProto(credential.Request{ID: "x", VersionID: "1", VersionLabel: "L"}))
	if both.VersionID != "1" || both.VersionLabel != "" {
		t.Errorf("with both versions: %+v", both)
	}
	if RequestToProto(credential.Request{ID: "x"}).Version != nil {
		t.Error("a request for the current version names one")
	}
}

func TestResultRoundTrip(t *testing.T) {
	eachSeed(t, func(r random) error {
		want := credential.Result{Credential: r.credential()}
		if r.IntN(2) == 0 {
			want = credential.Result{Err: r.error()}
		}
		message, err := overWire(ResultToProto(want), &credentialv1.CredentialResult{})
		if err != nil {
			return err
		}
		return same(ResultFromProto(message), want)
	})
}

func TestReportRoundTrip(t *testing.T) {
	statuses := []credential.Status{credential.StatusPassed, credential.StatusWarning, credential.StatusFailed, credential.StatusSkipped}
	eachSeed(t, func(r random) error {
		want := credential.Report{BackendCredentialsExpire: r.moment()}
		for range r.IntN(4) {
			want.Checks = append(want.Checks, credential.Check{Name: r.name(), Status: statuses[r.IntN(4)], Message: r.text(), Remedy: r.text(), Reason: r.reason()})
		}
		message, err := overWire(ReportToProto(want), &credentialv1.ValidateResponse{})
		if err != nil {
			return err
		}
		return same(ReportFromProto(message), want)
	})
	future := ReportFromProto(&credentialv1.ValidateResponse{Checks: []*credentialv1.Check{{Status: 99}, {}}})
	for _, check := range future.Checks {
		if check.Status != credential.StatusWarning {
			t.Errorf("an unknown status arrives as %s", check.Status)
		}
	}
}

func TestSummaryRoundTrip(t *testing.T) {
	eachSeed(t, func(r random) error {
		want := credential.Summary{ID: r.text(), Description: r.text(), LastChanged: r.moment()}
		message, err := overWire(SummaryToProto(want), &credentialv1.CredentialSummary{})
		if err != nil {
			return err
		}
		return same(SummaryFromProto(message), want)
	})
}

// What is for users is mended rather than lost: gRPC refuses a whole message for one byte that isn't UTF-8.
func TestInvalidUTF8IsMendedWhereItIsForPeople(t *testing.T) {
	const bad = "a\xff\xfeb"
	for name, message := range map[string]proto.Message{
		"result": ResultToProto(credential.Result{Err: &credential.Error{
			Reason: credential.AccessDenied, Message: bad, Help: []string{bad}, Metadata: map[string]string{bad: bad},
		}}),
		"report":                    ReportToProto(credential.Report{Checks: []credential.Check{{Name: bad, Message: bad, Remedy: bad}}}),
		"summary":                   SummaryToProto(credential.Summary{ID: "x", Description: bad}),
		"request id of the backend": CredentialToProto(&credential.Credential{ID: "x", BackendRequestID: bad}),
	} {
		if _, err := proto.Marshal(message); err != nil {
			t.Errorf("%s can't be sent: %v", name, err)
		}
	}
}

func TestResultsThatBreakTheContract(t *testing.T) {
	failure := func(code codes.Code, reason string) *credentialv1.CredentialResult {
		return &credentialv1.CredentialResult{Result: &credentialv1.CredentialResult_Error{Error: &credentialv1.CredentialError{Code: int32(code), Reason: reason, Message: "m"}}}
	}
	for name, result := range map[string]*credentialv1.CredentialResult{
		"nothing":           {},
		"nil":               nil,
		"code 0":            failure(codes.OK, "CREDENTIAL_NOT_FOUND"),
		"another code":      failure(codes.Internal, "CREDENTIAL_NOT_FOUND"),
		"a code beyond all": failure(12345, "CREDENTIAL_NOT_FOUND"),
		"no reason":         failure(codes.NotFound, ""),
		"unknown reason":    failure(codes.Internal, "OUT_OF_CHEESE"),
		"a host's reason":   failure(codes.Unavailable, "PROVIDER_CRASHED"),
		"an empty error":    {Result: &credentialv1.CredentialResult_Error{Error: &credentialv1.CredentialError{}}},
		"a nil error":       {Result: &credentialv1.CredentialResult_Error{}},
		"a long reason":     failure(codes.NotFound, strings.Repeat("R", 1<<20)),
	} {
		got := ResultFromProto(result)
		if credential.ReasonOf(got.Err) != credential.ProviderMisbehaved || got.Credential != nil {
			t.Errorf("%s: %v", name, got)
		}
		if got.Err != nil && len(got.Err.Error()) > 1000 {
			t.Errorf("%s: an error of %d bytes", name, len(got.Err.Error()))
		}
	}
}

func TestResultsOfUnknownErrors(t *testing.T) {
	const secret = "kAn4rY~wQ7#zP"
	for name, test := range map[string]struct {
		result credential.Result
		want   credential.Reason
	}{
		"neither":       {credential.Result{}, credential.Internal},
		"plain":         {credential.Result{Err: errors.New(secret)}, credential.Internal},
		"a nil *Error":  {credential.Result{Err: (*credential.Error)(nil)}, credential.Internal},
		"deadline":      {credential.Result{Err: fmt.Errorf("%s: %w", secret, context.DeadlineExceeded)}, credential.DeadlineExceeded},
		"bare reason":   {credential.Result{Err: fmt.Errorf("%s: %w", secret, credential.AccessDenied)}, credential.AccessDenied},
		"error wins":    {credential.Result{Credential: &credential.Credential{ID: "x"}, Err: credential.Throttled}, credential.Throttled},
		"host's reason": {credential.Result{Err: credential.Errorf(credential.ProviderCrashed, secret)}, credential.Internal},
	} {
		got := ResultToProto(test.result)
		if got.GetError().GetReason() != string(test.want) || got.GetError().GetCode() != int32(Code(test.want)) || got.GetCredential() != nil {
			t.Errorf("%s: %v", name, got)
		}
		if strings.Contains(fmt.Sprint(got), secret[:5]) {
			t.Errorf("%s: the text of an unknown error is sent: %v", name, got)
		}
	}
}

func TestRetryDelayIsNeverNegative(t *testing.T) {
	got := ResultFromProto(&credentialv1.CredentialResult{Result: &credentialv1.CredentialResult_Error{Error: &credentialv1.CredentialError{
		Code: int32(codes.ResourceExhausted), Reason: string(credential.Throttled), RetryDelay: durationpb.New(-time.Hour),
	}}})
	var e *credential.Error
	if !errors.As(got.Err, &e) || e.Reason != credential.Throttled || e.RetryDelay != 0 {
		t.Errorf("%#v", got.Err)
	}
}
