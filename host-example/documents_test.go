//go:build unix

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// block is a piece of a document that a reader types, or writes to a file: fenced, or indented by four spaces.
type block struct {
	language string // of a fenced one
	text     string
}

var (
	fenced   = regexp.MustCompile("(?m)^( *)```(\\w*)\n((?s:.*?))^ *```$")
	indented = regexp.MustCompile(`(?m)(?:^    .*\n)+`)
	margin   = regexp.MustCompile(`(?m)^    `)
)

// blocks finds all of a document's. What "make generate" writes is left out: TestReadme in directory demo holds it.
func blocks(document string) []block {
	document = regexp.MustCompile(`(?s)<!-- [^>]*written by make generate -->.*?<!-- end of [^>]*-->`).ReplaceAllString(document, "")
	var all []block
	for _, found := range fenced.FindAllStringSubmatch(document, -1) {
		all = append(all, block{found[2], regexp.MustCompile(`(?m)^`+found[1]).ReplaceAllString(found[3], "")})
	}
	for _, found := range indented.FindAllString(fenced.ReplaceAllString(document, ""), -1) {
		all = append(all, block{"", margin.ReplaceAllString(found, "")})
	}
	return all
}

// step is what a test does with the block that contains a text.
type step struct {
	has string
	do  func(t *testing.T, r *reader, text string)
}

// documents says how each block of each document is tried. One that isn't named here fails TestDocuments, and so does a
// name without a block.
var documents = map[string][]step{
	"README.md": {
		{"```mermaid", drawing},
		{"make demo", makeTargets},
		{"make build", makeTargets},
		{"sudo install", installed},
		{`plugin_aws_secrets_manager_secret_prefix: "tom/credentials/"`, settingsFile},
		{"host-example validate", typedWithSecret},
		{`"commands":["show version"]}' | host-example run`, jobTyped},
		{"host-example conformance --plugin PATH", conformanceTyped},
		{"make test ", makeTargets},
	},
	"host-example/README.md": {
		{`plugin_aws_secrets_manager_secret_prefix: "tom/credentials/"`, settingsFile},
		{"TOM_WORKER_PLUGIN_AWS_SECRETS_MANAGER_SECRET_PREFIX=", settingsVariables},
		{"host-example validate tom_worker_config.yaml --offline", typedWithFile},
		{"# inventory/creds.yml", namedFile},
		{"credential_plugin: yaml", yamlSettings},
		{`"commands":["show version"]}' | host-example run`, jobTyped},
		{`"event":"handed_out"`, auditTyped},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=", tracesTyped},
		{"trace_id=4bf92f3577b34da6a3ce929d0e0e4736", tracedLine},
		{"$ host-example quarantine list", quarantineTyped},
		{"$ host-example fleet", fleetShown},
		{"# prometheus.yml", scrapeSettings},
	},
	"host-example/worker/README.md": {
		{`'{"id":"1"`, jobAtIOS},
		{`'{"id":"2"`, jobAtIOS},
		{"# platforms.yaml", namedFile},
		{"acme.jsonl", jobAtIOS},
		{`'{"id":"4"`, jobAtIOS},
		{`'{"id":"5"`, jobAtIOS},
		{`"jump":{"host"`, jobThroughAnother},
	},
	"plugin-awssm/README.md": {
		{"host-example validate --id lab_creds", typedWithSecret},
		{"AWS_ACCESS_KEY_ID=AKIA...", awsVariables},
		{"aws_access_key_id = AKIA...", awsFile},
		{`"password": "your-password"`, secretFile},
		{"aws secretsmanager create-secret", awsTyped},
		{`"Version": "2012-10-17"`, policyElsewhere},
		{"tom_worker_config.yaml: by resource policy", otherAccount},
		{"tom_worker_config.yaml: by role", otherAccount},
		{"tom_worker_config.yaml: by routes", otherAccount},
		{"replicate-secret-to-regions", awsTypedAtMoto},
		{"SELECT eventTime", needsAWS},
	},
	"shared/store/README.md": {
		{"credentials := store.New(provider, store.Options{Logger: slog.Default()})", compiles},
		{"make bench COUNT=10", benchCommands},
	},
	"shared/conformance/README.md": {
		{"host-example conformance --plugin ./tom-credential-mine --init", kitTyped},
	},
	"host-example/python/README.md": {
		{"venv/bin/pip install", pythonTyped},
		{"from tom_credential import host", pythonHost},
		{"python3 -m tom_credential get", pythonGet},
		{"from tom_credential import agent", pythonAgent},
		{"--plugin ./tom-credential-mine", pythonConformance},
		{"python3 -m zipapp", pythonPacked},
	},
	"host-example/deploy/README.md": {
		{"sha256sum --check", ciRelease},
		{"credential_plugin_sha256:", pinnedSettings},
		{"systemctl enable --now", serviceInstalled},
		{"docker build", ciRelease},
		{"login-guard.key", composePrepared},
		{"docker compose -f", composeTyped},
	},
}

