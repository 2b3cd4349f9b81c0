//go:build unix

package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// rightOptions examine the specimen that is right, or another one.
func rightOptions(t *testing.T, name, run string) Options {
	t.Helper()
	return Options{
		Plugin:   executable(t),
		Settings: map[string]any{"tries": 3},
		Fixtures: modelFixtures(),
		Environ:  []string{envSpecimen + "=" + name, "GORACE=atexit_sleep_ms=0"},
		Run:      regexp.MustCompile(run),
		calls:    80,
	}
}

func TestRun(t *testing.T) {
	Run(t, rightOptions(t, "right", "^CP-(TLS|GET|VERSION)-"))
}

// recorder is a test that only writes down what happens to it.
type recorder struct {
	testing.TB
	what string
}

func (r *recorder) Helper()      {}
func (r *recorder) Log(...any)   { r.what += "logged" }
func (r *recorder) Skip(...any)  { r.what += "skipped" }
func (r *recorder) Error(...any) { r.what += "failed" }

func TestTell(t *testing.T) {
	for _, test := range []struct {
		level   Level
		verdict Verdict
		want    string
	}{
		{Must, Passed, ""}, {Must, Failed, "failed"}, {Must, Skipped, "skipped"}, {Must, Blocked, "failed"},
		{Should, Passed, ""}, {Should, Failed, "logged"}, {Should, Skipped, "skipped"}, {Should, Blocked, "logged"},
	} {
		r := &recorder{}
		tell(r, Result{Info: Info{Level: test.level}, Verdict: test.verdict})
		if r.what != test.want {
			t.Errorf("%s %s: %q, want %q", test.level, test.verdict, r.what, test.want)
		}
	}
}

// A check of the whole run finds what there is to find when it is made alone.
func TestSingleChecks(t *testing.T) {
	for _, name := range []string{"CP-SECRECY-002 logs it", "CP-SECRECY-003 quotes what is broken", "CP-SECRECY-004 describes it", "CP-ERROR-001 sends everything"} {
		t.Run(name, func(t *testing.T) {
			id, _, _ := strings.Cut(name, " ")
			report, err := Examine(t.Context(), rightOptions(t, name, id))
			if err != nil || len(report.Results) != 1 || report.Results[0].Verdict != Failed {
				t.Errorf("%+v, %v", report, err)
			}
		})
	}
}

