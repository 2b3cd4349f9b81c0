package admin

import (
	"cmp"
	"context"
	"slices"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
	"github.com/tom-worker/credential-provider/shared/store"
)

// Quarantine is a credential whose login material devices refuse.
type Quarantine struct {
	// CredentialID is empty if only other workers, which share the ledger, have used the material.
	CredentialID string `json:"credential_id"`
	// Material is the digest of username, password and private key under which the ledger has it.
	Material string `json:"material"`
	// Devices is how many didn't accept it when they were asked last. Each of them is paused.
	Devices int `json:"devices"`
	// Failed is how many logins in a row have failed.
	Failed int `json:"failed"`
	// Quarantined reports that no device gets it; else only those devices don't.
	Quarantined bool `json:"quarantined"`
	// RetrySeconds is the time until logins are tried again; 0 if it isn't quarantined.
	RetrySeconds int `json:"retry_seconds"`
}

// IsRefused reports whether devices refuse the material: all of them for a while, or some.
func IsRefused(s guard.Status) bool { return s.Closed > 0 || s.Doubtful > 0 }

// Logins are a guard and the store of its credentials.
type Logins struct {
	Store *store.Store
	Guard *guard.Guard
}

// Refused returns the credentials whose material of now devices refuse, sorted. Of a ledger that is shared it also returns
// the closed materials of other workers; their ids are known if they are among ids, and without them.
func (l Logins) Refused(ctx context.Context, ids ...string) ([]Quarantine, error) {
	statuses, err := l.Guard.Snapshot(ctx, ids...)
	if err != nil {
		return nil, err
	}
	return l.Of(ctx, statuses), nil
}

// Of is Refused for what a snapshot of the guard has.
func (l Logins) Of(ctx context.Context, statuses []guard.Status) []Quarantine {
	all := []Quarantine{}
	for _, s := range statuses {
		if !IsRefused(s) {
			continue
		}
		q := Quarantine{
			Material: s.Material.String(), Devices: s.Doubtful, Failed: s.Failed,
			Quarantined: s.Closed > 0, RetrySeconds: int(s.Closed.Seconds()),
		}
		for _, id := range s.CredentialIDs {
			// A password that was replaced may still be closed, and is no one's trouble.
			if result, err := l.Store.Get(ctx, id); err == nil && l.Guard.Digest(result.Credential) != s.Material {
				continue
			}
			q.CredentialID = id
			all = append(all, q)
		}
		if len(s.CredentialIDs) == 0 && q.Quarantined {
			all = append(all, q)
		}
	}
	slices.SortFunc(all, func(a, b Quarantine) int {
		return cmp.Or(cmp.Compare(a.CredentialID, b.CredentialID), cmp.Compare(a.Material, b.Material))
	})
	return all
}

// Lift has the ledger forget what it knows against a credential, by its id or by its material's digest, and has the
// credential read again. note is called before, and its error prevents it. If no device refuses the credential the error is
// NOT_QUARANTINED.
func (l Logins) Lift(ctx context.Context, id string, note func(Quarantine) error) error {
	refused, err := l.Refused(ctx)
	if err != nil {
		return err
	}
	find := func(q Quarantine) bool { return q.CredentialID == id || q.Material == id }
	at := slices.IndexFunc(refused, find)
	if at < 0 { // another worker may have used it
		if refused, err = l.Refused(ctx, id); err == nil {
			at = slices.IndexFunc(refused, find)
		}
	}
	if at < 0 {
		return credential.Errorf(NotQuarantined, "credential %q is not in quarantine: no device refuses it, as far as is known", id).
			WithHelp("host-example quarantine list shows those that are; without login_guard: redis each worker has its own")
	}
	q := refused[at]
	if err := note(q); err != nil {
		return err
	}
	if q.CredentialID == "" {
		material, err := guard.ParseDigest(q.Material)
		if err != nil {
			return err
		}
		return l.Guard.ForgetMaterial(ctx, material)
	}
	l.Store.Forget(q.CredentialID)
	return l.Guard.Forget(ctx, q.CredentialID)
}