// elsewhere are the documents whose commands other tests run.
var elsewhere = map[string]string{
	"shared/provider/README.md":              "the tests of shared/provider",
	"shared/host/README.md":                  "the tests of shared/host",
	"host-example/python/TOM.md":             "the tests of host-example/python",
	"shared/guard/redisledger/README.md":     "the tests of shared/guard/redisledger",
	"proto/README.md":                        "the tests of proto",
	"host-example/python/README.md":          "the tests of that directory",
	"host-example/providers/vault/README.md": "the tests of that directory",
	"host-example/temporal/README.md":        "the tests of that directory",
}

// TestDocuments runs what the READMEs tell people to type, and checks the files that they tell people to write.
func TestDocuments(t *testing.T) {
	for _, path := range allDocuments(t) {
		steps, ok := documents[path]
		if _, other := elsewhere[path]; other {
			continue
		}
		if !ok {
			if len(blocks(read(t, path))) > 0 {
				t.Errorf("no test tries what %s says", path)
			}
			continue
		}
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			r := newReader(t)
			tried := make([]int, len(steps))
			for _, b := range blocks(read(t, path)) {
				i := 0
				for i < len(steps) && !strings.Contains("```"+b.language+"\n"+b.text, steps[i].has) {
					i++
				}
				if i == len(steps) {
					t.Errorf("no test tries this:\n%s", b.text)
					continue
				}
				tried[i]++
				t.Run(steps[i].has, func(t *testing.T) { steps[i].do(t, r, b.text) })
			}
			for i, step := range steps {
				if tried[i] == 0 {
					t.Errorf("the document doesn't say %q any more", step.has)
				}
			}
		})
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	notSlug = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	godoc   = regexp.MustCompile("`go doc (\\./[a-z/]+)`")
)

// TestLinks: what the documents point to is there.
func TestLinks(t *testing.T) {
	for _, path := range allDocuments(t) {
		text := read(t, path)
		for _, found := range link.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			target, fragment, _ := strings.Cut(found[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			file := path
			if target != "" {
				file = filepath.Join(filepath.Dir(path), filepath.FromSlash(target))
			}
			if _, err := os.Stat(filepath.Join("..", file)); err != nil {
				t.Errorf("%s points to %s, which isn't there", path, found[1])
				continue
			}
			if fragment != "" && strings.HasSuffix(file, ".md") && !anchors(read(t, file))[fragment] {
				t.Errorf("%s points to %s, and %s has no such heading", path, found[1], file)
			}
		}
		for _, found := range godoc.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join("..", found[1])); err != nil {
				t.Errorf("%s: go doc %s: %v", path, found[1], err)
			}
		}
	}
}

var (
	containerRun     = regexp.MustCompile(`docker run(?:[^\\\n]|\\\n)*`) // with the lines that continue it
	containerService = regexp.MustCompile(`(?m)^services:\n(?:(?: .*)?\n)+`)
)

// TestContainersHaveAnInit: processes that a killed provider leaves behind become process 1's, and only an init process waits
// for them. Each container that the documents start has one.
func TestContainersHaveAnInit(t *testing.T) {
	runs, services := 0, 0
	for _, path := range append(allDocuments(t), "host-example/deploy/Dockerfile") {
		text := read(t, path)
		for _, command := range containerRun.FindAllString(text, -1) {
			if runs++; !strings.Contains(command, "--init") {
				t.Errorf("%s: a container without --init:\n%s", path, command)
			}
		}
		for _, file := range containerService.FindAllString(text, -1) {
			if services++; strings.Count(file, "\n    image: ") != strings.Count(file, "\n    init: true\n") {
				t.Errorf("%s: a service without init: true:\n%s", path, file)
			}
		}
	}
	if runs < 3 || services < 1 {
		t.Errorf("%d commands and %d files of docker compose were found", runs, services)
	}
}

// anchors are the headings as links name them.
func anchors(document string) map[string]bool {
	all := map[string]bool{}
	for _, found := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(document, ""), -1) {
		all[strings.ReplaceAll(notSlug.ReplaceAllString(strings.ToLower(found[1]), ""), " ", "-")] = true
	}
	return all
}

// allDocuments are the repository's, as paths from its top.
func allDocuments(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir("..", func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && entry.Name() != ".." || entry.Name() == "bin" || entry.Name() == "dist" || entry.Name() == "testdata") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".md") && entry.Name() != "CHANGELOG.md" {
			below, err := filepath.Rel("..", path)
			all = append(all, filepath.ToSlash(below))
			return err
		}
		return nil
	})
	if err != nil || len(all) < 4 {
		t.Fatalf("found %v, %v", all, err)
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", path))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}
