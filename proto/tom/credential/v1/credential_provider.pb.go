// The contract between a host (a network-automation worker) and a credential provider.
//
// A provider is a program that the host launches as a child process. It reads device credentials from a backend (a
// credential store) and serves them to that one host over gRPC. This file is all that is needed to write a provider in
// any language with gRPC, besides the launch protocol, which is HashiCorp go-plugin's and is summed up here.
//
// # Launch
//
// The host starts the executable `tom-credential-<name>` with these environment variables:
//
//   TOM_CREDENTIAL_PROVIDER   the cookie, 4f8a1d52-1f6e-4c35-9a0b-7f2b3f2d9c61. When it is absent or different, the
//                             program was started by hand: explain that it is a provider, and exit with status 1.
//   PLUGIN_PROTOCOL_VERSIONS  comma-separated protocol versions that the host speaks. This file is version 1.
//   PLUGIN_CLIENT_CERT        the host's certificate in PEM form. Accept connections from its holder only (mutual TLS).
//   PLUGIN_UNIX_SOCKET_DIR    the directory to create the Unix socket in. (On Windows: listen on 127.0.0.1, on a port from
//                             PLUGIN_MIN_PORT to PLUGIN_MAX_PORT.)
//   TOM_CREDENTIAL_LOG_LEVEL  trace, debug, info, warn or error: write no log lines below it.
//   TOM_CREDENTIAL_LIFELINE   `stdin`: read standard input, and exit at its end, for then the host has exited.
//
// The provider listens, then writes one line to standard output and nothing else there, ever:
//
//   1|1|unix|/path/of/the/socket|grpc|<its own certificate: DER in base64 without padding>
//
// The six fields are go-plugin's core version, the protocol version, network, address, `grpc`, and the certificate. Use
// ECDSA keys on P-256: other curves are refused by some TLS libraries. The certificates are self-signed, are valid for
// the name `localhost`, serve as client and as server certificate, and live as long as the process.
//
// Besides CredentialProvider the provider serves `grpc.health.v1.Health`, with status SERVING for the service name
// `plugin`, and `plugin.GRPCController`, whose `Shutdown` ends the process. Log lines go to standard error as one JSON
// object a line: `@level`, `@message`, `@timestamp` (2006-01-02T15:04:05.000000Z07:00) as strings, and other keys freely.
//
// # Duties that hold for every call
//
// Calls arrive concurrently. The caller's deadline and cancellation arrive with gRPC and bind the provider: it answers
// before the deadline, with an error if need be, and stops its own work when the call is cancelled. Messages are at most
// 16 MiB. All reading calls are idempotent: the host repeats one that died with a process.
//
// No secret may leave the process in any other way than in the fields marked here with debug_redact: not in a log line,
// an error, an argument or a file. The option alone hides nothing in most languages: never log a generated message.
//
// Callers ignore fields, capabilities and enum values that they don't know. A `traceparent` in the gRPC metadata (W3C
// Trace Context) is passed on to log lines as `trace_id`.
//
// # Errors
//
// An error is a gRPC status whose details hold a google.rpc.ErrorInfo with the domain `credential.tom`, a reason from
// this table, and metadata. Callers decide by code and reason, never by the message. Where repeating the call later may
// help, details hold a google.rpc.RetryInfo as well; where a user can do something about it, a google.rpc.Help whose
// link descriptions say what; for refused settings a google.rpc.BadRequest with one violation a setting. All details
// together take at most 4 KiB. The message names the thing it is about, and never holds a secret, not even in part. A host
// truncates what it gets: a message and each step of help to 1 KiB, 20 steps, 32 entries of metadata of 512 bytes with
// keys of 64, 100 violations of 512 bytes. It drops an answer whose headers have more than 64 KiB.
// A status without that ErrorInfo is treated as a defect of the provider (PROVIDER_MISBEHAVED).
//
//   reason                    code                 meaning
//   CREDENTIAL_NOT_FOUND      NOT_FOUND            the backend has no credential of this id
//   VERSION_NOT_FOUND         NOT_FOUND            the credential exists; the version asked for doesn't
//   CREDENTIAL_DELETED        NOT_FOUND            the credential is scheduled for deletion
//   CREDENTIAL_MALFORMED      FAILED_PRECONDITION  it exists but isn't a credential; metadata: field, problem
//   DECRYPTION_FAILED         FAILED_PRECONDITION  the backend could not decrypt it
//   ACCESS_DENIED             PERMISSION_DENIED    the backend refuses; metadata: action, resource
//   CREDENTIAL_ID_INVALID     INVALID_ARGUMENT     no credential could have this id
//   SETTINGS_INVALID          INVALID_ARGUMENT     Configure was given an unknown key or a bad value
//   PAGE_TOKEN_INVALID        INVALID_ARGUMENT     a page token that no answer of this provider held
//   REQUEST_INVALID           INVALID_ARGUMENT     a request that breaks a rule stated at its message
//   NOT_CONFIGURED            FAILED_PRECONDITION  a call that needs Configure came before it
//   ALREADY_CONFIGURED        FAILED_PRECONDITION  a second Configure after one that succeeded
//   BACKEND_UNAUTHENTICATED   UNAUTHENTICATED      no, refused or expired credentials for the backend
//   BACKEND_MISCONFIGURED     FAILED_PRECONDITION  it can't work like this: unknown TLS authority, no such host, not the API
//   THROTTLED                 RESOURCE_EXHAUSTED   the backend throttles
//   BACKEND_UNAVAILABLE       UNAVAILABLE          the backend is unreachable or fails; metadata: stage (credentials, read)
//   DEADLINE_EXCEEDED         DEADLINE_EXCEEDED    the time was up before the backend answered
//   CANCELLED                 CANCELLED            the caller cancelled the call
//   UNSUPPORTED               UNIMPLEMENTED        a call whose capability the provider doesn't have
//   INTERNAL                  INTERNAL             a defect of the provider, such as a panic
//
// The host adds PROVIDER_NOT_FOUND, PROVIDER_REFUSED, PROVIDER_START_FAILED, PROVIDER_INCOMPATIBLE, PROVIDER_CRASHED,
// PROVIDER_UNRESPONSIVE, PROVIDER_MISBEHAVED and CREDENTIAL_REJECTED for its own callers; a provider never sends them.
//
// # Versions
//
// The package name, go-plugin's protocol version and the meaning of everything here belong together: v1, 1. Within v1
// there are only additions: fields, reasons, and calls behind a new capability.

// Code generated by protoc-gen-go. DO NOT EDIT.
// versions:
// 	protoc-gen-go v1.36.12
// 	protoc        (unknown)
// source: tom/credential/v1/credential_provider.proto

package credentialv1

import (
	protoreflect "google.golang.org/protobuf/reflect/protoreflect"
	protoimpl "google.golang.org/protobuf/runtime/protoimpl"
	durationpb "google.golang.org/protobuf/types/known/durationpb"
	structpb "google.golang.org/protobuf/types/known/structpb"
	timestamppb "google.golang.org/protobuf/types/known/timestamppb"
	reflect "reflect"
	sync "sync"
	unsafe "unsafe"
)

const (
	// Verify that this generated code is sufficiently up-to-date.
	_ = protoimpl.EnforceVersion(20 - protoimpl.MinVersion)
	// Verify that runtime/protoimpl is sufficiently up-to-date.
	_ = protoimpl.EnforceVersion(protoimpl.MaxVersion - 20)
)

type CheckStatus int32

const (
	CheckStatus_CHECK_STATUS_UNSPECIFIED CheckStatus = 0
	// It works.
	CheckStatus_CHECK_STATUS_PASSED CheckStatus = 1
	// It works, or may work, but should be looked at: credentials can be read as far as this check knows.
	CheckStatus_CHECK_STATUS_WARNING CheckStatus = 2
	// Credentials can't be read like this.
	CheckStatus_CHECK_STATUS_FAILED CheckStatus = 3
	// It was not looked at; the message says why.
	CheckStatus_CHECK_STATUS_SKIPPED CheckStatus = 4
)

