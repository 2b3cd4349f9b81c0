package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
)

var growthChecks = []check{
	{Info: Info{"CP-ENDURANCE-001", Must, "1,000 calls are answered rightly, and it is still alive",
		"Launch: a provider lives as long as its host, which may be months"},
		after: "CP-GET-001", run: checkEndurance},
	{Info: Info{"CP-GROWTH-001", Should, "its memory doesn't grow over 1,000 reads",
		"Launch: a provider lives as long as its host, which may be months"},
		after: "CP-GET-001", run: growing(reads, memory)},
	{Info: Info{"CP-GROWTH-002", Should, "its open files and sockets don't grow over 1,000 reads",
		"Launch: a provider lives as long as its host, which may be months"},
		after: "CP-GET-001", run: growing(reads, files)},
	{Info: Info{"CP-GROWTH-003", Should, "it doesn't grow over 1,000 listings",
		"Launch: a provider lives as long as its host, which may be months"},
		needs: credential.CapabilityList, after: "CP-LIST-001", run: growing(listings, memory, files)},
	{Info: Info{"CP-GROWTH-004", Should, "it doesn't grow over 1,000 batches",
		"Launch: a provider lives as long as its host, which may be months"},
		needs: credential.CapabilityBatch, after: "CP-BATCH-001", run: growing(batches, memory, files)},
	{Info: Info{"CP-GROWTH-005", Should, "it doesn't grow over 1,000 validations",
		"Launch: a provider lives as long as its host, which may be months"},
		after: "CP-VALIDATE-001", run: growing(validations, memory, files)},
	{Info: Info{"CP-GROWTH-006", Should, "it doesn't grow over 1,000 calls that are cancelled",
		"Duties: it stops its own work when the call is cancelled"},
		after: "CP-CANCEL-001", run: growing(cancelled, queued, files)},
	{Info: Info{"CP-GROWTH-007", Should, "its threads don't grow over 1,000 reads",
		"Launch: a provider lives as long as its host, which may be months"},
		after: "CP-GET-001", run: growing(reads, threads)},
}

// measure is something of a process that must not grow.
type measure struct {
	what  string
	unit  int // in which it is reported
	read  func(pid int) (int, error)
	slack int // growth that may be chance
	each  int // growth by every call that isn't
}

// A runtime takes memory in steps, and gives it back late: what grows by less than the slack, or stops growing, doesn't leak.
var (
	memory = measure{"MiB of memory", 1 << 20, residentMemory, 8 << 20, 3 << 10}
	// Where a call can't be interrupted, as in Python, those that were given up wait in a queue until it has ended.
	queued  = measure{"MiB of memory", 1 << 20, residentMemory, 8 << 20, 8 << 10}
	files   = measure{"files and sockets", 1, openFiles, 16, 0}
	threads = measure{"threads", 1, threadCount, 32, 0}
)

// load makes one call of a kind; n counts them.
type load func(ctx context.Context, e *exam, i *instance, n int) error

func reads(ctx context.Context, e *exam, i *instance, n int) error {
	id := e.anyID()
	if n%2 == 1 {
		id = e.options.Fixtures.Missing[0]
	}
	_, err := i.get(ctx, id)
	return err
}

func listings(ctx context.Context, _ *exam, i *instance, _ int) error {
	_, err := i.page(ctx, 0, "")
	return err
}

func batches(ctx context.Context, e *exam, i *instance, _ int) error {
	return withTime(ctx, func(ctx context.Context) error {
		_, err := i.provider.BatchGetCredentials(ctx, batchOf(e.anyID(), e.options.Fixtures.Missing[0]))
		return err
	})
}

func validations(ctx context.Context, e *exam, i *instance, n int) error {
	ids := []string{e.anyID(), e.options.Fixtures.Missing[0]}
	_, err := i.validate(ctx, &ids[n%2])
	return err
}

// cancelled gives a call up before it is answered, after some milliseconds.
func cancelled(ctx context.Context, e *exam, i *instance, n int) error {
	id := e.anyID()
	if slow := e.options.Fixtures.Slow; len(slow) > 0 {
		id = slow[0]
	}
	given, cancel := context.WithTimeout(ctx, time.Duration(1+n%10*2)*time.Millisecond)
	defer cancel()
	_, _ = i.provider.GetCredential(given, &credentialv1.GetCredentialRequest{CredentialId: id})
	return nil
}

// growthTime bounds how long it is watched for growth; phases is how often it may have grown without leaking.
const (
	growthTime = 25 * time.Second
	phases     = 5
)

