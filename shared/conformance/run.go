package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// Run makes the checks as subtests of t; each has the check's id as its name. A MUST that isn't met fails its subtest; a
// SHOULD is logged.
func Run(t *testing.T, options Options) {
	t.Helper()
	e, err := newExam(options)
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	for _, c := range e.options.selected() {
		t.Run(c.ID, func(t *testing.T) {
			t.Helper()
			tell(t, e.make(t.Context(), c))
		})
	}
	for _, warning := range e.warnings() {
		t.Log(warning)
	}
}

// tell turns a result into a test's.
func tell(t testing.TB, result Result) {
	t.Helper()
	found := fmt.Sprintf("%s %s, %s: %s\n%s", result.Level, result.Title, result.Verdict, result.Detail, result.Reason)
	switch {
	case result.Verdict == Passed:
	case result.Verdict == Skipped:
		t.Skip(result.Detail)
	case result.Level == Must: // also if blocked: what blocks it may not be among the checks that were chosen
		t.Error(found)
	default:
		t.Log(found)
	}
}

// Examine makes the checks and reports. Its error means that they could not be made: options that make no sense, or a ctx
// that has ended.
func Examine(ctx context.Context, options Options) (*Report, error) {
	e, err := newExam(options)
	if err != nil {
		return nil, err
	}
	defer e.close()
	report := &Report{Plugin: e.options.Plugin + e.options.Attach} // one of them
	for _, c := range e.options.selected() {
		result := e.make(ctx, c)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("the checks were not finished: %w", context.Cause(ctx))
		}
		report.Results = append(report.Results, result)
		if options.Observe != nil {
			options.Observe(result)
		}
	}
	if e.metadata != nil {
		report.Name, report.Version = e.metadata.GetName(), e.metadata.GetVersion()
	}
	report.Warnings = e.warnings()
	return report, nil
}

// warnings say what the fixtures are too poor to prove, and which processes are left.
func (e *exam) warnings() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append(e.options.Fixtures.warnings(e.metadata.GetCapabilities()), e.stuck...)
}

// unended takes note of a process that could not be ended: the run goes on without it.
func (e *exam) unended(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stuck = append(e.stuck, err.Error())
}

// exam is one run of the checks on one provider.
type exam struct {
	options  Options
	evidence *evidence
	verdicts map[string]Verdict
	pace     *pace
	present  map[string]bool // files that were there before the run
	ends     time.Time       // when the whole run's time is up; zero: never

	mu       sync.Mutex  // guards launched, decoys, stuck and metadata
	current  string      // the id of the check that is being made
	launched []*instance // by the current check, for itself
	decoys   []*decoy    // of the current check
	stuck    []string    // what is known of processes that could not be ended
	bare     *instance   // shared by checks: connected, without settings
	ready    *instance   // shared by checks: with settings
	gone     *instance   // shared by checks: with settings, its backend gone

	metadata *credentialv1.GetMetadataResponse // nil until a process has told it
}

func newExam(options Options) (*exam, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	e := &exam{options: options, evidence: newEvidence(options), verdicts: map[string]Verdict{}, pace: startPace(), present: present(options.Plugin)}
	if options.Timeout > 0 {
		e.ends = time.Now().Add(options.Timeout)
	}
	adoptOrphans()
	return e, nil
}

// make makes one check.
func (e *exam) make(ctx context.Context, c check) Result {
	start := time.Now()
	e.current = c.ID
	err := e.bounded(context.WithValue(ctx, checkKey{}, c.ID), c)
	for _, i := range e.launched {
		i.end()
	}
	for _, d := range e.decoys {
		d.end()
	}
	e.launched, e.decoys = nil, nil
	var skipped *skip
	var hindered *blocked
	if end := e.replaceShared(err != nil && !errors.As(err, &skipped)); end != "" && err == nil {
		err = fmt.Errorf("the process ended in the middle of it (%s)", end)
	} else if end != "" {
		err = fmt.Errorf("%w; its process has ended (%s)", err, end)
	}
	result := Result{Info: c.Info, Verdict: Passed, Duration: time.Since(start)}
	switch {
	case err == nil:
	case errors.As(err, &skipped):
		result.Verdict, result.Detail = Skipped, skipped.why
	case errors.As(err, &hindered) && hindered.by != c.ID && e.verdicts[hindered.by] != Passed:
		result.Verdict, result.Detail = Blocked, hindered.by+": "+firstLine(hindered.why)
	default:
		result.Verdict, result.Detail = Failed, err.Error()
	}
	e.verdicts[c.ID] = result.Verdict
	return result
}

