// Package credential has the types that hosts, providers and stores share: a device credential, the request for one, and
// the reasons why there is none.
//
// A credential's secret parts are of type [Redacted]: whichever way one is printed, logged or encoded, it comes out as
// "[REDACTED]", and only [Redacted.Reveal] returns the string.
//
//	cred, err := provider.Get(ctx, credential.Request{ID: "lab_creds"})
//	switch {
//	case errors.Is(err, credential.CredentialNotFound):
//		// report it to the operator
//	case err != nil:
//		return err
//	}
//	if password, ok := cred.Password.Get(); ok {
//		login(cred.Username, password.Reveal())
//	}
//
// Errors are values of type [*Error] with a [Reason]; a Reason is itself an error that errors.Is finds. The same reasons
// travel between host and provider, so errors.Is works across the process boundary.
//
// The package imports the standard library only. The conversion of these types into protobuf messages and gRPC statuses
// is in shared/internal/wire; the cache is in shared/store.
//
// # What version 1 promises
//
// Exported names, their types and the meaning of zero values stay. Reasons, capabilities, statuses and struct fields may be
// added: use field names in composite literals, and let a switch over reasons have a default. The string of a [Reason]
// never changes, nor does its code or whether it is transient. Texts of errors are for users and may change; decide by the
// reason. All functions may be called concurrently; a value that has been handed out is not changed any more.
package credential
