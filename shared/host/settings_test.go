//go:build unix

package host

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/shared/credential"
)

func TestSettingsReachTheProvider(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(secret, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := func(value string) Setting { return Setting{Value: value, Text: true} }
	for _, c := range []struct {
		name     string
		settings Settings
		want     string
	}{
		{"defaults", nil, "|full||0|5s|[]|false"},
		{"typed", Settings{"prefix": {Value: "p"}, "token": {Value: "t"}, "tries": {Value: 3}, "wait": {Value: "1m30s"}, "names": {Value: []any{"a", "b"}}, "strict": {Value: true}}, "p|full|t|3|1m30s|[a b]|true"},
		{"from texts", Settings{"prefix": text(" p "), "tries": text("3"), "wait": text("10ms"), "names": text("a, b,"), "strict": text("Yes")}, " p |full||3|10ms|[a b]|true"},
		{"a list as JSON", Settings{"names": text(`["a,b"]`)}, "|full||0|5s|[a,b]|false"},
		{"an empty text is unset", Settings{"prefix": text(""), "wait": text(""), "tries": text("")}, "|full||0|5s|[]|false"},
		{"except where it means something", Settings{"empty": text("")}, "|||0|5s|[]|false"},
		{"a relative path's directory, for a provider that has no such setting", Settings{"prefix": {Value: "p"}}, "p|full||0|5s|[]|false"},
		{"a secret from a file", Settings{"token_file": text(secret)}, "|full|from a file|0|5s|[]|false"},
		{"a secret from a file, itself unset", Settings{"token_file": text(secret), "token": text("")}, "|full|from a file|0|5s|[]|false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			options := memoryOptions(t)
			options.Settings, options.ProjectRoot = c.settings, "/project"
			if got := password(t, start(t, options), "settings"); got != c.want {
				t.Errorf("the provider got %q, want %q", got, c.want)
			}
		})
	}
}

func TestRefusedSettings(t *testing.T) {
	t.Parallel()
	metadata, err := Describe(t.Context(), memoryOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, setting string
		value         Setting
		says          string
	}{
		{"unknown, nearly right", "prefx", Setting{Value: "x"}, "did you mean prefix?"},
		{"unknown", "colour", Setting{Value: "x"}, "there are: empty, names, prefix"},
		{"a number for a text", "prefix", Setting{Value: 5}, "must be a string"},
		{"a text for a number", "tries", Setting{Value: "many", Text: true}, "must be a whole number"},
		{"a fraction for a whole number", "tries", Setting{Value: 1.5}, "must be a whole number"},
		{"a number that isn't exact", "tries", Setting{Value: uint64(1) << 60}, "write it in quotes"},
		{"a bad duration", "wait", Setting{Value: "soon"}, "a duration such as"},
		{"a negative duration", "wait", Setting{Value: "-5s"}, "a duration such as"},
		{"a list of numbers", "names", Setting{Value: []any{1}}, "a list of strings"},
		{"not a truth", "strict", Setting{Value: "perhaps", Text: true}, "true or false"},
		{"a mapping", "prefix", Setting{Value: map[string]any{"a": 1}}, "must be a string"},
		{"no such file", "token_file", Setting{Value: "/nonexistent/token"}, "no such file"},
		{"a file for what isn't secret", "prefix_file", Setting{Value: "/etc/hostname"}, "no such setting"},
		{"a secret of the wrong type", "token", Setting{Value: 123456}, "must be a string"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.value.Origin = "worker.yaml:7"
			_, err := metadata.resolve(Settings{c.setting: c.value})
			var e *credential.Error
			if !errors.As(err, &e) || e.Reason != credential.SettingsInvalid || len(e.Violations) != 1 {
				t.Fatalf("error %v", err)
			}
			v := e.Violations[0]
			if v.Setting != c.setting || !strings.Contains(v.Problem, c.says) || !strings.HasSuffix(v.Problem, "(worker.yaml:7)") {
				t.Errorf("violation %+v, want one of %s that says %q and where it is", v, c.setting, c.says)
			}
			if strings.Contains(err.Error(), "123456") {
				t.Error("the error quotes a secret")
			}
		})
	}
}

func TestAllRefusedSettingsAtOnce(t *testing.T) {
	t.Parallel()
	options := memoryOptions(t)
	options.Settings = Settings{"prefx": {Value: "x"}, "tries": {Value: "many"}, "token": {Value: 5}}
	_, err := Start(t.Context(), options)
	var e *credential.Error
	if !errors.As(err, &e) || e.Reason != credential.SettingsInvalid || len(e.Violations) != 3 {
		t.Fatalf("error %v", err)
	}
}

func TestProvidersOwnRefusalSaysWhere(t *testing.T) {
	t.Parallel()
	options := memoryOptions(t)
	options.Settings = Settings{"prefix": {Value: "refuse", Origin: "worker.yaml:3"}}
	_, err := Start(t.Context(), options)
	var e *credential.Error
	if !errors.As(err, &e) || len(e.Violations) != 1 || !strings.HasSuffix(e.Violations[0].Problem, "(worker.yaml:3)") {
		t.Fatalf("error %v", err)
	}
}
