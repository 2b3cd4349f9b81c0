package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// entry is what the file holds under one id: a login, or what is wrong with it. One entry never spoils the others.
type entry struct {
	line     int
	username string
	password credential.Optional
	extra    map[string]credential.Redacted
	wrong    *defect
}

// defect says what is wrong, and where. Nothing of it comes from a value.
type defect struct {
	line    int    // 0 if unknown
	field   string // empty if it isn't about one field
	problem string
	advice  string
}

// String is one line: "line 3: password must be a string, not a number".
func (d *defect) String() string {
	text := d.problem
	if d.field != "" {
		text = d.field + " " + text
	}
	if d.line > 0 {
		text = fmt.Sprintf("line %d: %s", d.line, text)
	}
	return text
}

// The keys of an entry that have a meaning.
const (
	usernameKey = "username"
	passwordKey = "password"
)

const adviceQuotes = "put the value in quotes"

// parse reads the file. Its defect is one of the whole file; those of single entries are in the entries.
func parse(text []byte) (map[string]entry, *defect) {
	if line := brokenLine(text); line > 0 {
		return nil, &defect{line: line, problem: "it is not UTF-8 text", advice: "save the file as UTF-8: iconv -f latin1 -t utf-8"}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return map[string]entry{}, nil // nothing, or comments only
	} else if err != nil {
		return nil, syntaxDefect(err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, &defect{problem: "there is more than one YAML document in it (a line with ---)"}
	}
	top := follow(document.Content[0])
	if top.ShortTag() == "!!null" {
		return map[string]entry{}, nil
	}
	if top.Kind != yaml.MappingNode {
		return nil, &defect{line: top.Line, problem: "the file must be a mapping of credential ids"}
	}
	pairs, wrong := flatten(top)
	if wrong != nil {
		return nil, wrong
	}
	entries := make(map[string]entry, len(pairs))
	for _, pair := range pairs {
		id := pair.key.Value
		if pair.key.Kind != yaml.ScalarNode {
			return nil, &defect{line: pair.key.Line, problem: "a credential id must be a plain word, not " + kind(pair.key)}
		}
		if first, twice := entries[id]; twice {
			if !pair.merged {
				first.wrong = &defect{line: pair.key.Line, problem: fmt.Sprintf("the id comes twice, first in line %d", first.line), advice: "remove one of them"}
				entries[id] = first
			}
			continue
		}
		found := readEntry(pair.value)
		if pair.key.ShortTag() != "!!str" {
			found = entry{wrong: &defect{line: pair.key.Line, problem: "the id must be a string, not " + kind(pair.key), advice: "put the id in quotes"}}
		}
		found.line = pair.key.Line
		entries[id] = found
	}
	return entries, nil
}

// brokenLine is the first line that isn't UTF-8; 0 if there is none. UTF-16 with its mark is the parser's affair.
func brokenLine(text []byte) int {
	if utf8.Valid(text) || bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return 0
	}
	number := 0
	for line := range bytes.Lines(text) {
		if number++; !utf8.Valid(line) {
			break
		}
	}
	return number
}

// readEntry reads one credential. Every value comes out byte for byte as YAML has it.
func readEntry(node *yaml.Node) entry {
	e := entry{}
	node = follow(node)
	if node.Kind != yaml.MappingNode {
		e.wrong = &defect{line: node.Line, problem: "must be a mapping with username and password, not " + kind(node)}
		return e
	}
	pairs, wrong := flatten(node)
	seen := map[string]bool{}
	var misspelt []string
	for _, pair := range pairs {
		if wrong != nil {
			break
		}
		key, value := pair.key.Value, follow(pair.value)
		switch {
		case pair.merged && seen[key]:
			continue
		case pair.key.ShortTag() != "!!str":
			wrong = &defect{line: pair.key.Line, problem: "a field's name must be a string, not " + kind(pair.key)}
		case seen[key]:
			wrong = &defect{line: pair.key.Line, field: known(key), problem: "comes twice", advice: "remove one of them"}
		case key == usernameKey:
			e.username, wrong = login(key, value)
			if wrong == nil && e.username == "" {
				wrong = &defect{line: value.Line, field: key, problem: "is empty"}
			}
		case key == passwordKey:
			var text string
			text, wrong = login(key, value)
			e.password = credential.Password(text)
		default:
			if strings.EqualFold(key, usernameKey) || strings.EqualFold(key, passwordKey) {
				misspelt = append(misspelt, key)
			}
			var text string
			var ok bool
			if text, ok, wrong = extra(value); ok {
				if e.extra == nil {
					e.extra = map[string]credential.Redacted{}
				}
				e.extra[key] = credential.NewRedacted(text)
			}
		}
		seen[key] = true
	}
	_, hasPassword := e.password.Get()
	switch {
	case wrong != nil:
	case !seen[usernameKey]:
		wrong = missing(node.Line, usernameKey, misspelt)
	case !hasPassword && e.extra[credential.PrivateKeyField].IsEmpty():
		wrong = missing(node.Line, passwordKey, misspelt)
	}
	if wrong != nil {
		return entry{wrong: wrong}
	}
	return e
}

