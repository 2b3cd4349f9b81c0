package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/shared/guard"
)

// sources writes the files and returns what Load gets. An empty text is no file.
type sources struct {
	yaml, env string
	environ   []string
	flags     map[string]string
}

// load reads the sources in their own directory, which is the working directory for the test.
func load(t *testing.T, s sources) (*config.Config, []string) {
	t.Helper()
	t.Chdir(t.TempDir())
	environ := slices.Clone(s.environ)
	if s.yaml != "" {
		write(t, "tom_worker_config.yaml", s.yaml)
	}
	if s.env != "" {
		write(t, "worker.env", s.env)
		environ = append(environ, "TOM_WORKER_ENV_FILE=worker.env")
	}
	cfg, err := config.Load(config.Source{Environ: environ, Flags: s.flags})
	return cfg, problems(t, err)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func problems(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var invalid *config.Error
	if !errors.As(err, &invalid) {
		t.Fatalf("the error is a %T: %v", err, err)
	}
	return strings.Split(err.Error(), "\n")
}

func warnings(cfg *config.Config) []string {
	var lines []string
	for _, warning := range cfg.Warnings {
		lines = append(lines, warning.String())
	}
	return lines
}

func TestDefaults(t *testing.T) {
	cfg, problems := load(t, sources{})
	if problems != nil {
		t.Fatalf("problems without any source: %q", problems)
	}
	if cfg.File != "" || cfg.Looked != "tom_worker_config.yaml" {
		t.Errorf("File is %q, Looked is %q", cfg.File, cfg.Looked)
	}
	want := config.Config{
		CredentialPluginStartTimeout: 10 * time.Second,
		CredentialPluginCallTimeout:  15 * time.Second,
		CredentialCacheTTL:           5 * time.Minute,
		CredentialCacheMaxStale:      time.Hour,
		CredentialCacheNegativeTTL:   5 * time.Second,
		CredentialCacheSize:          10000,
		LoginGuard:                   "memory",
		LoginLockoutBudget:           []guard.Budget{{Pattern: "*", Failures: 2}},
		LoginRefusalPause:            15 * time.Minute,
		LoginGuardWithoutRedis:       "wait",
		RedisHost:                    "localhost",
		RedisPort:                    6379,
		RedisTLSCheckHostname:        true,
		RedisTLSCertReqs:             "required",
		LogLevel:                     hclog.Info,
		LogFormat:                    "text",
		Concurrency:                  10,
		JobTimeout:                   time.Minute,
		ShutdownGrace:                30 * time.Second,
		SSHKnownHosts:                "~/.ssh/known_hosts",
		SSHHostKeys:                  "strict",
		SSHLoginTimeout:              20 * time.Second,
		Looked:                       "tom_worker_config.yaml",
	}
	gotFields, wantFields := reflect.ValueOf(*cfg), reflect.ValueOf(want)
	for i := range gotFields.NumField() {
		if field := gotFields.Type().Field(i); field.IsExported() {
			t.Run(field.Name, func(t *testing.T) { equal(t, gotFields.Field(i).Interface(), wantFields.Field(i).Interface()) })
		}
	}
}

func equal[T any](t *testing.T, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got:  %#v\nwant: %#v", got, want)
	}
}

