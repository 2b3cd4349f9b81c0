package provider

import (
	"context"
	"fmt"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// maxMargin is the most that is taken off a caller's time so that the answer arrives in it.
const maxMargin = time.Second

// contractCalls start with this. The others belong to gRPC and go-plugin, such as the health service, whose statuses have
// no reason of the contract.
var contractCalls = "/" + credentialv1.CredentialProvider_ServiceDesc.ServiceName + "/"

// answer surrounds every call: it leaves time for the answer's way back, gives errors their form on the wire, and turns
// a panic into an error, since a defect in one call must not end the process that serves the others. The panic's stack
// goes to the log; its value, which may quote anything, goes nowhere.
func answer(log hclog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (response any, err error) {
		if !strings.HasPrefix(info.FullMethod, contractCalls) {
			return handler(ctx, request)
		}
		ctx = traced(ctx, log)
		defer func() {
			if value := recover(); value != nil {
				logPanic(hclog.FromContext(ctx), info.FullMethod, value)
				response, err = nil, wire.StatusError(credential.Errorf(credential.Internal, "the provider panicked; its log has the stack"))
			}
		}()
		ctx, cancel := leaveTime(ctx)
		defer cancel()
		response, err = handler(ctx, request)
		if err != nil {
			return nil, wire.StatusError(err)
		}
		return response, nil
	}
}

// traced puts the call's logger into the context, where hclog.FromContext finds it. If the host sent a traceparent (W3C
// Trace Context), its lines carry the trace's id.
func traced(ctx context.Context, log hclog.Logger) context.Context {
	if sent, _ := metadata.FromIncomingContext(ctx); len(sent["traceparent"]) == 1 {
		if id := traceParent.FindStringSubmatch(sent["traceparent"][0]); id != nil {
			log = log.With("trace_id", id[1])
		}
	}
	return hclog.WithContext(ctx, log)
}

var traceParent = regexp.MustCompile(`^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}`)

// logPanic leaves out the panic's value.
func logPanic(log hclog.Logger, call string, value any) {
	log.Error("panic in a call", "call", call, "type", fmt.Sprintf("%T", value), "stack", string(debug.Stack()))
}

// leaveTime moves the deadline forward by a second, or by a fifth of a short time, so that a provider whose backend
// stalls can still say so: after the caller's own deadline the answer is lost.
func leaveTime(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline.Add(-min(maxMargin, time.Until(deadline)/5)))
}
