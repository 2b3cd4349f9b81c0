package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

// info is the contract's part of a status; nil if it has none.
func info(err error) *errdetails.ErrorInfo {
	for _, detail := range status.Convert(err).Details() {
		if found, ok := detail.(*errdetails.ErrorInfo); ok && found.GetDomain() == wire.Domain {
			return found
		}
	}
	return nil
}

// hasInfo reports whether the provider itself made the status: one that gRPC made on this side has no details.
func hasInfo(err error) bool { return err != nil && info(err) != nil }

// outcome says how a call ended by code and reason. A status's message is left out: it might hold a secret.
func outcome(err error) string {
	if err == nil {
		return "it succeeded"
	}
	st, ok := status.FromError(err)
	if !ok {
		return err.Error() // an error of this package
	}
	name := code.Code(st.Code()).String()
	found := info(err)
	switch {
	case found == nil:
		return fmt.Sprintf("status %s %s", name, missing(st))
	case !credential.Reason(found.GetReason()).FromProvider():
		return fmt.Sprintf("status %s with a reason that isn't a provider's", name)
	case wire.Code(credential.Reason(found.GetReason())) != st.Code():
		return fmt.Sprintf("reason %s with status %s, which don't belong together", found.GetReason(), name)
	default:
		return found.GetReason()
	}
}

// missing says why a status has not the contract's ErrorInfo.
func missing(st *status.Status) string {
	details := st.Proto().GetDetails()
	if len(details) == 0 {
		return "without details (gRPC itself has made it, or the trailer grpc-status-details-bin is absent or no google.rpc.Status with the same code)"
	}
	for _, detail := range details {
		if detail.MessageIs(&errdetails.ErrorInfo{}) {
			return fmt.Sprintf("with an ErrorInfo that can't be read or whose domain isn't %s", wire.Domain)
		}
	}
	return "with details, of which none has the type type.googleapis.com/google.rpc.ErrorInfo"
}

// wellFormed reports whether an error has the contract's form, and returns its reason.
func wellFormed(err error) (credential.Reason, bool) {
	found := info(err)
	if found == nil {
		return "", false
	}
	reason := credential.Reason(found.GetReason())
	return reason, reason.FromProvider() && wire.Code(reason) == status.Code(err)
}

// expect reports whether a call failed for one of these reasons.
func expect(what string, err error, want ...credential.Reason) error {
	if reason, ok := wellFormed(err); ok && slices.Contains(want, reason) {
		return nil
	}
	return fmt.Errorf("%s: %s, not %s", what, outcome(err), oneOf(want))
}

// succeed reports whether a call succeeded.
func succeed(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %s", what, outcome(err))
}

// expectItem is expect for one answer of a batch.
func expectItem(what string, item *credentialv1.CredentialResult, want ...credential.Reason) error {
	failure := item.GetError()
	if failure == nil {
		return fmt.Errorf("%s: there is no error, but should be %s", what, oneOf(want))
	}
	for _, reason := range want {
		if failure.GetReason() == string(reason) && failure.GetCode() == int32(wire.Code(reason)) {
			return nil
		}
	}
	if reason := credential.Reason(failure.GetReason()); reason.FromProvider() {
		return fmt.Errorf("%s: reason %s with code %d, not %s", what, string(reason), failure.GetCode(), oneOf(want))
	}
	return fmt.Errorf("%s: a reason that isn't a provider's, not %s", what, oneOf(want))
}

func oneOf(reasons []credential.Reason) string {
	names := make([]string, len(reasons))
	for n, reason := range reasons {
		names[n] = string(reason)
	}
	return strings.Join(names, " or ")
}

// violated are the settings that a refusal names.
func violated(err error) []string {
	var names []string
	for _, detail := range status.Convert(err).Details() {
		if refused, ok := detail.(*errdetails.BadRequest); ok {
			for _, violation := range refused.GetFieldViolations() {
				names = append(names, violation.GetField())
			}
		}
	}
	return names
}

// compare says what differs from the fixture, without the values.
func compare(got *credentialv1.Credential, want Credential) error {
	switch {
	case got == nil:
		return errors.New("the answer has no credential")
	case got.GetUsername() != want.Username:
		return errors.New("the username differs")
	case got.Password == nil && want.Password != nil:
		return errors.New("the password is absent")
	case got.Password != nil && want.Password == nil:
		return errors.New("there is a password, which should be absent")
	case want.Password != nil && got.GetPassword() != *want.Password:
		return errors.New("the password differs")
	}
	if want.Extra == nil {
		return nil
	}
	for name, value := range want.Extra {
		if text, ok := got.GetExtra()[name]; !ok || text != value {
			return fmt.Errorf("extra field %q differs or is absent", name)
		}
	}
	if more := len(got.GetExtra()) - len(want.Extra); more > 0 {
		return fmt.Errorf("there are %d more extra fields than there should be", more)
	}
	return nil
}

// encodedStatus is a status as it is on the wire.
func encodedStatus(err error) string {
	encoded, _ := proto.Marshal(status.Convert(err).Proto())
	return string(encoded)
}
