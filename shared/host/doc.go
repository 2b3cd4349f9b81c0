// Package host is what the author of a host imports: a program that launches a credential provider, and uses it for
// months without caring how the provider's process is doing.
//
//	provider, err := host.Start(ctx, host.Options{
//		Name:     "aws_secrets_manager",
//		Settings: host.Settings{"region": {Value: "us-east-1"}},
//		Logger:   logger,
//	})
//	if err != nil {
//		return err
//	}
//	defer provider.Close()
//	cred, err := provider.Get(ctx, credential.Request{ID: "lab_creds"})
//
// A provider is an executable called tom-credential-<name> that another user may have written. Nothing that it does may
// crash the host, hang it, leave a process behind, or lose a call that could have been answered:
//
//   - Before the launch its file is checked: a regular, executable file that no other user can change, and with
//     [Options.SHA256] the very bytes that were meant.
//   - It runs in its own process group with a filtered environment, speaks gRPC with mutual TLS over a socket in a
//     private directory, and is told when the host is gone, however the host went. Windows has a job object instead of the
//     group, and loopback TCP instead of the socket. Linux ends it by a signal as well (Pdeathsig); macOS has neither that
//     nor a job, so there a provider that ignores its lifeline survives a host that was killed. A descendant that made its
//     own session is out of reach on every Unix.
//   - A [Provider] watches the process. It is replaced when it ends, or when it misses two health checks, and a call that
//     died with it is repeated within its caller's deadline. Calls fail at once, with PROVIDER_CRASHED, when five starts
//     in a row have not answered a single call.
//   - A call with which two processes have died is made once more in a separate process, and given up, for a while, if that
//     ends as well: an id at which a provider dies takes it from no other caller. Processes that were killed or stopped from
//     outside count for nothing there.
//   - Every call has a bound: the context's deadline or [Options.CallTimeout], whichever is nearer. A backend that is slow
//     is not a reason to restart a provider.
//   - What it logs appears in the host's log under its name and with its level; what it prints, as lines at level debug.
//     However much that is, the provider is not blocked by it: what is too much is dropped, and counted. Secret values
//     that the host has had from it are hidden there. That is a best effort: it works for values of 8 bytes and more, in
//     the form in which they were handed out or escaped in JSON, and not before the host has seen them.
//   - gRPC metadata that the caller put into a call's context (metadata.NewOutgoingContext) goes to the provider with each
//     attempt of the call. With a traceparent (W3C Trace Context), what a provider made with shared/provider logs in the
//     call carries the trace's id as trace_id. A restart belongs to no call: it carries none.
//
// Errors are [*credential.Error] values; decide by their reason.
//
// [Options.Attach] is for a provider's author: the provider then runs under a debugger, and nothing of the above about its
// process holds.
//
// A host has passwords in its own memory too: [Harden], at the start of main, keeps them out of core files.
//
// Caching is in shared/store, in front of a Provider, and what keeps accounts from being locked in shared/guard. Discovery of
// executables is in [Discover] and [Find]; [Describe] asks one what it is.
//
// # What version 1 promises
//
// Exported names, the meaning of zero values, and the reason of each error stay. [Options] and [Metadata] get fields only whose
// zero value changes nothing. A host built with any version 1 works with every provider of contract version 1. What is checked
// before a launch gets stricter where a way around it is found, and what is received may be bounded further than today only
// where the contract says so. Messages, log lines, times that no comment gives, and how processes are watched may change.
package host