// Enum value maps for CheckStatus.
var (
	CheckStatus_name = map[int32]string{
		0: "CHECK_STATUS_UNSPECIFIED",
		1: "CHECK_STATUS_PASSED",
		2: "CHECK_STATUS_WARNING",
		3: "CHECK_STATUS_FAILED",
		4: "CHECK_STATUS_SKIPPED",
	}
	CheckStatus_value = map[string]int32{
		"CHECK_STATUS_UNSPECIFIED": 0,
		"CHECK_STATUS_PASSED":      1,
		"CHECK_STATUS_WARNING":     2,
		"CHECK_STATUS_FAILED":      3,
		"CHECK_STATUS_SKIPPED":     4,
	}
)

func (x CheckStatus) Enum() *CheckStatus {
	p := new(CheckStatus)
	*p = x
	return p
}

func (x CheckStatus) String() string {
	return protoimpl.X.EnumStringOf(x.Descriptor(), protoreflect.EnumNumber(x))
}

func (CheckStatus) Descriptor() protoreflect.EnumDescriptor {
	return file_tom_credential_v1_credential_provider_proto_enumTypes[0].Descriptor()
}

func (CheckStatus) Type() protoreflect.EnumType {
	return &file_tom_credential_v1_credential_provider_proto_enumTypes[0]
}

func (x CheckStatus) Number() protoreflect.EnumNumber {
	return protoreflect.EnumNumber(x)
}

// Deprecated: Use CheckStatus.Descriptor instead.
func (CheckStatus) EnumDescriptor() ([]byte, []int) {
	return file_tom_credential_v1_credential_provider_proto_rawDescGZIP(), []int{0}
}

type GetMetadataRequest struct {
	state         protoimpl.MessageState `protogen:"open.v1"`
	unknownFields protoimpl.UnknownFields
	sizeCache     protoimpl.SizeCache
}

func (x *GetMetadataRequest) Reset() {
	*x = GetMetadataRequest{}
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[0]
	ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
	ms.StoreMessageInfo(mi)
}

func (x *GetMetadataRequest) String() string {
	return protoimpl.X.MessageStringOf(x)
}

func (*GetMetadataRequest) ProtoMessage() {}

func (x *GetMetadataRequest) ProtoReflect() protoreflect.Message {
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[0]
	if x != nil {
		ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
		if ms.LoadMessageInfo() == nil {
			ms.StoreMessageInfo(mi)
		}
		return ms
	}
	return mi.MessageOf(x)
}

// Deprecated: Use GetMetadataRequest.ProtoReflect.Descriptor instead.
func (*GetMetadataRequest) Descriptor() ([]byte, []int) {
	return file_tom_credential_v1_credential_provider_proto_rawDescGZIP(), []int{0}
}

type GetMetadataResponse struct {
	state protoimpl.MessageState `protogen:"open.v1"`
	// The provider's name, [a-z][a-z0-9_]*, the same as in the name of its executable: tom-credential-<name>.
	Name string `protobuf:"bytes,1,opt,name=name,proto3" json:"name,omitempty"`
	// The provider's own version, for users: "1.4.0". At most 128 bytes are kept.
	Version string `protobuf:"bytes,2,opt,name=version,proto3" json:"version,omitempty"`
	// One line for users: what the provider reads from. At most 1 KiB is kept.
	Description string `protobuf:"bytes,3,opt,name=description,proto3" json:"description,omitempty"`
	// What the provider can do beyond GetCredential and Validate:
	//
	//	LIST     ListCredentials
	//	BATCH    BatchGetCredentials
	//	VERSION  GetCredentialRequest.version_id and version_label
	//
	// RELEASE and WATCH are reserved for later. Hosts ignore those that they don't know. What is advertised works, and
	// what isn't advertised is answered with UNSUPPORTED. At most 64, each of at most 64 bytes.
	Capabilities []string `protobuf:"bytes,4,rep,name=capabilities,proto3" json:"capabilities,omitempty"`
	// The settings that Configure takes, as a JSON Schema (2020-12) in JSON: one flat object with "additionalProperties":
	// false and no $ref. Properties are of type string, boolean, integer, number, or array of string, each with a
	// description, and with a default where there is one. A secret has "writeOnly": true. A duration is a string such as
	// "1m30s" with a pattern. An empty string counts as unset and is not sent, except for a property that has an explicit
	// "minLength": 0: there it is a value. Empty: the provider takes no settings.
	//
	// At most 256 KiB, nested at most 16 levels deep, with at most 256 settings, names of 64 bytes, descriptions of 4 KiB, 256
	// values in an enum. A pattern has at most 1 KiB, and all patterns together take at most 20,000 steps of a
	// regular expression's program, in which a{1000} counts a thousand times.
	SettingsSchema string `protobuf:"bytes,5,opt,name=settings_schema,json=settingsSchema,proto3" json:"settings_schema,omitempty"`
	// The label of the version before the current one, if the provider has the capability VERSION and such a label:
	// "AWSPREVIOUS". GetCredentialRequest.version_label with it reads the version that was current before the present one,
	// or is VERSION_NOT_FOUND for a credential that has had no other. During a rotation a host tries that version at devices
	// that don't take the current one yet. It doesn't change while the process runs. Empty: there is no such label.
	PreviousVersionLabel string `protobuf:"bytes,6,opt,name=previous_version_label,json=previousVersionLabel,proto3" json:"previous_version_label,omitempty"`
	unknownFields        protoimpl.UnknownFields
	sizeCache            protoimpl.SizeCache
}

func (x *GetMetadataResponse) Reset() {
	*x = GetMetadataResponse{}
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[1]
	ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
	ms.StoreMessageInfo(mi)
}

func (x *GetMetadataResponse) String() string {
	return protoimpl.X.MessageStringOf(x)
}

func (*GetMetadataResponse) ProtoMessage() {}

func (x *GetMetadataResponse) ProtoReflect() protoreflect.Message {
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[1]
	if x != nil {
		ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
		if ms.LoadMessageInfo() == nil {
			ms.StoreMessageInfo(mi)
		}
		return ms
	}
	return mi.MessageOf(x)
}

// Deprecated: Use GetMetadataResponse.ProtoReflect.Descriptor instead.
func (*GetMetadataResponse) Descriptor() ([]byte, []int) {
	return file_tom_credential_v1_credential_provider_proto_rawDescGZIP(), []int{1}
}

func (x *GetMetadataResponse) GetName() string {
	if x != nil {
		return x.Name
	}
	return ""
}

func (x *GetMetadataResponse) GetVersion() string {
	if x != nil {
		return x.Version
	}
	return ""
}

func (x *GetMetadataResponse) GetDescription() string {
	if x != nil {
		return x.Description
	}
	return ""
}

func (x *GetMetadataResponse) GetCapabilities() []string {
	if x != nil {
		return x.Capabilities
	}
	return nil
}

func (x *GetMetadataResponse) GetSettingsSchema() string {
	if x != nil {
		return x.SettingsSchema
	}
	return ""
}

func (x *GetMetadataResponse) GetPreviousVersionLabel() string {
	if x != nil {
		return x.PreviousVersionLabel
	}
	return ""
}

type ConfigureRequest struct {
	state protoimpl.MessageState `protogen:"open.v1"`
	// The settings by name, without the host's own prefix, of the schema's types. Those not set are absent.
	Settings      *structpb.Struct `protobuf:"bytes,1,opt,name=settings,proto3" json:"settings,omitempty"`
	unknownFields protoimpl.UnknownFields
	sizeCache     protoimpl.SizeCache
}

func (x *ConfigureRequest) Reset() {
	*x = ConfigureRequest{}
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[2]
	ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
	ms.StoreMessageInfo(mi)
}

func (x *ConfigureRequest) String() string {
	return protoimpl.X.MessageStringOf(x)
}

func (*ConfigureRequest) ProtoMessage() {}

func (x *ConfigureRequest) ProtoReflect() protoreflect.Message {
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[2]
	if x != nil {
		ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
		if ms.LoadMessageInfo() == nil {
			ms.StoreMessageInfo(mi)
		}
		return ms
	}
	return mi.MessageOf(x)
}

// Deprecated: Use ConfigureRequest.ProtoReflect.Descriptor instead.
func (*ConfigureRequest) Descriptor() ([]byte, []int) {
	return file_tom_credential_v1_credential_provider_proto_rawDescGZIP(), []int{2}
}

func (x *ConfigureRequest) GetSettings() *structpb.Struct {
	if x != nil {
		return x.Settings
	}
	return nil
}