func TestPrecedence(t *testing.T) {
	for _, test := range []struct {
		name string
		sources
		want int
	}{
		{"the default", sources{}, 10},
		{"the file over the default", sources{yaml: "concurrency: 1"}, 1},
		{"the env file over the file", sources{yaml: "concurrency: 1", env: "TOM_WORKER_CONCURRENCY=2"}, 2},
		{"the environment over the env file", sources{yaml: "concurrency: 1", env: "TOM_WORKER_CONCURRENCY=2", environ: []string{"TOM_WORKER_CONCURRENCY=3"}}, 3},
		{"a flag over the environment", sources{environ: []string{"TOM_WORKER_CONCURRENCY=3"}, flags: map[string]string{"concurrency": "4"}}, 4},
		{"an empty variable is the default, whatever the file says", sources{yaml: "concurrency: 1", environ: []string{"TOM_WORKER_CONCURRENCY="}}, 10},
		{"null in the file is the default", sources{yaml: "concurrency:"}, 10},
		{"lower case in the environment", sources{environ: []string{"tom_worker_concurrency=5"}}, 5},
		{"mixed case in the env file", sources{env: "Tom_Worker_Concurrency=6"}, 6},
		{"capitals in the file", sources{yaml: "CONCURRENCY: 7"}, 7},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg, problems := load(t, test.sources)
			if problems != nil || cfg.Concurrency != test.want {
				t.Errorf("concurrency is %d, want %d; problems: %q", cfg.Concurrency, test.want, problems)
			}
		})
	}
}

func TestValues(t *testing.T) {
	here := func(t *testing.T, name string) string {
		t.Helper()
		directory, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Join(directory, name)
	}
	for _, test := range []struct {
		name string
		sources
		got  func(*config.Config) any
		want any
	}{
		{"duration", sources{yaml: "credential_cache_ttl: 1m30s"}, func(c *config.Config) any { return c.CredentialCacheTTL }, 90 * time.Second},
		{"a whole number is seconds", sources{yaml: "credential_cache_ttl: 5"}, func(c *config.Config) any { return c.CredentialCacheTTL }, 5 * time.Second},
		{"a fraction is seconds", sources{yaml: "credential_cache_ttl: 0.5"}, func(c *config.Config) any { return c.CredentialCacheTTL }, 500 * time.Millisecond},
		{"zero", sources{yaml: "credential_cache_ttl: 0"}, func(c *config.Config) any { return c.CredentialCacheTTL }, time.Duration(0)},
		{"seconds in the environment", sources{environ: []string{"TOM_WORKER_CREDENTIAL_CACHE_TTL=300"}}, func(c *config.Config) any { return c.CredentialCacheTTL }, 5 * time.Minute},
		{"level warning", sources{yaml: "log_level: WARNING"}, func(c *config.Config) any { return c.LogLevel }, hclog.Warn},
		{"level critical", sources{yaml: "log_level: critical"}, func(c *config.Config) any { return c.LogLevel }, hclog.Error},
		{"level as Python's number", sources{yaml: "log_level: 10"}, func(c *config.Config) any { return c.LogLevel }, hclog.Debug},
		{"level as Python's number in the environment", sources{environ: []string{"TOM_WORKER_LOG_LEVEL=40"}}, func(c *config.Config) any { return c.LogLevel }, hclog.Error},
		{"pass_env from commas", sources{environ: []string{"TOM_WORKER_CREDENTIAL_PLUGIN_PASS_ENV=AWS_*, HTTP_PROXY"}}, func(c *config.Config) any { return c.CredentialPluginPassEnv }, []string{"AWS_*", "HTTP_PROXY"}},
		{"pass_env from JSON", sources{environ: []string{`TOM_WORKER_CREDENTIAL_PLUGIN_PASS_ENV=["AWS_*"]`}}, func(c *config.Config) any { return c.CredentialPluginPassEnv }, []string{"AWS_*"}},
		{"pass_env from the file", sources{yaml: "credential_plugin_pass_env: [AWS_*, X]"}, func(c *config.Config) any { return c.CredentialPluginPassEnv }, []string{"AWS_*", "X"}},
		{"an empty list is not unset", sources{yaml: "credential_plugin_pass_env: []"}, func(c *config.Config) any { return c.CredentialPluginPassEnv }, []string{}},
		{"an empty JSON list is not unset", sources{environ: []string{"TOM_WORKER_CREDENTIAL_PLUGIN_PASS_ENV=[]"}}, func(c *config.Config) any { return c.CredentialPluginPassEnv }, []string{}},
		{"an empty text is unset", sources{environ: []string{"TOM_WORKER_CREDENTIAL_PLUGIN_PASS_ENV="}}, func(c *config.Config) any { return c.CredentialPluginPassEnv }, []string(nil)},
		{"directories become absolute", sources{yaml: "credential_plugin_dirs: [plugins]"}, func(c *config.Config) any { return c.CredentialPluginDirs[0] == here(t, "plugins") }, true},
		{"a byte-order mark", sources{yaml: "\uFEFFconcurrency: 3\n"}, func(c *config.Config) any { return c.Concurrency }, 3},
		{"comments only", sources{yaml: "# nothing\n"}, func(c *config.Config) any { return c.Concurrency }, 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg, problems := load(t, test.sources)
			if problems != nil {
				t.Fatalf("problems: %q", problems)
			}
			equal(t, test.got(cfg), test.want)
		})
	}
}

