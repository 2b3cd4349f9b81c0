package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// These judge everything that was seen in the run.
var wholeRunChecks = []check{
	{Info: Info{"CP-SECRECY-001", Must, "no argument of its processes holds a secret",
		"Duties: no secret may leave the process in any other way than in the fields marked: not in an argument"},
		run: checkArguments},
	{Info: Info{"CP-SECRECY-002", Must, "nothing that it writes holds a secret: raw, escaped or encoded",
		"Duties: no secret may leave the process in any other way than in the fields marked: not in a log line"},
		run: checkWritten},
	{Info: Info{"CP-SECRECY-003", Must, "no error holds a secret",
		"Duties: not in an error; Errors: the message never holds a secret, not even in part"},
		run: checkErrors},
	{Info: Info{"CP-SECRECY-004", Must, "no metadata, listing or check of Validate holds a secret",
		"Duties: no secret may leave the process in any other way than in the fields marked with debug_redact"},
		run: checkAnswers},
	{Info: Info{"CP-HANDSHAKE-006", Must, "it writes nothing to standard output but the handshake line",
		"Launch: one line to standard output and nothing else there, ever"},
		after: "CP-HANDSHAKE-003", run: checkStdout},
	{Info: Info{"CP-LOG-001", Must, "the fields @level, @message and @timestamp of its log lines are texts",
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
	fixtures := e.options.Fixtures
	ids := append(e.ids(), fixtures.Missing...)
	for id := range fixtures.Malformed {
		ids = append(ids, id)
	}
	for _, id := range append(ids, "", "strange\nid") {
		_, _ = i.get(ctx, id)
	}
	for n := range ids {
		_, _ = i.validate(ctx, &ids[n])
	}
	_ = withTime(ctx, func(ctx context.Context) error {
		_, err := i.provider.BatchGetCredentials(ctx, batchOf(ids[:min(len(ids), credential.MaxBatch)]...))
		return err
	})
	_, _ = i.page(ctx, 0, "")
	for _, shared := range []*instance{e.bare, e.ready, e.gone} {
		if shared != nil {
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
		return judge(e.evidence)
	}
}

var (
	checkWritten      = looking((*evidence).written)
	checkErrors       = looking((*evidence).secretErrors)
	checkAnswers      = looking((*evidence).secretAnswers)
	checkStdout       = looking((*evidence).stdout)
	checkLogTypes     = looking((*evidence).logTypes)
	checkLogLines     = looking((*evidence).logLines)
	checkErrorSize    = looking((*evidence).errorSizes)
	checkErrorMessage = looking((*evidence).errorMessages)
)

// told is the end of a search that found nothing, which proves nothing where there was nothing to be found. What the
// kit makes up itself is looked for all the same.
func (v *evidence) told() error {
	if !v.known {
		return skipf("the fixtures have no secret of %d bytes or more that isn't a part of an id or a username", shortestSecret)
	}
	return nil
}

func (v *evidence) written() error {
	for _, p := range v.processes {
		for n, line := range lines(p.thing.stderr.bytes()) {
			if found := v.find(line); found != "" {
				return fmt.Errorf("log line %d during %s holds %s", n+1, p.check, found)
			}
		}
		if found := v.find(p.thing.stdout.bytes()); found != "" {
			return fmt.Errorf("standard output during %s holds %s", p.check, found)
		}
	}
	return v.told()
}

func (v *evidence) secretErrors() error {
	for _, failure := range v.errors {
		encoded, err := proto.Marshal(status.Convert(failure.thing).Proto())
		if err != nil {
			return err
		}
		if found := v.find(encoded); found != "" {
			return fmt.Errorf("%s during %s holds %s", failure.what, failure.check, found)
		}
	}
	for _, answer := range v.failures {
		if found := v.find(answer.thing); found != "" {
			return fmt.Errorf("%s during %s holds %s", answer.what, answer.check, found)
		}
	}
	return v.told()
}

func (v *evidence) secretAnswers() error {
	for _, answer := range v.answers {
		if found := v.find(answer.thing); found != "" {
			return fmt.Errorf("%s during %s holds %s", answer.what, answer.check, found)
		}
	}
	return v.told()
}

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
			continue // what it says to a person
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
					return fmt.Errorf("%s is not a text", name)
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

// checkArguments looks at the processes while they work: some programs are started for one call only.
func checkArguments(ctx context.Context, e *exam) error {
	if unknown := e.evidence.told(); unknown != nil {
		return unknown
	}
	i, err := e.freshReady(ctx, hosted())
	if err != nil {
		return err
	}
	if _, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(i.cmd.Process.Pid), "cmdline")); err != nil {
		return skipf("this system doesn't show the arguments of processes")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 3 {
			for _, id := range e.ids() {
				_, _ = i.get(ctx, id)
			}
			_, _ = i.validate(ctx, nil)
		}
	}()
	defer func() { <-done }()
	for working := true; working; {
		select {
		case <-done:
			working = false // one last look
		case <-time.After(time.Millisecond):
		}
		for _, arguments := range i.group.arguments(i.cmd.Process) {
			if found := e.evidence.find(bytes.ReplaceAll(arguments, []byte{0}, []byte{' '})); found != "" {
				return fmt.Errorf("a command line holds %s", found)
			}
		}
	}
	return nil
}
