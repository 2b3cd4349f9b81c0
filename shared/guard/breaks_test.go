package guard_test

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var breaks = flag.Bool("breaks", false, "break every promise in the code, instead of a sample, and see the tests fail")

// broken are lines of the code without which a promise isn't kept, what stands in their place, and the tests that see it.
var broken = []struct{ promise, file, line, instead, tests string }{
	{"G1 failures in a row count", "decide.go", "max(1, bound-r.failed)", "max(1, bound)", "TestWrongPassword"},
	{"G1 what is under way counts", "decide.go", "if len(r.open) < max", "if 0 < max", "TestWrongPassword|TestPromises"},
	{"G1 both versions count together", "decide.go", "n := order.materials(Digest{}, Digest{})\n", "n := order.materials(Digest{}, Digest{}); n -= 99\n", "UnderWayCountForBoth"},
	{"G1 a version shown before counts", "login.go", "Previous: c.before, ", "", "TestSituations"},
	{"G2 a device that refused is paused", "decide.go", "paused := device != nil", "paused := false && device != nil", "TestPauses|TestPromises"},
	{"G2 pauses double", "record.go", "doubled(pause, d.failures-1, maxPause)", "doubled(pause, 0, maxPause)", "TestPauses"},
	{"G2 one login at a device", "decide.go", "busy(q.Device); busy", "busy(q.Device); busy && false", "UnderWayAtOneDevice"},
	{"G2 a device that asks for more is paused", "attempt.go", "	l.tell(true)\n	l.answers = l.answers[:last]\n", "	l.answers = l.answers[:last]\n", "TestAskedMore"},
	{"G3 a device that asks for more closes nothing", "attempt.go", "	l.tell(true)\n	l.answers = l.answers[:last]\n", "", "TestAskedMore"},
	{"G3 a success clears", "record.go", "r.cleared += r.failed\n", "return true\n", "TestSuccessClears|TestDrifted"},
	{"G3 known devices go first", "decide.go", "exception := t != known", "exception := false && t != known", "TestExceptions|TestDrifted"},
	{"G4 a closed material isn't shown", "decide.go", "	closed := cur.closed(", "	closed := false && cur.closed(", "TestWrongPassword|TestClosed|TestPromises"},
	{"G4 a closed material doesn't connect", "login.go", "case Paused, Closed:", "case Paused:", "TestClosedMaterialDoesNotConnect"},
	{"G5 the backend is read after a refusal", "login.go", "left := settle - ", "left := -", "TestRotationIsFollowed"},
	{"G5 news of an answer", "memory.go", "			}\n		}\n		m.announce(x)", "			}\n		}", "TestEndOfALogin"},
	{"G5 news of other material", "memory.go", "replaced.suspect = now", "", "TestOtherMaterial"},
	{"G6 a dead worker's permit counts", "record.go", "		r.fail(p.started, Unknown, other, now, l)\n", "", "TestPermitOfADeadWorker"},
	{"G6 a dead worker's permit is freed", "record.go", "if p.expires > now {\n			i++", "if p.expires >= 0 {\n			i++", "TestPermitOfADeadWorker|TestPromises"},
	{"G7 digests have a key", "digest.go", "hmac.New(sha256.New, d.key)", "hmac.New(sha256.New, nil)", "TestRedisSeesDigestsOnly"},
	{"G7 Redis sees no names", "digest.go", "return d.of(\"device\", name)", "var x Digest; copy(x[:], name); return x", "TestRedisSeesDigestsOnly"},
	{"G8 the version before follows", "decide.go", "		d.Order = CurrentPrevious\n", "", "TestStagedRotation|TestVersionBefore"},
	{"G8 the version before replaces a closed one", "decide.go", "case u && (closed || q.CurrentShown):", "case u && q.CurrentShown:", "TestVersionBefore"},
}

// TestBrokenPromisesAreSeen breaks promises in the code, one line at a time, and has the tests run that look for violations.
func TestBrokenPromisesAreSeen(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command, which runs the tests on the broken code")
	}
	for i, b := range broken {
		t.Run(b.promise, func(t *testing.T) {
			code, err := os.ReadFile(b.file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(string(code), b.line) != 1 {
				t.Fatalf("%s doesn't have this once: %s", b.file, b.line)
			}
			if i > 0 && !*breaks {
				return // a sample
			}
			here, _ := filepath.Abs(b.file)
			there, overlay := filepath.Join(t.TempDir(), "broken.go"), filepath.Join(t.TempDir(), "overlay.json")
			write := func(name string, data []byte) {
				if err := os.WriteFile(name, data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write(there, []byte(strings.Replace(string(code), b.line, b.instead, 1)))
			replace, _ := json.Marshal(map[string]any{"Replace": map[string]string{here: there}})
			write(overlay, replace)
			packages := []string{"."}
			switch {
			case strings.HasPrefix(b.promise, "G7"):
				packages = []string{"./redisledger"}
			case strings.Contains(b.tests, "TestPromises"), strings.Contains(b.tests, "TestSituations"):
				packages = append(packages, "./simulate")
			}
			command := exec.CommandContext(t.Context(), "go", append([]string{"test", "-count=1", "-timeout=2m", "-vet=off", "-overlay", overlay, "-run", b.tests}, packages...)...)
			output, err := command.CombinedOutput()
			if err == nil || !strings.Contains(string(output), "--- FAIL") {
				t.Errorf("no test of %s fails: %v\n%.2000s", b.tests, err, output)
			}
		})
	}
}
