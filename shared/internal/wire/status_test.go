package wire

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// throughStatus sends an error as gRPC does: as bytes.
func throughStatus(t testing.TB, err error) (*status.Status, error) {
	t.Helper()
	encoded, marshalErr := proto.Marshal(status.Convert(StatusError(err)).Proto())
	if marshalErr != nil {
		t.Fatalf("the status can't be sent: %v", marshalErr)
	}
	decoded := status.New(codes.OK, "").Proto()
	if err := proto.Unmarshal(encoded, decoded); err != nil {
		t.Fatal(err)
	}
	st := status.FromProto(decoded)
	return st, FromStatus(st.Err())
}

func TestErrorRoundTrip(t *testing.T) {
	eachSeed(t, func(r random) error {
		want := r.error()
		for i := range r.IntN(3) {
			want.Violations = append(want.Violations, credential.Violation{Setting: fmt.Sprint("setting_", i), Problem: "must be a string"})
		}
		_, got := throughStatus(t, want)
		var size int
		for _, help := range want.Help {
			size += len(help)
		}
		for key, value := range want.Metadata {
			size += len(key) + len(value)
		}
		if size > 2<<10 {
			return nil // details may be dropped; TestDetailsAreBounded looks at that
		}
		return same(got, error(want))
	})
}

func TestEveryReasonRoundTrips(t *testing.T) {
	for code := range codes.Code(17) {
		if code == codes.OK {
			continue
		}
		for _, reason := range []credential.Reason{
			credential.CredentialNotFound, credential.VersionNotFound, credential.CredentialDeleted, credential.CredentialMalformed, credential.DecryptionFailed,
			credential.AccessDenied, credential.CredentialIDInvalid, credential.SettingsInvalid, credential.PageTokenInvalid, credential.RequestInvalid,
			credential.NotConfigured, credential.AlreadyConfigured, credential.BackendUnauthenticated, credential.BackendMisconfigured, credential.Throttled,
			credential.BackendUnavailable, credential.DeadlineExceeded, credential.Cancelled, credential.Unsupported, credential.Internal,
		} {
			st, err := status.New(code, "m").WithDetails(&errdetails.ErrorInfo{Domain: Domain, Reason: string(reason)})
			if err != nil {
				t.Fatal(err)
			}
			want := credential.ProviderMisbehaved
			if code == Code(reason) {
				want = reason
			}
			if got := FromStatus(st.Err()); credential.ReasonOf(got) != want || !errors.Is(got, want) {
				t.Errorf("%s with code %s: %v, want %s", reason, code, got, want)
			}
			if code == Code(reason) {
				if sent, got := throughStatus(t, credential.Errorf(reason, "m")); sent.Code() != code || credential.ReasonOf(got) != reason {
					t.Errorf("%s is sent as %s and arrives as %v", reason, sent.Code(), got)
				}
			}
		}
	}
}

func TestDetailsAreBounded(t *testing.T) {
	many := func(n, length int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[fmt.Sprintf("key%d", i)] = strings.Repeat("v", length)
		}
		return m
	}
	violations := func(n, length int) []credential.Violation {
		list := make([]credential.Violation, n)
		for i := range list {
			list[i] = credential.Violation{Setting: fmt.Sprintf("setting%d%s", i, strings.Repeat("s", length)), Problem: strings.Repeat("é", length)}
		}
		return list
	}
	help := func(n, length int) []string {
		list := make([]string, n)
		for i := range list {
			list[i] = strings.Repeat("密", length)
		}
		return list
	}
	for name, e := range map[string]*credential.Error{
		"long message":               {Message: strings.Repeat("m", 1<<20)},
		"all that there is room for": {Message: strings.Repeat("m", 1<<20), Metadata: many(7, 490), Help: []string{strings.Repeat("h", 200)}},
		"much metadata":              {Metadata: many(10000, 10)},
		"long metadata":              {Metadata: many(3, 1<<20)},
		"metadata to brim":           {Metadata: many(7, 490)},
		"long key":                   {Metadata: map[string]string{strings.Repeat("k", 1<<20): "v"}},
		"many violations":            {Violations: violations(100000, 10)},
		"long violations":            {Violations: violations(3, 1<<20)},
		"one violation":              {Violations: violations(1, 1<<20)},
		"much help":                  {Help: help(100000, 20)},
		"long help":                  {Help: help(2, 1<<20)},
		"everything":                 {Message: strings.Repeat("é", 1<<16), Metadata: many(100, 1000), Violations: violations(100, 1000), Help: help(100, 1000)},
		"invalid UTF-8":              {Message: "a\xff", Metadata: map[string]string{"\xfe": "\xfd"}, Violations: []credential.Violation{{Setting: "\xfc", Problem: "\xfb"}}, Help: []string{"\xfa"}},
		"invalid and long":           {Message: strings.Repeat("\xff", 1<<16), Help: []string{strings.Repeat("\xfe\xfd", 1<<16)}},
		"nothing":                    {},
		"negative delay":             {RetryDelay: -1},
		"empty map entries":          {Metadata: map[string]string{"": ""}, Help: []string{""}, Violations: []credential.Violation{{}}},
	} {
		t.Run(name, func(t *testing.T) {
			e.Reason = credential.SettingsInvalid
			if e.RetryDelay == 0 {
				e.RetryDelay = time.Minute
			}
			st, got := throughStatus(t, e)
			var arrived *credential.Error
			if !errors.As(got, &arrived) || arrived.Reason != credential.SettingsInvalid {
				t.Fatalf("arrives as %v", got)
			}
			size := 0
			for _, detail := range st.Proto().GetDetails() {
				size += proto.Size(detail)
			}
			if size > 4<<10 {
				t.Errorf("details of %d bytes", size)
			}
			// What programs decide by is never crowded out by what is for users.
			if want := max(0, e.RetryDelay); arrived.RetryDelay != want {
				t.Errorf("retry delay %s, want %s", arrived.RetryDelay, want)
			}
			// Some implementations of gRPC refuse headers over 8 KiB.
			if ascii := strings.Trim(st.Message(), "m.") == ""; ascii && 4*proto.Size(st.Proto())/3+len(st.Message()) > 8<<10-200 {
				t.Errorf("headers of %d bytes", 4*proto.Size(st.Proto())/3+len(st.Message()))
			}
			if len(e.Violations) > 0 && len(e.Metadata)+len(e.Help) == 0 && len(arrived.Violations) == 0 {
				t.Error("no violation is left")
			}
		})
	}
}

