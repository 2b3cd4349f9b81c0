package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/metadata"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
)

var endChecks = []check{
	{Info: Info{"CP-SHUTDOWN-001", Must, "Shutdown of plugin.GRPCController ends the process within 2 s",
		"Launch: it serves plugin.GRPCController, whose Shutdown ends the process"},
		run: checkShutdown},
	{Info: Info{"CP-SHUTDOWN-002", Must, "Shutdown ends the process within 2 s while calls wait for the backend",
		"Launch: it serves plugin.GRPCController, whose Shutdown ends the process"},
		after: "CP-SHUTDOWN-001", run: func(ctx context.Context, e *exam) error { return e.endInCalls(ctx, (*instance).askShutdown) }},
	{Info: Info{"CP-SHUTDOWN-003", Must, "after Shutdown its exit status is 0",
		"Launch: Shutdown ends the process; another status is what hosts know crashes by"},
		after: "CP-SHUTDOWN-001", run: checkExitStatus},
	{Info: Info{"CP-LIFELINE-001", Must, "the end of standard input ends the process within 2 s",
		"Launch: TOM_CREDENTIAL_LIFELINE=stdin: read standard input, and exit when it ends, for then the host is gone"},
		run: checkLifeline},
	{Info: Info{"CP-LIFELINE-002", Must, "the end of standard input ends the process within 2 s while calls wait for the backend",
		"Launch: TOM_CREDENTIAL_LIFELINE=stdin: read standard input, and exit when it ends, for then the host is gone"},
		after: "CP-LIFELINE-001", run: func(ctx context.Context, e *exam) error {
			return e.endInCalls(ctx, func(i *instance, _ context.Context) { i.cutLifeline() })
		}},
	{Info: Info{"CP-LIFELINE-003", Must, "without TOM_CREDENTIAL_LIFELINE it doesn't exit when standard input ends",
		"Launch: TOM_CREDENTIAL_LIFELINE: `stdin`; a host that doesn't set it may have no standard input to give"},
		run: checkNoLifeline},
	{Info: Info{"CP-PROCESS-001", Must, "it leaves no processes behind after Shutdown, whatever group or session they are in",
		"Launch: Shutdown ends the process; a host that is done with a provider is done with all that belongs to it"},
		after: "CP-SHUTDOWN-001", run: func(ctx context.Context, e *exam) error {
			return e.leftovers(ctx, "CP-SHUTDOWN-001", (*instance).askShutdown)
		}},
	{Info: Info{"CP-PROCESS-002", Must, "it leaves no processes behind when standard input ends",
		"Launch: TOM_CREDENTIAL_LIFELINE=stdin: exit when it ends; what outlives it has no host any more"},
		after: "CP-PROCESS-001", run: func(ctx context.Context, e *exam) error {
			return e.leftovers(ctx, "CP-LIFELINE-001", func(i *instance, _ context.Context) { i.cutLifeline() })
		}},
	{Info: Info{"CP-PROCESS-003", Should, "it listens for its host alone",
		"Launch: the provider listens where its handshake line says; another port is another way to its secrets"},
		run: checkListeners},
	{Info: Info{"CP-LOG-003", Must, "it writes no log lines below the level that it is given",
		"Launch: TOM_CREDENTIAL_LOG_LEVEL: write no log lines below it"},
		run: checkLogLevel},
	{Info: Info{"CP-TRACE-001", Should, "log lines of a call have the trace id of its traceparent",
		"Duties: a traceparent in the gRPC metadata (W3C Trace Context) is passed on to log lines as trace_id"},
		run: checkTrace},
}

// use makes a few calls of each kind.
func (e *exam) use(ctx context.Context, i *instance) {
	for _, id := range e.ids() {
		_, _ = i.get(ctx, id)
	}
	_, _ = i.get(ctx, e.options.Fixtures.Missing[0])
	id := e.anyID()
	_, _ = i.validate(ctx, nil)
	_, _ = i.validate(ctx, &id)
	_ = withTime(ctx, func(ctx context.Context) error {
		_, err := i.provider.BatchGetCredentials(ctx, batchOf(e.anyID(), e.options.Fixtures.Missing[0]))
		return err
	})
	_, _ = i.page(ctx, 0, "")
	for _, version := range e.options.Fixtures.Versions {
		_ = withTime(ctx, func(ctx context.Context) error {
			_, err := i.provider.GetCredential(ctx, version.request())
			return err
		})
	}
}

// askShutdown asks a process to end; it may end before it has answered.
func (i *instance) askShutdown(ctx context.Context) { _ = i.shutdown(ctx) }

// endsIn waits for the end of a process, for as long as the machine makes necessary.
func (e *exam) endsIn(ctx context.Context, i *instance, limit time.Duration, since time.Time) error {
	for !i.wait(ctx, 10*time.Millisecond) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if took := time.Since(since); took > limit+e.pace.margin(since) {
			return latef("it is still running after %v", took.Round(10*time.Millisecond))
		}
	}
	return nil
}

func checkShutdown(ctx context.Context, e *exam) error {
	return e.patiently(func(time.Duration) error {
		i, err := e.freshReady(ctx, hosted())
		if err != nil {
			return err
		}
		_, _ = i.get(ctx, e.anyID())
		start := time.Now()
		i.askShutdown(ctx)
		return e.endsIn(ctx, i, endTime, start)
	})
}

func checkLifeline(ctx context.Context, e *exam) error {
	return e.patiently(func(time.Duration) error {
		i, err := e.freshReady(ctx, hosted())
		if err != nil {
			return err
		}
		_, _ = i.get(ctx, e.anyID())
		start := time.Now()
		i.cutLifeline()
		return e.endsIn(ctx, i, endTime, start)
	})
}

