package conformance

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

var growthChecks = []check{
	{Info: Info{"CP-GROWTH-001", Should, "its memory doesn't grow over 1,000 calls",
		"Versions and launch: a provider lives as long as its host, which may be months"},
		after: "CP-GET-001", run: checkMemory},
	{Info: Info{"CP-GROWTH-002", Should, "its open files and sockets don't grow over 1,000 calls",
		"Versions and launch: a provider lives as long as its host, which may be months"},
		after: "CP-GET-001", run: checkFiles},
}

// Growth that isn't chance.
const (
	memoryGrowth = 16 << 20 // bytes
	filesGrowth  = 16
)

func checkMemory(ctx context.Context, e *exam) error {
	before, after, err := e.growth(ctx, residentMemory)
	if err == nil && after-before > memoryGrowth {
		err = fmt.Errorf("it grew by %d MiB over %d calls", (after-before)>>20, e.options.calls)
	}
	return err
}

func checkFiles(ctx context.Context, e *exam) error {
	before, after, err := e.growth(ctx, openFiles)
	if err == nil && after-before > filesGrowth {
		err = fmt.Errorf("there are %d more over %d calls", after-before, e.options.calls)
	}
	return err
}

// growth measures a process of its own before and after many calls, when it has had time to warm up.
func (e *exam) growth(ctx context.Context, measure func(pid int) (int, error)) (before, after int, err error) {
	options := hosted()
	options.logLevel = "error" // nobody runs for months with all log lines
	options.debuggable = true  // else our own providers can't be looked at
	i, err := e.freshReady(ctx, options)
	if err != nil {
		return 0, 0, err
	}
	if err := e.call(ctx, i, e.options.calls/2); err != nil {
		return 0, 0, err
	}
	if before, err = measure(i.cmd.Process.Pid); err != nil {
		return 0, 0, skipf("this system doesn't tell: %v", err)
	}
	if err := e.call(ctx, i, e.options.calls); err != nil {
		return 0, 0, err
	}
	if after, err = measure(i.cmd.Process.Pid); err != nil {
		return 0, 0, fmt.Errorf("it can't be measured any more: %w", err)
	}
	return before, after, nil
}

// call makes many calls, half of them for a credential that doesn't exist.
func (e *exam) call(ctx context.Context, i *instance, count int) error {
	const side = 8
	problems := make(chan error, side)
	var all sync.WaitGroup
	for range side {
		all.Go(func() {
			for n := range count / side {
				id := e.anyID()
				if n%2 == 1 {
					id = e.options.Fixtures.Missing[0]
				}
				if _, err := i.get(ctx, id); err != nil && !answered(err) {
					problems <- succeed("one of many calls", err)
					return
				}
			}
		})
	}
	all.Wait()
	close(problems)
	return <-problems
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
