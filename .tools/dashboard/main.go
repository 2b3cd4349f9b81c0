// Program dashboard reads the queries of Grafana dashboards (.json) and of Prometheus rules (.yaml) with Prometheus's own
// parser, and prints what they use: one JSON object a query.
//
//	cd .tools/dashboard && go run . ../../host-example/deploy/dashboard.json ../../host-example/deploy/alerts.yaml
//	{"file":"dashboard.json","place":"Jobs","expr":"...","uses":[{"metric":"tom_worker_jobs_total","labels":["status"]}]}
//
// A query that can't be parsed ends it with status 1.
package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// query is one expression, and what it uses.
type query struct {
	File  string `json:"file"`
	Place string `json:"place"`
	Expr  string `json:"expr"`
	Uses  []use  `json:"uses"`
}

// use is a metric, and the labels by which it is selected, grouped or joined.
type use struct {
	Metric string   `json:"metric"`
	Labels []string `json:"labels"`
}

func main() {
	encoder := json.NewEncoder(os.Stdout)
	for _, path := range os.Args[1:] {
		queries, err := read(path)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			os.Exit(1)
		}
		for _, q := range queries {
			if q.Uses, err = uses(q.Expr); err != nil {
				fmt.Fprintf(os.Stderr, "%s: %s: %v\n", path, q.Place, err)
				os.Exit(1)
			}
			q.File = filepath.Base(path)
			if err := encoder.Encode(q); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
	}
}

func read(path string) ([]query, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var document any
	if err := yaml.Unmarshal(text, &document); err != nil { // JSON is YAML
		return nil, err
	}
	return find(document, ""), nil
}

// find returns every member "expr" of a document, under the name of what it belongs to.
func find(node any, place string) []query {
	var all []query
	switch node := node.(type) {
	case []any:
		for _, item := range node {
			all = append(all, find(item, place)...)
		}
	case map[string]any:
		for _, name := range []string{"title", "alert", "record"} {
			if text, ok := node[name].(string); ok {
				place = text
			}
		}
		for _, key := range slices.Sorted(maps.Keys(node)) {
			if text, ok := node[key].(string); ok && key == "expr" {
				all = append(all, query{Place: place, Expr: text})
				continue
			}
			all = append(all, find(node[key], place)...)
		}
	}
	return all
}

// variables are Grafana's, with values that could stand in their place.
var variables = strings.NewReplacer("$__rate_interval", "5m", "$__interval", "1m", "$__range", "1h")

// uses parses an expression. Labels of an aggregation or of a join count for every metric within.
func uses(text string) ([]use, error) {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(variables.Replace(text))
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	found := make(map[string]map[string]bool)
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		names := found[selector.Name]
		if names == nil {
			names = make(map[string]bool)
			found[selector.Name] = names
		}
		for _, matcher := range selector.LabelMatchers {
			names[matcher.Name] = matcher.Name != labels.MetricName
		}
		for _, outer := range path {
			switch outer := outer.(type) {
			case *parser.AggregateExpr:
				for _, name := range outer.Grouping {
					names[name] = true
				}
			case *parser.BinaryExpr:
				if outer.VectorMatching != nil {
					for _, name := range outer.VectorMatching.MatchingLabels {
						names[name] = true
					}
				}
			}
		}
		return nil
	})
	all := []use{}
	for _, metric := range slices.Sorted(maps.Keys(found)) {
		u := use{Metric: metric, Labels: []string{}}
		for _, name := range slices.Sorted(maps.Keys(found[metric])) {
			if found[metric][name] {
				u.Labels = append(u.Labels, name)
			}
		}
		all = append(all, u)
	}
	return all, nil
}
