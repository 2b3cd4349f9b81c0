package config_test

import (
	"testing"
)

// The values are those that python-dotenv reads.
func TestEnvFileValues(t *testing.T) {
	for _, test := range []struct {
		name, line, want string
	}{
		{"plain", `=abc`, "abc"},
		{"empty", `=`, ""},
		{"spaces around", ` =  abc  `, "abc"},
		{"spaces inside", `=a b  c`, "a b  c"},
		{"a dollar", `=pa$word`, "pa$word"},
		{"a hash inside", `=pa#word`, "pa#word"},
		{"a comment", `=abc # comment`, "abc"},
		{"a comment after text that isn't ASCII", `=café # comment`, "café"},
		{"a comment only", `= # comment`, ""},
		{"a quote inside", `=it's "so"`, `it's "so"`},
		{"a backslash", `=a\nb`, `a\nb`},
		{"an equals sign", `=a=b==`, "a=b=="},
		{"single quotes", `='a "b" # $c \n'`, `a "b" # $c \n`},
		{"an escaped quote in single quotes", `='it\'s'`, `it's`},
		{"an expansion in single quotes", `='${HOME}'`, `${HOME}`},
		{"double quotes", `="a 'b' # $c"`, `a 'b' # $c`},
		{"escapes in double quotes", `="a\n\t\"b\"\\"`, "a\n\t\"b\"\\"},
		{"a comment after quotes", `="a" # comment`, "a"},
		{"quotes inside quotes at the end", `="say ""`, ""}, // a problem, see below
		{"lines in quotes", "=\"a\nb\"", "a\nb"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg, problems := load(t, sources{env: "export TOM_WORKER_PLUGIN_X_V" + test.line + "\nTOM_WORKER_PLUGIN_X_AFTER=1\n"})
			cfg.CredentialPlugin = "x"
			settings, _ := cfg.ProviderSettings(nil)
			if test.name == "quotes inside quotes at the end" {
				equal(t, problems, []string{"worker.env:1: plugin_x_v: there is more after the closing quote"})
				return
			}
			if problems != nil {
				t.Fatalf("problems: %q", problems)
			}
			if got := settings["v"]; got.Value != test.want || !got.Text {
				t.Errorf("value is %#v, want the text %q", got, test.want)
			}
			if got := settings["after"]; got.Value != "1" {
				t.Errorf("the line after it is read as %#v", got)
			}
		})
	}
}

func TestEnvFile(t *testing.T) {
	const text = "\uFEFF# the worker's settings\r\n" +
		"\r\n" +
		"OTHER_PROGRAM=\"some\r\nlines\"\r\n" +
		"UNSET\r\n" +
		"TOM_WORKER_CONCURRENCY=1\r\n" +
		"TOM_WORKER_CONCURRENCY=2\r\n" +
		"TOM_WORKER_LOG_LEVEL\r\n" +
		"TOM_WORKER_LOG_FORMAT=${FORMAT}\r\n" +
		"TOM_WORKER_CREDENTIAL_PLUGIN='vault\r\n"
	cfg, problems := load(t, sources{env: text})
	if cfg.Concurrency != 2 {
		t.Errorf("concurrency is %d: the last line doesn't count", cfg.Concurrency)
	}
	want := []string{
		"worker.env:8: not of the form NAME=value",
		"worker.env:9: log_format: ${...} isn't expanded here; write the value itself, or put it in single quotes if that is the value",
		"worker.env:10: credential_plugin: the quote isn't closed",
	}
	equal(t, problems, want)
}