type ConfigureResponse struct {
	state         protoimpl.MessageState `protogen:"open.v1"`
	unknownFields protoimpl.UnknownFields
	sizeCache     protoimpl.SizeCache
}

func (x *ConfigureResponse) Reset() {
	*x = ConfigureResponse{}
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[3]
	ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
	ms.StoreMessageInfo(mi)
}

func (x *ConfigureResponse) String() string {
	return protoimpl.X.MessageStringOf(x)
}

func (*ConfigureResponse) ProtoMessage() {}

func (x *ConfigureResponse) ProtoReflect() protoreflect.Message {
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[3]
	if x != nil {
		ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
		if ms.LoadMessageInfo() == nil {
			ms.StoreMessageInfo(mi)
		}
		return ms
	}
	return mi.MessageOf(x)
}

// Deprecated: Use ConfigureResponse.ProtoReflect.Descriptor instead.
func (*ConfigureResponse) Descriptor() ([]byte, []int) {
	return file_tom_credential_v1_credential_provider_proto_rawDescGZIP(), []int{3}
}

type ValidateRequest struct {
	state protoimpl.MessageState `protogen:"open.v1"`
	// A credential to read as the last proof. Its value is thrown away.
	CredentialId  *string `protobuf:"bytes,1,opt,name=credential_id,json=credentialId,proto3,oneof" json:"credential_id,omitempty"`
	unknownFields protoimpl.UnknownFields
	sizeCache     protoimpl.SizeCache
}

func (x *ValidateRequest) Reset() {
	*x = ValidateRequest{}
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[4]
	ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
	ms.StoreMessageInfo(mi)
}

func (x *ValidateRequest) String() string {
	return protoimpl.X.MessageStringOf(x)
}

func (*ValidateRequest) ProtoMessage() {}

func (x *ValidateRequest) ProtoReflect() protoreflect.Message {
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[4]
	if x != nil {
		ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
		if ms.LoadMessageInfo() == nil {
			ms.StoreMessageInfo(mi)
		}
		return ms
	}
	return mi.MessageOf(x)
}

// Deprecated: Use ValidateRequest.ProtoReflect.Descriptor instead.
func (*ValidateRequest) Descriptor() ([]byte, []int) {
	return file_tom_credential_v1_credential_provider_proto_rawDescGZIP(), []int{4}
}

func (x *ValidateRequest) GetCredentialId() string {
	if x != nil && x.CredentialId != nil {
		return *x.CredentialId
	}
	return ""
}

type ValidateResponse struct {
	state protoimpl.MessageState `protogen:"open.v1"`
	// In the order in which a user should read them. At most 100 are kept, with 1 KiB of each message and remedy.
	Checks []*Check `protobuf:"bytes,1,rep,name=checks,proto3" json:"checks,omitempty"`
	// When the credentials that the provider itself uses for the backend expire; unset if they don't, or if it isn't known.
	BackendCredentialsExpireTime *timestamppb.Timestamp `protobuf:"bytes,2,opt,name=backend_credentials_expire_time,json=backendCredentialsExpireTime,proto3" json:"backend_credentials_expire_time,omitempty"`
	unknownFields                protoimpl.UnknownFields
	sizeCache                    protoimpl.SizeCache
}

func (x *ValidateResponse) Reset() {
	*x = ValidateResponse{}
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[5]
	ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
	ms.StoreMessageInfo(mi)
}

func (x *ValidateResponse) String() string {
	return protoimpl.X.MessageStringOf(x)
}

func (*ValidateResponse) ProtoMessage() {}

func (x *ValidateResponse) ProtoReflect() protoreflect.Message {
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[5]
	if x != nil {
		ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
		if ms.LoadMessageInfo() == nil {
			ms.StoreMessageInfo(mi)
		}
		return ms
	}
	return mi.MessageOf(x)
}

// Deprecated: Use ValidateResponse.ProtoReflect.Descriptor instead.
func (*ValidateResponse) Descriptor() ([]byte, []int) {
	return file_tom_credential_v1_credential_provider_proto_rawDescGZIP(), []int{5}
}

func (x *ValidateResponse) GetChecks() []*Check {
	if x != nil {
		return x.Checks
	}
	return nil
}

func (x *ValidateResponse) GetBackendCredentialsExpireTime() *timestamppb.Timestamp {
	if x != nil {
		return x.BackendCredentialsExpireTime
	}
	return nil
}

// Check is one thing that Validate looked at.
type Check struct {
	state protoimpl.MessageState `protogen:"open.v1"`
	// A short name that doesn't change: "credentials", "identity", "read".
	Name   string      `protobuf:"bytes,1,opt,name=name,proto3" json:"name,omitempty"`
	Status CheckStatus `protobuf:"varint,2,opt,name=status,proto3,enum=tom.credential.v1.CheckStatus" json:"status,omitempty"`
	// What was found, for users: "signed in as arn:aws:iam::123456789012:user/tom".
	Message string `protobuf:"bytes,3,opt,name=message,proto3" json:"message,omitempty"`
	// What to do about it, in a form that can be pasted where possible. Empty where the check passed.
	Remedy string `protobuf:"bytes,4,opt,name=remedy,proto3" json:"remedy,omitempty"`
	// For FAILED and WARNING: the reason from the table of errors. A host decides by it whether waiting may help.
	Reason        string `protobuf:"bytes,5,opt,name=reason,proto3" json:"reason,omitempty"`
	unknownFields protoimpl.UnknownFields
	sizeCache     protoimpl.SizeCache
}

func (x *Check) Reset() {
	*x = Check{}
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[6]
	ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
	ms.StoreMessageInfo(mi)
}

func (x *Check) String() string {
	return protoimpl.X.MessageStringOf(x)
}

func (*Check) ProtoMessage() {}

func (x *Check) ProtoReflect() protoreflect.Message {
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[6]
	if x != nil {
		ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
		if ms.LoadMessageInfo() == nil {
			ms.StoreMessageInfo(mi)
		}
		return ms
	}
	return mi.MessageOf(x)
}

// Deprecated: Use Check.ProtoReflect.Descriptor instead.
func (*Check) Descriptor() ([]byte, []int) {
	return file_tom_credential_v1_credential_provider_proto_rawDescGZIP(), []int{6}
}

func (x *Check) GetName() string {
	if x != nil {
		return x.Name
	}
	return ""
}

func (x *Check) GetStatus() CheckStatus {
	if x != nil {
		return x.Status
	}
	return CheckStatus_CHECK_STATUS_UNSPECIFIED
}

func (x *Check) GetMessage() string {
	if x != nil {
		return x.Message
	}
	return ""
}

func (x *Check) GetRemedy() string {
	if x != nil {
		return x.Remedy
	}
	return ""
}

func (x *Check) GetReason() string {
	if x != nil {
		return x.Reason
	}
	return ""
}

type GetCredentialRequest struct {
	state protoimpl.MessageState `protogen:"open.v1"`
	// Which credential: 1 to 512 bytes of UTF-8 without control characters. What else is allowed is the backend's choice. An
	// id that no credential could have is CREDENTIAL_ID_INVALID, without asking the backend.
	//
	// An id is one opaque name: it is compared byte for byte, and never trimmed, folded in case or normalized. Slashes have no
	// meaning in the contract. Where the backend has directories, an id may be a path below the provider's own prefix
	// ("site/lab"); a listing gives such ids whole. A provider refuses as CREDENTIAL_ID_INVALID what would lead the backend
	// to another name than the id: a leading or doubled slash, "." and ".." between slashes, an escape that it decodes.
	CredentialId string `protobuf:"bytes,1,opt,name=credential_id,json=credentialId,proto3" json:"credential_id,omitempty"`
	// Which version of it; the current one if neither is set. Without the capability VERSION, setting either is
	// UNSUPPORTED. A version that doesn't exist, has been deleted or has a label that nothing bears is VERSION_NOT_FOUND.
	//
	// Types that are valid to be assigned to Version:
	//
	//	*GetCredentialRequest_VersionId
	//	*GetCredentialRequest_VersionLabel
	Version       isGetCredentialRequest_Version `protobuf_oneof:"version"`
	unknownFields protoimpl.UnknownFields
	sizeCache     protoimpl.SizeCache
}

