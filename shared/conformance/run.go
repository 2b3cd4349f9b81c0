package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
	report := &Report{Plugin: e.options.Plugin}
	for _, c := range e.options.selected() {
		report.Results = append(report.Results, e.make(ctx, c))
		if ctx.Err() != nil {
			return nil, fmt.Errorf("the checks were not finished: %w", context.Cause(ctx))
		}
	}
	if e.metadata != nil {
		report.Name, report.Version = e.metadata.GetName(), e.metadata.GetVersion()
	}
	return report, nil
}

// exam is one run of the checks on one provider.
type exam struct {
	options  Options
	evidence *evidence
	verdicts map[string]Verdict

	current  string      // the id of the check that is being made
	launched []*instance // by the current check, for itself
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
	return &exam{options: options, evidence: newEvidence(options), verdicts: map[string]Verdict{}}, nil
}

// make makes one check.
func (e *exam) make(ctx context.Context, c check) Result {
	begin := time.Now()
	e.current = c.ID
	err := e.try(context.WithValue(ctx, checkKey{}, c.ID), c)
	for _, i := range e.launched {
		i.end()
	}
	e.launched = nil
	var skipped *skip
	var hindered *blocked
	if end := e.replaceShared(err != nil && !errors.As(err, &skipped)); end != "" && err == nil {
		err = fmt.Errorf("the process ended in the middle of it (%s)", end)
	} else if end != "" {
		err = fmt.Errorf("%w; its process has ended (%s)", err, end)
	}
	result := Result{Info: c.Info, Verdict: Passed, Duration: time.Since(begin)}
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

// replaceShared gives up the shared processes that have ended, and all of them after a failure: a check shall not suffer
// from what another one has found. It says how one had ended by itself; empty if none had.
func (e *exam) replaceShared(failed bool) (end string) {
	for _, shared := range []**instance{&e.bare, &e.ready, &e.gone} {
		i := *shared
		if i == nil {
			continue
		}
		// A call fails a moment before the process that died in it is gone.
		ended := i.ended() || failed && i.wait(context.Background(), deathTime)
		if ended {
			end = i.cmd.ProcessState.String()
		}
		if ended || failed {
			i.end()
			*shared = nil
		}
	}
	return end
}

func (e *exam) close() { e.replaceShared(true) }

// can says whether the provider advertises a capability.
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

// describe is what the provider tells of itself.
func (e *exam) describe(ctx context.Context) (*credentialv1.GetMetadataResponse, error) {
	if e.metadata != nil {
		return e.metadata, nil
	}
	i, err := e.unconfigured(ctx)
	if err != nil {
		return nil, err
	}
	return e.describedBy(ctx, i)
}

func (e *exam) describedBy(ctx context.Context, i *instance) (*credentialv1.GetMetadataResponse, error) {
	if e.metadata == nil {
		ctx, cancel := context.WithTimeout(ctx, callTime)
		defer cancel()
		metadata, err := i.provider.GetMetadata(ctx, &credentialv1.GetMetadataRequest{})
		if err != nil {
			return nil, within("CP-METADATA-001", fmt.Errorf("GetMetadata: %s", outcome(err)))
		}
		e.metadata = metadata
	}
	return e.metadata, nil
}
