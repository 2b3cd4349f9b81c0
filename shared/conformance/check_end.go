package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/grpc/metadata"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
)

var endChecks = []check{
	{Info: Info{"CP-SHUTDOWN-001", Must, "Shutdown of plugin.GRPCController ends the process within 2 s",
		"Launch: it serves plugin.GRPCController, whose Shutdown ends the process"},
		run: checkShutdown},
	{Info: Info{"CP-LIFELINE-001", Must, "the end of standard input ends the process within 2 s",
		"Launch: TOM_CREDENTIAL_LIFELINE=stdin: read standard input, and exit when it ends, for then the host is gone"},
		run: checkLifeline},
	{Info: Info{"CP-PROCESS-001", Must, "it leaves no processes behind",
		"Launch: Shutdown ends the process; a host that is done with a provider is done with all that belongs to it"},
		after: "CP-SHUTDOWN-001", run: checkLeftovers},
	{Info: Info{"CP-LOG-003", Must, "it writes no log lines below the level that it is given",
		"Launch: TOM_CREDENTIAL_LOG_LEVEL: write no log lines below it"},
		run: checkLogLevel},
	{Info: Info{"CP-TRACE-001", Should, "log lines of a call have the trace id of its traceparent",
		"Duties: a traceparent in the gRPC metadata (W3C Trace Context) is passed on to log lines as trace_id"},
		run: checkTrace},
}

// use makes a few calls.
func (e *exam) use(ctx context.Context, i *instance) {
	_, _ = i.get(ctx, e.anyID())
	_, _ = i.get(ctx, e.options.Fixtures.Missing[0])
	_, _ = i.validate(ctx, nil)
}

func checkShutdown(ctx context.Context, e *exam) error {
	i, err := e.freshReady(ctx, hosted())
	if err != nil {
		return err
	}
	_, _ = i.get(ctx, e.anyID())
	answer := i.shutdown(ctx) // the process may end before it has answered
	if !i.wait(ctx, endTime) {
		return fmt.Errorf("it is still running after %v; the call: %s", endTime, outcome(answer))
	}
	return nil
}

func checkLifeline(ctx context.Context, e *exam) error {
	i, err := e.freshReady(ctx, hosted())
	if err != nil {
		return err
	}
	_, _ = i.get(ctx, e.anyID())
	i.cutLifeline()
	if !i.wait(ctx, endTime) {
		return fmt.Errorf("it is still running after %v", endTime)
	}
	return nil
}

func checkLeftovers(ctx context.Context, e *exam) error {
	i, err := e.freshReady(ctx, hosted())
	if err != nil {
		return err
	}
	if _, known := i.group.left(i.cmd.Process); !known {
		return skipf("this system doesn't tell which processes belong together")
	}
	e.use(ctx, i)
	_ = i.shutdown(ctx)
	if !i.wait(ctx, endTime) {
		return within("CP-SHUTDOWN-001", fmt.Errorf("it is still running after %v", endTime))
	}
	for deadline := time.Now().Add(endTime); ; time.Sleep(5 * time.Millisecond) {
		if left, _ := i.group.left(i.cmd.Process); !left {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%v after its end a process that it started is still running", endTime)
		}
	}
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
