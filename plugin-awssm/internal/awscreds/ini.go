package awscreds

import (
	"fmt"
	"maps"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tom-worker/credential-provider/shared/regular"
)

// The shared files are read as botocore reads them, with Python's configparser: every rule here is one of its rules. Where
// two AWS tools read one file in two ways, a worker that used boto3 must not find itself signing as another identity.

// section is a section of a file. The values of [DEFAULT] are in every one of them.
type section struct {
	name   string
	values map[string]string // by lower-case key; the lines of a value that has several are joined by "\n"
}

// syntaxError is a file that can't be read as an INI file. It never quotes a line: there may be a key on it.
type syntaxError struct {
	line    int
	problem string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.problem) }

const defaultSection = "DEFAULT"

// maxFile bounds the shared files and the files of tokens, in bytes.
const maxFile = 16 << 20

// readSections reads a file's sections in their order.
func readSections(path string) ([]section, error) {
	text, err := regular.Read(path, maxFile)
	if err != nil {
		return nil, err
	}
	return parseSections(text)
}

func parseSections(text []byte) ([]section, error) {
	if !utf8.Valid(text) {
		return nil, &syntaxError{1, "the file is not UTF-8 text"}
	}
	p := &parser{values: make(map[string]map[string][]string), seen: make(map[[2]string]bool)}
	for i, line := range lines(string(text)) {
		if problem := p.read(line); problem != "" {
			if i == 0 && strings.HasPrefix(line, "\ufeff") {
				problem = "the file starts with a byte-order mark; save it without one"
			}
			return nil, &syntaxError{i + 1, problem}
		}
	}
	return p.sections()
}

// lines splits a text where Python does when it reads a file.
func lines(text string) []string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return strings.Split(strings.ReplaceAll(text, "\r", "\n"), "\n")
}

// parser reads a file line by line.
type parser struct {
	order  []string // of sections, without DEFAULT
	values map[string]map[string][]string
	seen   map[[2]string]bool // sections, and keys in sections

	section string // the current one
	started bool   // there is a current one
	key     string // whose value the next line may continue; empty: none
	indent  int    // of the line that the key is on
}

// read takes one line, and returns what is wrong with it.
func (p *parser) read(line string) (problem string) {
	text := strings.TrimFunc(line, isSpace)
	switch {
	case text == "":
		if p.key != "" {
			p.continued("")
		}
		return ""
	case text[0] == '#' || text[0] == ';':
		return ""
	}
	indent := utf8.RuneCountInString(line[:strings.IndexFunc(line, isNotSpace)])
	if p.key != "" && indent > p.indent {
		p.continued(text)
		return ""
	}
	p.indent = indent
	if end := strings.LastIndexByte(text, ']'); text[0] == '[' && end > 1 {
		return p.open(text[1:end])
	}
	if !p.started {
		return "there is a line before the first section"
	}
	return p.set(text)
}

func (p *parser) continued(text string) {
	values := p.values[p.section]
	values[p.key] = append(values[p.key], text)
}

// open starts a section.
func (p *parser) open(name string) (problem string) {
	if name != defaultSection {
		if p.seen[[2]string{name}] {
			return fmt.Sprintf("section [%s] is there twice", name)
		}
		p.seen[[2]string{name}] = true
		p.order = append(p.order, name)
	}
	if p.values[name] == nil {
		p.values[name] = make(map[string][]string)
	}
	p.section, p.started, p.key = name, true, ""
	return ""
}

// set reads a key and the first line of its value.
func (p *parser) set(text string) (problem string) {
	at := strings.IndexAny(text, "=:")
	if at < 0 {
		return `the line is no "key = value"`
	}
	key := strings.ToLower(strings.TrimRightFunc(text[:at], isSpace))
	if key == "" {
		return "the line has no key"
	}
	if p.seen[[2]string{p.section, key}] {
		return fmt.Sprintf("%q is twice in section [%s]", key, p.section)
	}
	p.seen[[2]string{p.section, key}] = true
	p.key = key
	p.values[p.section][key] = []string{strings.TrimFunc(text[at+1:], isSpace)}
	return ""
}

func (p *parser) sections() ([]section, error) {
	joined := func(values map[string][]string) map[string]string {
		all := make(map[string]string, len(values))
		for key, parts := range values {
			all[key] = strings.TrimRightFunc(strings.Join(parts, "\n"), isSpace)
		}
		return all
	}
	inherited := joined(p.values[defaultSection])
	all := make([]section, 0, len(p.order))
	for _, name := range p.order {
		values := maps.Clone(inherited)
		maps.Copy(values, joined(p.values[name]))
		for key, value := range values {
			if strings.HasPrefix(value, "\n") && nested(value) == nil {
				return nil, &syntaxError{1, fmt.Sprintf("%q in section [%s] is followed by indented lines that are no \"key = value\"", key, name)}
			}
		}
		all = append(all, section{name: name, values: values})
	}
	return all, nil
}

// nested reads the indented lines of a value that starts with a line end; nil if one of them isn't a key and a value.
func nested(value string) map[string]string {
	all := make(map[string]string)
	for line := range strings.FieldsFuncSeq(value, isLineEnd) {
		line = strings.TrimFunc(line, isSpace)
		if line == "" {
			continue
		}
		key, value, found := strings.Cut(line, "=")
		if !found {
			return nil
		}
		all[strings.TrimFunc(key, isSpace)] = strings.TrimFunc(value, isSpace)
	}
	return all
}

// isSpace is Python's str.isspace for one character.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

func isNotSpace(r rune) bool { return !isSpace(r) }

// isLineEnd is where Python's str.splitlines splits.
func isLineEnd(r rune) bool {
	switch r {
	case '\n', '\r', '\v', '\f', 0x1c, 0x1d, 0x1e, 0x85, 0x2028, 0x2029:
		return true
	}
	return false
}
