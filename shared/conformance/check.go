package conformance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Level is how binding a check is.
type Level string

// The levels.
const (
	// Must is a duty: a provider that fails one breaks the contract.
	Must Level = "MUST"
	// Should is advice with a reason: a host copes without.
	Should Level = "SHOULD"
)

// Info describes one check.
type Info struct {
	// ID doesn't change from one version to the next: "CP-GET-003".
	ID    string `json:"id"`
	Level Level  `json:"level"`
	// Title says what the provider does if it passes.
	Title string `json:"title"`
	// Reason says in one line why, and cites the contract, credential_provider.proto.
	Reason string `json:"reason"`
}

// Verdict is the outcome of a check.
type Verdict string

// The verdicts.
const (
	Passed Verdict = "passed"
	Failed Verdict = "failed"
	// Skipped: the provider lacks the capability, the fixtures lack an example, or the system can't tell.
	Skipped Verdict = "skipped"
	// Blocked: it could not be tried, because of what another check has found.
	Blocked Verdict = "blocked"
)

// Result is the outcome of one check.
type Result struct {
	Info
	Verdict Verdict `json:"verdict"`
	// Detail says what was found, or why nothing was; empty for a check that passed. It quotes nothing of the provider's
	// but standard error of a process that didn't get as far as the handshake line.
	Detail string `json:"detail,omitempty"`
	// Duration is how long the check took.
	Duration time.Duration `json:"-"`
}

// Checks lists all checks, in the order in which they are made.
func Checks() []Info {
	infos := make([]Info, len(table))
	for i, c := range table {
		infos[i] = c.Info
	}
	return infos
}

// check is one row of the table.
type check struct {
	Info
	// needs is the capability that the check is about, if it is about one.
	needs credential.Capability
	// after is a check without which this one has no meaning.
	after string
	// run makes the check: nil, an error that says what is wrong, or one of those below.
	run func(context.Context, *exam) error
}

// skip ends a check that can't be made here.
type skip struct{ why string }

func (s *skip) Error() string { return s.why }

func skipf(format string, args ...any) error { return &skip{fmt.Sprintf(format, args...)} }

func isSkip(err error) bool { return errors.As(err, new(*skip)) }

// blocked ends a check that could not get to its point. by is the check that is about what stood in the way.
type blocked struct {
	by  string
	why error
}

func (b *blocked) Error() string { return b.why.Error() }
func (b *blocked) Unwrap() error { return b.why }

// within marks an error as what check id is about.
func within(id string, err error) error {
	var already *blocked
	if err == nil || errors.As(err, &already) {
		return err
	}
	return &blocked{by: id, why: err}
}
