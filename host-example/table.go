package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/width"

	"github.com/tom-worker/credential-provider/shared/text"
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
func (t *table) note(lines string) {
	last := len(t.rows) - 1
	t.notes[last] = append(t.notes[last], text.Printable(lines))
}

func (t *table) write(w io.Writer) {
	widths := make([]int, len(t.rows[0])) // of the columns
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], shownWidth(cell))
		}
	}
	for i, row := range t.rows {
		var line strings.Builder
		for j, cell := range row {
			line.WriteString(cell + strings.Repeat(" ", widths[j]-shownWidth(cell)+3))
		}
		_, _ = fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
		for _, note := range t.notes[i] {
			_, _ = io.WriteString(w, indent(note, "    "))
		}
	}
}

// shownWidth is how many places of a terminal's line a text takes: East Asian characters and emoji take two, marks on the
// character before them none.
func shownWidth(text string) int {
	places := 0
	for _, r := range text {
		switch kind := width.LookupRune(r).Kind(); {
		case unicode.In(r, unicode.Mn, unicode.Me):
		case kind == width.EastAsianWide, kind == width.EastAsianFullwidth:
			places += 2
		default:
			places++
		}
	}
	return places
}

// indent starts each line with margin and ends the last one.
func indent(text, margin string) string {
	return margin + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+margin) + "\n"
}

// wrap breaks a text at spaces so that no line takes more than so many places, unless a single word does.
func wrap(text string, places int) string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && shownWidth(line)+1+shownWidth(word) > places {
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

// oneLine is a cell's text: quoted if it has lines or anything else that would break the columns.
func oneLine(cell string) string {
	if strings.Contains(cell, "\n") || text.Printable(cell) != cell {
		return strconv.Quote(cell)
	}
	return cell
}

func quoteAll(texts []string) []string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = strconv.Quote(text)
	}
	return quoted
}