func (x *GetCredentialRequest) Reset() {
	*x = GetCredentialRequest{}
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[7]
	ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
	ms.StoreMessageInfo(mi)
}

func (x *GetCredentialRequest) String() string {
	return protoimpl.X.MessageStringOf(x)
}

func (*GetCredentialRequest) ProtoMessage() {}

func (x *GetCredentialRequest) ProtoReflect() protoreflect.Message {
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[7]
	if x != nil {
		ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
		if ms.LoadMessageInfo() == nil {
			ms.StoreMessageInfo(mi)
		}
		return ms
	}
	return mi.MessageOf(x)
}

// Deprecated: Use GetCredentialRequest.ProtoReflect.Descriptor instead.
func (*GetCredentialRequest) Descriptor() ([]byte, []int) {
	return file_tom_credential_v1_credential_provider_proto_rawDescGZIP(), []int{7}
}

func (x *GetCredentialRequest) GetCredentialId() string {
	if x != nil {
		return x.CredentialId
	}
	return ""
}

func (x *GetCredentialRequest) GetVersion() isGetCredentialRequest_Version {
	if x != nil {
		return x.Version
	}
	return nil
}

func (x *GetCredentialRequest) GetVersionId() string {
	if x != nil {
		if x, ok := x.Version.(*GetCredentialRequest_VersionId); ok {
			return x.VersionId
		}
	}
	return ""
}

func (x *GetCredentialRequest) GetVersionLabel() string {
	if x != nil {
		if x, ok := x.Version.(*GetCredentialRequest_VersionLabel); ok {
			return x.VersionLabel
		}
	}
	return ""
}

type isGetCredentialRequest_Version interface {
	isGetCredentialRequest_Version()
}

type GetCredentialRequest_VersionId struct {
	// One version, by the backend's id for it. Where the backend numbers versions, the number in decimal: "7".
	VersionId string `protobuf:"bytes,2,opt,name=version_id,json=versionId,proto3,oneof"`
}

type GetCredentialRequest_VersionLabel struct {
	// The version that a label points to at present, for example "AWSPREVIOUS". Where the backend has no labels, the
	// provider may give some a meaning, which it documents, such as "previous" for the version before the current one;
	// all others are VERSION_NOT_FOUND.
	VersionLabel string `protobuf:"bytes,3,opt,name=version_label,json=versionLabel,proto3,oneof"`
}

func (*GetCredentialRequest_VersionId) isGetCredentialRequest_Version() {}

func (*GetCredentialRequest_VersionLabel) isGetCredentialRequest_Version() {}

type GetCredentialResponse struct {
	state         protoimpl.MessageState `protogen:"open.v1"`
	Credential    *Credential            `protobuf:"bytes,1,opt,name=credential,proto3" json:"credential,omitempty"`
	unknownFields protoimpl.UnknownFields
	sizeCache     protoimpl.SizeCache
}

func (x *GetCredentialResponse) Reset() {
	*x = GetCredentialResponse{}
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[8]
	ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
	ms.StoreMessageInfo(mi)
}

func (x *GetCredentialResponse) String() string {
	return protoimpl.X.MessageStringOf(x)
}

func (*GetCredentialResponse) ProtoMessage() {}

func (x *GetCredentialResponse) ProtoReflect() protoreflect.Message {
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[8]
	if x != nil {
		ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
		if ms.LoadMessageInfo() == nil {
			ms.StoreMessageInfo(mi)
		}
		return ms
	}
	return mi.MessageOf(x)
}

// Deprecated: Use GetCredentialResponse.ProtoReflect.Descriptor instead.
func (*GetCredentialResponse) Descriptor() ([]byte, []int) {
	return file_tom_credential_v1_credential_provider_proto_rawDescGZIP(), []int{8}
}

func (x *GetCredentialResponse) GetCredential() *Credential {
	if x != nil {
		return x.Credential
	}
	return nil
}

// Credential is what a login to a device needs.
type Credential struct {
	state protoimpl.MessageState `protogen:"open.v1"`
	// The id that was asked for.
	CredentialId string `protobuf:"bytes,1,opt,name=credential_id,json=credentialId,proto3" json:"credential_id,omitempty"`
	// Never empty, at most 1 KiB. Byte for byte as stored, spaces included; no control characters, such as NUL, carriage
	// return, line feed or escape.
	Username string `protobuf:"bytes,2,opt,name=username,proto3" json:"username,omitempty"`
	// At most 64 KiB. Byte for byte as stored; no control characters except tabs: a device takes them for keys. Absent is not
	// empty: with an absent password, which
	// is allowed only if extra holds a non-empty "private_key", a worker must not try an empty one.
	Password *string `protobuf:"bytes,3,opt,name=password,proto3,oneof" json:"password,omitempty"`
	// Everything else that the backend holds with it, for example private_key, passphrase, enable_password: strings as
	// they are, numbers and booleans as their JSON text; null, arrays and objects are left out. All of it is secret. At most
	// 1,000 entries of 64 KiB with names of 256 bytes; a whole credential has at most 256 KiB.
	Extra map[string]string `protobuf:"bytes,4,rep,name=extra,proto3" json:"extra,omitempty" protobuf_key:"bytes,1,opt,name=key" protobuf_val:"bytes,2,opt,name=value"`
	// The backend's id of the version that was read, at most 512 bytes; empty if the backend has no versions.
	VersionId string `protobuf:"bytes,5,opt,name=version_id,json=versionId,proto3" json:"version_id,omitempty"`
	// When that version was created. For users: it never orders versions.
	VersionCreated *timestamppb.Timestamp `protobuf:"bytes,6,opt,name=version_created,json=versionCreated,proto3" json:"version_created,omitempty"`
	// How long a host may go on using this answer without asking again. 0: it may neither keep it nor serve it later,
	// whatever happens. Unset: the host decides.
	MaxCacheAge *durationpb.Duration `protobuf:"bytes,7,opt,name=max_cache_age,json=maxCacheAge,proto3" json:"max_cache_age,omitempty"`
	// The credential itself stops working then. Never served after it.
	ExpireTime *timestamppb.Timestamp `protobuf:"bytes,8,opt,name=expire_time,json=expireTime,proto3" json:"expire_time,omitempty"`
	// It was read from a copy of the backend that may lag behind, because the first place did not answer. A host doesn't
	// take it as the answer to "has the password changed?".
	FromReplica bool `protobuf:"varint,9,opt,name=from_replica,json=fromReplica,proto3" json:"from_replica,omitempty"`
	// The backend's own id of the request that read it, for audits. At most 256 bytes are kept.
	BackendRequestId string `protobuf:"bytes,10,opt,name=backend_request_id,json=backendRequestId,proto3" json:"backend_request_id,omitempty"`
	unknownFields    protoimpl.UnknownFields
	sizeCache        protoimpl.SizeCache
}

func (x *Credential) Reset() {
	*x = Credential{}
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[9]
	ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
	ms.StoreMessageInfo(mi)
}

func (x *Credential) String() string {
	return protoimpl.X.MessageStringOf(x)
}

func (*Credential) ProtoMessage() {}

func (x *Credential) ProtoReflect() protoreflect.Message {
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[9]
	if x != nil {
		ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
		if ms.LoadMessageInfo() == nil {
			ms.StoreMessageInfo(mi)
		}
		return ms
	}
	return mi.MessageOf(x)
}

// Deprecated: Use Credential.ProtoReflect.Descriptor instead.
func (*Credential) Descriptor() ([]byte, []int) {
	return file_tom_credential_v1_credential_provider_proto_rawDescGZIP(), []int{9}
}

func (x *Credential) GetCredentialId() string {
	if x != nil {
		return x.CredentialId
	}
	return ""
}

func (x *Credential) GetUsername() string {
	if x != nil {
		return x.Username
	}
	return ""
}

func (x *Credential) GetPassword() string {
	if x != nil && x.Password != nil {
		return *x.Password
	}
	return ""
}

func (x *Credential) GetExtra() map[string]string {
	if x != nil {
		return x.Extra
	}
	return nil
}

func (x *Credential) GetVersionId() string {
	if x != nil {
		return x.VersionId
	}
	return ""
}

func (x *Credential) GetVersionCreated() *timestamppb.Timestamp {
	if x != nil {
		return x.VersionCreated
	}
	return nil
}