// login reads a value that is sent to a device.
func login(key string, value *yaml.Node) (string, *defect) {
	refuse := func(problem, advice string) (string, *defect) {
		return "", &defect{line: value.Line, field: key, problem: problem, advice: advice}
	}
	text := value.Value
	switch {
	case value.Kind != yaml.ScalarNode || value.ShortTag() != "!!str":
		return refuse("must be a string, not "+kind(value), adviceQuotes)
	case strings.HasSuffix(text, "\n") || strings.HasSuffix(text, "\r"):
		return refuse("ends with a line end", "write it on one line, in quotes; many devices lock the account over a line end")
	case strings.ContainsAny(text, "\r\n"):
		return refuse("holds a line end", "")
	case strings.ContainsRune(text, 0):
		return refuse("holds a NUL character", "")
	}
	return text, nil
}

// extra reads the value of any other field; false for those that are left out. Numbers and booleans are taken as they are
// written, if JSON writes them so too: 0123 may be meant as a string or as 83.
func extra(value *yaml.Node) (string, bool, *defect) {
	if value.Kind != yaml.ScalarNode || value.ShortTag() == "!!null" {
		return "", false, nil
	}
	switch value.ShortTag() {
	case "!!str":
		return value.Value, true, nil
	case "!!int", "!!float", "!!bool":
		if json.Valid([]byte(value.Value)) {
			return value.Value, true, nil
		}
	}
	return "", false, &defect{line: value.Line, problem: "the value of a field is " + kind(value) + " that can be read in more than one way", advice: adviceQuotes}
}

// missing says that a field isn't there, and which one looks like it.
func missing(line int, field string, misspelt []string) *defect {
	for _, key := range misspelt {
		if strings.EqualFold(key, field) {
			return &defect{line: line, field: field, problem: "is missing", advice: fmt.Sprintf("rename %s to %s", key, field)}
		}
	}
	advice := "add it"
	if field == passwordKey {
		advice = "add it; only a credential with a " + credential.PrivateKeyField + " can do without"
	}
	return &defect{line: line, field: field, problem: "is missing", advice: advice}
}

// known returns the key if it is one that we look for; any other might be a value in the wrong place.
func known(key string) string {
	switch key {
	case usernameKey, passwordKey, credential.PrivateKeyField:
		return key
	}
	return "a field"
}

// pair is one key of a mapping with its value.
type pair struct {
	key, value *yaml.Node
	merged     bool // from another mapping, by <<: it gives way to the mapping's own
}

// Merged mappings may merge others, so that a short file could name the same ones more often than can be counted.
const (
	maxDepth  = 16
	maxMerges = 1000 // for one mapping, with all below it
)

// flatten returns the pairs of a mapping: first its own, then the merged ones.
func flatten(mapping *yaml.Node) ([]pair, *defect) {
	merges := 0
	return flattenTo(mapping, 0, &merges)
}

func flattenTo(mapping *yaml.Node, depth int, merges *int) ([]pair, *defect) {
	var own, merged []pair
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		if key.ShortTag() != "!!merge" {
			own = append(own, pair{key: follow(key), value: value})
			continue
		}
		sources := []*yaml.Node{follow(value)}
		if sources[0].Kind == yaml.SequenceNode {
			sources = sources[0].Content
		}
		for _, source := range sources {
			source = follow(source)
			if source.Kind != yaml.MappingNode || depth >= maxDepth {
				return nil, &defect{line: key.Line, problem: "<< must name a mapping that doesn't hold itself"}
			}
			if *merges++; *merges > maxMerges {
				return nil, &defect{line: key.Line, problem: fmt.Sprintf("<< names more than %d mappings, with those that they name", maxMerges)}
			}
			inherited, wrong := flattenTo(source, depth+1, merges)
			if wrong != nil {
				return nil, wrong
			}
			for _, p := range inherited {
				p.merged = true
				merged = append(merged, p)
			}
		}
	}
	return append(own, merged...), nil
}

// follow returns what an alias stands for.
func follow(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

func kind(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch node.ShortTag() {
	case "!!null":
		return "null"
	case "!!bool":
		return "a boolean"
	case "!!int", "!!float":
		return "a number"
	case "!!timestamp":
		return "a date"
	case "!!str":
		return "a string"
	default:
		return "a value with a tag"
	}
}

var (
	yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)
	// yamlGrammar are the messages whose line the parser counts from 0.
	yamlGrammar = regexp.MustCompile(`^did not find expected`)
)

// syntaxDefect takes the line out of the parser's message, and nothing else: some of its messages quote the file.
func syntaxDefect(err error) *defect {
	d := &defect{problem: "it is not valid YAML"}
	if match := yamlLine.FindStringSubmatch(err.Error()); match != nil {
		d.line, _ = strconv.Atoi(match[1])
		if yamlGrammar.MatchString(err.Error()[len(match[0]):]) {
			d.line++
		}
	}
	return d
}