// bounded makes the check within its time and the whole run's. A provider that hangs in every call would else hold the kit
// for as long as all calls together may take. What a busy machine was late by is added.
func (e *exam) bounded(ctx context.Context, c check) error {
	if !e.ends.IsZero() && time.Now().After(e.ends) {
		return skipf("the time for the whole run, %v, was up", e.options.Timeout)
	}
	if e.options.CheckTimeout < 0 {
		return e.try(ctx, c)
	}
	start := time.Now()
	bounded, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan struct{})
	defer close(done)
	go func() {
		for limit := e.options.CheckTimeout; ; limit = e.options.CheckTimeout + wakeups*e.pace.worst(start) {
			select {
			case <-done:
				return
			case <-time.After(max(time.Until(start.Add(limit)), paceStep)):
			}
			if time.Since(start) >= e.options.CheckTimeout+min(wakeups*e.pace.worst(start), 2*e.options.CheckTimeout) {
				cancel(errCheckTime)
				return
			}
		}
	}()
	err := e.try(bounded, c)
	if context.Cause(bounded) == errCheckTime && err != nil {
		return fmt.Errorf("it was not finished within %v: %w", time.Since(start).Round(time.Second), err)
	}
	return err
}

// errCheckTime ends a check that takes too long.
var errCheckTime = errors.New("the time for the check was up")

// late is a failure to answer in time. On a busy machine it is tried again with more time.
type late struct{ error }

func latef(format string, args ...any) error { return &late{fmt.Errorf(format, args...)} }

// patiently makes a try whose times are bounded. A failure for being late counts if the machine was not busy, or if it
// comes again with three and nine times the time.
func (e *exam) patiently(try func(times time.Duration) error) error {
	for times := time.Duration(1); ; times *= 3 {
		start := time.Now()
		err := try(times)
		if tooLate := (*late)(nil); !errors.As(err, &tooLate) || times == 9 || e.pace.worst(start) < busy {
			return err
		}
	}
}

// errFirst is why a check is blocked by one that has failed before.
var errFirst = errors.New("it must be met first")

// firstLine is what is repeated of an error that another check has in full.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// try makes the check unless something speaks against it.
func (e *exam) try(ctx context.Context, c check) error {
	if verdict := e.verdicts[c.after]; verdict == Failed || verdict == Blocked {
		return &blocked{by: c.after, why: errFirst}
	}
	if e.options.Attach != "" && launching.MatchString(c.ID) {
		return skipf("%s runs already: the kit launches nothing, hands over no settings and sees no process", e.options.Attach)
	}
	if c.needs != "" {
		able, err := e.can(ctx, c.needs)
		if err != nil {
			return err
		}
		if !able {
			return skipf("the provider doesn't have the capability %s", c.needs)
		}
	}
	return c.run(ctx, e)
}

// deathTime is how long after a failure a process is watched for its end.
const deathTime = 100 * time.Millisecond

// replaceShared gives up the shared processes that have ended, and all of them after a failure: a check must not suffer
// from what another one has found. It returns how one had ended on its own initiative; empty if none had.
func (e *exam) replaceShared(failed bool) (end string) {
	for _, shared := range []**instance{&e.bare, &e.ready, &e.gone} {
		i := *shared
		if i == nil {
			continue
		}
		// A call fails a moment before the process that died in it is gone.
		ended := i.ended() || failed && i.wait(context.Background(), deathTime)
		if ended {
			end = i.ending()
		}
		if ended || failed {
			i.end()
			*shared = nil
		}
	}
	return end
}

func (e *exam) close() {
	e.replaceShared(true)
	leaveOrphans()
	e.pace.end()
}

// can reports whether the provider advertises a capability.
func (e *exam) can(ctx context.Context, capability credential.Capability) (bool, error) {
	metadata, err := e.describe(ctx)
	if err != nil {
		return false, err
	}
	for _, advertised := range metadata.GetCapabilities() {
		if advertised == string(capability) {
			return true, nil
		}
	}
	return false, nil
}

// describe returns the metadata of the provider.
func (e *exam) describe(ctx context.Context) (*credentialv1.GetMetadataResponse, error) {
	if known := e.known(); known != nil {
		return known, nil
	}
	i, err := e.unconfigured(ctx)
	if err != nil {
		return nil, err
	}
	return e.describedBy(ctx, i)
}

func (e *exam) describedBy(ctx context.Context, i *instance) (*credentialv1.GetMetadataResponse, error) {
	if known := e.known(); known != nil {
		return known, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	metadata, err := i.provider.GetMetadata(ctx, &credentialv1.GetMetadataRequest{})
	if err != nil {
		return nil, within("CP-METADATA-001", fmt.Errorf("GetMetadata: %s", outcome(err)))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.metadata = metadata
	return metadata, nil
}

// known returns the metadata, nil before the first answer: checks ask side by side.
func (e *exam) known() *credentialv1.GetMetadataResponse {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.metadata
}