func TestProblems(t *testing.T) {
	const file = "tom_worker_config.yaml"
	for _, test := range []struct {
		name string
		sources
		want []string
	}{
		{"not YAML", sources{yaml: "concurrency: 3\nlog_level: [info\n"}, []string{file + ":2: not valid YAML: did not find expected ',' or ']'"}},
		{"not YAML in the first line", sources{yaml: "concurrency: ]\n"}, []string{file + ":1: not valid YAML: did not find expected node content"}},
		{"a colon too many", sources{yaml: "# x\n\nlog_level: a: b\n"}, []string{file + ":3: not valid YAML: mapping values are not allowed in this context"}},
		{"a wrong indent", sources{yaml: "log_level: info\n  concurrency: 3\n"}, []string{file + ":2: not valid YAML: mapping values are not allowed in this context"}},
		{"a line that is no setting", sources{yaml: "log_level: info\nconcurrency\n"}, []string{file + ":2: not valid YAML: could not find expected ':'"}},
		{"an alias in the third line", sources{yaml: "log_level: info\n\nconcurrency: *x\n"}, []string{file + ": not valid YAML: a value starts with *, which means something else in YAML; put it in quotes"}},
		{"a list", sources{yaml: "- concurrency: 3\n"}, []string{file + `:1: the file must be a mapping, with lines such as "concurrency: 10"`}},
		{"a text", sources{yaml: "concurrency 3\n"}, []string{file + `:1: the file must be a mapping, with lines such as "concurrency: 10"`}},
		{"two documents", sources{yaml: "concurrency: 3\n---\nconcurrency: 4\n"}, []string{file + ": there is more than one YAML document in the file (a line with ---)"}},
		{"a key twice", sources{yaml: "concurrency: 3\nlog_level: info\nconcurrency: 4\n"}, []string{file + ":3: concurrency: set twice, first in line 1"}},
		{"a key twice in two cases", sources{yaml: "plugin_x_a: 3\nPLUGIN_X_A: 4\n"}, []string{file + ":2: plugin_x_a: set twice, first in line 1"}},
		{"a merge key", sources{yaml: "<<: {concurrency: 3}\n"}, []string{file + ":1: a setting's name must be a plain word"}},
		{"wrong types, all at once, in the order of the file", sources{yaml: `
concurrency: many
credential_cache_ttl: soon
credential_plugin: 7
log_level: loud
log_format: xml
credential_plugin_dirs: {a: b}
credential_plugin_pass_env: [1]
credential_cache_size: 1.5
`}, []string{
			file + `:2: concurrency: must be a whole number, not "many"`,
			file + `:3: credential_cache_ttl: must be a duration such as "30s", "5m" or "1m30s", not "soon"`,
			file + `:4: credential_plugin: must be a string, not 7; put it in quotes`,
			file + `:5: log_level: must be trace, debug, info, warning, error, critical, off or one of 10, 20, 30, 40, 50, not "loud"`,
			file + `:6: log_format: must be text or json, not "xml"`,
			file + `:7: credential_plugin_dirs: must be a list of strings, not a mapping`,
			file + `:8: credential_plugin_pass_env: item 1 must be a string, not 1`,
			file + `:9: credential_cache_size: must be a whole number, not 1.5`,
		}},
		{"far out of range", sources{yaml: "concurrency: 1000000000000000000\ncredential_cache_size: 1152921504606846976\n"}, []string{
			file + ":1: concurrency: must be at most 10000; each job has files, memory and its own connection",
			file + ":2: credential_cache_size: must be at most 10000000",
		}},
		{"out of range", sources{yaml: "concurrency: 0\ncredential_cache_ttl: -1s\ncredential_cache_size: 0\ncredential_plugin_call_timeout: 0s\nlog_level: 25\n"}, []string{
			file + ":1: concurrency: must be at least 1",
			file + ":2: credential_cache_ttl: must be at least 0s",
			file + ":3: credential_cache_size: must be at least 1; to do without the cache, set credential_cache_ttl to 0s",
			file + ":4: credential_plugin_call_timeout: must be at least 1ms",
			file + ":5: log_level: must be trace, debug, info, warning, error, critical, off or one of 10, 20, 30, 40, 50, not 25",
		}},
		{"devices", sources{yaml: "ssh_host_keys: maybe\nssh_credential_hosts: [lab]\nssh_legacy_algorithms: \"true\"\nssh_login_timeout: 0s\n"}, []string{
			file + `:1: ssh_host_keys: must be strict or accept-new, not "maybe"`,
			file + `:2: ssh_credential_hosts: item 1 must be a credential id and a host with = between them, such as "lab_*=10.0.0.0/8"`,
			file + `:3: ssh_legacy_algorithms: must be true or false, not "true"`,
			file + ":4: ssh_login_timeout: must be at least 1ms",
		}},
		{"new host keys for any host", sources{yaml: "ssh_host_keys: accept-new\n"}, []string{
			file + `:1: ssh_host_keys: with accept-new a job could send a password to a host that its author chose: say in ssh_credential_hosts which hosts may receive which credential, such as "lab_*=10.0.0.0/8"`,
		}},
		{"new host keys for some hosts", sources{yaml: "ssh_host_keys: accept-new\nssh_credential_hosts: ['lab=*']\n"}, nil},
		{"the login guard", sources{yaml: "login_guard: disk\nlogin_lockout_budget: [\"lab_*=0\", two]\nlogin_refusal_pause: 0s\nlogin_guard_without_redis: pray\nredis_port: 0\nredis_db: -1\nredis_password: 31337\nredis_tls_cert_reqs: some\nredis_tls_keyfile: k\n"}, []string{
			file + `:1: login_guard: must be memory or redis, not "disk"`,
			file + ":2: login_lockout_budget: \"two\" is neither a number from 0 to 1000 nor `glob=number`, such as lab_*=0",
			file + ":3: login_refusal_pause: must be at least 1ms",
			file + `:4: login_guard_without_redis: must be wait or own, not "pray"`,
			file + ":5: redis_port: must be a port from 1 to 65535",
			file + ":6: redis_db: must be 0 or more",
			file + ":7: redis_password: must be a string; put it in quotes",
			file + `:8: redis_tls_cert_reqs: must be none or optional or required, not "some"`,
			file + ":9: redis_tls_keyfile: needs redis_tls_certfile, the file with the key's certificate",
		}},
		{"a budget that is a mapping", sources{yaml: "login_lockout_budget: {lab: 0}\n"}, []string{
			file + ":1: login_lockout_budget: must be a number from 0 to 1000, or a list of `glob=number` by credential id, such as [\"lab_*=0\", \"*=2\"], not a mapping",
		}},
		{"a budget that is a number, and one from the environment", sources{yaml: "login_lockout_budget: 3\n", environ: []string{"TOM_WORKER_LOGIN_LOCKOUT_BUDGET=lab_*=0,4"}}, nil},
		{"redis without a key", sources{yaml: "login_guard: redis\n"}, []string{
			file + ":1: login_guard: redis needs login_guard_key_file: all workers that share the Redis need the same file, which no one else may read; make it with: head -c 32 /dev/urandom >guard.key; chmod 600 guard.key",
		}},
		{"a truth from the environment", sources{environ: []string{"TOM_WORKER_SSH_LEGACY_ALGORITHMS=yes"}}, nil},
		{"a number too large for a duration", sources{yaml: "credential_cache_ttl: 1e300\n"}, []string{
			file + `:1: credential_cache_ttl: must be a duration such as "30s", "5m" or "1m30s", not 1e+300`,
		}},
		{"a provider's name with a path", sources{yaml: "credential_plugin: ./plugins/vault\n"}, []string{
			file + `:1: credential_plugin: must be a provider's name, not a path like "./plugins/vault"; to launch a certain file, put its path into credential_plugin_path and the provider's name here`,
		}},
		{"a provider's name in capitals", sources{environ: []string{"TOM_WORKER_CREDENTIAL_PLUGIN=Vault"}}, []string{
			`environment variable TOM_WORKER_CREDENTIAL_PLUGIN: credential_plugin: must be a provider's name (lower-case letters, digits and underscores, a letter first), not "Vault"`,
		}},
		{"a checksum of another kind", sources{yaml: "credential_plugin_sha256: d41d8cd98f00b204e9800998ecf8427e\n"}, []string{
			file + ":1: credential_plugin_sha256: must be 64 hexadecimal digits, alone or with a file name behind them, as sha256sum prints them",
		}},
		{"a pattern with a star inside", sources{yaml: "credential_plugin_pass_env: ['A*B']\n"}, []string{
			file + `:1: credential_plugin_pass_env: item 1 must be the name of an environment variable, or the start of names with a * at the end, not "A*B"`,
		}},
		{"a value that overrides a wrong one hides it", sources{yaml: "concurrency: many\n", environ: []string{"TOM_WORKER_CONCURRENCY=3"}}, nil},
		{"one variable in two cases", sources{environ: []string{"TOM_WORKER_CONCURRENCY=3", "tom_worker_concurrency=4"}}, []string{
			"environment variable tom_worker_concurrency: concurrency: set more than once, in names that differ in case only; unset one of them",
		}},
		{"one variable in two cases, with one value", sources{environ: []string{"TOM_WORKER_CONCURRENCY=3", "tom_worker_concurrency=3"}}, nil},
		{"a named file that is missing", sources{environ: []string{"TOM_WORKER_CONFIG_FILE=gone.yaml"}}, []string{"gone.yaml: the configuration file can't be read: it doesn't exist"}},
		{"a directory", sources{environ: []string{"TOM_WORKER_CONFIG_FILE=."}}, []string{".: the configuration file can't be read: it is a directory"}},
		{"a missing env file", sources{environ: []string{"TOM_WORKER_ENV_FILE=gone.env"}}, []string{"gone.env: the env file (TOM_WORKER_ENV_FILE) can't be read: it doesn't exist"}},
		{"from every source", sources{yaml: "concurrency: x\n", env: "\nTOM_WORKER_CREDENTIAL_CACHE_SIZE=x\n", environ: []string{"TOM_WORKER_LOG_FORMAT=x"}, flags: map[string]string{"log_level": "x"}}, []string{
			`--log-level: log_level: must be trace, debug, info, warning, error, critical, off or one of 10, 20, 30, 40, 50, not "x"`,
			`environment variable TOM_WORKER_LOG_FORMAT: log_format: must be text or json, not "x"`,
			file + `:1: concurrency: must be a whole number, not "x"`,
			`worker.env:2: credential_cache_size: must be a whole number, not "x"`,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, got := load(t, test.sources)
			equal(t, got, test.want)
		})
	}
}

