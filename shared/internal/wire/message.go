package wire

import (
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/text"
)

// CredentialToProto reveals the secrets: what it returns must go nowhere but onto the wire.
func CredentialToProto(c *credential.Credential) *credentialv1.Credential {
	out := &credentialv1.Credential{
		CredentialId:     c.ID,
		Username:         c.Username,
		VersionId:        c.VersionID,
		VersionCreated:   timestamp(c.VersionCreated),
		ExpireTime:       timestamp(c.ExpireTime),
		FromReplica:      c.FromReplica,
		BackendRequestId: valid(c.BackendRequestID),
	}
	if password, ok := c.Password.Get(); ok {
		out.Password = new(password.Reveal())
	}
	if len(c.Extra) > 0 {
		out.Extra = make(map[string]string, len(c.Extra))
		for key, value := range c.Extra {
			out.Extra[key] = value.Reveal()
		}
	}
	if c.MaxCacheAge != nil {
		out.MaxCacheAge = durationpb.New(*c.MaxCacheAge)
	}
	return out
}

// CredentialFromProto hides the secrets again. It checks nothing.
func CredentialFromProto(in *credentialv1.Credential) *credential.Credential {
	c := &credential.Credential{
		ID:               in.GetCredentialId(),
		Username:         in.GetUsername(),
		VersionID:        in.GetVersionId(),
		VersionCreated:   moment(in.GetVersionCreated()),
		ExpireTime:       moment(in.GetExpireTime()),
		FromReplica:      in.GetFromReplica(),
		BackendRequestID: text.Truncate(in.GetBackendRequestId(), maxRequestID),
	}
	if in != nil && in.Password != nil { // an answer without a credential is checked by the caller
		c.Password = credential.Password(*in.Password)
	}
	if len(in.GetExtra()) > 0 {
		c.Extra = make(map[string]credential.Redacted, len(in.GetExtra()))
		for key, value := range in.GetExtra() {
			c.Extra[key] = credential.NewRedacted(value)
		}
	}
	if in.GetMaxCacheAge() != nil {
		age := in.GetMaxCacheAge().AsDuration()
		c.MaxCacheAge = &age
	}
	return c
}

// RequestToProto is the form of a request on the wire. If both versions are set, the id wins.
func RequestToProto(r credential.Request) *credentialv1.GetCredentialRequest {
	out := &credentialv1.GetCredentialRequest{CredentialId: r.ID}
	switch {
	case r.VersionID != "":
		out.Version = &credentialv1.GetCredentialRequest_VersionId{VersionId: r.VersionID}
	case r.VersionLabel != "":
		out.Version = &credentialv1.GetCredentialRequest_VersionLabel{VersionLabel: r.VersionLabel}
	}
	return out
}

// RequestFromProto is the reverse of [RequestToProto].
func RequestFromProto(in *credentialv1.GetCredentialRequest) credential.Request {
	return credential.Request{ID: in.GetCredentialId(), VersionID: in.GetVersionId(), VersionLabel: in.GetVersionLabel()}
}

// ResultToProto is the form of one answer of a batch. A result with neither a credential nor an error is the provider's
// defect and becomes INTERNAL.
func ResultToProto(r credential.Result) *credentialv1.CredentialResult {
	if r.Err == nil && r.Credential != nil {
		return &credentialv1.CredentialResult{Result: &credentialv1.CredentialResult_Credential{Credential: CredentialToProto(r.Credential)}}
	}
	e := AsError(r.Err)
	out := &credentialv1.CredentialError{
		Code:     int32(Code(e.Reason)),
		Reason:   string(e.Reason),
		Message:  text.Truncate(e.Error(), maxMessage),
		Metadata: boundedMap(e.Metadata),
	}
	for _, step := range e.Help {
		out.Help = append(out.Help, text.Truncate(step, maxMessage))
	}
	if e.RetryDelay > 0 {
		out.RetryDelay = durationpb.New(e.RetryDelay)
	}
	return &credentialv1.CredentialResult{Result: &credentialv1.CredentialResult_Error{Error: out}}
}

