//go:build unix

package conformance

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// daemonic leaves a daemon. It isn't among the others, for a process without a trace of where it came from is found only if no
// other exam is made beside it.
var daemonic = specimen{answers: onceGot(daemon)}

func TestDaemon(t *testing.T) {
	options := rightOptions(t, "daemon", "^CP-PROCESS-001$")
	report, err := Examine(t.Context(), options)
	if err != nil || report.Results[0].Verdict != Failed {
		t.Errorf("%+v, %v", report.Results, err)
	}
	if left, _ := exec.Command("pgrep", "-f", "sleep 61.5").Output(); len(left) > 0 {
		t.Errorf("the daemon is still running: %s", left)
	}
}

// executable is the test binary under a provider's name.
func executable(t *testing.T) string {
	t.Helper()
	binary, err := plainBinary()
	if err != nil {
		t.Fatal(err)
	}
	plugin := filepath.Join(t.TempDir(), "tom-credential-model")
	if err := os.Symlink(binary, plugin); err != nil {
		t.Fatal(err)
	}
	return plugin
}

// plainBinary is the test binary without the race detector, under which two thousand starts take minutes. What is tested is
// the kit, which runs in this process.
var plainBinary = sync.OnceValues(func() (string, error) {
	own := must(os.Executable())
	if build, ok := debug.ReadBuildInfo(); !ok || !slices.Contains(build.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		return own, nil
	}
	plain := own + ".plain" // in the directory that the go command removes after the test
	if output, err := exec.Command("go", "test", "-c", "-o", plain, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the specimens: %w\n%s", err, output)
	}
	return plain, nil
})

// service is what the specimens ask before they answer.
var service = sync.OnceValue(func() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, service200) }))
})

// examine makes the checks, or those of the families that could notice the specimen's defect. All of them with each of the specimens
// take a quarter of an hour: TEST_SPECIMENS=all.
func examine(ctx context.Context, plugin, name string, run *regexp.Regexp) (*Report, error) {
	state := must(os.CreateTemp(filepath.Dir(plugin), "state"))
	_ = state.Close()
	return Examine(ctx, Options{
		Plugin:   plugin,
		Settings: map[string]any{"token": "canary-4717", "tries": 3, "service": service().URL, "state": state.Name()},
		Fixtures: modelFixtures(),
		Environ:  []string{envSpecimen + "=" + name, "GORACE=atexit_sleep_ms=0", "TMPDIR=" + os.TempDir()},
		Run:      run,
		calls:    80,
	})
}

// families are the checks that are made with a specimen: its own family, those that judge the whole run, and for a few all.
func families(name string) *regexp.Regexp {
	if os.Getenv("TEST_SPECIMENS") == "all" || len(name)%24 == 0 && os.Getenv("CI") == "true" {
		return nil
	}
	family := strings.Split(name, "-")[1]
	return regexp.MustCompile("^CP-(" + family + "|ERROR-00[1-6]|GET-001|CONFIGURE-001)(-|$)")
}

// chosen are the specimens to examine, sorted: those whose names TEST_SPECIMENS matches, if it is neither empty nor "all".
func chosen() []string {
	names := slices.Sorted(maps.Keys(specimens))
	if only := os.Getenv("TEST_SPECIMENS"); only != "" && only != "all" {
		expression := regexp.MustCompile(only)
		names = slices.DeleteFunc(names, func(name string) bool { return !expression.MatchString(name) })
	}
	return names
}

func TestRightSpecimen(t *testing.T) {
	report, err := examine(t.Context(), executable(t), "right", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range report.Results {
		if result.Verdict != Passed {
			t.Errorf("%s %s: %s", result.ID, result.Verdict, result.Detail)
		}
		t.Logf("%-18s %v", result.ID, result.Duration.Round(time.Millisecond))
	}
	if !report.Conforms() {
		t.Error("it does not conform")
	}
}

// Each specimen fails the check that it was made for, and no other; others may be blocked by it.
func TestSpecimens(t *testing.T) {
	levels := map[string]Level{}
	for _, info := range Checks() {
		levels[info.ID] = info.Level
	}
	// Most of the time they wait: more of them than there are processors, and parallel tests, can be examined at a time.
	const atATime = 12
	turns := make(chan struct{}, atATime)
	type examined struct {
		report *Report
		err    error
	}
	results := map[string]chan examined{}
	plugin := executable(t)
	for name := range specimens {
		results[name] = make(chan examined, 1)
	}
	go func() {
		for _, name := range chosen() {
			turns <- struct{}{}
			go func() {
				defer func() { <-turns }()
				report, err := examine(t.Context(), plugin, name, families(name))
				results[name] <- examined{report, err}
			}()
		}
	}()
	for _, name := range chosen() {
		t.Run(name, func(t *testing.T) {
			want, _, _ := strings.Cut(name, " ")
			outcome := <-results[name]
			if outcome.err != nil {
				t.Fatal(outcome.err)
			}
			report := outcome.report
			for _, result := range report.Results {
				failed := result.Verdict == Failed
				if failed && result.ID == also[name] {
					continue
				}
				if failed != (result.ID == want) {
					t.Errorf("%s %s: %s", result.ID, result.Verdict, result.Detail)
				} else if failed {
					t.Log(result.Detail)
				}
			}
			if report.Conforms() == (levels[want] == Must) {
				t.Errorf("conforms: %v", report.Conforms())
			}
		})
	}
}

func TestEveryCheckHasASpecimen(t *testing.T) {
	covered := map[string]bool{}
	for name := range specimens {
		id, _, _ := strings.Cut(name, " ")
		covered[id] = true
	}
	seen := map[string]bool{}
	for _, info := range Checks() {
		if !covered[info.ID] {
			t.Errorf("no specimen fails %s", info.ID)
		}
		if seen[info.ID] || info.Title == "" || info.Reason == "" || strings.Contains(info.Title+info.Reason, "\n") {
			t.Errorf("%s is there twice, or isn't described in one line", info.ID)
		}
		seen[info.ID] = true
	}
	for id := range covered {
		if !seen[id] {
			t.Errorf("there is no check %s", id)
		}
	}
}
