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

// Code generated by protoc-gen-go-grpc. DO NOT EDIT.
// versions:
// - protoc-gen-go-grpc v1.6.2
// - protoc             (unknown)
// source: tom/credential/v1/credential_provider.proto

package credentialv1

import (
	context "context"
	grpc "google.golang.org/grpc"
	codes "google.golang.org/grpc/codes"
	status "google.golang.org/grpc/status"
)

// This is a compile-time assertion to ensure that this generated file
// is compatible with the grpc package it is being compiled against.
// Requires gRPC-Go v1.64.0 or later.
const _ = grpc.SupportPackageIsVersion9

const (
	CredentialProvider_GetMetadata_FullMethodName         = "/tom.credential.v1.CredentialProvider/GetMetadata"
	CredentialProvider_Configure_FullMethodName           = "/tom.credential.v1.CredentialProvider/Configure"
	CredentialProvider_Validate_FullMethodName            = "/tom.credential.v1.CredentialProvider/Validate"
	CredentialProvider_GetCredential_FullMethodName       = "/tom.credential.v1.CredentialProvider/GetCredential"
	CredentialProvider_BatchGetCredentials_FullMethodName = "/tom.credential.v1.CredentialProvider/BatchGetCredentials"
	CredentialProvider_ListCredentials_FullMethodName     = "/tom.credential.v1.CredentialProvider/ListCredentials"
)

// CredentialProviderClient is the client API for CredentialProvider service.
//
// For semantics around ctx use and closing/ending streaming RPCs, please refer to https://pkg.go.dev/google.golang.org/grpc/?tab=doc#ClientConn.NewStream.
//
// CredentialProvider reads device credentials from one backend, for one host.
//
// The host calls GetMetadata, then Configure, then the others in any order.
type CredentialProviderClient interface {
	// GetMetadata describes the provider. It answers at once, before and after Configure, needs no settings, and uses
	// neither the backend nor the network.
	GetMetadata(ctx context.Context, in *GetMetadataRequest, opts ...grpc.CallOption) (*GetMetadataResponse, error)
	// Configure hands over the settings. It checks all of them before it takes any, and uses no network. It may read local
	// files that settings name, such as a CA certificate or a token, and refuses one that can't be used as SETTINGS_INVALID.
	// A file that may change while the provider runs, such as a token that an agent renews, is read again when it is used.
	//
	// An unknown key or a bad value is SETTINGS_INVALID with one google.rpc.BadRequest violation for each key; the provider
	// stays as it was and Configure may be called again. It succeeds once in the life of a process, after that it is
	// ALREADY_CONFIGURED: for new settings the host starts a new process.
	Configure(ctx context.Context, in *ConfigureRequest, opts ...grpc.CallOption) (*ConfigureResponse, error)
	// Validate checks that the backend can be used: credentials, network, permissions. The checks run side by side, each
	// bounded in time, and each that doesn't pass says what to do about it. What is found wrong is an answer, not an
	// error: the call fails only if it could not check at all. Before Configure: NOT_CONFIGURED. A provider with nothing
	// to check answers with no checks.
	Validate(ctx context.Context, in *ValidateRequest, opts ...grpc.CallOption) (*ValidateResponse, error)
	// GetCredential reads one credential. The answer is for exactly the id that was asked for. Before Configure:
	// NOT_CONFIGURED. The provider keeps no cache: that is the host's.
	GetCredential(ctx context.Context, in *GetCredentialRequest, opts ...grpc.CallOption) (*GetCredentialResponse, error)
	// BatchGetCredentials reads many credentials. Results come in the order of the requests, one for each, and one that
	// fails never fails the others; the call itself fails only if nothing could be tried. More than 100 requests:
	// REQUEST_INVALID. Before Configure: NOT_CONFIGURED. Without the capability BATCH: UNSUPPORTED.
	BatchGetCredentials(ctx context.Context, in *BatchGetCredentialsRequest, opts ...grpc.CallOption) (*BatchGetCredentialsResponse, error)
	// ListCredentials lists what could be read, one page a call: ids and metadata that isn't secret. The order is
	// unspecified, pages may be empty or short, and each id comes once in a listing of a backend that doesn't change
	// during it. Before Configure: NOT_CONFIGURED. Without the capability LIST: UNSUPPORTED.
	ListCredentials(ctx context.Context, in *ListCredentialsRequest, opts ...grpc.CallOption) (*ListCredentialsResponse, error)
}

type credentialProviderClient struct {
	cc grpc.ClientConnInterface
}

func NewCredentialProviderClient(cc grpc.ClientConnInterface) CredentialProviderClient {
	return &credentialProviderClient{cc}
}