// ResultFromProto is the reverse of [ResultToProto].
func ResultFromProto(in *credentialv1.CredentialResult) credential.Result {
	switch result := in.GetResult().(type) {
	case *credentialv1.CredentialResult_Credential:
		return credential.Result{Credential: CredentialFromProto(result.Credential)}
	case *credentialv1.CredentialResult_Error:
		e := result.Error
		reason := credential.Reason(e.GetReason())
		if !reason.FromProvider() || int32(Code(reason)) != e.GetCode() {
			return credential.Result{Err: misbehaved("it answered a request of a batch with reason %q and code %d, which don't belong together", text.Truncate(e.GetReason(), 64), e.GetCode())}
		}
		return credential.Result{Err: bounded(&credential.Error{
			Reason:     reason,
			Message:    e.GetMessage(),
			Metadata:   e.GetMetadata(),
			Help:       e.GetHelp(),
			RetryDelay: max(0, e.GetRetryDelay().AsDuration()),
			Cause:      causeOf(reason),
		})}
	default:
		return credential.Result{Err: misbehaved("it answered a request of a batch with neither a credential nor an error")}
	}
}

// SummaryToProto is one line of a listing on the wire.
func SummaryToProto(s credential.Summary) *credentialv1.CredentialSummary {
	return &credentialv1.CredentialSummary{CredentialId: s.ID, Description: valid(s.Description), LastChanged: timestamp(s.LastChanged)}
}

// SummaryFromProto is the reverse of [SummaryToProto].
func SummaryFromProto(in *credentialv1.CredentialSummary) credential.Summary {
	return credential.Summary{ID: in.GetCredentialId(), Description: text.Truncate(in.GetDescription(), maxMessage), LastChanged: moment(in.GetLastChanged())}
}

// ReportToProto is the answer of Validate on the wire.
func ReportToProto(r credential.Report) *credentialv1.ValidateResponse {
	out := &credentialv1.ValidateResponse{BackendCredentialsExpireTime: timestamp(r.BackendCredentialsExpire)}
	for _, check := range r.Checks {
		out.Checks = append(out.Checks, &credentialv1.Check{
			Name:    valid(check.Name),
			Status:  statusToProto[check.Status],
			Message: valid(check.Message),
			Remedy:  valid(check.Remedy),
			Reason:  string(check.Reason),
		})
	}
	return out
}

// ReportFromProto is the reverse of [ReportToProto]. A status that this version doesn't know counts as a warning.
func ReportFromProto(in *credentialv1.ValidateResponse) credential.Report {
	report := credential.Report{BackendCredentialsExpire: moment(in.GetBackendCredentialsExpireTime())}
	for _, check := range in.GetChecks()[:min(len(in.GetChecks()), maxChecks)] {
		status := credential.StatusWarning
		for s, p := range statusToProto {
			if p == check.GetStatus() {
				status = s
			}
		}
		report.Checks = append(report.Checks, credential.Check{
			Name:    text.Truncate(check.GetName(), MaxName),
			Status:  status,
			Message: text.Truncate(check.GetMessage(), maxMessage),
			Remedy:  text.Truncate(check.GetRemedy(), maxMessage),
			Reason:  credential.Reason(text.Truncate(check.GetReason(), MaxName)),
		})
	}
	return report
}

var statusToProto = map[credential.Status]credentialv1.CheckStatus{
	credential.StatusPassed:  credentialv1.CheckStatus_CHECK_STATUS_PASSED,
	credential.StatusWarning: credentialv1.CheckStatus_CHECK_STATUS_WARNING,
	credential.StatusFailed:  credentialv1.CheckStatus_CHECK_STATUS_FAILED,
	credential.StatusSkipped: credentialv1.CheckStatus_CHECK_STATUS_SKIPPED,
}

// valid makes a string for users valid UTF-8: gRPC can't send any other, and the whole answer would be lost.
func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func moment(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}
