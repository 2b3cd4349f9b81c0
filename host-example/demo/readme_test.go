package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/shared/host"
)

//go:generate go test -run ^TestReadme$ . -update-readme=true

// build builds the worker and the provider, laid out as "make build" does.
func build(t *testing.T) (worker, plugins string) {
	t.Helper()
	directory := t.TempDir()
	suffix := ""
	if runtime.GOOS == "windows" {
		suffix = ".exe"
	}
	worker, plugins = filepath.Join(directory, "host-example"+suffix), filepath.Join(directory, "plugins")
	for path, source := range map[string]string{
		worker: "../../host-example",
		filepath.Join(plugins, "tom-credential-aws_secrets_manager"+suffix): "../../plugin-awssm",
	} {
		if out, err := exec.Command("go", "build", "-o", path, source).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", source, err, out)
		}
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return worker, plugins
}

// TestReadme holds the generated parts of the documents to what the programs print. "make generate" writes them.
func TestReadme(t *testing.T) {
	worker, plugins := build(t)

	var output bytes.Buffer
	if err := demonstrate(t.Context(), &output, worker, plugins); err != nil {
		t.Fatalf("%v\n%s", err, output.String())
	}
	metadata, err := host.Describe(t.Context(), host.Options{Name: "aws_secrets_manager", Dirs: []string{plugins}})
	if err != nil {
		t.Fatal(err)
	}
	whole := settle(output.String())
	hold(t, "README.md", "demonstration", "```console\n"+middle(t, whole)+"\n```")
	hold(t, "host-example/README.md", "demonstration", "```console\n"+whole+"\n```")
	hold(t, "plugin-awssm/README.md", "settings", settingsTable(metadata))
}

// hold compares a part of a document with what it must be, or writes it.
func hold(t *testing.T, document, part, text string) {
	t.Helper()
	path := filepath.Join("..", "..", filepath.FromSlash(document))
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	after := replace(t, string(before), part, text)
	switch {
	case after == string(before):
	case !*update:
		t.Errorf("the %s in %s differs from what the programs print; run make generate. It should be:\n%s", part, document, text)
	default:
		if err := os.WriteFile(path, []byte(after), 0o644); err != nil { //nolint:gosec // a document is public
			t.Fatal(err)
		}
	}
}

// middle is the part of the demonstration in which a worker runs, without blank lines. It must fit the first screen of the
// README.
func middle(t *testing.T, whole string) string {
	t.Helper()
	const lines = 12
	start, end := strings.Index(whole, "$ host-example run"), strings.Index(whole, "# Which providers")
	if start < 0 || end < start {
		t.Fatalf("no worker runs in the demonstration:\n%s", whole)
	}
	part := strings.TrimSpace(strings.ReplaceAll(whole[start:end], "\n\n", "\n"))
	if n := strings.Count(part, "\n") + 1; n > lines {
		t.Errorf("the README's demonstration has %d lines, more than %d", n, lines)
	}
	return part
}

var (
	requestID = regexp.MustCompile(`AWS request id [0-9a-f-]{36}`)
	endpoint  = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	version   = regexp.MustCompile(`(?m)^(provider: \w+) .*$`)
	port      = regexp.MustCompile(`("port":|device=127\.0\.0\.1:)(\d+)`)
	duration  = regexp.MustCompile(`"duration":[0-9.e-]+`)
	logged    = regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\dT\S+ \[`)
	redisPort = regexp.MustCompile(`REDIS_PORT=\d+`)
	process   = regexp.MustCompile(`kill -KILL \d+`)
)

// settle takes out of the output what differs from run to run.
func settle(output string) string {
	output = requestID.ReplaceAllString(output, "AWS request id 2f6a0d6e-91f5-4a8e-a4c5-0d8b2f3c7e11")
	output = endpoint.ReplaceAllString(output, "http://127.0.0.1:4566")
	output = version.ReplaceAllString(output, "$1 1.0.0")
	output = duration.ReplaceAllString(output, `"duration":0.041`)
	output = logged.ReplaceAllString(output, "2026-01-05T10:23:19.417Z [")
	output = process.ReplaceAllString(output, "kill -KILL 20117")
	output = redisPort.ReplaceAllString(output, "REDIS_PORT=6379")
	ports := map[string]string{}
	output = port.ReplaceAllStringFunc(output, func(found string) string {
		parts := port.FindStringSubmatch(found)
		if ports[parts[2]] == "" {
			ports[parts[2]] = fmt.Sprint(2201 + len(ports))
		}
		return parts[1] + ports[parts[2]]
	})
	return strings.TrimSpace(output)
}

// replace puts text between the two comments that mark a part of a document.
func replace(t *testing.T, document, part, text string) string {
	t.Helper()
	marks := regexp.MustCompile(`(?s)(<!-- ` + part + `[^>]*written by make generate -->\n).*?(<!-- end of ` + part + ` -->)`)
	if !marks.MatchString(document) {
		t.Fatalf("the document has no part %q", part)
	}
	return marks.ReplaceAllStringFunc(document, func(found string) string {
		groups := marks.FindStringSubmatch(found)
		return groups[1] + text + "\n" + groups[2]
	})
}

// settingsTable is the settings reference in Markdown.
func settingsTable(metadata host.Metadata) string {
	var table strings.Builder
	table.WriteString("| Setting | Type | Default | Meaning |\n| --- | --- | --- | --- |\n")
	for _, setting := range metadata.Settings() {
		value := "none"
		if setting.Default != "" {
			value = "`" + setting.Default + "`"
		}
		kind := setting.Type
		if kind == "array" {
			kind = "list"
		}
		_, _ = fmt.Fprintf(&table, "| `plugin_%s_%s` | %s | %s | %s |\n", metadata.Name, setting.Name, kind, value, strings.ReplaceAll(setting.Description, "|", `\|`))
	}
	return strings.TrimSpace(table.String())
}
