//go:build unix

package conformance

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

type (
	getRequest    = credentialv1.GetCredentialRequest
	getAnswer     = credentialv1.GetCredentialResponse
	batchRequest  = credentialv1.BatchGetCredentialsRequest
	batchAnswer   = credentialv1.BatchGetCredentialsResponse
	listRequest   = credentialv1.ListCredentialsRequest
	listAnswer    = credentialv1.ListCredentialsResponse
	reportRequest = credentialv1.ValidateRequest
	reportAnswer  = credentialv1.ValidateResponse
)

// onIDs changes ids of plain reads to what they are taken for.
func onIDs(change func(string) string) grpc.UnaryServerInterceptor {
	return on(func(_ context.Context, in *getRequest, next answer[getAnswer]) (*getAnswer, error) {
		asked := in.GetCredentialId()
		changed := change(asked)
		if _, exists := modelFixtures().Credentials[changed]; in.GetVersion() != nil || !exists || changed == asked || strings.ContainsFunc(asked, unicode.IsControl) {
			return next()
		}
		in.CredentialId = changed
		out, err := next()
		if err == nil {
			out.Credential.CredentialId = asked
		}
		return out, err
	})
}

func loneMalformed(r *batchAnswer) {
	if len(r.Results) == 1 && r.Results[0].GetError().GetReason() == string(credential.CredentialMalformed) {
		r.Results[0] = wire.ResultToProto(credential.Result{Err: credential.Errorf(credential.CredentialNotFound, "no")})
	}
}

func batchWithoutVersions(_ context.Context, in *batchRequest, next answer[batchAnswer]) (*batchAnswer, error) {
	for _, request := range in.Requests {
		if request.GetVersionLabel() == "OLD" {
			request.Version = nil
		}
	}
	return next()
}

func batchByID(_ context.Context, in *batchRequest, next answer[batchAnswer]) (*batchAnswer, error) {
	out, err := next()
	first := map[string]*credentialv1.CredentialResult{}
	for n, result := range out.GetResults() {
		id := in.Requests[n].GetCredentialId()
		if first[id] == nil {
			first[id] = result
		}
		if in.Requests[n].GetVersionLabel() == "OLD" {
			out.Results[n] = first[id]
		}
	}
	return out, err
}

func batchWaits(_ context.Context, in *batchRequest, next answer[batchAnswer]) (*batchAnswer, error) {
	if in.Requests != nil && in.Requests[0].GetCredentialId() == "slow" {
		time.Sleep(20 * time.Second)
	}
	return next()
}

func mixingBatches() grpc.UnaryServerInterceptor {
	var busy atomic.Int32
	return on(func(_ context.Context, _ *batchRequest, next answer[batchAnswer]) (*batchAnswer, error) {
		defer busy.Add(-1)
		beside := busy.Add(1) > 8
		out, err := next()
		time.Sleep(time.Millisecond)
		if beside && len(out.GetResults()) > 1 {
			slices.Reverse(out.Results)
		}
		return out, err
	})
}

func singleUse() grpc.UnaryServerInterceptor {
	var mu sync.Mutex
	last := ""
	return on(func(_ context.Context, in *listRequest, next answer[listAnswer]) (*listAnswer, error) {
		mu.Lock()
		defer mu.Unlock()
		again := in.GetPageToken() != "" && in.GetPageToken() == last
		last = in.GetPageToken()
		if again {
			return nil, refused(credential.PageTokenInvalid)
		}
		return next()
	})
}

func loseOne(in *listRequest, r *listAnswer) {
	if in.GetPageSize() == 3 {
		r.Credentials = r.Credentials[1:]
	}
}

func oneVersion(_ context.Context, in *getRequest, next answer[getAnswer]) (*getAnswer, error) {
	out, err := next()
	if err == nil && in.GetVersionLabel() == "OLD" {
		out.Credential.VersionId = "v2"
	}
	return out, err
}

func noReadBack(_ context.Context, in *getRequest, next answer[getAnswer]) (*getAnswer, error) {
	if in.GetVersionId() == "v1" {
		return nil, refused(credential.VersionNotFound)
	}
	return next()
}

