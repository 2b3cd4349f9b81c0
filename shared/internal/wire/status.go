package wire

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/text"
)

// Domain is the domain of every ErrorInfo of the contract.
const Domain = "credential.tom"

// Code returns the gRPC status code that belongs to a reason.
func Code(reason credential.Reason) codes.Code { return codes.Code(code.Code_value[reason.Code()]) }

// StatusError is the form of a provider's error on the wire. Errors that aren't a [*credential.Error] become
// DEADLINE_EXCEEDED, CANCELLED or INTERNAL.
func StatusError(err error) error { return Status(AsError(err)) }

// Status is the form of an error on the wire, whatever its reason.
func Status(e *credential.Error) error {
	st := status.New(Code(e.Reason), text.Truncate(e.Message, maxMessage))
	// gRPC sends both in HTTP/2 headers, the message twice and the details in base64, and some of its implementations refuse
	// headers of more than 8 KiB.
	budget := maxDetails
	var details []protoadapt.MessageV1
	add := func(detail proto.Message) bool {
		size := proto.Size(detail) + 64 // the wrapping google.protobuf.Any and its type's name
		if size > budget {
			return false
		}
		budget -= size
		details = append(details, protoadapt.MessageV1Of(detail))
		return true
	}

	// First what programs decide by, so that no length of what is for users can push it out.
	if e.RetryDelay > 0 {
		add(&errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryDelay)})
	}
	info := &errdetails.ErrorInfo{Domain: Domain, Reason: string(e.Reason), Metadata: boundedMap(e.Metadata)}
	if !add(info) {
		info.Metadata = nil
		add(info)
	}
	if len(e.Violations) > 0 {
		refused := &errdetails.BadRequest{}
		for _, v := range e.Violations {
			refused.FieldViolations = append(refused.FieldViolations, &errdetails.BadRequest_FieldViolation{
				Field: text.Truncate(v.Setting, 128), Description: text.Truncate(v.Problem, 256),
			})
		}
		for len(refused.FieldViolations) > 0 && !add(refused) {
			refused.FieldViolations = refused.FieldViolations[:len(refused.FieldViolations)/2]
		}
	}
	if len(e.Help) > 0 {
		help := &errdetails.Help{}
		for _, step := range e.Help {
			help.Links = append(help.Links, &errdetails.Help_Link{Description: text.Truncate(step, 1<<10)})
		}
		for len(help.Links) > 0 && !add(help) {
			help.Links = help.Links[:len(help.Links)/2]
		}
	}
	if detailed, err := st.WithDetails(details...); err == nil {
		st = detailed
	}
	return st.Err()
}

// HasReason reports whether err is a status with the contract's ErrorInfo: an answer of the provider, right or wrong.
func HasReason(err error) bool { return errorInfo(status.Convert(err)) != nil }

func errorInfo(st *status.Status) *errdetails.ErrorInfo {
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == Domain {
			return info
		}
	}
	return nil
}

// FromStatus turns the error of a call into a [*credential.Error]; nil stays nil.
//
// A status without the contract's ErrorInfo is the provider's defect, with three exceptions that gRPC's own client makes:
// a deadline, a cancellation, and a lost connection, which is PROVIDER_CRASHED here. A caller that knows the process
// distinguishes these before (see [HasReason]).
func FromStatus(err error) error { return fromStatus(err) }

// FromAgent is FromStatus for the error of an agent, which refuses logins too.
func FromAgent(err error) error { return fromStatus(err, credential.CredentialRejected) }

// fromStatus allows more reasons than a provider's.
func fromStatus(err error, more ...credential.Reason) error {
	if err == nil {
		return nil
	}
	st, ok := status.FromError(err)
	if !ok {
		st = status.FromContextError(err)
	}
	if info := errorInfo(st); info != nil {
		return fromDetails(st, info, more)
	}
	switch st.Code() {
	case codes.DeadlineExceeded:
		return &credential.Error{Reason: credential.DeadlineExceeded, Message: "the time was up before the provider answered", Cause: context.DeadlineExceeded}
	case codes.Canceled:
		return &credential.Error{Reason: credential.Cancelled, Message: "the call was cancelled", Cause: context.Canceled}
	case codes.Unavailable:
		return credential.Errorf(credential.ProviderCrashed, "the connection to the provider was lost")
	default:
		return misbehaved("it answered with status %s and no details of the contract", st.Code())
	}
}

func fromDetails(st *status.Status, info *errdetails.ErrorInfo, more []credential.Reason) error {
	reason := credential.Reason(info.GetReason())
	if !reason.FromProvider() && !slices.Contains(more, reason) || Code(reason) != st.Code() {
		return misbehaved("it answered with reason %q and status %s, which don't belong together", text.Truncate(info.GetReason(), 64), st.Code())
	}
	e := &credential.Error{Reason: reason, Message: st.Message(), Metadata: info.GetMetadata(), Cause: causeOf(reason)}
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *errdetails.RetryInfo:
			e.RetryDelay = max(0, d.GetRetryDelay().AsDuration())
		case *errdetails.Help:
			for _, link := range d.GetLinks() {
				e.Help = append(e.Help, link.GetDescription())
			}
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				e.Violations = append(e.Violations, credential.Violation{Setting: v.GetField(), Problem: v.GetDescription()})
			}
		}
	}
	return bounded(e)
}

// causeOf gives back the cause that the wire doesn't carry, so that errors.Is(err, context.DeadlineExceeded) holds.
func causeOf(reason credential.Reason) error {
	switch reason {
	case credential.DeadlineExceeded:
		return context.DeadlineExceeded
	case credential.Cancelled:
		return context.Canceled
	default:
		return nil
	}
}

// AsError finds the contract's error in err, or says what err amounts to. Nothing of err's own text is in it, unless that
// is a [*credential.Error]'s.
func AsError(err error) *credential.Error {
	var e *credential.Error
	var reason credential.Reason
	switch {
	case err == nil:
		return credential.Errorf(credential.Internal, "the provider gave neither a result nor an error")
	case errors.As(err, &e) && e == nil:
		return credential.Errorf(credential.Internal, "the provider returned a nil *credential.Error as an error; return a plain nil")
	case e != nil && e.Reason.FromProvider():
		return e
	case errors.As(err, &reason) && reason.FromProvider():
		return credential.Errorf(reason, "the provider says no more than %s", reason)
	case errors.Is(err, context.DeadlineExceeded):
		return credential.Errorf(credential.DeadlineExceeded, "the time was up before the backend answered")
	case errors.Is(err, context.Canceled):
		return credential.Errorf(credential.Cancelled, "the call was cancelled")
	default:
		// The string stays here: what it quotes is unknown.
		return credential.Errorf(credential.Internal, "the provider failed in a way that it has no reason for (%s)", types(err))
	}
}

// types names the types of err and of what it wraps, which is all that can be told of an unknown error.
func types(err error) string {
	var names []string
	for ; err != nil && len(names) < 8; err = errors.Unwrap(err) {
		names = append(names, fmt.Sprintf("%T", err))
	}
	return strings.Join(names, ", ")
}

func misbehaved(format string, args ...any) error {
	e := credential.Errorf(credential.ProviderMisbehaved, format, args...)
	e.Message = "the provider breaks the contract: " + e.Message
	return e.WithHelp("report this to the provider's author")
}