func (x *Credential) GetMaxCacheAge() *durationpb.Duration {
	if x != nil {
		return x.MaxCacheAge
	}
	return nil
}

func (x *Credential) GetExpireTime() *timestamppb.Timestamp {
	if x != nil {
		return x.ExpireTime
	}
	return nil
}

func (x *Credential) GetFromReplica() bool {
	if x != nil {
		return x.FromReplica
	}
	return false
}

func (x *Credential) GetBackendRequestId() string {
	if x != nil {
		return x.BackendRequestId
	}
	return ""
}

type BatchGetCredentialsRequest struct {
	state protoimpl.MessageState `protogen:"open.v1"`
	// 1 to 100 requests; others are REQUEST_INVALID. The same one twice gets the same answer twice.
	Requests      []*GetCredentialRequest `protobuf:"bytes,1,rep,name=requests,proto3" json:"requests,omitempty"`
	unknownFields protoimpl.UnknownFields
	sizeCache     protoimpl.SizeCache
}

func (x *BatchGetCredentialsRequest) Reset() {
	*x = BatchGetCredentialsRequest{}
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[10]
	ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
	ms.StoreMessageInfo(mi)
}

func (x *BatchGetCredentialsRequest) String() string {
	return protoimpl.X.MessageStringOf(x)
}

func (*BatchGetCredentialsRequest) ProtoMessage() {}

func (x *BatchGetCredentialsRequest) ProtoReflect() protoreflect.Message {
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[10]
	if x != nil {
		ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
		if ms.LoadMessageInfo() == nil {
			ms.StoreMessageInfo(mi)
		}
		return ms
	}
	return mi.MessageOf(x)
}

// Deprecated: Use BatchGetCredentialsRequest.ProtoReflect.Descriptor instead.
func (*BatchGetCredentialsRequest) Descriptor() ([]byte, []int) {
	return file_tom_credential_v1_credential_provider_proto_rawDescGZIP(), []int{10}
}

func (x *BatchGetCredentialsRequest) GetRequests() []*GetCredentialRequest {
	if x != nil {
		return x.Requests
	}
	return nil
}

type BatchGetCredentialsResponse struct {
	state protoimpl.MessageState `protogen:"open.v1"`
	// As many as the requests, in their order.
	Results       []*CredentialResult `protobuf:"bytes,1,rep,name=results,proto3" json:"results,omitempty"`
	unknownFields protoimpl.UnknownFields
	sizeCache     protoimpl.SizeCache
}

func (x *BatchGetCredentialsResponse) Reset() {
	*x = BatchGetCredentialsResponse{}
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[11]
	ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
	ms.StoreMessageInfo(mi)
}

func (x *BatchGetCredentialsResponse) String() string {
	return protoimpl.X.MessageStringOf(x)
}

func (*BatchGetCredentialsResponse) ProtoMessage() {}

func (x *BatchGetCredentialsResponse) ProtoReflect() protoreflect.Message {
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[11]
	if x != nil {
		ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
		if ms.LoadMessageInfo() == nil {
			ms.StoreMessageInfo(mi)
		}
		return ms
	}
	return mi.MessageOf(x)
}

// Deprecated: Use BatchGetCredentialsResponse.ProtoReflect.Descriptor instead.
func (*BatchGetCredentialsResponse) Descriptor() ([]byte, []int) {
	return file_tom_credential_v1_credential_provider_proto_rawDescGZIP(), []int{11}
}

func (x *BatchGetCredentialsResponse) GetResults() []*CredentialResult {
	if x != nil {
		return x.Results
	}
	return nil
}

// CredentialResult is the answer to one request of a batch.
type CredentialResult struct {
	state protoimpl.MessageState `protogen:"open.v1"`
	// Types that are valid to be assigned to Result:
	//
	//	*CredentialResult_Credential
	//	*CredentialResult_Error
	Result        isCredentialResult_Result `protobuf_oneof:"result"`
	unknownFields protoimpl.UnknownFields
	sizeCache     protoimpl.SizeCache
}

func (x *CredentialResult) Reset() {
	*x = CredentialResult{}
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[12]
	ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
	ms.StoreMessageInfo(mi)
}

func (x *CredentialResult) String() string {
	return protoimpl.X.MessageStringOf(x)
}

func (*CredentialResult) ProtoMessage() {}

func (x *CredentialResult) ProtoReflect() protoreflect.Message {
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[12]
	if x != nil {
		ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
		if ms.LoadMessageInfo() == nil {
			ms.StoreMessageInfo(mi)
		}
		return ms
	}
	return mi.MessageOf(x)
}

// Deprecated: Use CredentialResult.ProtoReflect.Descriptor instead.
func (*CredentialResult) Descriptor() ([]byte, []int) {
	return file_tom_credential_v1_credential_provider_proto_rawDescGZIP(), []int{12}
}

func (x *CredentialResult) GetResult() isCredentialResult_Result {
	if x != nil {
		return x.Result
	}
	return nil
}

func (x *CredentialResult) GetCredential() *Credential {
	if x != nil {
		if x, ok := x.Result.(*CredentialResult_Credential); ok {
			return x.Credential
		}
	}
	return nil
}

func (x *CredentialResult) GetError() *CredentialError {
	if x != nil {
		if x, ok := x.Result.(*CredentialResult_Error); ok {
			return x.Error
		}
	}
	return nil
}

type isCredentialResult_Result interface {
	isCredentialResult_Result()
}

type CredentialResult_Credential struct {
	Credential *Credential `protobuf:"bytes,1,opt,name=credential,proto3,oneof"`
}

type CredentialResult_Error struct {
	Error *CredentialError `protobuf:"bytes,2,opt,name=error,proto3,oneof"`
}

func (*CredentialResult_Credential) isCredentialResult_Result() {}

func (*CredentialResult_Error) isCredentialResult_Result() {}

// CredentialError has what GetCredential would have returned in a gRPC status with details.
type CredentialError struct {
	state protoimpl.MessageState `protogen:"open.v1"`
	// The gRPC status code.
	Code int32 `protobuf:"varint,1,opt,name=code,proto3" json:"code,omitempty"`
	// The reason, from the table of errors.
	Reason  string `protobuf:"bytes,2,opt,name=reason,proto3" json:"reason,omitempty"`
	Message string `protobuf:"bytes,3,opt,name=message,proto3" json:"message,omitempty"`
	// As in google.rpc.ErrorInfo.
	Metadata map[string]string `protobuf:"bytes,4,rep,name=metadata,proto3" json:"metadata,omitempty" protobuf_key:"bytes,1,opt,name=key" protobuf_val:"bytes,2,opt,name=value"`
	// As in google.rpc.RetryInfo; unset if there is nothing to say.
	RetryDelay *durationpb.Duration `protobuf:"bytes,5,opt,name=retry_delay,json=retryDelay,proto3" json:"retry_delay,omitempty"`
	// As the link descriptions of google.rpc.Help: what to do.
	Help          []string `protobuf:"bytes,6,rep,name=help,proto3" json:"help,omitempty"`
	unknownFields protoimpl.UnknownFields
	sizeCache     protoimpl.SizeCache
}

func (x *CredentialError) Reset() {
	*x = CredentialError{}
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[13]
	ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
	ms.StoreMessageInfo(mi)
}

func (x *CredentialError) String() string {
	return protoimpl.X.MessageStringOf(x)
}

func (*CredentialError) ProtoMessage() {}

func (x *CredentialError) ProtoReflect() protoreflect.Message {
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[13]
	if x != nil {
		ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
		if ms.LoadMessageInfo() == nil {
			ms.StoreMessageInfo(mi)
		}
		return ms
	}
	return mi.MessageOf(x)
}

// Deprecated: Use CredentialError.ProtoReflect.Descriptor instead.
func (*CredentialError) Descriptor() ([]byte, []int) {
	return file_tom_credential_v1_credential_provider_proto_rawDescGZIP(), []int{13}
}

func (x *CredentialError) GetCode() int32 {
	if x != nil {
		return x.Code
	}
	return 0
}

func (x *CredentialError) GetReason() string {
	if x != nil {
		return x.Reason
	}
	return ""
}

func (x *CredentialError) GetMessage() string {
	if x != nil {
		return x.Message
	}
	return ""
}

func (x *CredentialError) GetMetadata() map[string]string {
	if x != nil {
		return x.Metadata
	}
	return nil
}

