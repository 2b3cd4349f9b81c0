package admin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tom-worker/credential-provider/shared/guard"
)

// Fleet is the workers and agents that share a ledger, and the credentials that had trouble.
type Fleet struct {
	// Ledger is where it is kept: memory, or the address of a Redis.
	Ledger string `json:"ledger"`
	// Unavailable is why the ledger doesn't answer, empty if it does. What there is then is older, or of one worker.
	Unavailable string `json:"unavailable"`
	// At is when the ledger said so.
	At          time.Time    `json:"at"`
	Members     []Member     `json:"members"`
	Credentials []Credential `json:"credentials"`
	// Others is how many login materials of the last 30 days had no trouble.
	Others int `json:"others"`
}

// Member is a worker or an agent.
type Member struct {
	Instance        string `json:"instance"` // a random name of the process
	Kind            string `json:"kind"`     // worker or agent
	Host            string `json:"host"`
	PID             int    `json:"pid"`
	Version         string `json:"version"`
	Provider        string `json:"provider"`
	ProviderVersion string `json:"provider_version"`
	Ready           bool   `json:"ready"` // as /readyz had it at the last heartbeat
	Reason          string `json:"reason"`
	// Silent reports that three heartbeats were missed: the process was killed, or has lost the ledger.
	Silent        bool  `json:"silent"`
	SeenSeconds   int64 `json:"seen_seconds_ago"`
	UptimeSeconds int64 `json:"uptime_seconds"` // at the last heartbeat
	Waiting       int64 `json:"waiting"`        // logins that wait for a permit
	Permits       int64 `json:"permits"`        // logins that have one
}

// Credential is a credential that devices have refused in the last 24 hours, or whose logins fail.
type Credential struct {
	// CredentialID is empty where it isn't known; Material stands for it then.
	CredentialID string `json:"credential_id"`
	// Material is the digest of the login material that the state is of: the current one if that is known.
	Material string `json:"material"`
	// Refused are the refusals of the last 24 hours, of all materials that the credential had; WrongPasswords those that no later
	// success with the same material has cleared.
	Refused        int `json:"refused_24h"`
	WrongPasswords int `json:"wrong_passwords_24h"`
	// Failed are the logins in a row that have failed, Budget how many may; 0: no bound, or none has failed.
	Failed int `json:"failed"`
	Budget int `json:"budget"`
	// Devices is how many didn't accept the material when they were asked last.
	Devices int `json:"devices"`
	// Quarantined reports that no device gets the material, for RetrySeconds.
	Quarantined  bool `json:"quarantined"`
	RetrySeconds int  `json:"retry_seconds"`
}

// BudgetUsed says how much of its budget has been used.
func (c Credential) BudgetUsed() string {
	switch {
	case c.Budget > 0:
		return fmt.Sprintf("%d of %d", c.Failed, c.Budget)
	case c.Failed > 0:
		return fmt.Sprintf("%d, no bound", c.Failed)
	}
	return "0"
}

// State says what becomes of logins.
func (c Credential) State() string {
	switch {
	case c.Quarantined:
		return "quarantined, " + Lasts(int64(c.RetrySeconds)) + " left"
	case c.Devices == 1:
		return "paused at 1 device"
	case c.Devices > 1:
		return fmt.Sprintf("paused at %d devices", c.Devices)
	}
	return "ok"
}

// Lasts is a number of seconds in its two largest units.
func Lasts(seconds int64) string {
	d := time.Duration(seconds) * time.Second
	switch {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%dd%dh", seconds/86400, seconds%86400/3600)
	case d >= time.Hour:
		return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
	}
	return d.String()
}

// MembersOf returns a ledger's members in the form of Fleet.
func MembersOf(members []guard.Member) []Member {
	all := make([]Member, len(members))
	for i, m := range members {
		all[i] = Member{
			Instance: m.Instance, Kind: m.Kind, Host: m.Host, PID: m.PID, Version: m.Version, Provider: m.Provider, ProviderVersion: m.ProviderVersion,
			Ready: m.Ready, Reason: m.Reason, Silent: m.Silent(), SeenSeconds: int64(m.Ago.Seconds()), UptimeSeconds: int64(m.Uptime.Seconds()),
			Waiting: m.Waiting, Permits: m.Permits,
		}
	}
	return all
}

// Troubled returns the credentials that had trouble, those in quarantine first, and how many login materials had none. ids are
// those that may stand behind digests of ids, besides those that the guard knows.
func (l Logins) Troubled(ctx context.Context, statuses []guard.Status, ids []string) (list []Credential, others int) {
	named := make(map[guard.Digest]string)
	for _, s := range statuses {
		ids = append(ids, s.CredentialIDs...)
	}
	for _, id := range ids {
		named[l.Guard.DigestID(id)] = id
	}
	for i, s := range statuses {
		if id, ok := named[s.ID]; ok && len(s.CredentialIDs) == 0 {
			statuses[i].CredentialIDs = []string{id}
		}
	}
	return Summary(statuses, func(id string) (guard.Digest, bool) {
		result, err := l.Store.Get(ctx, id)
		if err != nil {
			return guard.Digest{}, false
		}
		return l.Guard.Digest(result.Credential), true
	})
}

// Summary is Troubled where no id is known but those in statuses. current returns the material that a credential has now, if
// it can be read.
func Summary(statuses []guard.Status, current func(id string) (guard.Digest, bool)) (list []Credential, others int) {
	list = []Credential{}
	byID := make(map[string][]guard.Status)
	for _, s := range statuses {
		switch {
		case s.Failed == 0 && s.Closed == 0 && s.Doubtful == 0 && s.RefusedDay == 0:
			others++
		case len(s.CredentialIDs) > 0:
			for _, id := range s.CredentialIDs {
				byID[id] = append(byID[id], s)
			}
		case s.RefusedDay > 0 || s.Closed > 0: // else it is probably a password that was replaced
			list = append(list, credentialOf("", []guard.Status{s}, s))
		}
	}
	for id, all := range byID {
		material, known := current(id)
		state := guard.Status{Record: guard.Record{Material: material}}
		switch at := slices.IndexFunc(all, func(s guard.Status) bool { return s.Material == material }); {
		case known && at >= 0:
			state = all[at]
		case !known: // the latest one
			state = slices.MinFunc(all, func(a, b guard.Status) int { return cmp.Compare(uint64(a.Idle), uint64(b.Idle)) }) // negative: last
		}
		if c := credentialOf(id, all, state); c.Refused > 0 || c.Failed > 0 || c.Quarantined || c.Devices > 0 {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b Credential) int {
		if a.Quarantined != b.Quarantined {
			return map[bool]int{true: -1, false: 1}[a.Quarantined]
		}
		unnamed := cmp.Compare(len(b.CredentialID), 0) - cmp.Compare(len(a.CredentialID), 0)
		return cmp.Or(unnamed, cmp.Compare(a.CredentialID, b.CredentialID), cmp.Compare(a.Material, b.Material))
	})
	return list, others
}

func credentialOf(id string, all []guard.Status, state guard.Status) Credential {
	c := Credential{
		CredentialID: id, Material: state.Material.String(), Failed: state.Failed, Budget: state.Budget, Devices: state.Doubtful,
		Quarantined: state.Closed > 0, RetrySeconds: int(state.Closed.Seconds()),
	}
	for _, s := range all {
		c.Refused += s.RefusedDay
		c.WrongPasswords += s.WrongDay
	}
	return c
}