func nowIsCurrent(_ context.Context, in *getRequest, next answer[getAnswer]) (*getAnswer, error) {
	if in.GetVersionLabel() == "NOW" {
		in.Version = nil
	}
	return next()
}

func versionOfNobody(_ context.Context, in *getRequest, next answer[getAnswer]) (*getAnswer, error) {
	out, err := next()
	if reason, _ := wellFormed(err); in.GetVersion() != nil && reason == credential.CredentialNotFound {
		return nil, refused(credential.VersionNotFound)
	}
	return out, err
}

func foldBatch(_ context.Context, in *batchRequest, next answer[batchAnswer]) (*batchAnswer, error) {
	for _, request := range in.Requests {
		request.CredentialId = strings.ToLower(request.CredentialId)
	}
	return next()
}

func foldVersions(_ context.Context, in *getRequest, next answer[getAnswer]) (*getAnswer, error) {
	if in.GetVersionLabel() == "OLD" {
		in.CredentialId = strings.ToLower(in.CredentialId)
	}
	return next()
}

func ignoreID(_ context.Context, in *reportRequest, next answer[reportAnswer]) (*reportAnswer, error) {
	in.CredentialId = nil
	return next()
}

func validateWaits(_ context.Context, in *reportRequest, next answer[reportAnswer]) (*reportAnswer, error) {
	if in.GetCredentialId() == "slow" {
		time.Sleep(20 * time.Second)
	}
	return next()
}

func refuseUnknown(_ context.Context, in *getRequest, next answer[getAnswer]) (*getAnswer, error) {
	if len(in.ProtoReflect().GetUnknown()) > 0 {
		return nil, refused(credential.RequestInvalid)
	}
	return next()
}

func trustTrace(ctx context.Context, _ *getRequest, next answer[getAnswer]) (*getAnswer, error) {
	if sent := metadata.ValueFromIncomingContext(ctx, "traceparent"); len(sent) > 0 && strings.Count(sent[0], "-") != 3 {
		return nil, refused(credential.Internal)
	}
	return next()
}

// pooled has a number of workers for reads, and they do wait for slow ones.
func pooled(size int) grpc.UnaryServerInterceptor {
	workers := make(chan struct{}, size)
	return on(func(ctx context.Context, _ *getRequest, next answer[getAnswer]) (*getAnswer, error) {
		select {
		case workers <- struct{}{}:
			defer func() { <-workers }()
			return next()
		case <-ctx.Done():
			return nil, refused(credential.Cancelled)
		}
	})
}

func outageIsNotFound(r *batchAnswer) {
	for n, result := range r.Results {
		if result.GetError().GetReason() == string(credential.BackendUnavailable) && len(r.Results) == 2 && r.Results[0].GetError() != nil {
			r.Results[n] = wire.ResultToProto(credential.Result{Err: credential.Errorf(credential.CredentialNotFound, "no")})
		}
	}
}

// emptyListing takes an outage for an empty backend. That something else answers it notices: the specimen with a message is
// for one check alone.
func emptyListing(_ context.Context, _ *listRequest, next answer[listAnswer]) (*listAnswer, error) {
	out, err := next()
	if reason, _ := wellFormed(err); reason == credential.BackendUnavailable && os.Getenv(envGone) != "" {
		return &listAnswer{}, nil
	}
	return out, err
}

func noVersionInOutage(_ context.Context, in *getRequest, next answer[getAnswer]) (*getAnswer, error) {
	out, err := next()
	if reason, _ := wellFormed(err); reason == credential.BackendUnavailable && in.GetVersion() != nil {
		return nil, refused(credential.VersionNotFound)
	}
	return out, err
}

// onceEach does something in each read.
func onceEach(act func(context.Context)) grpc.UnaryServerInterceptor {
	return on(func(ctx context.Context, _ *getRequest, next answer[getAnswer]) (*getAnswer, error) {
		act(ctx)
		return next()
	})
}
