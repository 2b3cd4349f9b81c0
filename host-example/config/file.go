package config

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tom-worker/credential-provider/shared/regular"
)

// maxFile bounds a settings file, in bytes.
const maxFile = 1 << 20

// file reads the YAML file. found is false if there is none, which is a problem only if it was named.
func (r *reader) file(path string, named bool) (l layer, found bool) {
	l = layer{}
	text, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return l, false
	}
	if err != nil {
		r.problem(Place{Name: path}, "", "the configuration file can't be read: %s", reason(err))
		return l, false
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case err == io.EOF:
		return l, true // nothing, or comments only
	case err != nil:
		line, what := yamlProblem(err)
		r.problem(Place{path, line}, "", "not valid YAML: %s", what)
		return l, true
	}
	if err := decoder.Decode(new(yaml.Node)); err != io.EOF {
		r.problem(Place{Name: path}, "", "there is more than one YAML document in the file (a line with ---)")
	}
	r.mapping(l, path, document.Content[0])
	return l, true
}

// mapping reads the settings from the file's top level.
func (r *reader) mapping(l layer, path string, top *yaml.Node) {
	if top.Kind == yaml.ScalarNode && top.Tag == "!!null" {
		return
	}
	if top.Kind != yaml.MappingNode {
		r.problem(Place{path, top.Line}, "", "the file must be a mapping, with lines such as \"concurrency: 10\"")
		return
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(top.Content); i += 2 {
		name, node := top.Content[i], top.Content[i+1]
		place := Place{path, name.Line}
		if name.Kind != yaml.ScalarNode || name.Tag == "!!merge" {
			r.problem(place, "", "a setting's name must be a plain word")
			continue
		}
		key := strings.ToLower(name.Value)
		if first, twice := lines[key]; twice {
			r.problem(place, keyName(key), "set twice, first in line %d", first)
			continue
		}
		lines[key] = name.Line
		if !known(key) {
			text, _ := unknownKey(key)
			r.warn(place, keyName(key), "%s", text)
			continue
		}
		if foreign(key) {
			continue
		}
		value, err := nodeValue(node)
		if err != nil {
			// The parser's message would quote the value, which may be a secret.
			r.problem(place, keyName(key), "its value isn't valid YAML; put it in quotes if it is a text")
			continue
		}
		l.put(entry{Key: key, Value: value, Place: place})
	}
}

// nodeValue is the value as YAML means it, but for dates: nothing here is one, so they are texts that look like one.
func nodeValue(node *yaml.Node) (value any, err error) {
	if node.Kind == yaml.ScalarNode && node.Tag == "!!timestamp" {
		return node.Value, nil
	}
	err = node.Decode(&value)
	return value, err
}

var (
	yamlLine   = regexp.MustCompile(`^line (\d+): `)
	yamlAnchor = regexp.MustCompile(`^unknown anchor`)
	// yamlGrammar are the messages whose line the parser counts from 0.
	yamlGrammar = regexp.MustCompile(`^did not find expected (<|node content|'-' indicator|key|',')`)
)

// yamlProblem takes the line out of the parser's message, and whatever it quotes of the file, which may be a secret.
func yamlProblem(err error) (line int, what string) {
	what = strings.TrimPrefix(err.Error(), "yaml: ")
	if match := yamlLine.FindStringSubmatch(what); match != nil {
		line, _ = strconv.Atoi(match[1])
		what = what[len(match[0]):]
	}
	if yamlAnchor.MatchString(what) { // it names the anchor and has no line
		return 0, "a value starts with *, which means something else in YAML; put it in quotes"
	}
	if yamlGrammar.MatchString(what) {
		line++
	}
	return max(line, 1), what // the first line is left out
}

// readFile reads a settings file of a bounded size.
func readFile(path string) ([]byte, error) {
	return regular.Read(path, maxFile)
}

// reason is an error without the path, which the problem names anyway.
func reason(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "it doesn't exist"
	}
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err.Error()
	}
	return err.Error()
}
