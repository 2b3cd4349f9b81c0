package awssmtest

import (
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

func formatInt(n int64) string { return strconv.FormatInt(n, 10) }

// state is the secrets of an account in one region, or in all of them with Options.SharedRegions.
type state struct {
	account string

	mu     sync.Mutex
	byName map[string]*secret
	order  []*secret // by creation
}

func (s *Server) stateOf(account, region string) *state {
	if s.options.SharedRegions {
		region = ""
	}
	key := account + "/" + region
	s.regionMu.Lock()
	defer s.regionMu.Unlock()
	st := s.regions[key]
	if st == nil {
		st = &state{account: account, byName: make(map[string]*secret)}
		s.regions[key] = st
	}
	return st
}

// account is the caller's.
func (c *call) account() string {
	if parts := strings.SplitN(c.identity, ":", 6); len(parts) == 6 && parts[4] != "" {
		return parts[4]
	}
	return c.server.options.Account
}

// stateFor is where a secret is looked for: an ARN leads to the account that it names, everything else to the caller's.
func (c *call) stateFor(id string) *state {
	if parts := strings.SplitN(id, ":", 7); len(parts) == 7 && parts[0] == "arn" && parts[4] != c.state.account {
		return c.server.stateOf(parts[4], c.region)
	}
	return c.state
}

// find looks a secret up by name, full ARN or ARN without the random suffix. The caller holds the lock.
func (st *state) find(c *call, id string) *secret {
	name, full := id, ""
	if strings.HasPrefix(id, "arn:") {
		parts := strings.SplitN(id, ":", 7) // arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-abcdef
		if len(parts) != 7 || parts[2] != serviceSecrets || parts[3] != c.region || parts[4] != st.account || parts[5] != "secret" {
			return nil
		}
		name, full = parts[6], parts[6]
	}
	if len(full) > 7 && full[len(full)-7] == '-' {
		if s := st.live(c.now, full[:len(full)-7]); s != nil && s.suffix == full[len(full)-6:] {
			return s
		}
	}
	return st.live(c.now, name)
}

// live returns the secret with the name, unless its recovery window is over: then it goes for good.
func (st *state) live(now time.Time, name string) *secret {
	s := st.byName[name]
	if s != nil && !s.deletion.IsZero() && !now.Before(s.deletion) {
		st.remove(s)
		return nil
	}
	return s
}

func (st *state) insert(s *secret) {
	st.byName[s.name] = s
	at := st.after(s.serial)
	st.order = slices.Insert(st.order, at, s)
}

func (st *state) remove(s *secret) {
	delete(st.byName, s.name)
	if at := st.after(s.serial - 1); at < len(st.order) && st.order[at] == s {
		st.order = slices.Delete(st.order, at, at+1)
	}
}

// after returns the index of the first secret created after the one with the serial.
func (st *state) after(serial int64) int {
	return sort.Search(len(st.order), func(i int) bool { return st.order[i].serial > serial })
}

func newSuffix() string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	b := make([]byte, 6)
	for i := range b {
		b[i] = letters[rand.IntN(len(letters))]
	}
	return string(b)
}