func (x *CredentialError) GetRetryDelay() *durationpb.Duration {
	if x != nil {
		return x.RetryDelay
	}
	return nil
}

func (x *CredentialError) GetHelp() []string {
	if x != nil {
		return x.Help
	}
	return nil
}

type ListCredentialsRequest struct {
	state protoimpl.MessageState `protogen:"open.v1"`
	// At most so many on the page; the provider may return fewer. 0: the provider decides. Negative: REQUEST_INVALID. Over
	// 1,000 counts as 1,000.
	PageSize int32 `protobuf:"varint,1,opt,name=page_size,json=pageSize,proto3" json:"page_size,omitempty"`
	// Empty for the first page, else next_page_token of the page before. Anything else is PAGE_TOKEN_INVALID.
	PageToken     string `protobuf:"bytes,2,opt,name=page_token,json=pageToken,proto3" json:"page_token,omitempty"`
	unknownFields protoimpl.UnknownFields
	sizeCache     protoimpl.SizeCache
}

func (x *ListCredentialsRequest) Reset() {
	*x = ListCredentialsRequest{}
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[14]
	ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
	ms.StoreMessageInfo(mi)
}

func (x *ListCredentialsRequest) String() string {
	return protoimpl.X.MessageStringOf(x)
}

func (*ListCredentialsRequest) ProtoMessage() {}

func (x *ListCredentialsRequest) ProtoReflect() protoreflect.Message {
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[14]
	if x != nil {
		ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
		if ms.LoadMessageInfo() == nil {
			ms.StoreMessageInfo(mi)
		}
		return ms
	}
	return mi.MessageOf(x)
}

// Deprecated: Use ListCredentialsRequest.ProtoReflect.Descriptor instead.
func (*ListCredentialsRequest) Descriptor() ([]byte, []int) {
	return file_tom_credential_v1_credential_provider_proto_rawDescGZIP(), []int{14}
}

func (x *ListCredentialsRequest) GetPageSize() int32 {
	if x != nil {
		return x.PageSize
	}
	return 0
}

func (x *ListCredentialsRequest) GetPageToken() string {
	if x != nil {
		return x.PageToken
	}
	return ""
}

type ListCredentialsResponse struct {
	state protoimpl.MessageState `protogen:"open.v1"`
	// Credentials that could be read: at most 10,000, and no more than page_size. One that is scheduled for deletion, or whose
	// current version has been deleted, is left out if the listing itself shows that; a provider doesn't read each credential to
	// find out. So GetCredential may answer CREDENTIAL_DELETED for an id that was listed.
	Credentials []*CredentialSummary `protobuf:"bytes,1,rep,name=credentials,proto3" json:"credentials,omitempty"`
	// Where the next page starts, at most 4 KiB; empty after the last one. A token comes once in a listing: a host ends one that
	// goes in a circle or has more than 10,000 pages.
	NextPageToken string `protobuf:"bytes,2,opt,name=next_page_token,json=nextPageToken,proto3" json:"next_page_token,omitempty"`
	unknownFields protoimpl.UnknownFields
	sizeCache     protoimpl.SizeCache
}

func (x *ListCredentialsResponse) Reset() {
	*x = ListCredentialsResponse{}
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[15]
	ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
	ms.StoreMessageInfo(mi)
}

func (x *ListCredentialsResponse) String() string {
	return protoimpl.X.MessageStringOf(x)
}

func (*ListCredentialsResponse) ProtoMessage() {}

func (x *ListCredentialsResponse) ProtoReflect() protoreflect.Message {
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[15]
	if x != nil {
		ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
		if ms.LoadMessageInfo() == nil {
			ms.StoreMessageInfo(mi)
		}
		return ms
	}
	return mi.MessageOf(x)
}

// Deprecated: Use ListCredentialsResponse.ProtoReflect.Descriptor instead.
func (*ListCredentialsResponse) Descriptor() ([]byte, []int) {
	return file_tom_credential_v1_credential_provider_proto_rawDescGZIP(), []int{15}
}

func (x *ListCredentialsResponse) GetCredentials() []*CredentialSummary {
	if x != nil {
		return x.Credentials
	}
	return nil
}

func (x *ListCredentialsResponse) GetNextPageToken() string {
	if x != nil {
		return x.NextPageToken
	}
	return ""
}

// CredentialSummary describes a credential in a listing; nothing in it is secret.
type CredentialSummary struct {
	state        protoimpl.MessageState `protogen:"open.v1"`
	CredentialId string                 `protobuf:"bytes,1,opt,name=credential_id,json=credentialId,proto3" json:"credential_id,omitempty"`
	// The backend's description of it, if there is one. At most 1 KiB is kept.
	Description string `protobuf:"bytes,2,opt,name=description,proto3" json:"description,omitempty"`
	// When it was last changed; unset if the backend doesn't report it.
	LastChanged   *timestamppb.Timestamp `protobuf:"bytes,3,opt,name=last_changed,json=lastChanged,proto3" json:"last_changed,omitempty"`
	unknownFields protoimpl.UnknownFields
	sizeCache     protoimpl.SizeCache
}

func (x *CredentialSummary) Reset() {
	*x = CredentialSummary{}
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[16]
	ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
	ms.StoreMessageInfo(mi)
}

func (x *CredentialSummary) String() string {
	return protoimpl.X.MessageStringOf(x)
}

func (*CredentialSummary) ProtoMessage() {}

func (x *CredentialSummary) ProtoReflect() protoreflect.Message {
	mi := &file_tom_credential_v1_credential_provider_proto_msgTypes[16]
	if x != nil {
		ms := protoimpl.X.MessageStateOf(protoimpl.Pointer(x))
		if ms.LoadMessageInfo() == nil {
			ms.StoreMessageInfo(mi)
		}
		return ms
	}
	return mi.MessageOf(x)
}

// Deprecated: Use CredentialSummary.ProtoReflect.Descriptor instead.
func (*CredentialSummary) Descriptor() ([]byte, []int) {
	return file_tom_credential_v1_credential_provider_proto_rawDescGZIP(), []int{16}
}

func (x *CredentialSummary) GetCredentialId() string {
	if x != nil {
		return x.CredentialId
	}
	return ""
}

func (x *CredentialSummary) GetDescription() string {
	if x != nil {
		return x.Description
	}
	return ""
}

func (x *CredentialSummary) GetLastChanged() *timestamppb.Timestamp {
	if x != nil {
		return x.LastChanged
	}
	return nil
}

var File_tom_credential_v1_credential_provider_proto protoreflect.FileDescriptor

