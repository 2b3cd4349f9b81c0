// Package markdowntest reads the parts of a Markdown document that can be compared with the code: sections, tables and code
// blocks. Tests use it, so that no README says anything else than the programs do.
package markdowntest

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Document is a Markdown document, or a section of one.
type Document struct {
	t    testing.TB
	name string
	text string
}

// Read reads a document. What a test looks for in it and isn't there fails the test.
func Read(t testing.TB, path string) Document {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return Document{t: t, name: path, text: strings.ReplaceAll(string(text), "\r\n", "\n")}
}

// Text is the document's text.
func (d Document) Text() string { return d.text }

// Section is the part under a heading, up to the next one of the same rank or above. The heading is given with its rank:
// "## Errors".
func (d Document) Section(heading string) Document {
	d.t.Helper()
	rank := strings.IndexByte(heading, ' ')
	var body []string
	inside, fenced := false, false
	for line := range strings.SplitSeq(d.text, "\n") {
		fenced = fenced != strings.HasPrefix(line, "```")
		if inside && !fenced && regexp.MustCompile(fmt.Sprintf("^#{1,%d} ", rank)).MatchString(line) {
			break
		}
		if inside {
			body = append(body, line)
		}
		inside = inside || !fenced && line == heading
	}
	if !inside {
		d.t.Fatalf("%s has no section %q", d.name, heading)
	}
	return Document{t: d.t, name: d.name + ", " + heading, text: strings.Join(body, "\n")}
}

// Says fails the test unless the document has the phrase; line breaks count as spaces.
func (d Document) Says(phrase string) {
	d.t.Helper()
	if !strings.Contains(strings.Join(strings.Fields(d.text), " "), phrase) {
		d.t.Errorf("%s doesn't say %q", d.name, phrase)
	}
}

// Table has the rows of the table whose first column has this title: its cells as they are written, without the spaces
// around them. A bar within a cell is written \|.
func (d Document) Table(title string) [][]string {
	d.t.Helper()
	lines := strings.Split(d.text, "\n")
	at := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "| "+title+" |") })
	if at < 0 {
		d.t.Fatalf("%s has no table with the first column %q", d.name, title)
	}
	var rows [][]string
	for _, line := range lines[at+2:] {
		if !strings.HasPrefix(line, "|") {
			break
		}
		const bar = "\x00"
		cells := strings.Split(strings.ReplaceAll(strings.Trim(line, "|"), `\|`, bar), "|")
		for i, cell := range cells {
			cells[i] = strings.ReplaceAll(strings.TrimSpace(cell), bar, "|")
		}
		rows = append(rows, cells)
	}
	if len(rows) == 0 {
		d.t.Fatalf("%s: the table %q is empty", d.name, title)
	}
	return rows
}

// Code are the code spans of a cell or a sentence.
func Code(text string) []string {
	var spans []string
	for _, match := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(text, -1) {
		spans = append(spans, match[1])
	}
	return spans
}

// Block is a fenced code block.
type Block struct {
	// Info is what stands behind the opening fence: "go", "console".
	Info string
	// Before is the line of text before the block, empty lines aside.
	Before string
	Text   string
}

// Blocks are the document's code blocks in their order.
func (d Document) Blocks() []Block {
	var blocks []Block
	var current *Block
	before := ""
	for line := range strings.SplitSeq(d.text, "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && current == nil:
			current = &Block{Info: info, Before: before}
		case fence:
			blocks = append(blocks, *current)
			current = nil
		case current != nil:
			current.Text += line + "\n"
		case strings.TrimSpace(line) != "":
			before = line
		}
	}
	return blocks
}
