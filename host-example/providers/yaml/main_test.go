package main

import (
	"os"
	"strings"
	"testing"
)

// The authors of providers are promised that this file takes them less than sixty lines.
func TestAuthorsPartIsShort(t *testing.T) {
	text, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			lines++
		}
	}
	if lines >= 60 || lines < 20 {
		t.Errorf("%d lines", lines)
	}
}
