package credentialv1_test

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
)

// secret are the fields that hold secrets: each has debug_redact.
var secret = []string{
	"ConfigureRequest.settings",
	"Credential.password",
	"Credential.extra",
	"PresentRequest.login_id", "PresentResponse.permit", "ReportRequest.permit", "ReportRequest.login_id",
}

// public are the fields that could hold a secret by their type, and that hold none by decision. A new field of
// the contract goes into one of the two lists, or this test fails.
var public = []string{
	"GetMetadataResponse.name", "GetMetadataResponse.version", "GetMetadataResponse.description",
	"GetMetadataResponse.capabilities", "GetMetadataResponse.settings_schema", "GetMetadataResponse.previous_version_label",
	"ValidateRequest.credential_id",
	"Check.name", "Check.message", "Check.remedy", "Check.reason",
	"GetCredentialRequest.credential_id", "GetCredentialRequest.version_id", "GetCredentialRequest.version_label",
	"Credential.credential_id", "Credential.username", "Credential.version_id", "Credential.backend_request_id",
	"CredentialError.reason", "CredentialError.message", "CredentialError.metadata", "CredentialError.help",
	"ListCredentialsRequest.page_token", "ListCredentialsResponse.next_page_token",
	"CredentialSummary.credential_id", "CredentialSummary.description",
	"PresentRequest.credential_id", "PresentRequest.device",
}

// suspicious are names that no field may have without debug_redact, whatever the lists say.
var suspicious = []string{
	"password", "extra", "settings", "secret", "token", "private_key", "passphrase", "key", "credentials_json", "value", "values",
}

func TestEveryFieldThatCanHoldASecretIsMarked(t *testing.T) {
	seen := map[string]bool{}
	for _, file := range []protoreflect.FileDescriptor{credentialv1.File_tom_credential_v1_credential_provider_proto, credentialv1.File_tom_credential_v1_login_guard_proto} {
		for i := range file.Messages().Len() {
			walk(t, file.Messages().Get(i), seen)
		}
	}
	for _, name := range slices.Concat(secret, public) {
		if !seen[name] {
			t.Errorf("%s is listed here, but the contract has no such field, or one that can't hold a text", name)
		}
	}
	if len(seen) < 25 {
		t.Errorf("only %d fields were looked at", len(seen))
	}
}

func walk(t *testing.T, message protoreflect.MessageDescriptor, seen map[string]bool) {
	t.Helper()
	for i := range message.Messages().Len() {
		if nested := message.Messages().Get(i); !nested.IsMapEntry() {
			walk(t, nested, seen)
		}
	}
	for i := range message.Fields().Len() {
		field := message.Fields().Get(i)
		name := string(message.Name()) + "." + string(field.Name())
		redacted := field.Options().(*descriptorpb.FieldOptions).GetDebugRedact()
		if slices.Contains(suspicious, string(field.Name())) && !redacted {
			t.Errorf("%s has the name of a secret and no debug_redact", name)
		}
		if !holdsText(field) {
			continue
		}
		seen[name] = true
		isSecret, isPublic := slices.Contains(secret, name), slices.Contains(public, name)
		switch {
		case isSecret && isPublic:
			t.Errorf("%s is in both lists", name)
		case isSecret && !redacted:
			t.Errorf("%s holds a secret and has no debug_redact", name)
		case isPublic && redacted:
			t.Errorf("%s has debug_redact; list it as secret", name)
		case !isSecret && !isPublic:
			t.Errorf("%s is new: does it hold a secret? Put it in a list, and give it debug_redact if it does", name)
		}
	}
}

// holdsText reports whether a field can hold strings itself: strings, bytes, maps with them, and the free forms of the
// well-known types. Messages of the contract itself are walked on their own.
func holdsText(field protoreflect.FieldDescriptor) bool {
	if field.IsMap() {
		return holdsText(field.MapKey()) || holdsText(field.MapValue())
	}
	switch field.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind:
		return true
	case protoreflect.MessageKind, protoreflect.GroupKind:
		switch field.Message().FullName() {
		case "google.protobuf.Timestamp", "google.protobuf.Duration":
			return false
		}
		return field.Message().ParentFile().Package() != "tom.credential.v1"
	default:
		return false
	}
}
