package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// query is what .tools/dashboard prints.
type query struct {
	File, Place, Expr string
	Uses              []struct {
		Metric string
		Labels []string
	}
}

// queries are those of the dashboard and of the alert rules, as Prometheus's own parser understands them.
func queries(t *testing.T) []query {
	t.Helper()
	program := filepath.Join(t.TempDir(), "dashboard.exe")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = "../.tools/dashboard"
	if out, err := build.CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("build .tools/dashboard: %v\n%s", err, out)
		}
		t.Skipf("Prometheus's parser can't be built here; run \"go mod download\" in .tools/dashboard with access to the Go proxy: %v\n%s", err, out)
	}
	out, err := exec.Command(program, "deploy/dashboard.json", "deploy/alerts.yaml").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []query
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var q query
		if err := decoder.Decode(&q); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, q)
	}
}

// families are the metrics of a scrape that are ours, each with its labels.
func families(t *testing.T, scrape string) map[string][]string {
	t.Helper()
	types := make(map[string]string)
	for _, found := range regexp.MustCompile(`(?m)^# TYPE (tom_\w+) (\w+)$`).FindAllStringSubmatch(scrape, -1) {
		types[found[1]] = found[2]
	}
	labels := make(map[string][]string)
	for _, sample := range regexp.MustCompile(`(?m)^(tom_\w+)(?:\{(.*)\})? \S+$`).FindAllStringSubmatch(scrape, -1) {
		family := familyOf(sample[1], func(name string) bool { return types[name] == "histogram" })
		if types[family] == "" {
			t.Fatalf("%s has no type", sample[1])
		}
		for _, label := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(sample[2], -1) {
			if !slices.Contains(labels[family], label[1]) {
				labels[family] = append(labels[family], label[1])
			}
		}
		if labels[family] == nil {
			labels[family] = []string{}
		}
	}
	return labels
}

// familyOf is a sample's metric.
func familyOf(sample string, histogram func(string) bool) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if name, ok := strings.CutSuffix(sample, suffix); ok && histogram(name) {
			return name
		}
	}
	return sample
}

// TestDashboard holds the dashboard, the alert rules and the README to what a worker that has done jobs really gives: every
// metric that they use is there, with the labels that they use, and the dashboard and the README have them all.
func TestDashboard(t *testing.T) {
	t.Parallel()
	all := queries(t)
	s := newSite(t, 1, 1, admins)
	s.rotate(0, "a password")
	p := startWatched(t, append(s.environ, "TOM_WORKER_PLUGIN_AWS_SECRETS_MANAGER_ROLE_ARN=arn:aws:iam::123456789012:role/reader")...)
	if got := p.job("1", s.devices[0][0].Port(), "c0"); got.Error != nil {
		t.Fatalf("%+v", got.Error)
	}
	_, scrape := p.get("/metrics")
	p.leave()
	there := families(t, scrape)
	if len(there) < 20 {
		t.Fatalf("the worker has %d metrics:\n%s", len(there), scrape)
	}

	shown := make(map[string]map[string]bool) // metrics by file
	for _, q := range all {
		where := fmt.Sprintf("%s, %s", q.File, q.Place)
		if len(q.Uses) == 0 {
			t.Errorf("%s uses no metric: %s", where, q.Expr)
		}
		for _, use := range q.Uses {
			name := familyOf(use.Metric, func(name string) bool { return slices.Contains(there[name], "le") })
			labels, ok := there[name]
			if !ok {
				t.Errorf("%s: there is no metric %s", where, use.Metric)
				continue
			}
			if shown[q.File] == nil {
				shown[q.File] = make(map[string]bool)
			}
			shown[q.File][name] = true
			for _, label := range use.Labels {
				if !slices.Contains(labels, label) && label != "instance" && label != "job" { // those two are Prometheus's
					t.Errorf("%s: %s has no label %s", where, use.Metric, label)
				}
			}
		}
	}
	for name := range there {
		if !shown["dashboard.json"][name] {
			t.Errorf("the dashboard doesn't show %s", name)
		}
	}
	if len(shown["alerts.yaml"]) == 0 {
		t.Error("the alert rules use no metrics")
	}

	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string][]string)
	for _, line := range regexp.MustCompile("(?m)^\\| `(tom_\\w+)` \\|([^|]*)\\|").FindAllStringSubmatch(string(text), -1) {
		documented[line[1]] = regexp.MustCompile(`\w+`).FindAllString(line[2], -1)
	}
	for name := range maps.Keys(documented) {
		if _, ok := there[name]; !ok {
			t.Errorf("README.md has %s, which isn't there", name)
		}
	}
	for name, labels := range there {
		told, ok := documented[name]
		labels = slices.DeleteFunc(slices.Clone(labels), func(label string) bool { return label == "le" })
		slices.Sort(labels)
		slices.Sort(told)
		if !ok || !slices.Equal(told, labels) {
			t.Errorf("README.md says that %s has labels %q, and it has %q", name, told, labels)
		}
	}
}

// TestDashboardFile looks at what Grafana would stumble over.
func TestDashboardFile(t *testing.T) {
	text, err := os.ReadFile("deploy/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Title, UID string
		Panels     []struct {
			ID                       int
			Type, Title, Description string
			GridPos                  struct{ X, Y, W, H int }
			Targets                  []struct{ RefID, Expr string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	if dashboard.Title == "" || dashboard.UID == "" {
		t.Error("it has no title or no uid")
	}
	ids, cells := make(map[int]bool), make(map[[2]int]string)
	for _, panel := range dashboard.Panels {
		if ids[panel.ID] {
			t.Errorf("two panels have the id %d", panel.ID)
		}
		ids[panel.ID] = true
		if panel.Type != "row" && (panel.Description == "" || len(panel.Targets) == 0) {
			t.Errorf("%s has no description or no query", panel.Title)
		}
		at := panel.GridPos
		if at.X+at.W > 24 {
			t.Errorf("%s is too wide", panel.Title)
		}
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				if other := cells[[2]int{x, y}]; other != "" {
					t.Fatalf("%s and %s overlap", panel.Title, other)
				}
				cells[[2]int{x, y}] = panel.Title
			}
		}
	}
	variables := make(map[string]bool)
	for _, variable := range dashboard.Templating.List {
		variables[variable.Name] = true
	}
	for _, found := range regexp.MustCompile(`\$\{?(\w+)`).FindAllStringSubmatch(string(text), -1) {
		if !variables[found[1]] && !strings.HasPrefix(found[1], "__") {
			t.Errorf("there is no variable %s", found[1])
		}
	}
}