// A value that the YAML parser stumbles over may be a secret: it is not in the message.
func TestProblemsQuoteNoValues(t *testing.T) {
	const canary = "hunter2canary"
	for _, test := range []struct {
		name string
		sources
	}{
		{"an alias", sources{yaml: "plugin_vault_token: *" + canary + "\n"}},
		{"a wrong tag", sources{yaml: "plugin_vault_token: !!int " + canary + "\n"}},
		{"an open quote", sources{yaml: "plugin_vault_token: \"" + canary + "\n"}},
		{"an unknown escape", sources{yaml: "plugin_vault_token: \"\\" + canary + "\"\n"}},
		{"a colon", sources{yaml: "plugin_vault_token: " + canary + ": x\n"}},
		{"a tab", sources{yaml: "plugin_vault_token:\n\t" + canary + "\n"}},
		{"an open quote in the env file", sources{env: "TOM_WORKER_PLUGIN_VAULT_TOKEN='" + canary + "\n"}},
		{"text after the quote in the env file", sources{env: "TOM_WORKER_PLUGIN_VAULT_TOKEN=''" + canary + "\n"}},
		{"an expansion in the env file", sources{env: "TOM_WORKER_PLUGIN_VAULT_TOKEN=${" + canary + "}\n"}},
		{"no assignment in the env file", sources{env: "TOM_WORKER_PLUGIN_VAULT_TOKEN: " + canary + "\n"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, got := load(t, test.sources)
			if len(got) == 0 {
				t.Fatal("there is no problem")
			}
			if text := strings.Join(got, "\n"); strings.Contains(text, canary) {
				t.Errorf("the value is in: %s", text)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	const file = "tom_worker_config.yaml"
	for _, test := range []struct {
		name string
		sources
		want []string
	}{
		{"a typing error", sources{yaml: "concurency: 3\n"}, []string{file + ":1: concurency: unknown setting, ignored; did you mean concurrency?"}},
		{"nothing like it", sources{yaml: "colour: blue\n"}, []string{file + ":1: colour: unknown setting, ignored"}},
		{"a strange key", sources{yaml: "\"a\\eb\": 1\n"}, []string{file + `:1: "a\x1bb": unknown setting, ignored`}},
		{"the rest of a Tom worker's file", sources{yaml: "redis_host: x\nredis_port: 1\nproject_root: .\ncache_enabled: true\nplugin_vault_url: x\n"}, nil},
		{"in the environment", sources{environ: []string{"TOM_WORKER_CREDENTIAL_PLUGN=vault"}}, []string{
			"environment variable TOM_WORKER_CREDENTIAL_PLUGN: credential_plugn: unknown setting, ignored; did you mean credential_plugin?"}},
		{"variables that a container platform makes", sources{environ: []string{"TOM_WORKER_SERVICE_HOST=10.0.0.1", "TOM_WORKER_PORT_80_TCP_ADDR=10.0.0.1"}}, nil},
		{"other variables", sources{environ: []string{"CONCURENCY=3", "TOM_CONCURENCY=3"}}, nil},
		{"in the env file", sources{env: "TOM_WORKER_COLOUR=blue\nCOLOUR=blue\n"}, []string{"worker.env:1: colour: unknown setting, ignored"}},
		{"a place in the env file", sources{env: "TOM_WORKER_CONFIG_FILE=x.yaml\n"}, []string{
			"worker.env:1: config_file: without effect in this file; set TOM_WORKER_CONFIG_FILE in the environment"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg, problems := load(t, test.sources)
			if problems != nil {
				t.Fatalf("problems: %q", problems)
			}
			equal(t, warnings(cfg), test.want)
		})
	}
}

func TestNamedFile(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "a.yaml", "concurrency: 1\n")
	write(t, "b.yaml", "concurrency: 2\n")
	environ := []string{"TOM_WORKER_CONFIG_FILE=a.yaml"}
	for _, test := range []struct {
		name   string
		source config.Source
		want   int
	}{
		{"by the environment", config.Source{Environ: environ}, 1},
		{"by a flag, over the environment", config.Source{File: "b.yaml", Environ: environ}, 2},
		{"by an empty variable", config.Source{Environ: []string{"TOM_WORKER_CONFIG_FILE="}}, 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg, err := config.Load(test.source)
			if err != nil || cfg.Concurrency != test.want {
				t.Errorf("concurrency is %d, want %d; error: %v", cfg.Concurrency, test.want, err)
			}
		})
	}
}
