//go:build unix

package python

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tomsVersion is the version of Tom that the stand-in in testdata is like.
const tomsVersion = "1.4.8"

// TestTom runs tom_test.py: Tom's worker with a provider of this project, on real saq, Redis, netmiko and scrapli. Tom is the one
// in the checkout TOM_SOURCE, else the stand-in in testdata.
func TestTom(t *testing.T) {
	t.Parallel()
	interpreter := python(t)
	needs(t, interpreter, toms)
	document, err := filepath.Abs("TOM.md")
	if err != nil {
		t.Fatal(err)
	}
	environment := []string{"TEST_TOM=" + tom(t), "TEST_DOCUMENT=" + document}
	for _, tests := range [][]string{
		{"InstallTest", "TomTest.test_jobs", "TomTest.test_permit", "TomTest.test_refusal", "TomTest.test_no_answer", "TomTest.test_time_up"},
		{"TomTest.test_questions", "TomTest.test_asks_more"},
		{"TomTest.test_document", "TomTest.test_named_agent", "TomTest.test_killed_worker"},
		{"TomTest.test_faults"},
		{"TomTest.test_rotation"},
		{"TomTest.test_six_workers"},
	} {
		t.Run(tests[len(tests)-1], func(t *testing.T) {
			t.Parallel() // they wait for most of their time
			withAgent(t, interpreter, "tom_test.py", patience, environment, tests...)
		})
	}
}

// toms are the modules that Tom's worker needs.
const toms = "saq, redis, netmiko, scrapli, asyncssh, pydantic_settings, yaml"

// needs skips a test where there is no redis-server or the Python lacks a module, unless CI=true.
func needs(t *testing.T, interpreter, modules string) {
	t.Helper()
	output, lacks := exec.Command(interpreter, "-c", "import "+modules).CombinedOutput()
	if _, err := exec.LookPath("redis-server"); err != nil || lacks != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("redis-server: %v; %s: %s", err, interpreter, output)
		}
		t.Skipf("this needs redis-server and a Python with %s", modules)
	}
}

// TestTomsCompose looks at the parts of the document that need docker: what they copy is in a release, and what they set is a
// setting.
func TestTomsCompose(t *testing.T) {
	document := read(t, "TOM.md")
	programs, keys := read(t, "../../.tools/dist/main.go"), read(t, "../config/keys.go")
	for _, path := range regexp.MustCompile(`COPY tom-credential/([\w-]+)`).FindAllStringSubmatch(document, -1) {
		if !strings.Contains(programs, `{"`+path[1]) {
			t.Errorf("no release has %s", path[1])
		}
	}
	settings := regexp.MustCompile(`TOM_WORKER_(\w+):`).FindAllStringSubmatch(document, -1)
	for _, setting := range settings {
		name := strings.ToLower(setting[1])
		if name, of := strings.CutPrefix(name, "plugin_aws_secrets_manager_"); of {
			if !strings.Contains(read(t, "../../plugin-awssm/README.md"), "`plugin_aws_secrets_manager_"+name+"`") {
				t.Errorf("the provider has no setting %s", name)
			}
		} else if !strings.Contains(keys, `{name: "`+name+`"`) {
			t.Errorf("there is no setting %s", name)
		}
	}
	if len(settings) < 3 {
		t.Errorf("the document has %d settings", len(settings))
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// tom returns where Python finds tom_worker.
func tom(t *testing.T) string {
	t.Helper()
	source := os.Getenv("TOM_SOURCE")
	if source == "" {
		path, err := filepath.Abs("testdata/tom")
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	// Tom asks for its version.
	about := t.TempDir()
	installed := filepath.Join(about, "tom_worker-"+tomsVersion+".dist-info")
	err := os.Mkdir(installed, 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(installed, "METADATA"), fmt.Appendf(nil, "Metadata-Version: 2.1\nName: tom-worker\nVersion: %s\n", tomsVersion), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s:%s/services/worker/src:%s/shared", about, source, source)
}
