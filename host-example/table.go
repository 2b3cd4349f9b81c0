package main

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
)

// table is text in columns, with notes below rows.
type table struct {
	rows  [][]string
	notes map[int][]string // by the row's number
}

func newTable(heads ...string) *table {
	t := &table{notes: map[int][]string{}}
	t.row(heads...)
	return t
}

func (t *table) row(cells ...string) {
	shown := make([]string, len(cells))
	for i, cell := range cells {
		shown[i] = oneLine(cell)
	}
	t.rows = append(t.rows, shown)
}

// note adds a text below the last row. It doesn't count for the columns' widths.
func (t *table) note(text string) {
	last := len(t.rows) - 1
	t.notes[last] = append(t.notes[last], printable(text))
}

func (t *table) write(w io.Writer) {
	var columns bytes.Buffer
	tabs := tabwriter.NewWriter(&columns, 0, 0, 3, ' ', 0)
	for _, row := range t.rows {
		_, _ = fmt.Fprintln(tabs, strings.Join(row, "\t"))
	}
	_ = tabs.Flush() // into memory: no error
	for i, line := range strings.Split(strings.TrimSuffix(columns.String(), "\n"), "\n") {
		_, _ = fmt.Fprintln(w, strings.TrimRight(line, " "))
		for _, note := range t.notes[i] {
			_, _ = io.WriteString(w, indent(note, "    "))
		}
	}
}

// indent begins each line with margin and ends the last one.
func indent(text, margin string) string {
	return margin + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+margin) + "\n"
}

// wrap breaks a text at spaces so that no line has more than width characters, unless a single word has.
func wrap(text string, width int) string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return strings.Join(append(lines, line), "\n")
}

// printable replaces what a terminal would obey, or what would hide text. Much of what is shown comes from elsewhere: from a
// provider, a backend, a file.
func printable(text string) string {
	var shown strings.Builder
	for _, r := range text {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			shown.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
			continue
		}
		shown.WriteRune(r)
	}
	return shown.String()
}

// oneLine is a cell's text: quoted if it has lines or anything else that would break the columns.
func oneLine(text string) string {
	if strings.Contains(text, "\n") || printable(text) != text {
		return strconv.Quote(text)
	}
	return text
}

func quoteAll(texts []string) []string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = strconv.Quote(text)
	}
	return quoted
}
