// Program mutants measures the conformance kit: it builds the scaffold of a provider with each fault of a table (faults.yaml), has the
// kit check each of them, and prints which passed, and a score.
//
//	go run ./shared/conformance/mutants [-run EXPRESSION] [-parallel N] [-whole | -quick]
//
// A fault is found if a MUST fails. First the check is made that is said to find it; if that passes, or with -whole, all of them, and
// with -quick no more.
// Without a MUST that fails the fault survives, which is right for those whose row says why. The exit status is 1 if fewer than 95
// in 100 of the others are found.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/tom-worker/credential-provider/shared/conformance"
)

// wanted is how many of a hundred faults must be found.
const wanted = 95

func main() {
	run := flag.String("run", "", "only the faults whose names match this regular `expression`")
	parallel := flag.Int("parallel", 2*runtime.NumCPU(), "how many are checked at a time")
	whole := flag.Bool("whole", false, "make all checks of each, and say which others fail")
	quick := flag.Bool("quick", false, "make only the check that is said to find a fault, and none of those that survive for a reason")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	found, count, err := measure(ctx, os.Stdout, *run, *parallel, checks{*whole, *quick})
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2)
	}
	if found*100 < count*wanted {
		os.Exit(1)
	}
}

// checks are which checks are made of a fault.
type checks struct{ whole, quick bool }

// measure checks faults and prints what became of each. found is how many of count were found that should be.
func measure(ctx context.Context, out io.Writer, run string, parallel int, which checks) (found, count int, err error) {
	all, err := readTable()
	if err != nil {
		return 0, 0, err
	}
	chosen, err := regexp.Compile(run)
	if err != nil {
		return 0, 0, err
	}
	all = slices.DeleteFunc(all, func(f fault) bool { return !chosen.MatchString(f.Name) })
	lab, err := newLab()
	if err != nil {
		return 0, 0, err
	}
	defer lab.close()

	verdicts := make([]string, len(all))
	turns := make(chan struct{}, max(1, parallel))
	var working sync.WaitGroup
	for n, f := range all {
		turns <- struct{}{}
		working.Go(func() {
			defer func() { <-turns }()
			verdicts[n] = lab.check(ctx, f, which)
		})
	}
	working.Wait()
	if ctx.Err() != nil {
		return 0, 0, errors.New("interrupted")
	}
	excused := 0
	for n, f := range all {
		switch {
		case f.Survives != "" && verdicts[n] == "":
			excused++
			_, _ = fmt.Fprintf(out, "%-28s survives: %s\n", f.Name, f.Survives)
		case verdicts[n] == "":
			count++
			_, _ = fmt.Fprintf(out, "%-28s SURVIVES, though it breaks %s\n", f.Name, f.Breaks)
		default:
			count++
			found++
			_, _ = fmt.Fprintf(out, "%-28s found by %s\n", f.Name, verdicts[n])
		}
	}
	_, err = fmt.Fprintf(out, "\nscore: %d of %d faults found (%d %%); %d more survive for a reason\n", found, count, 100*found/max(1, count), excused)
	return found, count, err
}

// lab is the provider with all faults, and what the fixtures say.
type lab struct {
	dir, plugin, backend string
	fixtures             conformance.Fixtures
}

func newLab() (_ *lab, err error) {
	output, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, fmt.Errorf("find the module: %w", err)
	}
	root := strings.TrimSpace(string(output))
	l := &lab{}
	if l.dir, err = os.MkdirTemp("", "mutants-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	faults, err := readTable()
	if err != nil {
		return nil, err
	}
	if l.plugin, l.backend, err = build(root, l.dir, faults); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(root, scaffold, "fixtures.yaml"))
	if err != nil {
		return nil, err
	}
	l.fixtures, err = conformance.ParseFixtures(text)
	for n := range l.fixtures.Events { // the backend is built already
		for _, command := range []*[]string{&l.fixtures.Events[n].Command, &l.fixtures.Events[n].Undo} {
			*command = append([]string{l.backend}, (*command)[3:]...)
		}
	}
	return l, err
}

func (l *lab) close() { _ = os.RemoveAll(l.dir) }

// check returns the MUSTs that a fault fails; empty if it survives. Each has its own backend.
func (l *lab) check(ctx context.Context, f fault, which checks) string {
	url, end, err := l.serve()
	if err != nil {
		return "nothing: " + err.Error()
	}
	defer end()
	options := conformance.Options{
		Plugin:   l.plugin,
		Settings: map[string]any{"url": url, "token": "canary-token-4710"},
		Fixtures: l.fixtures,
		Environ:  append(os.Environ(), "KEYVALUE_FAULT="+f.Name),
	}
	if f.Breaks == "" && which.quick {
		return ""
	}
	if f.Breaks != "" && !which.whole {
		options.Run = regexp.MustCompile("^" + f.Breaks + "$")
		if failed := examine(ctx, options, false); failed != "" {
			return failed
		}
		if which.quick {
			return ""
		}
		options.Run = nil
	}
	return examine(ctx, options, which.whole)
}

// examine makes checks until a MUST fails, or all.
func examine(ctx context.Context, options conformance.Options, whole bool) string {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var failed []string
	options.Observe = func(result conformance.Result) {
		if result.Level == conformance.Must && result.Verdict == conformance.Failed {
			failed = append(failed, result.ID)
			if !whole {
				cancel()
			}
		}
	}
	report, err := conformance.Examine(ctx, options)
	if err == nil && len(failed) == 0 && !report.Conforms() {
		return "what blocks others"
	}
	return strings.Join(failed, " ")
}

// serve starts a backend.
func (l *lab) serve() (url string, end func(), err error) {
	cmd := exec.Command(l.backend, "-listen", "127.0.0.1:0")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	end = func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		end()
		return "", nil, fmt.Errorf("the backend printed no URL: %w", err)
	}
	return strings.TrimSpace(line), end, nil
}