const file_tom_credential_v1_credential_provider_proto_rawDesc = "" +
	"\n" +
	"+tom/credential/v1/credential_provider.proto\x12\x11tom.credential.v1\x1a\x1egoogle/protobuf/duration.proto\x1a\x1cgoogle/protobuf/struct.proto\x1a\x1fgoogle/protobuf/timestamp.proto\"\x14\n" +
	"\x12GetMetadataRequest\"\xe8\x01\n" +
	"\x13GetMetadataResponse\x12\x12\n" +
	"\x04name\x18\x01 \x01(\tR\x04name\x12\x18\n" +
	"\aversion\x18\x02 \x01(\tR\aversion\x12 \n" +
	"\vdescription\x18\x03 \x01(\tR\vdescription\x12\"\n" +
	"\fcapabilities\x18\x04 \x03(\tR\fcapabilities\x12'\n" +
	"\x0fsettings_schema\x18\x05 \x01(\tR\x0esettingsSchema\x124\n" +
	"\x16previous_version_label\x18\x06 \x01(\tR\x14previousVersionLabel\"L\n" +
	"\x10ConfigureRequest\x128\n" +
	"\bsettings\x18\x01 \x01(\v2\x17.google.protobuf.StructB\x03\x80\x01\x01R\bsettings\"\x13\n" +
	"\x11ConfigureResponse\"M\n" +
	"\x0fValidateRequest\x12(\n" +
	"\rcredential_id\x18\x01 \x01(\tH\x00R\fcredentialId\x88\x01\x01B\x10\n" +
	"\x0e_credential_id\"\xa7\x01\n" +
	"\x10ValidateResponse\x120\n" +
	"\x06checks\x18\x01 \x03(\v2\x18.tom.credential.v1.CheckR\x06checks\x12a\n" +
	"\x1fbackend_credentials_expire_time\x18\x02 \x01(\v2\x1a.google.protobuf.TimestampR\x1cbackendCredentialsExpireTime\"\x9d\x01\n" +
	"\x05Check\x12\x12\n" +
	"\x04name\x18\x01 \x01(\tR\x04name\x126\n" +
	"\x06status\x18\x02 \x01(\x0e2\x1e.tom.credential.v1.CheckStatusR\x06status\x12\x18\n" +
	"\amessage\x18\x03 \x01(\tR\amessage\x12\x16\n" +
	"\x06remedy\x18\x04 \x01(\tR\x06remedy\x12\x16\n" +
	"\x06reason\x18\x05 \x01(\tR\x06reason\"\x8e\x01\n" +
	"\x14GetCredentialRequest\x12#\n" +
	"\rcredential_id\x18\x01 \x01(\tR\fcredentialId\x12\x1f\n" +
	"\n" +
	"version_id\x18\x02 \x01(\tH\x00R\tversionId\x12%\n" +
	"\rversion_label\x18\x03 \x01(\tH\x00R\fversionLabelB\t\n" +
	"\aversion\"V\n" +
	"\x15GetCredentialResponse\x12=\n" +
	"\n" +
	"credential\x18\x01 \x01(\v2\x1d.tom.credential.v1.CredentialR\n" +
	"credential\"\xb0\x04\n" +
	"\n" +
	"Credential\x12#\n" +
	"\rcredential_id\x18\x01 \x01(\tR\fcredentialId\x12\x1a\n" +
	"\busername\x18\x02 \x01(\tR\busername\x12$\n" +
	"\bpassword\x18\x03 \x01(\tB\x03\x80\x01\x01H\x00R\bpassword\x88\x01\x01\x12C\n" +
	"\x05extra\x18\x04 \x03(\v2(.tom.credential.v1.Credential.ExtraEntryB\x03\x80\x01\x01R\x05extra\x12\x1d\n" +
	"\n" +
	"version_id\x18\x05 \x01(\tR\tversionId\x12C\n" +
	"\x0fversion_created\x18\x06 \x01(\v2\x1a.google.protobuf.TimestampR\x0eversionCreated\x12=\n" +
	"\rmax_cache_age\x18\a \x01(\v2\x19.google.protobuf.DurationR\vmaxCacheAge\x12;\n" +
	"\vexpire_time\x18\b \x01(\v2\x1a.google.protobuf.TimestampR\n" +
	"expireTime\x12!\n" +
	"\ffrom_replica\x18\t \x01(\bR\vfromReplica\x12,\n" +
	"\x12backend_request_id\x18\n" +
	" \x01(\tR\x10backendRequestId\x1a8\n" +
	"\n" +
	"ExtraEntry\x12\x10\n" +
	"\x03key\x18\x01 \x01(\tR\x03key\x12\x14\n" +
	"\x05value\x18\x02 \x01(\tR\x05value:\x028\x01B\v\n" +
	"\t_password\"a\n" +
	"\x1aBatchGetCredentialsRequest\x12C\n" +
	"\brequests\x18\x01 \x03(\v2'.tom.credential.v1.GetCredentialRequestR\brequests\"\\\n" +
	"\x1bBatchGetCredentialsResponse\x12=\n" +
	"\aresults\x18\x01 \x03(\v2#.tom.credential.v1.CredentialResultR\aresults\"\x99\x01\n" +
	"\x10CredentialResult\x12?\n" +
	"\n" +
	"credential\x18\x01 \x01(\v2\x1d.tom.credential.v1.CredentialH\x00R\n" +
	"credential\x12:\n" +
	"\x05error\x18\x02 \x01(\v2\".tom.credential.v1.CredentialErrorH\x00R\x05errorB\b\n" +
	"\x06result\"\xb2\x02\n" +
	"\x0fCredentialError\x12\x12\n" +
	"\x04code\x18\x01 \x01(\x05R\x04code\x12\x16\n" +
	"\x06reason\x18\x02 \x01(\tR\x06reason\x12\x18\n" +
	"\amessage\x18\x03 \x01(\tR\amessage\x12L\n" +
	"\bmetadata\x18\x04 \x03(\v20.tom.credential.v1.CredentialError.MetadataEntryR\bmetadata\x12:\n" +
	"\vretry_delay\x18\x05 \x01(\v2\x19.google.protobuf.DurationR\n" +
	"retryDelay\x12\x12\n" +
	"\x04help\x18\x06 \x03(\tR\x04help\x1a;\n" +
	"\rMetadataEntry\x12\x10\n" +
	"\x03key\x18\x01 \x01(\tR\x03key\x12\x14\n" +
	"\x05value\x18\x02 \x01(\tR\x05value:\x028\x01\"T\n" +
	"\x16ListCredentialsRequest\x12\x1b\n" +
	"\tpage_size\x18\x01 \x01(\x05R\bpageSize\x12\x1d\n" +
	"\n" +
	"page_token\x18\x02 \x01(\tR\tpageToken\"\x89\x01\n" +
	"\x17ListCredentialsResponse\x12F\n" +
	"\vcredentials\x18\x01 \x03(\v2$.tom.credential.v1.CredentialSummaryR\vcredentials\x12&\n" +
	"\x0fnext_page_token\x18\x02 \x01(\tR\rnextPageToken\"\x99\x01\n" +
	"\x11CredentialSummary\x12#\n" +
	"\rcredential_id\x18\x01 \x01(\tR\fcredentialId\x12 \n" +
	"\vdescription\x18\x02 \x01(\tR\vdescription\x12=\n" +
	"\flast_changed\x18\x03 \x01(\v2\x1a.google.protobuf.TimestampR\vlastChanged*\x91\x01\n" +
	"\vCheckStatus\x12\x1c\n" +
	"\x18CHECK_STATUS_UNSPECIFIED\x10\x00\x12\x17\n" +
	"\x13CHECK_STATUS_PASSED\x10\x01\x12\x18\n" +
	"\x14CHECK_STATUS_WARNING\x10\x02\x12\x17\n" +
	"\x13CHECK_STATUS_FAILED\x10\x03\x12\x18\n" +
	"\x14CHECK_STATUS_SKIPPED\x10\x042\xe3\x04\n" +
	"\x12CredentialProvider\x12\\\n" +
	"\vGetMetadata\x12%.tom.credential.v1.GetMetadataRequest\x1a&.tom.credential.v1.GetMetadataResponse\x12V\n" +
	"\tConfigure\x12#.tom.credential.v1.ConfigureRequest\x1a$.tom.credential.v1.ConfigureResponse\x12S\n" +
	"\bValidate\x12\".tom.credential.v1.ValidateRequest\x1a#.tom.credential.v1.ValidateResponse\x12b\n" +
	"\rGetCredential\x12'.tom.credential.v1.GetCredentialRequest\x1a(.tom.credential.v1.GetCredentialResponse\x12t\n" +
	"\x13BatchGetCredentials\x12-.tom.credential.v1.BatchGetCredentialsRequest\x1a..tom.credential.v1.BatchGetCredentialsResponse\x12h\n" +
	"\x0fListCredentials\x12).tom.credential.v1.ListCredentialsRequest\x1a*.tom.credential.v1.ListCredentialsResponseBPZNgithub.com/tom-worker/credential-provider/proto/tom/credential/v1;credentialv1b\x06proto3"

var (
	file_tom_credential_v1_credential_provider_proto_rawDescOnce sync.Once
	file_tom_credential_v1_credential_provider_proto_rawDescData []byte
)

func file_tom_credential_v1_credential_provider_proto_rawDescGZIP() []byte {
	file_tom_credential_v1_credential_provider_proto_rawDescOnce.Do(func() {
		file_tom_credential_v1_credential_provider_proto_rawDescData = protoimpl.X.CompressGZIP(unsafe.Slice(unsafe.StringData(file_tom_credential_v1_credential_provider_proto_rawDesc), len(file_tom_credential_v1_credential_provider_proto_rawDesc)))
	})
	return file_tom_credential_v1_credential_provider_proto_rawDescData
}

