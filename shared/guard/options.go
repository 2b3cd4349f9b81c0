package guard

import (
	"fmt"
	"log/slog"
	"path"
	"strconv"
	"strings"
	"time"
)

// Options are the settings of a [Guard]. The zero value has the documented defaults.
type Options struct {
	// Ledger is where refusals and successes are kept. nil: [NewMemory]. It remains the caller's, who closes it after the
	// guard.
	Ledger Ledger
	// Key makes digests of materials, devices and ids, at least 32 bytes. All guards that share a ledger need the same one.
	// nil: a random one, for a ledger in memory.
	Key []byte
	// Budgets are how many logins with one material may fail in a row, by credential id: the first that matches counts, and
	// where none does, 2. See [ParseBudgets].
	Budgets []Budget
	// RefusalPause is how long a device doesn't get a material again that it has refused, and how long a material is closed
	// that has used up its budget. 0: 15 minutes.
	RefusalPause time.Duration
	// LoginTimeout is how long a login may take from the moment in which it gets material until the device's answer. Its
	// context ends then, and the answer counts as one that never came. 0: 30 s.
	LoginTimeout time.Duration
	// UnauthenticatedTime is how long devices hold a connection that hasn't logged in yet: a login that would wait longer for
	// its permit doesn't connect before. 0: 10 s.
	UnauthenticatedTime time.Duration
	// PreviousVersionLabel is the provider's name for the version before the current one, such as AWSPREVIOUS. Empty: the
	// provider has none, and only current versions are presented.
	PreviousVersionLabel string
	// Logger gets refusals, closures and long waits. A context may have its own, see [WithLogger]. nil: they aren't logged.
	Logger *slog.Logger
	// Observe is called with every event, from the goroutine of the login, and must not block. nil: not at all.
	Observe func(Event)
}

const (
	defaultBudget       = 2
	defaultPause        = 15 * time.Minute
	defaultLoginTimeout = 30 * time.Second
	defaultUnauthTime   = 10 * time.Second
)

func (o Options) resolved() Options {
	if o.RefusalPause <= 0 {
		o.RefusalPause = defaultPause
	}
	if o.LoginTimeout <= 0 {
		o.LoginTimeout = defaultLoginTimeout
	}
	if o.UnauthenticatedTime <= 0 {
		o.UnauthenticatedTime = defaultUnauthTime
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observe == nil {
		o.Observe = func(Event) {}
	}
	return o
}

// Budget is the lockout budget of the credential ids that match a pattern.
type Budget struct {
	// Pattern is a glob as of path.Match, but * matches slashes too.
	Pattern string
	// Failures is how many logins with one material may fail in a row. 0: 2. Negative: any number, for accounts that live on
	// the device.
	Failures int
}

// ParseBudgets reads the setting login_lockout_budget: one number, or a list of `glob=number` by credential id, of which the
// first that matches counts. 0 in the setting means no bound, for accounts that live on the device.
//
//	budgets, err := guard.ParseBudgets([]string{"lab_*=0", "*=2"})
func ParseBudgets(list []string) ([]Budget, error) {
	var budgets []Budget
	for _, entry := range list {
		pattern, number := "*", entry
		if at := strings.LastIndexByte(entry, '='); at >= 0 {
			pattern, number = strings.TrimSpace(entry[:at]), entry[at+1:]
		}
		n, err := strconv.Atoi(strings.TrimSpace(number))
		if err != nil || n < 0 || n > 1000 {
			return nil, fmt.Errorf("login_lockout_budget: %q is neither a number from 0 to 1000 nor `glob=number`, such as lab_*=0", entry)
		}
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			return nil, fmt.Errorf("login_lockout_budget: %q: the pattern before = is no glob, such as lab_*", entry)
		}
		if n == 0 {
			n = -1
		}
		budgets = append(budgets, Budget{pattern, n})
	}
	return budgets, nil
}

// budget returns how many logins with an id may fail in a row; 0: any number.
func (o *Options) budget(id string) int {
	for _, b := range o.Budgets {
		// path.Match keeps * within a segment, and ids may have several.
		if ok, _ := path.Match(strings.ReplaceAll(b.Pattern, "/", "\x00"), strings.ReplaceAll(id, "/", "\x00")); ok {
			switch {
			case b.Failures < 0:
				return 0
			case b.Failures > 0:
				return b.Failures
			}
			break
		}
	}
	return defaultBudget
}