func (c *credentialProviderClient) GetMetadata(ctx context.Context, in *GetMetadataRequest, opts ...grpc.CallOption) (*GetMetadataResponse, error) {
	cOpts := append([]grpc.CallOption{grpc.StaticMethod()}, opts...)
	out := new(GetMetadataResponse)
	err := c.cc.Invoke(ctx, CredentialProvider_GetMetadata_FullMethodName, in, out, cOpts...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (c *credentialProviderClient) Configure(ctx context.Context, in *ConfigureRequest, opts ...grpc.CallOption) (*ConfigureResponse, error) {
	cOpts := append([]grpc.CallOption{grpc.StaticMethod()}, opts...)
	out := new(ConfigureResponse)
	err := c.cc.Invoke(ctx, CredentialProvider_Configure_FullMethodName, in, out, cOpts...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (c *credentialProviderClient) Validate(ctx context.Context, in *ValidateRequest, opts ...grpc.CallOption) (*ValidateResponse, error) {
	cOpts := append([]grpc.CallOption{grpc.StaticMethod()}, opts...)
	out := new(ValidateResponse)
	err := c.cc.Invoke(ctx, CredentialProvider_Validate_FullMethodName, in, out, cOpts...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (c *credentialProviderClient) GetCredential(ctx context.Context, in *GetCredentialRequest, opts ...grpc.CallOption) (*GetCredentialResponse, error) {
	cOpts := append([]grpc.CallOption{grpc.StaticMethod()}, opts...)
	out := new(GetCredentialResponse)
	err := c.cc.Invoke(ctx, CredentialProvider_GetCredential_FullMethodName, in, out, cOpts...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (c *credentialProviderClient) BatchGetCredentials(ctx context.Context, in *BatchGetCredentialsRequest, opts ...grpc.CallOption) (*BatchGetCredentialsResponse, error) {
	cOpts := append([]grpc.CallOption{grpc.StaticMethod()}, opts...)
	out := new(BatchGetCredentialsResponse)
	err := c.cc.Invoke(ctx, CredentialProvider_BatchGetCredentials_FullMethodName, in, out, cOpts...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (c *credentialProviderClient) ListCredentials(ctx context.Context, in *ListCredentialsRequest, opts ...grpc.CallOption) (*ListCredentialsResponse, error) {
	cOpts := append([]grpc.CallOption{grpc.StaticMethod()}, opts...)
	out := new(ListCredentialsResponse)
	err := c.cc.Invoke(ctx, CredentialProvider_ListCredentials_FullMethodName, in, out, cOpts...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// CredentialProviderServer is the server API for CredentialProvider service.
// All implementations must embed UnimplementedCredentialProviderServer
// for forward compatibility.
//
// CredentialProvider reads device credentials from one backend, for one host.
//
// The host calls GetMetadata, then Configure, then the others in any order.
type CredentialProviderServer interface {
	// GetMetadata describes the provider. It answers at once, before and after Configure, needs no settings, and uses
	// neither the backend nor the network.
	GetMetadata(context.Context, *GetMetadataRequest) (*GetMetadataResponse, error)
	// Configure hands over the settings. It checks all of them before it takes any, and uses no network. It may read local
	// files that settings name, such as a CA certificate or a token, and refuses one that can't be used as SETTINGS_INVALID.
	// A file that may change while the provider runs, such as a token that an agent renews, is read again when it is used.
	//
	// An unknown key or a bad value is SETTINGS_INVALID with one google.rpc.BadRequest violation for each key; the provider
	// stays as it was and Configure may be called again. It succeeds once in the life of a process, after that it is
	// ALREADY_CONFIGURED: for new settings the host starts a new process.
	Configure(context.Context, *ConfigureRequest) (*ConfigureResponse, error)
	// Validate checks that the backend can be used: credentials, network, permissions. The checks run side by side, each
	// bounded in time, and each that doesn't pass says what to do about it. What is found wrong is an answer, not an
	// error: the call fails only if it could not check at all. Before Configure: NOT_CONFIGURED. A provider with nothing
	// to check answers with no checks.
	Validate(context.Context, *ValidateRequest) (*ValidateResponse, error)
	// GetCredential reads one credential. The answer is for exactly the id that was asked for. Before Configure:
	// NOT_CONFIGURED. The provider keeps no cache: that is the host's.
	GetCredential(context.Context, *GetCredentialRequest) (*GetCredentialResponse, error)
	// BatchGetCredentials reads many credentials. Results come in the order of the requests, one for each, and one that
	// fails never fails the others; the call itself fails only if nothing could be tried. More than 100 requests:
	// REQUEST_INVALID. Before Configure: NOT_CONFIGURED. Without the capability BATCH: UNSUPPORTED.
	BatchGetCredentials(context.Context, *BatchGetCredentialsRequest) (*BatchGetCredentialsResponse, error)
	// ListCredentials lists what could be read, one page a call: ids and metadata that isn't secret. The order is
	// unspecified, pages may be empty or short, and each id comes once in a listing of a backend that doesn't change
	// during it. Before Configure: NOT_CONFIGURED. Without the capability LIST: UNSUPPORTED.
	ListCredentials(context.Context, *ListCredentialsRequest) (*ListCredentialsResponse, error)
	mustEmbedUnimplementedCredentialProviderServer()
}

// UnimplementedCredentialProviderServer must be embedded to have
// forward compatible implementations.
//
// NOTE: this should be embedded by value instead of pointer to avoid a nil
// pointer dereference when methods are called.
type UnimplementedCredentialProviderServer struct{}

func (UnimplementedCredentialProviderServer) GetMetadata(context.Context, *GetMetadataRequest) (*GetMetadataResponse, error) {
	return nil, status.Error(codes.Unimplemented, "method GetMetadata not implemented")
}
func (UnimplementedCredentialProviderServer) Configure(context.Context, *ConfigureRequest) (*ConfigureResponse, error) {
	return nil, status.Error(codes.Unimplemented, "method Configure not implemented")
}
func (UnimplementedCredentialProviderServer) Validate(context.Context, *ValidateRequest) (*ValidateResponse, error) {
	return nil, status.Error(codes.Unimplemented, "method Validate not implemented")
}
func (UnimplementedCredentialProviderServer) GetCredential(context.Context, *GetCredentialRequest) (*GetCredentialResponse, error) {
	return nil, status.Error(codes.Unimplemented, "method GetCredential not implemented")
}
func (UnimplementedCredentialProviderServer) BatchGetCredentials(context.Context, *BatchGetCredentialsRequest) (*BatchGetCredentialsResponse, error) {
	return nil, status.Error(codes.Unimplemented, "method BatchGetCredentials not implemented")
}
func (UnimplementedCredentialProviderServer) ListCredentials(context.Context, *ListCredentialsRequest) (*ListCredentialsResponse, error) {
	return nil, status.Error(codes.Unimplemented, "method ListCredentials not implemented")
}
func (UnimplementedCredentialProviderServer) mustEmbedUnimplementedCredentialProviderServer() {}
func (UnimplementedCredentialProviderServer) testEmbeddedByValue()                            {}

// UnsafeCredentialProviderServer may be embedded to opt out of forward compatibility for this service.
// Use of this interface is not recommended, as added methods to CredentialProviderServer will
// result in compilation errors.
type UnsafeCredentialProviderServer interface {
	mustEmbedUnimplementedCredentialProviderServer()
}

func RegisterCredentialProviderServer(s grpc.ServiceRegistrar, srv CredentialProviderServer) {
	// If the following call panics, it indicates UnimplementedCredentialProviderServer was
	// embedded by pointer and is nil.  This will cause panics if an
	// unimplemented method is ever invoked, so we test this at initialization
	// time to prevent it from happening at runtime later due to I/O.
	if t, ok := srv.(interface{ testEmbeddedByValue() }); ok {
		t.testEmbeddedByValue()
	}
	s.RegisterService(&CredentialProvider_ServiceDesc, srv)
}

func _CredentialProvider_GetMetadata_Handler(srv interface{}, ctx context.Context, dec func(interface{}) error, interceptor grpc.UnaryServerInterceptor) (interface{}, error) {
	in := new(GetMetadataRequest)
	if err := dec(in); err != nil {
		return nil, err
	}
	if interceptor == nil {
		return srv.(CredentialProviderServer).GetMetadata(ctx, in)
	}
	info := &grpc.UnaryServerInfo{
		Server:     srv,
		FullMethod: CredentialProvider_GetMetadata_FullMethodName,
	}
	handler := func(ctx context.Context, req interface{}) (interface{}, error) {
		return srv.(CredentialProviderServer).GetMetadata(ctx, req.(*GetMetadataRequest))
	}
	return interceptor(ctx, in, info, handler)
}

func _CredentialProvider_Configure_Handler(srv interface{}, ctx context.Context, dec func(interface{}) error, interceptor grpc.UnaryServerInterceptor) (interface{}, error) {
	in := new(ConfigureRequest)
	if err := dec(in); err != nil {
		return nil, err
	}
	if interceptor == nil {
		return srv.(CredentialProviderServer).Configure(ctx, in)
	}
	info := &grpc.UnaryServerInfo{
		Server:     srv,
		FullMethod: CredentialProvider_Configure_FullMethodName,
	}
	handler := func(ctx context.Context, req interface{}) (interface{}, error) {
		return srv.(CredentialProviderServer).Configure(ctx, req.(*ConfigureRequest))
	}
	return interceptor(ctx, in, info, handler)
}

func _CredentialProvider_Validate_Handler(srv interface{}, ctx context.Context, dec func(interface{}) error, interceptor grpc.UnaryServerInterceptor) (interface{}, error) {
	in := new(ValidateRequest)
	if err := dec(in); err != nil {
		return nil, err
	}
	if interceptor == nil {
		return srv.(CredentialProviderServer).Validate(ctx, in)
	}
	info := &grpc.UnaryServerInfo{
		Server:     srv,
		FullMethod: CredentialProvider_Validate_FullMethodName,
	}
	handler := func(ctx context.Context, req interface{}) (interface{}, error) {
		return srv.(CredentialProviderServer).Validate(ctx, req.(*ValidateRequest))
	}
	return interceptor(ctx, in, info, handler)
}

func _CredentialProvider_GetCredential_Handler(srv interface{}, ctx context.Context, dec func(interface{}) error, interceptor grpc.UnaryServerInterceptor) (interface{}, error) {
	in := new(GetCredentialRequest)
	if err := dec(in); err != nil {
		return nil, err
	}
	if interceptor == nil {
		return srv.(CredentialProviderServer).GetCredential(ctx, in)
	}
	info := &grpc.UnaryServerInfo{
		Server:     srv,
		FullMethod: CredentialProvider_GetCredential_FullMethodName,
	}
	handler := func(ctx context.Context, req interface{}) (interface{}, error) {
		return srv.(CredentialProviderServer).GetCredential(ctx, req.(*GetCredentialRequest))
	}
	return interceptor(ctx, in, info, handler)
}

func _CredentialProvider_BatchGetCredentials_Handler(srv interface{}, ctx context.Context, dec func(interface{}) error, interceptor grpc.UnaryServerInterceptor) (interface{}, error) {
	in := new(BatchGetCredentialsRequest)
	if err := dec(in); err != nil {
		return nil, err
	}
	if interceptor == nil {
		return srv.(CredentialProviderServer).BatchGetCredentials(ctx, in)
	}
	info := &grpc.UnaryServerInfo{
		Server:     srv,
		FullMethod: CredentialProvider_BatchGetCredentials_FullMethodName,
	}
	handler := func(ctx context.Context, req interface{}) (interface{}, error) {
		return srv.(CredentialProviderServer).BatchGetCredentials(ctx, req.(*BatchGetCredentialsRequest))
	}
	return interceptor(ctx, in, info, handler)
}

func _CredentialProvider_ListCredentials_Handler(srv interface{}, ctx context.Context, dec func(interface{}) error, interceptor grpc.UnaryServerInterceptor) (interface{}, error) {
	in := new(ListCredentialsRequest)
	if err := dec(in); err != nil {
		return nil, err
	}
	if interceptor == nil {
		return srv.(CredentialProviderServer).ListCredentials(ctx, in)
	}
	info := &grpc.UnaryServerInfo{
		Server:     srv,
		FullMethod: CredentialProvider_ListCredentials_FullMethodName,
	}
	handler := func(ctx context.Context, req interface{}) (interface{}, error) {
		return srv.(CredentialProviderServer).ListCredentials(ctx, req.(*ListCredentialsRequest))
	}
	return interceptor(ctx, in, info, handler)
}

// CredentialProvider_ServiceDesc is the grpc.ServiceDesc for CredentialProvider service.
// It's only intended for direct use with grpc.RegisterService,
// and not to be introspected or modified (even as a copy)
var CredentialProvider_ServiceDesc = grpc.ServiceDesc{
	ServiceName: "tom.credential.v1.CredentialProvider",
	HandlerType: (*CredentialProviderServer)(nil),
	Methods: []grpc.MethodDesc{
		{
			MethodName: "GetMetadata",
			Handler:    _CredentialProvider_GetMetadata_Handler,
		},
		{
			MethodName: "Configure",
			Handler:    _CredentialProvider_Configure_Handler,
		},
		{
			MethodName: "Validate",
			Handler:    _CredentialProvider_Validate_Handler,
		},
		{
			MethodName: "GetCredential",
			Handler:    _CredentialProvider_GetCredential_Handler,
		},
		{
			MethodName: "BatchGetCredentials",
			Handler:    _CredentialProvider_BatchGetCredentials_Handler,
		},
		{
			MethodName: "ListCredentials",
			Handler:    _CredentialProvider_ListCredentials_Handler,
		},
	},
	Streams:  []grpc.StreamDesc{},
	Metadata: "tom/credential/v1/credential_provider.proto",
}