var file_tom_credential_v1_credential_provider_proto_enumTypes = make([]protoimpl.EnumInfo, 1)
var file_tom_credential_v1_credential_provider_proto_msgTypes = make([]protoimpl.MessageInfo, 19)
var file_tom_credential_v1_credential_provider_proto_goTypes = []any{
	(CheckStatus)(0),                    // 0: tom.credential.v1.CheckStatus
	(*GetMetadataRequest)(nil),          // 1: tom.credential.v1.GetMetadataRequest
	(*GetMetadataResponse)(nil),         // 2: tom.credential.v1.GetMetadataResponse
	(*ConfigureRequest)(nil),            // 3: tom.credential.v1.ConfigureRequest
	(*ConfigureResponse)(nil),           // 4: tom.credential.v1.ConfigureResponse
	(*ValidateRequest)(nil),             // 5: tom.credential.v1.ValidateRequest
	(*ValidateResponse)(nil),            // 6: tom.credential.v1.ValidateResponse
	(*Check)(nil),                       // 7: tom.credential.v1.Check
	(*GetCredentialRequest)(nil),        // 8: tom.credential.v1.GetCredentialRequest
	(*GetCredentialResponse)(nil),       // 9: tom.credential.v1.GetCredentialResponse
	(*Credential)(nil),                  // 10: tom.credential.v1.Credential
	(*BatchGetCredentialsRequest)(nil),  // 11: tom.credential.v1.BatchGetCredentialsRequest
	(*BatchGetCredentialsResponse)(nil), // 12: tom.credential.v1.BatchGetCredentialsResponse
	(*CredentialResult)(nil),            // 13: tom.credential.v1.CredentialResult
	(*CredentialError)(nil),             // 14: tom.credential.v1.CredentialError
	(*ListCredentialsRequest)(nil),      // 15: tom.credential.v1.ListCredentialsRequest
	(*ListCredentialsResponse)(nil),     // 16: tom.credential.v1.ListCredentialsResponse
	(*CredentialSummary)(nil),           // 17: tom.credential.v1.CredentialSummary
	nil,                                 // 18: tom.credential.v1.Credential.ExtraEntry
	nil,                                 // 19: tom.credential.v1.CredentialError.MetadataEntry
	(*structpb.Struct)(nil),             // 20: google.protobuf.Struct
	(*timestamppb.Timestamp)(nil),       // 21: google.protobuf.Timestamp
	(*durationpb.Duration)(nil),         // 22: google.protobuf.Duration
}
var file_tom_credential_v1_credential_provider_proto_depIdxs = []int32{
	20, // 0: tom.credential.v1.ConfigureRequest.settings:type_name -> google.protobuf.Struct
	7,  // 1: tom.credential.v1.ValidateResponse.checks:type_name -> tom.credential.v1.Check
	21, // 2: tom.credential.v1.ValidateResponse.backend_credentials_expire_time:type_name -> google.protobuf.Timestamp
	0,  // 3: tom.credential.v1.Check.status:type_name -> tom.credential.v1.CheckStatus
	10, // 4: tom.credential.v1.GetCredentialResponse.credential:type_name -> tom.credential.v1.Credential
	18, // 5: tom.credential.v1.Credential.extra:type_name -> tom.credential.v1.Credential.ExtraEntry
	21, // 6: tom.credential.v1.Credential.version_created:type_name -> google.protobuf.Timestamp
	22, // 7: tom.credential.v1.Credential.max_cache_age:type_name -> google.protobuf.Duration
	21, // 8: tom.credential.v1.Credential.expire_time:type_name -> google.protobuf.Timestamp
	8,  // 9: tom.credential.v1.BatchGetCredentialsRequest.requests:type_name -> tom.credential.v1.GetCredentialRequest
	13, // 10: tom.credential.v1.BatchGetCredentialsResponse.results:type_name -> tom.credential.v1.CredentialResult
	10, // 11: tom.credential.v1.CredentialResult.credential:type_name -> tom.credential.v1.Credential
	14, // 12: tom.credential.v1.CredentialResult.error:type_name -> tom.credential.v1.CredentialError
	19, // 13: tom.credential.v1.CredentialError.metadata:type_name -> tom.credential.v1.CredentialError.MetadataEntry
	22, // 14: tom.credential.v1.CredentialError.retry_delay:type_name -> google.protobuf.Duration
	17, // 15: tom.credential.v1.ListCredentialsResponse.credentials:type_name -> tom.credential.v1.CredentialSummary
	21, // 16: tom.credential.v1.CredentialSummary.last_changed:type_name -> google.protobuf.Timestamp
	1,  // 17: tom.credential.v1.CredentialProvider.GetMetadata:input_type -> tom.credential.v1.GetMetadataRequest
	3,  // 18: tom.credential.v1.CredentialProvider.Configure:input_type -> tom.credential.v1.ConfigureRequest
	5,  // 19: tom.credential.v1.CredentialProvider.Validate:input_type -> tom.credential.v1.ValidateRequest
	8,  // 20: tom.credential.v1.CredentialProvider.GetCredential:input_type -> tom.credential.v1.GetCredentialRequest
	11, // 21: tom.credential.v1.CredentialProvider.BatchGetCredentials:input_type -> tom.credential.v1.BatchGetCredentialsRequest
	15, // 22: tom.credential.v1.CredentialProvider.ListCredentials:input_type -> tom.credential.v1.ListCredentialsRequest
	2,  // 23: tom.credential.v1.CredentialProvider.GetMetadata:output_type -> tom.credential.v1.GetMetadataResponse
	4,  // 24: tom.credential.v1.CredentialProvider.Configure:output_type -> tom.credential.v1.ConfigureResponse
	6,  // 25: tom.credential.v1.CredentialProvider.Validate:output_type -> tom.credential.v1.ValidateResponse
	9,  // 26: tom.credential.v1.CredentialProvider.GetCredential:output_type -> tom.credential.v1.GetCredentialResponse
	12, // 27: tom.credential.v1.CredentialProvider.BatchGetCredentials:output_type -> tom.credential.v1.BatchGetCredentialsResponse
	16, // 28: tom.credential.v1.CredentialProvider.ListCredentials:output_type -> tom.credential.v1.ListCredentialsResponse
	23, // [23:29] is the sub-list for method output_type
	17, // [17:23] is the sub-list for method input_type
	17, // [17:17] is the sub-list for extension type_name
	17, // [17:17] is the sub-list for extension extendee
	0,  // [0:17] is the sub-list for field type_name
}

func init() { file_tom_credential_v1_credential_provider_proto_init() }
func file_tom_credential_v1_credential_provider_proto_init() {
	if File_tom_credential_v1_credential_provider_proto != nil {
		return
	}
	file_tom_credential_v1_credential_provider_proto_msgTypes[4].OneofWrappers = []any{}
	file_tom_credential_v1_credential_provider_proto_msgTypes[7].OneofWrappers = []any{
		(*GetCredentialRequest_VersionId)(nil),
		(*GetCredentialRequest_VersionLabel)(nil),
	}
	file_tom_credential_v1_credential_provider_proto_msgTypes[9].OneofWrappers = []any{}
	file_tom_credential_v1_credential_provider_proto_msgTypes[12].OneofWrappers = []any{
		(*CredentialResult_Credential)(nil),
		(*CredentialResult_Error)(nil),
	}
	type x struct{}
	out := protoimpl.TypeBuilder{
		File: protoimpl.DescBuilder{
			GoPackagePath: reflect.TypeOf(x{}).PkgPath(),
			RawDescriptor: unsafe.Slice(unsafe.StringData(file_tom_credential_v1_credential_provider_proto_rawDesc), len(file_tom_credential_v1_credential_provider_proto_rawDesc)),
			NumEnums:      1,
			NumMessages:   19,
			NumExtensions: 0,
			NumServices:   1,
		},
		GoTypes:           file_tom_credential_v1_credential_provider_proto_goTypes,
		DependencyIndexes: file_tom_credential_v1_credential_provider_proto_depIdxs,
		EnumInfos:         file_tom_credential_v1_credential_provider_proto_enumTypes,
		MessageInfos:      file_tom_credential_v1_credential_provider_proto_msgTypes,
	}.Build()
	File_tom_credential_v1_credential_provider_proto = out.File
	file_tom_credential_v1_credential_provider_proto_goTypes = nil
	file_tom_credential_v1_credential_provider_proto_depIdxs = nil
}