type loud struct{ text string }

func (l loud) Error() string   { return l.text }
func (l *loud) String() string { return l.text }

func TestUnknownErrorsNeverShowTheirText(t *testing.T) {
	const secret = "kAn4rY~wQ7#zP"
	for name, test := range map[string]struct {
		err  error
		want credential.Reason
	}{
		"plain":           {errors.New(secret), credential.Internal},
		"typed":           {loud{secret}, credential.Internal},
		"path":            {&fs.PathError{Op: "open", Path: secret, Err: fs.ErrNotExist}, credential.Internal},
		"joined":          {errors.Join(errors.New(secret), errors.New(secret)), credential.Internal},
		"status":          {status.Error(codes.NotFound, secret), credential.Internal},
		"deadline":        {fmt.Errorf("%s: %w", secret, context.DeadlineExceeded), credential.DeadlineExceeded},
		"cancelled":       {fmt.Errorf("%s: %w", secret, context.Canceled), credential.Cancelled},
		"wrapper":         {fmt.Errorf("%s: %w", secret, credential.Errorf(credential.AccessDenied, "denied")), credential.AccessDenied},
		"cause":           {&credential.Error{Reason: credential.AccessDenied, Message: "denied", Cause: errors.New(secret)}, credential.AccessDenied},
		"bare reason":     {credential.CredentialNotFound, credential.CredentialNotFound},
		"wrapped reason":  {fmt.Errorf("%s: %w", secret, credential.CredentialNotFound), credential.CredentialNotFound},
		"unknown reason":  {credential.Errorf("OUT_OF_CHEESE", secret), credential.Internal},
		"a host's reason": {credential.Errorf(credential.ProviderCrashed, secret), credential.Internal},
		"a nil *Error":    {(*credential.Error)(nil), credential.Internal},
		"nil":             {nil, credential.Internal},
	} {
		st, got := throughStatus(t, test.err)
		if st.Code() != Code(test.want) || !errors.Is(got, test.want) {
			t.Errorf("%s: arrives as %v (%s), want %s", name, got, st.Code(), test.want)
		}
		if text := fmt.Sprintf("%v %+v", st.Proto(), got); strings.Contains(text, secret[:4]) {
			t.Errorf("%s: the text of an unknown error is sent: %s", name, text)
		}
	}
	// The types are told, so that the author has something to look for.
	if _, got := throughStatus(t, fmt.Errorf("x: %w", &fs.PathError{Err: fs.ErrNotExist})); !strings.Contains(got.Error(), "*fs.PathError") {
		t.Errorf("%v doesn't name the types", got)
	}
}

