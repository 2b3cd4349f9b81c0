// Package audit writes down who was handed which credential: one line for each time, before the credential is used, and
// never with anything secret in it.
//
//	log, err := audit.Open("/var/log/tom/audit.log", os.Stderr, logger)
//	defer log.Close()
//
//	err = guard.Login(ctx, id, device, func(ctx context.Context, attempt *guard.Attempt) error {
//		result, err := attempt.Present(ctx)
//		...
//		if err := log.HandedOut(ctx, audit.Recipient{Job: "1", Device: device, Attempt: 1}, result); err != nil {
//			return err // no line, no login
//		}
//		...
//	})
//
// A line is a JSON object:
//
//	{"time":"2026-03-01T12:00:00.000Z","event":"handed_out","job":"1","device":"10.0.0.1:22","attempt":1,"credential_id":"lab",
//	 "credential_version":"5d2a","outcome":"cached","age":12.5,"backend_request_id":"2f6a"}
//
// event is "handed_out", or "withheld" with a reason: the credential was not handed out; or "quarantine_lifted", with the user, as the
// command says, and the peer, where a worker was asked over HTTP. outcome is "fresh", "cached" or "stale", age the
// seconds since the backend was asked for it, and backend_request_id finds the read in the backend's own log. Instead of a
// job there may be a command, with the user of the operating system and, if secrets were shown, "revealed":true. Members
// about which nothing is known are left out.
//
// If a line can't be written the credential isn't handed out: a user who fills the disk must not be able to use
// credentials without a trace. Without a file the lines go to the worker's log, which can't report whether they arrived.
package audit
