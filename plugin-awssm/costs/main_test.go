package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRow(t *testing.T) {
	r := row{workers: 100, lifetime: 5 * time.Minute}
	// 100 workers with 50 credentials each make 5,000 calls in 300 seconds: 12 an hour for each credential, 720 hours.
	if got := r.calls(); math.Abs(got-5000*12*720) > 1 {
		t.Errorf("%f calls a month", got)
	}
	if got := grouped(r.calls() * callPrice); got != "216" {
		t.Errorf("$%s for 43,200,000 calls, want 216", got)
	}
	if got := grouped(1234567.4); got != "1,234,567" {
		t.Errorf("grouped: %s", got)
	}
}

// TestReadme: the README has the table as it is computed. If not: go generate ./plugin-awssm/costs.
func TestReadme(t *testing.T) {
	document, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.ReplaceAll(string(document), "\r\n", "\n"), start+"\n"+table()+"\n"+end) {
		t.Error("the table in README.md differs; run: go generate ./plugin-awssm/costs")
	}
}

func TestWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(file, []byte("before\n"+start+"old\n"+end+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := write(file); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(file)
	if string(got) != "before\n"+start+"\n"+table()+"\n"+end+"after\n" {
		t.Errorf("%s", got)
	}
	if err := os.WriteFile(file, []byte("no place"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := write(file); err == nil {
		t.Error("written where there is no place")
	}
}
