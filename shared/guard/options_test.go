package guard

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseBudgets(t *testing.T) {
	o := Options{}
	var err error
	if o.Budgets, err = ParseBudgets([]string{"lab_*=0", " core/* = 1 ", "*=4"}); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]int{"lab_1": 0, "lab_a/b": 0, "core/x": 1, "core/x/y": 1, "other": 4} {
		if got := o.budget(id); got != want {
			t.Errorf("%s: %d, want %d", id, got, want)
		}
	}
	if o.Budgets, err = ParseBudgets([]string{"3"}); err != nil || o.budget("any") != 3 {
		t.Errorf("one number: %v, %v", o.Budgets, err)
	}
	if o.Budgets, _ = ParseBudgets([]string{"lab_*=1"}); o.budget("other") != 2 {
		t.Error("an id that no pattern matches doesn't have the default")
	}
	for _, entry := range []string{"", "many", "-1", "1001", "=2", "[=2", "lab=x", "lab="} {
		if budgets, err := ParseBudgets([]string{entry}); err == nil || !strings.Contains(err.Error(), "login_lockout_budget") {
			t.Errorf("%q: %v, %v", entry, budgets, err)
		}
	}
}

func TestReadKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "guard.key")
	if _, err := ReadKey(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("no file: %v", err)
	}
	long := bytes.Repeat([]byte{7}, shortestKey)
	for size, good := range map[int]bool{0: false, shortestKey - 1: false, shortestKey: true} {
		if err := os.WriteFile(path, long[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		key, err := ReadKey(path)
		if (err == nil) != good || good && !bytes.Equal(key, long) {
			t.Errorf("%d bytes: %v", size, err)
		}
		if err != nil && !strings.Contains(err.Error(), "head -c 32 /dev/urandom") {
			t.Errorf("no remedy: %v", err)
		}
	}
}
