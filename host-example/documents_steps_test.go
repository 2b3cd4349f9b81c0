//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tom-worker/credential-provider/host-example/observe/admin"
	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
)

func drawing(*testing.T, *reader, string) {}

// makeTargets: make has them.
func makeTargets(t *testing.T, _ *reader, text string) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("no make on PATH")
	}
	for line := range strings.Lines(text) {
		typed, _, _ := strings.Cut(line, "#")
		typed, _, _ = strings.Cut(typed, ">")
		words := strings.Fields(typed)
		if len(words) < 2 || words[0] != "make" {
			t.Errorf("no make command: %q", line)
			continue
		}
		if out, err := exec.Command("make", append([]string{"--dry-run", "-C", ".."}, words[1:]...)...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", typed, err, out)
		}
	}
}

var fileName = regexp.MustCompile(`^# (\S+)\n`)

// namedFile writes a file whose first line has its name.
func namedFile(t *testing.T, r *reader, text string) {
	name := fileName.FindStringSubmatch(text)
	if name == nil {
		t.Fatalf("no name in the first line: %s", text)
	}
	r.write(t, name[1], text)
}

func settingsFile(t *testing.T, r *reader, text string) {
	namedFile(t, r, text)
	r.sh(t, "", "host-example validate --offline")
}

func settingsVariables(t *testing.T, _ *reader, text string) {
	r := newReader(t) // no file
	r.sh(t, "", "host-example validate --offline", strings.Split(strings.TrimSpace(text), "\n")...)
}

// typedWithFile is typed beside the smallest settings that there are.
func typedWithFile(t *testing.T, _ *reader, text string) {
	r := newReader(t)
	r.write(t, "tom_worker_config.yaml", "credential_plugin: aws_secrets_manager\n")
	r.sh(t, "", text)
}

// yamlSettings is the file beside the credentials that the block before it wrote.
func yamlSettings(t *testing.T, r *reader, text string) {
	settingsFile(t, r, text)
	if got := r.sh(t, "", "host-example get lab_creds --reveal --field password"); got != "your-password\n" {
		t.Errorf("password %q", got)
	}
	if err := os.Remove(filepath.Join(r.directory, "tom_worker_config.yaml")); err != nil {
		t.Fatal(err)
	}
}

// jobTyped runs the job at a device of our own instead of the one that it names.
func jobTyped(t *testing.T, r *reader, text string) { r.job(t, text) }

func (r *reader) job(t *testing.T, text string, variables ...string) {
	t.Helper()
	r.backend.PutSecret("tom/credentials/lab_creds", labCreds)
	device, err := devicetest.Start(devicetest.Options{Username: "admin", Password: "your-password"})
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	r.write(t, ".ssh/known_hosts", device.KnownHost())
	const host = `"host":"10.0.0.1"`
	if !strings.Contains(text, host) || !strings.HasPrefix(text, "$ ") {
		t.Fatalf("another job than expected: %s", text)
	}
	text = strings.Replace(strings.TrimPrefix(text, "$ "), host, fmt.Sprintf(`"host":"127.0.0.1","port":%d`, device.Port()), 1)
	var result struct{ ID, Status string }
	answer := r.sh(t, "", text, append(r.withBackend(), variables...)...)
	if err := json.Unmarshal([]byte(answer), &result); err != nil || result.ID != "1" || result.Status != "ok" {
		t.Errorf("result %s, %v", answer, err)
	}
}

// conformanceTyped puts real files in the place of the words in capitals, and runs a few of the checks.
func conformanceTyped(t *testing.T, r *reader, text string) {
	r.write(t, "inventory/creds.yml", "lab:\n  username: admin\n  password: made-up-4711\n")
	r.write(t, "settings.yaml", "credential_file: "+filepath.Join(r.directory, "inventory/creds.yml")+"\n")
	r.write(t, "fixtures.yaml", "credentials:\n  lab: {username: admin, password: made-up-4711}\nmissing: [nowhere]\n")
	text = strings.Replace(text, "PATH", filepath.Join(exampleDir, "tom-credential-yaml"), 1)
	text = strings.Replace(text, "--settings FILE", "--settings settings.yaml", 1)
	text = strings.Replace(text, "--fixtures FILE", "--fixtures fixtures.yaml", 1)
	r.sh(t, "", strings.TrimSpace(text)+" --run CP-GET")
}