// Where the fixtures have no secret that could be found, that none was found proves nothing, and is no pass.
func TestFixturesWithoutSecrets(t *testing.T) {
	options := rightOptions(t, "right", "^CP-(CONFIGURE-003|SECRECY-.*)$")
	options.Fixtures = Fixtures{
		Credentials: map[string]Credential{"lab": {Username: "admin", Password: new("short")}, "lab-of-admin": {Username: "a", Password: new("lab-of-admin")}},
		Missing:     []string{"absent"},
	}
	report, err := Examine(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range report.Results[1:] {
		if result.Verdict != Skipped || !strings.Contains(result.Detail, "no secret of 8 bytes") {
			t.Errorf("%s %s: %s", result.ID, result.Verdict, result.Detail)
		}
	}
	// What the kit makes up is looked for even so.
	options.Environ[0] = envSpecimen + "=CP-SECRECY-003 quotes settings"
	if report, err = Examine(t.Context(), options); err != nil || report.Results[3].ID != "CP-SECRECY-003" || report.Results[3].Verdict != Failed {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	good := rightOptions(t, "right", "")
	for _, test := range []struct {
		name   string
		change func(*Options)
	}{
		{"no plugin", func(o *Options) { o.Plugin = "" }},
		{"a plugin that isn't there", func(o *Options) { o.Plugin = "/nowhere" }},
		{"a directory", func(o *Options) { o.Plugin = "/" }},
		{"a plugin, and something that runs", func(o *Options) { o.Attach = "unix:/run/agent.sock" }},
		{"an address that isn't a socket's", func(o *Options) { o.Plugin, o.Attach = "", "tcp:localhost:80" }},
		{"a socket in the working directory", func(o *Options) { o.Plugin, o.Attach = "", "unix:agent.sock" }},
		{"no credentials", func(o *Options) { o.Fixtures.Credentials = nil }},
		{"nothing missing", func(o *Options) { o.Fixtures.Missing = nil }},
		{"a credential without a login", func(o *Options) { o.Fixtures.Credentials = map[string]Credential{"x": {Username: "a"}} }},
		{"a version of nothing", func(o *Options) { o.Fixtures.Versions = []Version{{CredentialID: "x"}} }},
		{"no checks", func(o *Options) { o.Run = regexp.MustCompile("CP-NONE") }},
		{"all skipped", func(o *Options) { o.Skip = regexp.MustCompile("CP-") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			options := good
			test.change(&options)
			if report, err := Examine(t.Context(), options); err == nil {
				t.Errorf("there is a report: %+v", report)
			}
		})
	}
}

func TestInterruption(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	start := time.Now()
	if _, err := Examine(ctx, rightOptions(t, "right", "")); err == nil || time.Since(start) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
}

// An interrupted run does not wait for a program that hangs.
func TestInterruptionOfAHang(t *testing.T) {
	for _, program := range []string{"exec sleep 60.25", "kill -STOP $$; exec sleep 60.25", "trap '' TERM INT HUP; sleep 60.25 & wait; sleep 60.25"} {
		options := rightOptions(t, "right", "CP-HANDSHAKE-001")
		options.Plugin = script(t, "#!/bin/sh\n"+program+"\n")
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		start := time.Now()
		if _, err := Examine(ctx, options); err == nil || time.Since(start) > startTime/2 {
			t.Errorf("%s: after %v: %v", program, time.Since(start), err)
		}
		cancel()
		if left, _ := exec.Command("pgrep", "-f", "^sleep 60.25").Output(); len(left) > 0 {
			t.Errorf("%s: it is still running: %s", program, left)
		}
	}
}

func TestParse(t *testing.T) {
	fixtures, err := ParseFixtures([]byte(`
credentials:
  lab: {username: admin, password: canary-4711}
  key: {username: admin, extra: {private_key: x}}
missing: [absent]
versions: [{credential_id: lab, version_label: OLD, username: admin, password: x}]
`))
	if err != nil || *fixtures.Credentials["lab"].Password != "canary-4711" || fixtures.Credentials["key"].Password != nil || fixtures.Versions[0].Username != "admin" {
		t.Errorf("%+v, %v", fixtures, err)
	}
	for _, test := range []struct{ name, text, says string }{
		{"unknown keys", "credential: {}", "field credential is none of a file of fixtures"},
		{"unknown keys of a credential", "credentials: {x: {user: a}}", "field user is none of a credential"},
		{"a list of ids", "credentials: [x]", "can't take a list as a mapping of ids to credentials"},
		{"two documents", "credentials: {x: {username: a, password: b}}\nmissing: [y]\n---\nmissing: [z]\n", "more than one YAML document"},
		{"what is there and isn't", "credentials: {x: {username: a, password: b}}\nmissing: [x]\n", `"x" is among the credentials and among the missing`},
		{"a list where there should be a text", "credentials: {x: {username: a, password: [canary-4711]}}", "line 1"},
		{"a text where there should be a list", "missing: canary-4711", "line 1"},
		{"nothing", "", "at least one"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := ParseFixtures([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "canary") {
				t.Errorf("got %v", err)
			}
		})
	}
	settings, err := ParseSettings([]byte("path: x\ntries: 3\nlist: [a, b]\n"))
	if err != nil || settings["tries"] != 3 {
		t.Errorf("%v, %v", settings, err)
	}
	if _, err := ParseSettings([]byte("since: 2024-01-02")); err == nil {
		t.Error("a date passes")
	}
	if settings, err := ParseSettings(nil); err != nil || len(settings) != 0 {
		t.Errorf("no settings: %v, %v", settings, err)
	}
}

func TestReports(t *testing.T) {
	report := &Report{Plugin: "/x", Name: "model\x1b[31m\u009b\u202e", Version: "1", Results: []Result{
		{Info: Info{"CP-A-001", Must, "passes", "because"}, Verdict: Passed, Duration: 1500 * time.Millisecond},
		{Info: Info{"CP-A-002", Must, "fails", "because of <this>"}, Verdict: Failed, Detail: "it is\nwrong"},
		{Info: Info{"CP-A-003", Should, "should", "because"}, Verdict: Failed, Detail: "it isn't"},
		{Info: Info{"CP-A-004", Must, "skipped", "because"}, Verdict: Skipped, Detail: "no capability"},
		{Info: Info{"CP-A-005", Must, "blocked", "because"}, Verdict: Blocked, Detail: "CP-A-002"},
	}, Warnings: []string{"fixtures: add one"}}
	var text bytes.Buffer
	if err := report.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	want := `CP-A-001           MUST   passed    1.50s  passes
CP-A-002           MUST   failed    0.00s  fails
    it is
    wrong
    because of <this>
CP-A-003           SHOULD failed    0.00s  should
    it isn't
    because
CP-A-004           MUST   skipped   0.00s  skipped
    no capability
CP-A-005           MUST   blocked   0.00s  blocked
    CP-A-002

warning: fixtures: add one

model\x1b[31m\u009b\u202e 1 does not conform to the contract: 1 passed, 2 failed, 1 skipped, 1 blocked
failed: CP-A-002 CP-A-003
`
	if text.String() != want {
		t.Errorf("text:\n%s", &text)
	}

	var document bytes.Buffer
	if err := report.WriteJSON(&document); err != nil {
		t.Fatal(err)
	}
	var decoded struct {
		Conforms bool
		Results  []struct{ ID, Verdict, Level, Detail string }
	}
	if err := json.Unmarshal(document.Bytes(), &decoded); err != nil || decoded.Conforms || len(decoded.Results) != 5 || decoded.Results[1].Verdict != "failed" {
		t.Errorf("JSON: %v\n%s", err, &document)
	}

	var junit bytes.Buffer
	if err := report.WriteJUnit(&junit); err != nil {
		t.Fatal(err)
	}
	var suite junitSuite
	if err := xml.Unmarshal(junit.Bytes(), &suite); err != nil || suite.Tests != 5 || suite.Failures != 2 || suite.Skipped != 1 || suite.Cases[0].Seconds != "1.500" {
		t.Errorf("JUnit: %v\n%s", err, &junit)
	}
	conforming := &Report{Results: []Result{report.Results[0], report.Results[2], report.Results[3]}}
	if !conforming.Conforms() || report.Conforms() {
		t.Error("Conforms is wrong")
	}
}
