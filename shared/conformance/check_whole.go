package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// These judge the form of everything that was seen in the run.
var wholeRunChecks = []check{
	{Info: Info{"CP-HANDSHAKE-006", Must, "it writes nothing to standard output but the handshake line",
		"Launch: one line to standard output and nothing else there, ever"},
		after: "CP-HANDSHAKE-003", run: checkStdout},
	{Info: Info{"CP-LOG-001", Must, "the fields @level, @message and @timestamp of its log lines are strings",
		"Launch: log lines: @level, @message, @timestamp as strings; other values crash some hosts"},
		run: checkLogTypes},
	{Info: Info{"CP-LOG-002", Should, "its log lines are JSON objects with level, message and time",
		"Launch: log lines go to standard error as one JSON object a line; hosts show others as they are"},
		run: checkLogLines},
	{Info: Info{"CP-ERROR-001", Must, "the details of an error take at most 4 KiB",
		"Errors: all details together take at most 4 KiB; they travel in headers, which are bounded"},
		run: checkErrorSize},
	{Info: Info{"CP-ERROR-002", Should, "every error has a message",
		"Errors: the message names the thing it is about"},
		run: checkErrorMessage},
	{Info: Info{"CP-ERROR-003", Must, "every error has one ErrorInfo of the contract, and no more",
		"Errors: an error is a gRPC status whose details hold a google.rpc.ErrorInfo; which of two a host reads isn't defined"},
		run: looking((*evidence).oneInfo)},
	{Info: Info{"CP-ERROR-004", Must, "an error says to try again within a day, or nothing of it",
		"Errors: RetryInfo where repeating the call later may help; hosts wait for as long as it says"},
		run: looking((*evidence).retries)},
	{Info: Info{"CP-ERROR-005", Should, "errors have the metadata of their reason",
		"Errors: metadata: field and problem of CREDENTIAL_MALFORMED, action and resource of ACCESS_DENIED, stage of BACKEND_UNAVAILABLE"},
		run: looking((*evidence).errorMetadata)},
	{Info: Info{"CP-ERROR-006", Should, "the message of an error takes at most 1 KiB",
		"Errors: they travel in headers, which are bounded, and are shown in one line"},
		run: looking((*evidence).messageSizes)},
	{Info: Info{"CP-VALUE-001", Must, "times and durations of answers are valid ones",
		"Credential: expire_time, never served after it; max_cache_age, how long a host may go on using it; version_created"},
		run: looking((*evidence).wrongValues)},
	{Info: Info{"CP-LOG-004", Should, "a call doesn't log more than 16 KiB at the level debug",
		"Duties: hosts keep and search what a provider logs, for as long as it lives"},
		run: checkLogVolume},
}

// look makes sure that there is something to judge, also when no other check was chosen, and that all of it has arrived.
func (e *exam) look(ctx context.Context) error {
	if e.evidence.complete {
		return nil
	}
	i, err := e.unconfigured(ctx)
	if err != nil {
		return err
	}
	_ = e.refusal(ctx, i, map[string]any{"no_such_setting": e.canary("the value of an unknown setting")})
	if i, err = e.configured(ctx); err != nil {
		return err
	}
	for _, size := range []int32{0, 1} { // a token needs pages
		_, _, _ = i.walk(ctx, size)
	}
	_ = withTime(ctx, func(ctx context.Context) error {
		_, err := i.provider.GetMetadata(ctx, &credentialv1.GetMetadataRequest{})
		return err
	})
	fixtures := e.options.Fixtures
	ids := slices.Concat(e.ids(), fixtures.Missing, fixtures.Denied, fixtures.Deleted)
	for id := range fixtures.Malformed {
		ids = append(ids, id)
	}
	for _, id := range append(ids, "", "strange\nid") {
		_, _ = i.get(ctx, id)
	}
	for n := range ids {
		_, _ = i.validate(ctx, &ids[n])
	}
	for _, version := range fixtures.Versions {
		_ = withTime(ctx, func(ctx context.Context) error {
			_, err := i.provider.GetCredential(ctx, version.request())
			return err
		})
	}
	_ = withTime(ctx, func(ctx context.Context) error {
		_, err := i.provider.BatchGetCredentials(ctx, batchOf(ids[:min(len(ids), credential.MaxBatch)]...))
		return err
	})
	_, _ = i.page(ctx, 0, "")
	for _, shared := range []*instance{e.bare, e.ready, e.gone} {
		if shared != nil && e.options.Attach == "" {
			_ = shared.shutdown(ctx)
			shared.wait(ctx, endTime)
			shared.end()
		}
	}
	e.bare, e.ready, e.gone = nil, nil, nil
	e.evidence.complete = true
	return nil
}

// looking makes a check of what was seen.
func looking(judge func(*evidence) error) func(context.Context, *exam) error {
	return func(ctx context.Context, e *exam) error {
		if err := e.look(ctx); err != nil {
			return err
		}
		e.evidence.mu.Lock()
		defer e.evidence.mu.Unlock()
		e.evidence.secrets.anew()
		return judge(e.evidence)
	}
}

var (
	checkStdout       = looking((*evidence).stdout)
	checkLogTypes     = looking((*evidence).logTypes)
	checkLogLines     = looking((*evidence).logLines)
	checkErrorSize    = looking((*evidence).errorSizes)
	checkErrorMessage = looking((*evidence).errorMessages)
)

func (v *evidence) stdout() error {
	for _, p := range v.processes {
		if extra := len(p.thing.stdout.bytes()); p.thing.hosted && extra > 0 {
			return fmt.Errorf("during %s it wrote %d bytes more", p.check, extra)
		}
	}
	return nil
}