// kitTyped has fixtures written and filled in, and checks a provider and an agent with them.
func kitTyped(t *testing.T, r *reader, text string) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d commands, not 3", len(lines))
	}
	short, err := os.MkdirTemp("/tmp", "tom-agent-") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	for i := range lines {
		lines[i] = strings.NewReplacer("./tom-credential-mine", filepath.Join(exampleDir, "tom-credential-yaml"), "/run/tom-agent", short).Replace(lines[i])
	}
	r.sh(t, "", lines[0])
	if written, err := os.ReadFile(filepath.Join(r.directory, "fixtures.yaml")); err != nil || !strings.Contains(string(written), "credentials:") {
		t.Errorf("%v; the file has\n%s", err, written)
	}
	creds := filepath.Join(r.directory, "inventory/creds.yml")
	r.write(t, "inventory/creds.yml", "lab:\n  username: admin\n  password: made-up-4711\n")
	r.write(t, "settings.yaml", "credential_file: "+creds+"\n")
	r.write(t, "fixtures.yaml", "credentials:\n  lab: {username: admin, password: made-up-4711}\nmissing: [nowhere]\n")
	r.sh(t, "", lines[1]+" --run CP-GET")
	attach, _, _ := strings.Cut(lines[2], " #")
	script := fmt.Sprintf("host-example agent --socket %[1]s/agent.sock &\nwhile [ ! -S %[1]s/agent.sock ]; do kill -0 $!; sleep 0.1; done\nstatus=0; %[2]s --run CP-GET || status=$?\nkill $!; wait $! || status=$?\nexit $status", short, strings.TrimSpace(attach))
	r.sh(t, "", script, "TOM_WORKER_CREDENTIAL_PLUGIN=yaml", "TOM_WORKER_PLUGIN_YAML_CREDENTIAL_FILE="+creds)
}

// compiles puts the lines into a function of a package that has what they take for granted.
func compiles(t *testing.T, r *reader, text string) {
	const around = `package readme

import (
	"context"
	"log/slog"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/host"
	"github.com/tom-worker/credential-provider/shared/store"
)

func example(ctx context.Context, settings host.Settings, logger hclog.Logger) error {
	connect := func(context.Context, string, store.Result) error { return nil }
	%s
	return err
}
`
	r.write(t, "example.go", fmt.Sprintf(around, text))
	r.write(t, "overlay.json", fmt.Sprintf(`{"Replace":{%q:%q}}`, filepath.Join(repository(t), "shared/store/readme/example.go"), filepath.Join(r.directory, "example.go")))
	r.sh(t, "", fmt.Sprintf("cd %q && go build -overlay %q ./shared/store/readme", repository(t), filepath.Join(r.directory, "overlay.json")))
}

// benchCommands: make has the target, and the comparison works on output of the benchmarks' form.
func benchCommands(t *testing.T, r *reader, text string) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	makeTargets(t, r, strings.Join(lines[:2], "\n"))
	if _, err := os.Stat("../.tools/bench/go.mod"); err != nil || !strings.Contains(lines[2], "-modfile=.tools/bench/go.mod benchstat old.txt new.txt") {
		t.Errorf("%q: %v", lines[2], err)
	}
}

// auditLine: a real line has the same members.
func auditTyped(t *testing.T, r *reader, text string) {
	r.job(t, `$ echo '{"id":"1","host":"10.0.0.1","credential_id":"lab_creds","commands":["show version"]}' | host-example run`,
		"TOM_WORKER_AUDIT_LOG=audit.jsonl", "OTEL_EXPORTER_OTLP_ENDPOINT="+newSink(t).URL)
	written := r.sh(t, "", "cat audit.jsonl")
	names := func(line string) []string {
		var members map[string]any
		if err := json.Unmarshal([]byte(line), &members); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return slices.Sorted(maps.Keys(members))
	}
	if got, want := names(written), names(text); !slices.Equal(got, want) {
		t.Errorf("a line has %v, in the document it has %v", got, want)
	}
}

// tracesTyped sends the traces to a collector of our own.
func tracesTyped(t *testing.T, r *reader, text string) {
	const collector = "http://localhost:4318"
	if !strings.Contains(text, collector) {
		t.Fatalf("another collector than expected: %s", text)
	}
	traces := newSink(t)
	r.write(t, "jobs.jsonl", `{"id":"1","host":"127.0.0.1","port":1,"credential_id":"absent","commands":["show version"]}`)
	r.write(t, ".ssh/known_hosts", "")
	r.sh(t, "", strings.Replace(text, collector, traces.URL, 1), r.withBackend()...)
	if len(traces.received()) == 0 {
		t.Error("no traces were sent")
	}
}

