package host

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/shared/credential"
)

func writeFile(t testing.TB, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexit 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// executableFile makes a file that may be launched.
func executableFile(t *testing.T, dir, name string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	writeFile(t, path)
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDiscover(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	executableFile(t, first, "tom-credential-vault", 0o755)
	executableFile(t, first, "tom-credential-yaml", 0o644)
	executableFile(t, second, "tom-credential-vault", 0o755)
	executableFile(t, second, "tom-credential-aws_secrets_manager", 0o755)
	for _, stranger := range []string{"tom-credential-", "tom-credential-Vault", "tom-credential-a b", "tom-credential-vault.bak", "README"} {
		executableFile(t, second, stranger, 0o755)
	}

	found := Discover([]string{first, filepath.Join(first, "nothing"), second})
	var names []string
	for _, f := range found {
		names = append(names, f.Name)
	}
	if got, want := strings.Join(names, " "), "aws_secrets_manager vault yaml"; got != want {
		t.Fatalf("found %q, want %q", got, want)
	}
	if found[1].Path != filepath.Join(first, "tom-credential-vault") {
		t.Errorf("vault is %s, not the one in the first directory", found[1].Path)
	}
	if !errors.Is(found[2].Problem, credential.ProviderRefused) || found[1].Problem != nil {
		t.Errorf("problems: vault %v, yaml %v", found[1].Problem, found[2].Problem)
	}
}

func TestFindNothing(t *testing.T) {
	dir := t.TempDir()
	executableFile(t, dir, "tom-credential-yaml", 0o755)
	_, err := Find("vault", []string{dir})
	var missing *NotFoundError
	if !errors.As(err, &missing) || !errors.Is(err, credential.ProviderNotFound) {
		t.Fatalf("error %v", err)
	}
	if missing.Name != "vault" || len(missing.Candidates) != 1 || missing.Candidates[0].Name != "yaml" {
		t.Errorf("%+v", missing)
	}
	for _, part := range []string{"vault", "yaml", dir} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q doesn't name %s", err, part)
		}
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"", "../x", "/bin/sh", "a/b", "Vault", "1st", "vault.exe", "a b", "ä", "a\x00b", strings.Repeat("a", 65)} {
		if _, err := Find(name, []string{t.TempDir()}); !errors.Is(err, credential.ProviderNotFound) {
			t.Errorf("name %q: error %v", name, err)
		}
	}
	_, err := Find("plugins/vault", nil)
	var e *credential.Error
	if !errors.As(err, &e) || len(e.Help) == 0 || !strings.Contains(e.Help[0], "credential_plugin_path") {
		t.Errorf("a path gets no hint: %v", err)
	}
}

func FuzzProviderName(f *testing.F) {
	for _, seed := range []string{"tom-credential-vault", "tom-credential-", "tom-credential-../x", "tom-credential-a\x00", "x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file string) {
		name, ok := providerName(file)
		if !ok {
			return
		}
		if err := checkName(name); err != nil {
			t.Errorf("%q is taken for provider %q, which Find refuses: %v", file, name, err)
		}
		if strings.ContainsAny(name, "/\\.\x00") {
			t.Errorf("%q is taken for provider %q", file, name)
		}
	})
}
