// Package guard lets workers log in to devices without locking accounts. Devices and their AAA servers lock an account after 3
// to 5 wrong passwords, from all their clients together: so what counts is every login with one login material (username, password and
// private key), at any device, under any credential id, by any worker that shares a ledger.
//
//	logins, err := guard.New(credentials, guard.Options{Logger: logger}) // credentials is a *store.Store
//	if err != nil {
//		return err
//	}
//	defer logins.Close()
//
//	err = logins.Login(ctx, "lab_creds", "switch-17", func(ctx context.Context, attempt *guard.Attempt) error {
//		conn, err := dial(ctx, "switch-17") // connects and exchanges keys: no secret is needed yet, no permit held
//		if err != nil {
//			return err
//		}
//		login, err := attempt.Present(ctx) // waits for a permit, and hands over the newest material
//		if err != nil {
//			return err
//		}
//		password, _ := login.Password.Get()
//		session, err = conn.authenticate(ctx, login.Username, password.Reveal())
//		if refused(err) { // the device said no: not when it didn't answer
//			return guard.ErrRefused
//		}
//		return err
//	})
//
// # What a login goes through
//
// A [Guard] asks its [Ledger] for a permit before it hands over material, and reports the device's answer after it. The ledger
// bounds how many logins with a material may be under way or have failed in a row ([Options.Budgets]), pauses devices that
// have refused it, closes it when the bound is reached, and opens it again when a login succeeds, when time has passed, or when
// the backend has other material. Another version of the same material may be tried once, early; a version id that a store has made
// up ([store.LocalVersion]) is none. After a refusal the backend is read at once. In a staged rotation a login may present the
// version before the current one, where the provider has a label for it ([Options.PreviousVersionLabel]).
//
// [Ledger.Snapshot] has how often each material was refused in the last 24 hours, and the ledgers of this module know which
// processes share them: [Fleet].
//
// A Ledger in memory is one process's; guard/redisledger has one for a fleet. README.md says what is promised to accounts and jobs, and what
// can't be.
//
// # What v1 promises
//
// The exported names, their meaning, and the defaults of [Options] and of the setting that [ParseBudgets] reads stay as they are
// within a major version. Structs may get fields and kinds of events, so name the fields in literals; [Ledger] may get methods, so
// embed one of this module's ledgers in your own. When a pause or closure ends, how many logins it takes to open a material, and the text of errors may
// change; reasons, [ErrRefused], [ErrNotShown], [ErrAskedMore], [ErrNested] and [ErrUnavailable] are what to tell errors by. Digests stay the same under
// the same key, but workers that share a ledger should be of the same minor version.
package guard
