package main

import (
	"strings"
	"testing"
)

// Columns line up whatever is in them, and nothing in them is obeyed by a terminal.
func TestTableWidths(t *testing.T) {
	table := newTable("NAME", "FOUND", "FROM")
	table.row("plain", "x", "here")
	table.row("東京", "wide", "here")
	table.row("🔑 key", "emoji", "here")
	table.row("Zu\u0308rich", "with a mark", "here")
	table.row("ｆｕｌｌ", "", "here")
	table.row("\x1b[2Jgone", "two\nlines", "he\tre")
	table.note("\x1b]0;title\a\nand more")
	var shown strings.Builder
	table.write(&shown)
	const want = `NAME            FOUND          FROM
plain           x              here
東京            wide           here
🔑 key          emoji          here
Zu` + "\u0308" + `rich          with a mark    here
ｆｕｌｌ                       here
"\x1b[2Jgone"   "two\nlines"   "he\tre"
    \x1b]0;title\a
    and more
`
	if got := shown.String(); got != want {
		t.Errorf("shown:\n%s", got)
	}
}
