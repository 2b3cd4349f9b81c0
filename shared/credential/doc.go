// Package credential holds the words that hosts, providers and stores share: a device credential, the request for one,
// and the reasons why there is none.
//
// A credential's secret parts are of type [Redacted]: whichever way one is printed, logged or encoded, it comes out as
// "[REDACTED]", and only [Redacted.Reveal] gives the text.
//
//	cred, err := provider.Get(ctx, credential.Request{ID: "lab_creds"})
//	switch {
//	case errors.Is(err, credential.CredentialNotFound):
//		// ask a person
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
// The package imports nothing else of this module. What turns these types into protobuf messages and gRPC statuses is in
// shared/internal/wire; what caches them is in shared/store.
package credential