func TestStatusesWithoutTheContractsDetails(t *testing.T) {
	with := func(code codes.Code, details ...protoadapt.MessageV1) error {
		st, err := status.New(code, "hello").WithDetails(details...)
		if err != nil {
			t.Fatal(err)
		}
		return st.Err()
	}
	for name, test := range map[string]struct {
		err    error
		want   credential.Reason
		cause  error
		reason bool
	}{
		"unavailable":        {status.Error(codes.Unavailable, "x"), credential.ProviderCrashed, nil, false},
		"deadline":           {status.Error(codes.DeadlineExceeded, "x"), credential.DeadlineExceeded, context.DeadlineExceeded, false},
		"cancelled":          {status.Error(codes.Canceled, "x"), credential.Cancelled, context.Canceled, false},
		"context's deadline": {context.DeadlineExceeded, credential.DeadlineExceeded, context.DeadlineExceeded, false},
		"context's end":      {context.Canceled, credential.Cancelled, context.Canceled, false},
		"internal":           {status.Error(codes.Internal, "x"), credential.ProviderMisbehaved, nil, false},
		"not found":          {status.Error(codes.NotFound, "x"), credential.ProviderMisbehaved, nil, false},
		"unknown":            {status.Error(codes.Unknown, "x"), credential.ProviderMisbehaved, nil, false},
		"too large":          {status.Error(codes.ResourceExhausted, "x"), credential.ProviderMisbehaved, nil, false},
		"a code beyond all":  {status.Error(codes.Code(4711), "x"), credential.ProviderMisbehaved, nil, false},
		"plain":              {errors.New("x"), credential.ProviderMisbehaved, nil, false},
		"a foreign domain":   {with(codes.NotFound, &errdetails.ErrorInfo{Domain: "googleapis.com", Reason: "CREDENTIAL_NOT_FOUND"}), credential.ProviderMisbehaved, nil, false},
		"no domain":          {with(codes.NotFound, &errdetails.ErrorInfo{Reason: "CREDENTIAL_NOT_FOUND"}), credential.ProviderMisbehaved, nil, false},
		"help alone":         {with(codes.NotFound, &errdetails.Help{}), credential.ProviderMisbehaved, nil, false},
		"a foreign one before": {with(codes.NotFound, &errdetails.ErrorInfo{Domain: "x", Reason: "Y"},
			&errdetails.ErrorInfo{Domain: Domain, Reason: "CREDENTIAL_NOT_FOUND"}), credential.CredentialNotFound, nil, true},
		"an unknown reason": {with(codes.Internal, &errdetails.ErrorInfo{Domain: Domain, Reason: "OUT_OF_CHEESE"}), credential.ProviderMisbehaved, nil, true},
		"a host's reason":   {with(codes.Unavailable, &errdetails.ErrorInfo{Domain: Domain, Reason: "PROVIDER_CRASHED"}), credential.ProviderMisbehaved, nil, true},
		"negative delay": {with(codes.ResourceExhausted, &errdetails.ErrorInfo{Domain: Domain, Reason: "THROTTLED"},
			&errdetails.RetryInfo{RetryDelay: durationpb.New(-time.Hour)}), credential.Throttled, nil, true},
	} {
		got := FromStatus(test.err)
		if credential.ReasonOf(got) != test.want || (test.cause != nil && !errors.Is(got, test.cause)) {
			t.Errorf("%s: %v, want %s", name, got, test.want)
		}
		if HasReason(test.err) != test.reason {
			t.Errorf("%s: HasReason %v", name, !test.reason)
		}
		var e *credential.Error
		if errors.As(got, &e) && e.RetryDelay < 0 {
			t.Errorf("%s: retry delay %s", name, e.RetryDelay)
		}
		if strings.Contains(got.Error(), "hello") && test.want == credential.ProviderMisbehaved {
			t.Errorf("%s: the text of a foreign status is passed on: %v", name, got)
		}
	}
	if FromStatus(nil) != nil {
		t.Error("no error became one")
	}
	if HasReason(nil) {
		t.Error("no error has a reason")
	}
}

func TestBrokenDetailsAreNoDetails(t *testing.T) {
	st := status.New(codes.NotFound, "x").Proto()
	good, err := status.New(codes.NotFound, "x").WithDetails(&errdetails.ErrorInfo{Domain: Domain, Reason: "CREDENTIAL_NOT_FOUND"})
	if err != nil {
		t.Fatal(err)
	}
	st.Details = good.Proto().GetDetails()
	st.Details[0].Value = []byte{0xff, 0xff, 0xff}
	if got := FromStatus(status.FromProto(st).Err()); credential.ReasonOf(got) != credential.ProviderMisbehaved {
		t.Errorf("%v", got)
	}
	st.Details[0].TypeUrl = "nonsense"
	if got := FromStatus(status.FromProto(st).Err()); credential.ReasonOf(got) != credential.ProviderMisbehaved {
		t.Errorf("%v", got)
	}
}

func TestStatusErrorLeavesTheErrorAlone(t *testing.T) {
	e := &credential.Error{Reason: credential.AccessDenied, Message: strings.Repeat("m", 5000), Metadata: map[string]string{"a": strings.Repeat("v", 5000)}, Help: []string{"h"}}
	before := *e
	before.Metadata = map[string]string{"a": e.Metadata["a"]}
	_ = StatusError(e)
	_ = ResultToProto(credential.Result{Err: e})
	if !reflect.DeepEqual(*e, before) {
		t.Error("sending an error changes it")
	}
}

func TestEveryReasonHasACode(t *testing.T) {
	for _, reason := range credential.Reasons() {
		if got := Code(reason); got == codes.OK || code.Code(got).String() != reason.Code() {
			t.Errorf("%s has code %s on the wire and %q by name", reason, got, reason.Code())
		}
	}
}