// growing makes a check of what grows under a load. A separate process is measured when it is warm, and after each phase of
// calls until one doesn't make it grow.
func growing(call load, what ...measure) func(context.Context, *exam) error {
	return func(ctx context.Context, e *exam) error {
		options := hosted()
		options.logLevel = "error" // production runs do not log everything
		options.debuggable = true  // else our own providers can't be looked at
		i, err := e.freshReady(ctx, options)
		if err != nil {
			return err
		}
		if err := e.repeat(ctx, i, call, e.options.calls/2); err != nil {
			return err
		}
		pid := i.cmd.Process.Pid
		first, err := measured(pid, what)
		if err != nil {
			return skipf("this system doesn't tell: %v", err)
		}
		before, calls := first, 0
		for start := time.Now(); calls == 0 || calls < phases*e.options.calls && time.Since(start) < growthTime; {
			if err := e.repeat(ctx, i, call, e.options.calls); err != nil {
				return err
			}
			calls += e.options.calls
			after, err := measured(pid, what)
			if err != nil {
				return fmt.Errorf("it can't be measured any more: %w", err)
			}
			if !grown(before, after, what, e.options.calls) {
				return nil
			}
			before = after
		}
		for n, m := range what {
			if grew := before[n] - first[n]; grew > m.slack && grew > m.each*calls {
				return fmt.Errorf("%d more %s over %d calls", grew/m.unit, m.what, calls)
			}
		}
		return nil
	}
}

func measured(pid int, what []measure) ([]int, error) {
	values := make([]int, len(what))
	var err error
	for n, m := range what {
		if values[n], err = m.read(pid); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// grown reports whether anything grew in one phase in a way that may be a leak.
func grown(before, after []int, what []measure, calls int) bool {
	for n, m := range what {
		if grew := after[n] - before[n]; grew > m.slack/phases && grew > m.each*calls/2 {
			return true
		}
	}
	return false
}

// repeat makes many calls, some at a time. What fails is the death of the process.
func (e *exam) repeat(ctx context.Context, i *instance, call load, count int) error {
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	for first := range side {
		all.Go(func() {
			for n := first; n < count && failed.Load() == nil && ctx.Err() == nil; n += side {
				if err := call(ctx, e, i, n/side); err != nil && i.ended() {
					err = succeed("one of many calls", err)
					failed.Store(&err)
				}
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return within("CP-ENDURANCE-001", *err)
	}
	return ctx.Err()
}

// enduranceTime is for how long calls are made at most.
const enduranceTime = 40 * time.Second

// checkEndurance makes many calls of all kinds and compares every answer.
func checkEndurance(ctx context.Context, e *exam) error {
	options := hosted()
	options.logLevel = "error"
	i, err := e.freshReady(ctx, options)
	if err != nil {
		return err
	}
	batch, err := e.can(ctx, credential.CapabilityBatch)
	if err != nil {
		return err
	}
	ids := e.ids()
	one := func(n int) error {
		id := ids[n%len(ids)]
		switch {
		case n%10 == 7:
			_, err := i.get(ctx, e.options.Fixtures.Missing[0])
			return expect(fmt.Sprintf("call %d, GetCredential of a missing id", n+1), err, credential.CredentialNotFound)
		case n%10 == 9 && batch:
			return withTime(ctx, func(ctx context.Context) error {
				response, err := i.provider.BatchGetCredentials(ctx, batchOf(ids[:min(len(ids), credential.MaxBatch)]...))
				if err != nil || len(response.GetResults()) != min(len(ids), credential.MaxBatch) {
					return succeed(fmt.Sprintf("call %d, BatchGetCredentials", n+1), errors.Join(err))
				}
				return e.good(ids[:len(response.GetResults())], response.GetResults())
			})
		}
		got, err := i.get(ctx, id)
		if err != nil {
			return succeed(fmt.Sprintf("call %d, GetCredential of %q", n+1, id), err)
		}
		if got.GetCredentialId() != id || compare(got, e.options.Fixtures.Credentials[id]) != nil {
			return fmt.Errorf("call %d: the answer to %q is another", n+1, id)
		}
		return nil
	}
	start := time.Now()
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	for range side {
		all.Go(func() {
			for failed.Load() == nil && ctx.Err() == nil && time.Since(start) < enduranceTime {
				n := int(next.Add(1)) - 1
				if n >= e.options.calls {
					return
				}
				if err := one(n); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return ctx.Err()
}

// residentMemory is a process's memory, in bytes.
func residentMemory(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, fmt.Errorf("statm has %d fields", len(fields))
	}
	pages, err := strconv.Atoi(fields[1])
	return pages * os.Getpagesize(), err
}

// openFiles is how many descriptors a process has.
func openFiles(pid int) (int, error) {
	entries, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
	return len(entries), err
}

// threadCount is how many threads a process has.
func threadCount(pid int) (int, error) {
	entries, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "task"))
	return len(entries), err
}
