//go:build unix

package conformance

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

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

// illWithBackend has a health service that speaks of the backend.
func illWithBackend() grpc.UnaryServerInterceptor {
	var ill atomic.Bool
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		if _, isCheck := request.(*grpc_health_v1.HealthCheckRequest); isCheck && ill.Load() {
			return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_NOT_SERVING}, nil
		}
		response, err := handler(ctx, request)
		if strings.HasSuffix(info.FullMethod, "/GetCredential") {
			ill.Store(status.Code(err) == codes.Unavailable)
		}
		return response, err
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
		r.Credentials = append(r.Credentials, &credentialv1.CredentialSummary{CredentialId: "absent"})
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

// mixing gives a concurrent caller the credential of another.
func mixing() grpc.UnaryServerInterceptor {
	var busy atomic.Int32
	return onGet(func(c *credentialv1.Credential) {
		defer busy.Add(-1)
		if busy.Add(1) > 1 {
			c.Username = "other"
		}
		time.Sleep(time.Millisecond)
	})
}

// working has eight workers, and ignores cancellation.
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
		kept = append(kept, []byte(strings.Repeat("x", 128<<10)))
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

// withoutSetting leaves out what is wrong with one setting.
func withoutSetting(name string) func([]credential.Violation) []credential.Violation {
	return func(all []credential.Violation) []credential.Violation {
		return slices.DeleteFunc(all, func(v credential.Violation) bool { return v.Setting == name })
	}
}

// except hides one state of the backend.
func except(state string) func(string) string {
	return func(actual string) string {
		if actual == state {
			return ""
		}
		return actual
	}
}
