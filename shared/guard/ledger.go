package guard

import (
	"context"
	"encoding/base64"
	"errors"
	"time"
)

// Ledger is where a guard keeps what devices have answered to login materials, and who may present one at present. All
// guards that share a ledger share their budgets. Its methods may be called concurrently.
//
// The rules are those of [NewMemory]; an implementation follows them exactly, each operation atomic, by one clock.
type Ledger interface {
	// Begin asks for a permit to present a material. Repeated with the same Request.Permit, while that permit is open, it
	// gives the same answer: so a call whose answer was lost can be made again. An error that wraps [ErrUnavailable] means
	// that the ledger is unreachable at present, and that the guard should wait.
	Begin(ctx context.Context, request Request) (Decision, error)
	// Look returns what Begin would answer as far as it is known in this process. It changes nothing, and waits for nothing.
	Look(request Request) Decision
	// End reports what a device has answered under a permit. Repeated, it counts once. An implementation that can't deliver
	// the report at once keeps it and returns nil.
	End(ctx context.Context, report Report) error
	// Forget drops what is known against materials: their failures, closures, and the pauses of devices.
	Forget(ctx context.Context, materials ...Digest) error
	// Snapshot returns the records of all materials, in no order.
	Snapshot(ctx context.Context) ([]Record, error)
	// Watch returns a channel that is closed at the next change of a material's record. Take the channel first, then ask,
	// then wait: a change in between isn't missed. A change may be announced late or without need.
	Watch(material Digest) <-chan struct{}
	// Close ends what the ledger has started. Reports that are not delivered yet are lost: their permits run out.
	Close() error
}

// ErrUnavailable is wrapped by errors of a [Ledger] that is unreachable.
var ErrUnavailable = errors.New("the ledger of logins is unavailable")

// Digest stands for a login material, a device, or a version: a keyed digest, from which none of them can be learnt without
// the key. The zero Digest stands for none.
type Digest [16]byte

// String returns the digest as 22 letters, as an operator sees it in a shared ledger.
func (d Digest) String() string { return base64.RawURLEncoding.EncodeToString(d[:]) }

// ParseDigest reads what String returns.
func ParseDigest(text string) (d Digest, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) != len(d) {
		return d, errors.New("a digest of login material has 22 letters, as `quarantine list` prints them")
	}
	copy(d[:], raw)
	return d, nil
}

// Permit names one permission to present material. The guard makes it up at random.
type Permit [16]byte

// String returns the permit as 22 letters.
func (p Permit) String() string { return Digest(p).String() }

// Request asks for a permit.
type Request struct {
	Permit  Permit
	Device  Digest
	Current Digest // the material of the newest copy
	ID      Digest // the credential id that it was read under
	Version Digest // the version under which the backend gave it
	// Previous is the material before, if PreviousKnown; zero if there is none.
	Previous      Digest
	PreviousKnown bool
	// CurrentShown and PreviousShown report that this login has shown the material already: only the other one is asked for.
	CurrentShown, PreviousShown bool
	// Replaced is the material that the guard had for the id before the backend gave this one: copies of it are suspect.
	Replaced Digest
	// Age is how long ago the copy was read from the backend.
	Age time.Duration
	Limits
}

// Limits are the settings that the rules depend on. They are the asking guard's own.
type Limits struct {
	Budget int           // logins that may fail in a row; 0 or less: no bound
	Pause  time.Duration // how long a device that refused isn't asked again, and how long a material is closed
	Life   time.Duration // how long a permit lives
}

// Verdict is the kind of a [Decision].
type Verdict uint8

const (
	// Granted means that the permit is open. Decision.Order says what to present.
	Granted Verdict = iota
	// Held means that all permits are in use. It is worth asking again on news, at the latest after Decision.After.
	Held
	// Behind means that devices which are known to accept the material go first, for Decision.After.
	Behind
	// Settling means that the material has just failed, and the backend may have another one within Decision.After.
	Settling
	// Paused means that the device has refused the material, and doesn't get it for Decision.After.
	Paused
	// Closed means that the material has failed too often in a row, and is closed for Decision.After.
	Closed
	// ReadAgain means that the material has failed since the copy was read.
	ReadAgain
	// NeedPrevious means that the device isn't known to accept the material, or that it fails, so the previous one matters and wasn't given.
	NeedPrevious
)

// Decision answers a [Request].
type Decision struct {
	Verdict Verdict
	// After is when it is worth asking again, or when the state ends.
	After time.Duration
	// Order is what to present, in this order, with Granted. The second one only if the first is refused.
	Order Order
	// Failing reports that the current material has failed since its last success; Proven that a device has once accepted it.
	Failing, Proven bool
}

// Order is which materials may be presented under a permit, in order.
type Order uint8

// The orders of presentation; the second material is presented only if the first is refused.
const (
	CurrentOnly Order = iota
	PreviousOnly
	CurrentPrevious
	PreviousCurrent
)

// materials returns the materials in the order of presentation.
func (o Order) materials(current, previous Digest) (list [2]Digest, n int) {
	switch o {
	case PreviousOnly:
		return [2]Digest{previous}, 1
	case CurrentPrevious:
		return [2]Digest{current, previous}, 2
	case PreviousCurrent:
		return [2]Digest{previous, current}, 2
	default:
		return [2]Digest{current}, 1
	}
}

// Answer is what a device said to a material.
type Answer uint8

const (
	// Accepted means that the login succeeded.
	Accepted Answer = iota + 1
	// Refused means that the device said no.
	Refused
	// Unknown means that the material may have been shown, and no answer came.
	Unknown
)

// String returns the answer in lower case, for logs and metrics.
func (a Answer) String() string {
	switch a {
	case Accepted:
		return "accepted"
	case Refused:
		return "refused"
	default:
		return "unknown"
	}
}

// Report is what became of a permit.
type Report struct {
	Permit            Permit
	Device            Digest
	Current, Previous Digest // as in the request that was granted
	ID, Version       Digest
	// Shown are all materials that the device has answered to under this permit, with its answers, in order. The answer to the
	// last one is the login's. None: the login has shown nothing.
	Shown []Shown
	// Open keeps the permit open: another material follows.
	Open bool
	Limits
}

// Shown is a material that was presented, and the answer to it.
type Shown struct {
	Material Digest
	Answer   Answer
}

// Record is what a ledger knows of one material.
type Record struct {
	Material Digest
	// Failed are the logins in a row that showed it and failed, since the last success; Refused the refusals of it in a row.
	Failed, Refused int
	// Closed is how long it stays closed; 0: it is open.
	Closed time.Duration
	// Proven reports that a device has once accepted it.
	Proven bool
	// Permits are the logins under way with it.
	Permits int
	// Accepting are devices whose last answer was yes, Doubtful those whose last answer was not.
	Accepting, Doubtful int
	// ID is the digest of the credential id under which it failed last; zero if it never did.
	ID Digest
	// Budget is how many logins may fail in a row: the budget of the login that failed last, and one more where a success has
	// shown that refusals were the devices' own. 0: no bound, or it has never failed.
	Budget int
	// RefusedDay are the refusals of it in the hour that runs and the 23 before, by the ledger's clock. WrongDay are those of
	// them that no success has cleared since: no device has accepted it in a login that started after its last failure. So
	// nothing shows that they were the devices' own trouble, and accounts have counted them as wrong passwords.
	RefusedDay, WrongDay int
	// Idle is how long ago a login with it last failed, or the latest accepted one started. Negative: neither.
	Idle time.Duration
}