// logged calls judge with each log line, and what it holds if it is a JSON object.
func (v *evidence) logged(judge func(fields map[string]any, isObject bool) error) error {
	for _, p := range v.processes {
		if !p.thing.hosted {
			continue // started by hand: its output is for the user
		}
		for n, line := range lines(p.thing.stderr.bytes()) {
			var fields map[string]any
			err := json.Unmarshal(line, &fields)
			if err := judge(fields, err == nil && fields != nil); err != nil {
				return fmt.Errorf("log line %d during %s: %w", n+1, p.check, err)
			}
		}
	}
	return nil
}

var logFields = []string{"@level", "@message", "@timestamp"}

func (v *evidence) logTypes() error {
	return v.logged(func(fields map[string]any, _ bool) error {
		for _, name := range logFields {
			if value, there := fields[name]; there {
				if _, text := value.(string); !text {
					return fmt.Errorf("%s is not a string", name)
				}
			}
		}
		return nil
	})
}

func (v *evidence) logLines() error {
	return v.logged(func(fields map[string]any, isObject bool) error {
		if !isObject {
			return errors.New("it is not a JSON object")
		}
		for _, name := range logFields {
			if _, there := fields[name]; !there {
				return fmt.Errorf("it has no %s", name)
			}
		}
		return nil
	})
}

// maxDetails is what the details of an error may take, in bytes.
const maxDetails = 4 << 10

func (v *evidence) errorSizes() error {
	for _, failure := range v.errors {
		size := 0
		for _, detail := range status.Convert(failure.thing).Proto().GetDetails() {
			size += proto.Size(detail)
		}
		if size > maxDetails {
			return fmt.Errorf("those of %s during %s take %d bytes", failure.what, failure.check, size)
		}
	}
	return nil
}

func (v *evidence) errorMessages() error {
	for _, failure := range v.errors {
		if status.Convert(failure.thing).Message() == "" {
			return fmt.Errorf("%s during %s has none", failure.what, failure.check)
		}
	}
	return nil
}

// each judges the errors that were seen, with those of batches.
func (v *evidence) each(judge func(info *errdetails.ErrorInfo, retry *durationpb.Duration, message string) error) error {
	for _, failure := range v.errors {
		var first *errdetails.ErrorInfo
		var retry *durationpb.Duration
		for _, detail := range status.Convert(failure.thing).Details() {
			switch d := detail.(type) {
			case *errdetails.ErrorInfo:
				first = d
			case *errdetails.RetryInfo:
				retry = d.GetRetryDelay()
			}
		}
		if err := judge(first, retry, status.Convert(failure.thing).Message()); err != nil {
			return fmt.Errorf("%s during %s: %w", failure.what, failure.check, err)
		}
	}
	for _, failure := range v.failures {
		single := &errdetails.ErrorInfo{Reason: failure.thing.GetReason(), Metadata: failure.thing.GetMetadata()}
		if err := judge(single, failure.thing.RetryDelay, failure.thing.GetMessage()); err != nil {
			return fmt.Errorf("%s during %s: %w", failure.what, failure.check, err)
		}
	}
	return nil
}

func (v *evidence) oneInfo() error {
	for _, failure := range v.errors {
		infos := 0
		for _, detail := range status.Convert(failure.thing).Details() {
			if _, ok := detail.(*errdetails.ErrorInfo); ok {
				infos++
			}
		}
		if infos > 1 {
			return fmt.Errorf("%s during %s has %d", failure.what, failure.check, infos)
		}
	}
	return nil
}

// longestRetry is how far in the future a retry makes sense.
const longestRetry = 24 * time.Hour

func (v *evidence) retries() error {
	return v.each(func(_ *errdetails.ErrorInfo, retry *durationpb.Duration, _ string) error {
		if retry != nil && (!retry.IsValid() || retry.AsDuration() < 0 || retry.AsDuration() > longestRetry) {
			return errors.New("its retry delay is negative, more than a day, or no valid duration")
		}
		return nil
	})
}

// wanted is the metadata that a reason comes with.
var wanted = map[credential.Reason][]string{
	credential.CredentialMalformed: {"field", "problem"},
	credential.AccessDenied:        {"action", "resource"},
	credential.BackendUnavailable:  {"stage"},
}

func (v *evidence) errorMetadata() error {
	return v.each(func(info *errdetails.ErrorInfo, _ *durationpb.Duration, _ string) error {
		for _, name := range wanted[credential.Reason(info.GetReason())] {
			if info.GetMetadata()[name] == "" {
				return fmt.Errorf("%s without %s in its metadata", info.GetReason(), name)
			}
		}
		return nil
	})
}

// longestMessage is what the message of an error may take, in bytes.
const longestMessage = 1 << 10

func (v *evidence) messageSizes() error {
	return v.each(func(_ *errdetails.ErrorInfo, _ *durationpb.Duration, message string) error {
		if len(message) > longestMessage {
			return fmt.Errorf("its message takes %d bytes", len(message))
		}
		return nil
	})
}

func (v *evidence) wrongValues() error {
	for _, wrong := range v.values {
		return fmt.Errorf("%s during %s: %w", wrong.what, wrong.check, wrong.thing)
	}
	return nil
}

// Bounds of what is logged.
const (
	volumeCalls = 50
	maxVolume   = 16 << 10 // bytes a call
)

func checkLogVolume(ctx context.Context, e *exam) error {
	options := hosted()
	options.logLevel = "debug"
	i, err := e.freshReady(ctx, options)
	if err != nil {
		return err
	}
	_, before := i.stderr.beyond()
	for range volumeCalls {
		_, _ = i.get(ctx, e.anyID())
	}
	i.end()
	if _, after := i.stderr.beyond(); after-before > volumeCalls*maxVolume {
		return fmt.Errorf("%d calls logged %d KiB", volumeCalls, (after-before)>>10)
	}
	return nil
}