// tracedLine: a real line has the same start and the same fields, whose order is any.
func tracedLine(t *testing.T, r *reader, text string) {
	said := r.sh(t, "", "host-example get lab_cerds --log-level debug 2>&1 || true", append(r.withBackend(), "OTEL_EXPORTER_OTLP_ENDPOINT="+newSink(t).URL)...)
	start, fields, ok := strings.Cut(strings.TrimSpace(text), "read failed:")
	_, line, found := strings.Cut(said, start+"read failed:")
	line, _, _ = strings.Cut(line, "\n")
	if !ok || !found || strings.Count(fields, "=") < 3 {
		t.Fatalf("there is no line %q:\n%s", start, said)
	}
	for field := range strings.FieldsSeq(strings.ReplaceAll(fields, "...", "")) {
		if name, _, _ := strings.Cut(field, "="); name == "trace_id" {
			field = name + "="
		}
		if !strings.Contains(line, " "+field) {
			t.Errorf("the line has no %q: %s", field, line)
		}
	}
}

// quarantineTyped is typed beside a worker whose password two devices have refused.
func quarantineTyped(t *testing.T, r *reader, text string) {
	s := newSite(t, 1, 2, admins)
	s.backend.PutSecret("tom/credentials/lab_creds", labCreds)
	w := startWatched(t, s.environ...)
	for i, d := range s.devices[0] {
		d.SetPassword("another one")
		w.job(fmt.Sprint(i), d.Port(), "lab_creds")
	}
	left := regexp.MustCompile(`\d+m\d+s`)
	var typed, want string
	for line := range strings.Lines(text) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			typed += command
		} else {
			want += line
		}
	}
	got := r.sh(t, "", typed, "TOM_WORKER_METRICS_ADDRESS="+strings.TrimPrefix(w.url, "http://"))
	if left.ReplaceAllString(got, "15m") != left.ReplaceAllString(want, "15m") {
		t.Errorf("it says\n%s", got)
	}
	w.leave()
}

// fleetShown: what the command prints of such a fleet. That it gets one is shown by TestFleetAtAGlance.
func fleetShown(t *testing.T, _ *reader, text string) {
	c := &cli{stderr: t.Output()}
	aws := func(m admin.Member) admin.Member {
		m.Version, m.Provider, m.ProviderVersion = "1.0.0", "aws_secrets_manager", "1.0"
		return m
	}
	c.writeFleet(admin.Fleet{
		Members: []admin.Member{
			aws(admin.Member{Host: "edge1", Kind: kindAgent, PID: 812, Ready: true, SeenSeconds: 2, Waiting: 3, Permits: 2}),
			aws(admin.Member{Host: "edge1", Kind: kindWorker, PID: 4711, Reason: "backend: BACKEND_UNAVAILABLE", SeenSeconds: 9}),
			aws(admin.Member{Host: "edge2", Kind: kindWorker, PID: 1174, Ready: true, Silent: true, SeenSeconds: 2*3600 + 13*60 + 7}),
		},
		Credentials: []admin.Credential{
			{CredentialID: "lab_creds", Refused: 4, WrongPasswords: 2, Failed: 2, Budget: 2, Quarantined: true, RetrySeconds: 231},
			{CredentialID: "core", Refused: 1, Budget: 3},
		},
	})
	if got := "$ host-example fleet\n" + c.out.String(); got != text {
		t.Errorf("it prints\n%s", got)
	}
}

// scrapeSettings: it is YAML, and the rules that it names are there. Nothing here could read more of it.
func scrapeSettings(t *testing.T, _ *reader, text string) {
	var settings struct {
		ScrapeConfigs []struct {
			JobName       string `yaml:"job_name"`
			StaticConfigs []struct {
				Targets []string `yaml:"targets"`
			} `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
		RuleFiles []string `yaml:"rule_files"`
	}
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&settings); err != nil || len(settings.ScrapeConfigs) != 1 || len(settings.RuleFiles) != 1 {
		t.Fatalf("%+v, %v", settings, err)
	}
	read(t, "host-example/deploy/"+settings.RuleFiles[0])
}