// endInCalls ends a process in some way while calls in it wait for the backend.
func (e *exam) endInCalls(ctx context.Context, end func(*instance, context.Context)) error {
	return e.patiently(func(times time.Duration) error {
		i, id, err := e.stalled(ctx)
		if err != nil {
			return err
		}
		var calls sync.WaitGroup
		defer calls.Wait()
		waiting, giveUp := context.WithTimeout(ctx, times*60*endTime)
		defer giveUp()
		for range 4 {
			calls.Go(func() { _, _ = i.provider.GetCredential(waiting, &credentialv1.GetCredentialRequest{CredentialId: id}) })
		}
		select { // they are to have arrived
		case <-time.After(times * cancelAfter):
		case <-ctx.Done():
			return ctx.Err()
		}
		start := time.Now()
		end(i, ctx)
		return e.endsIn(ctx, i, endTime, start)
	})
}

func checkExitStatus(ctx context.Context, e *exam) error {
	i, err := e.freshReady(ctx, hosted())
	if err != nil {
		return err
	}
	e.use(ctx, i)
	i.askShutdown(ctx)
	if !i.wait(ctx, 5*endTime) {
		return within("CP-SHUTDOWN-001", latef("it is still running after %v", 5*endTime))
	}
	if !i.cmd.ProcessState.Success() {
		return fmt.Errorf("it ends with %s", i.ending())
	}
	return nil
}

// idleTime is how long a provider without a lifeline is watched.
const idleTime = 500 * time.Millisecond

func checkNoLifeline(ctx context.Context, e *exam) error {
	options := hosted()
	options.noLifeline = true
	i, err := e.freshReady(ctx, options)
	if err != nil {
		return err
	}
	i.cutLifeline()
	if i.wait(ctx, idleTime) {
		return fmt.Errorf("it exits (%s)", i.ending())
	}
	_, err = i.get(ctx, e.anyID())
	return succeed("GetCredential with standard input at its end", err)
}

// leftovers looks for processes after a process was used and has ended.
func (e *exam) leftovers(ctx context.Context, by string, end func(*instance, context.Context)) error {
	if !followed() {
		return skipf("this system doesn't tell which processes belong together")
	}
	i, err := e.freshReady(ctx, hosted())
	if err != nil {
		return err
	}
	e.use(ctx, i)
	i.tree.look()
	start := time.Now()
	end(i, ctx)
	if !i.wait(ctx, 5*endTime) {
		return within(by, fmt.Errorf("it is still running after %v", 5*endTime))
	}
	for len(i.tree.left()) > 0 {
		if took := time.Since(start); took > endTime+e.pace.margin(start) {
			return fmt.Errorf("%v after its end a process that it started is still running", took.Round(time.Millisecond))
		}
		if !sleep(ctx, 5*time.Millisecond) {
			return ctx.Err()
		}
	}
	return nil
}

// sleep waits, and reports whether ctx hasn't ended before.
func sleep(ctx context.Context, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func checkListeners(ctx context.Context, e *exam) error {
	i, err := e.freshReady(ctx, hosted())
	if err != nil {
		return err
	}
	e.use(ctx, i)
	count, known := listeners(i.cmd.Process.Pid)
	if !known {
		return skipf("this system doesn't tell what a process listens on")
	}
	if i.shake.network == "tcp" {
		count--
	}
	if count > 0 {
		return fmt.Errorf("it listens on %d TCP ports besides", count)
	}
	return nil
}

func checkLogLevel(ctx context.Context, e *exam) error {
	options := hosted()
	options.logLevel = "error"
	i, err := e.freshReady(ctx, options)
	if err != nil {
		return err
	}
	e.use(ctx, i)
	_, _ = i.provider.ListCredentials(ctx, &credentialv1.ListCredentialsRequest{})
	_ = i.shutdown(ctx)
	i.wait(ctx, endTime)
	i.end()
	for n, line := range lines(i.stderr.bytes()) {
		var fields map[string]any
		if json.Unmarshal(line, &fields) != nil {
			continue // CP-LOG-002 is about these
		}
		switch level := fields["@level"]; level {
		case "trace", "debug", "info", "warn":
			return fmt.Errorf("log line %d is of level %s, where the level is error", n+1, level)
		}
	}
	return nil
}

// traceWait is how long a line may take from the provider to here.
const traceWait = time.Second

func checkTrace(ctx context.Context, e *exam) error {
	i, err := e.freshReady(ctx, hosted())
	if err != nil {
		return err
	}
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	before := len(lines(i.stderr.bytes()))
	e.use(metadata.AppendToOutgoingContext(ctx, "traceparent", "00-"+id+"-00f067aa0ba902b7-01"), i)
	for deadline := time.Now().Add(traceWait); ; time.Sleep(5 * time.Millisecond) {
		after := lines(i.stderr.bytes())
		for _, line := range after {
			var fields map[string]any
			if json.Unmarshal(line, &fields) == nil && fields["trace_id"] == id {
				return nil
			}
		}
		if time.Now().Before(deadline) {
			continue
		}
		if len(after) == before {
			return skipf("the provider logs nothing about its calls")
		}
		return fmt.Errorf("of %d log lines during calls none has it", len(after)-before)
	}
}

// lines splits what a process wrote.
func lines(text []byte) [][]byte {
	var all [][]byte
	scanner := bufio.NewScanner(bytes.NewReader(text))
	scanner.Buffer(nil, maxOutput)
	for scanner.Scan() {
		all = append(all, bytes.Clone(scanner.Bytes()))
	}
	return all
}
