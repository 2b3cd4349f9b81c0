package config

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
)

// DefaultFile is the YAML file that is read, if it exists, when none is named.
const DefaultFile = "tom_worker_config.yaml"

// Bounds of settings that memory is set aside for.
const (
	MaxConcurrency = 10_000
	MaxCacheSize   = 10_000_000
)

// What is done with hosts whose key isn't known.
const (
	// HostKeysStrict refuses them.
	HostKeysStrict = "strict"
	// HostKeysAcceptNew accepts them, and notes their keys.
	HostKeysAcceptNew = "accept-new"
)

// Where the ledger of logins is kept.
const (
	// GuardMemory keeps it in the worker's memory.
	GuardMemory = "memory"
	// GuardRedis shares it with all workers that have the same Redis and the same key file.
	GuardRedis = "redis"
)

// What logins do while Redis, with GuardRedis, is unavailable.
const (
	// WithoutRedisWait has them wait within their time.
	WithoutRedisWait = "wait"
	// WithoutRedisOwn has them go on with what the worker knows.
	WithoutRedisOwn = "own"
)

// Whether the certificate of Redis is checked.
const (
	CertNone     = "none"
	CertOptional = "optional" // as CertRequired: a server always has one
	CertRequired = "required"
)

// envPrefix starts the name of every environment variable of the worker.
const envPrefix = "TOM_WORKER_"

// Config is what the worker runs with. It has no secrets itself; a provider's settings, which may have some, are handed
// out by [Config.ProviderSettings] only.
type Config struct {
	// CredentialPlugin is the name of the provider that credentials come from; empty if none is selected.
	CredentialPlugin string `setting:"credential_plugin"`
	// CredentialPluginDirs are the directories in which providers are looked for, in this order, as absolute paths. nil: the
	// host's default.
	CredentialPluginDirs []string `setting:"credential_plugin_dirs"`
	// CredentialPluginPath is the provider's executable; empty: it is looked for.
	CredentialPluginPath string `setting:"credential_plugin_path"`
	// CredentialPluginSHA256 is the executable's digest in hexadecimal; empty: any file will do.
	CredentialPluginSHA256 string `setting:"credential_plugin_sha256"`
	// CredentialPluginPassEnv are the environment variables that the provider gets: names, or starts with a * at the
	// end. nil: the host's default. Empty but not nil: none.
	CredentialPluginPassEnv []string `setting:"credential_plugin_pass_env"`
	// CredentialPluginStartTimeout bounds the provider's start. Default 10 s.
	CredentialPluginStartTimeout time.Duration `setting:"credential_plugin_start_timeout"`
	// CredentialPluginCallTimeout bounds one call, with all its attempts. Default 15 s.
	CredentialPluginCallTimeout time.Duration `setting:"credential_plugin_call_timeout"`
	// CredentialCacheTTL is how long a credential is used without asking again; 0 asks each time. Default 5 min.
	CredentialCacheTTL time.Duration `setting:"credential_cache_ttl"`
	// CredentialCacheMaxStale is how long after it was last read a credential may be used while the backend is down.
	// Default 1 h.
	CredentialCacheMaxStale time.Duration `setting:"credential_cache_max_stale"`
	// CredentialCacheNegativeTTL is how long it is remembered that there is no such credential. Default 5 s.
	CredentialCacheNegativeTTL time.Duration `setting:"credential_cache_negative_ttl"`
	// CredentialCacheSize is how many credentials are kept at most, 1 or more. Default 10000.
	CredentialCacheSize int `setting:"credential_cache_size"`
	// LoginGuard is GuardMemory, the default, or GuardRedis.
	LoginGuard string `setting:"login_guard"`
	// LoginGuardKeyFile is the file with the key under which Redis gets digests, with ~/ as in SSHKnownHosts. With GuardRedis
	// it isn't empty.
	LoginGuardKeyFile string `setting:"login_guard_key_file"`
	// LoginLockoutBudget is how many logins with one login material may fail in a row, by credential id. Default 2 for all.
	LoginLockoutBudget []guard.Budget `setting:"login_lockout_budget"`
	// LoginRefusalPause is how long a device that has refused a password doesn't get it again. Default 15 min.
	LoginRefusalPause time.Duration `setting:"login_refusal_pause"`
	// LoginGuardWithoutRedis is WithoutRedisWait, the default, or WithoutRedisOwn.
	LoginGuardWithoutRedis string `setting:"login_guard_without_redis"`
	// RedisHost, RedisPort and RedisDB are where Redis is. Default localhost, 6379, 0.
	RedisHost string `setting:"redis_host"`
	RedisPort int    `setting:"redis_port"`
	RedisDB   int    `setting:"redis_db"`
	// RedisUsername and RedisPassword are sent to it unless they are empty.
	RedisUsername string              `setting:"redis_username"`
	RedisPassword credential.Redacted `setting:"redis_password"`
	// RedisUseTLS has the connection encrypted. Default false. The others are for that: RedisTLSCertReqs is CertRequired, the
	// default, CertOptional or CertNone; RedisTLSCheckHostname, default true, compares the certificate's names;
	// RedisTLSCACerts is a file of authorities instead of the system's; RedisTLSCertfile and RedisTLSKeyfile are the worker's
	// own certificate.
	RedisUseTLS           bool   `setting:"redis_use_tls"`
	RedisTLSCheckHostname bool   `setting:"redis_tls_check_hostname"`
	RedisTLSCertReqs      string `setting:"redis_tls_cert_reqs"`
	RedisTLSCACerts       string `setting:"redis_tls_ca_certs"`
	RedisTLSCertfile      string `setting:"redis_tls_certfile"`
	RedisTLSKeyfile       string `setting:"redis_tls_keyfile"`
	// LogLevel is the log's level. Default info.
	LogLevel hclog.Level `setting:"log_level"`
	// LogFormat is "text", the default, or "json".
	LogFormat string `setting:"log_format"`
	// AuditLog is the file that gets a line for each credential that is handed out, with ~/ as in SSHKnownHosts; or "stderr".
	// Empty: the worker's log gets them.
	AuditLog string `setting:"audit_log"`
	// Concurrency is how many jobs run at a time, from 1 to MaxConcurrency. Default 10.
	Concurrency int `setting:"concurrency"`
	// JobTimeout bounds a job that doesn't say so itself. Default 1 min.
	JobTimeout time.Duration `setting:"job_timeout"`
	// ShutdownGrace is how long jobs may go on when the worker is told to end. Default 30 s.
	ShutdownGrace time.Duration `setting:"shutdown_grace"`
	// SSHKnownHosts is the file with the devices' host keys; a ~/ at its start is the user's home. Default
	// ~/.ssh/known_hosts.
	SSHKnownHosts string `setting:"ssh_known_hosts"`
	// SSHHostKeys is HostKeysStrict, the default, or HostKeysAcceptNew.
	SSHHostKeys string `setting:"ssh_host_keys"`
	// SSHCredentialHosts say which hosts may receive which credential, in the form of package grant. nil, the default, allows
	// all. With HostKeysAcceptNew it is never nil.
	SSHCredentialHosts []string `setting:"ssh_credential_hosts"`
	// SSHLoginTimeout bounds a login, the connection included. Default 20 s.
	SSHLoginTimeout time.Duration `setting:"ssh_login_timeout"`
	// SSHLegacyAlgorithms allows algorithms that are no longer safe. Default false.
	SSHLegacyAlgorithms bool `setting:"ssh_legacy_algorithms"`
	// DevicePlatforms is a YAML file with platforms that jobs can name, besides the built-in ones, in the form of package
	// platform; ~/ as in SSHKnownHosts. Empty, the default: none.
	DevicePlatforms string `setting:"device_platforms"`
	// MetricsAddress is where metrics, health and quarantines are served over HTTP, as host:port; without a host on all
	// interfaces. Empty, the default: nowhere.
	MetricsAddress string `setting:"metrics_address"`
	// FleetLinks are the pages of other programs, such as the job engine's, that the page of the fleet leads to, each as
	// NAME=URL. nil, the default: none.
	FleetLinks []string `setting:"fleet_links"`
	// AgentClients say which users of the machine may use an agent, and for what, in the form of package agent. nil, the
	// default: the agent's own user, for everything.
	AgentClients []string `setting:"agent_clients"`
	// ProjectRoot is the directory that a Tom worker's relative paths start from; empty: the working directory. This worker has no
	// such paths itself: it is for providers that have a setting of this name.
	ProjectRoot string `setting:"project_root"`

	// File is the YAML file that was read; empty if there was none.
	File string
	// Looked is the YAML file that was looked for, whether or not it was there.
	Looked string
	// Warnings are what is probably a mistake, but does no harm.
	Warnings []Problem

	values   map[string]entry // the worker's own settings, by key
	provider map[string]entry // providers' settings, by key without "plugin_"
}

// Source says where settings are read from.
type Source struct {
	// File is the YAML file, as named on the command line. It must exist. Empty: the one that TOM_WORKER_CONFIG_FILE names,
	// which must exist too, else DefaultFile, which need not.
	File string
	// Environ is the environment, as "NAME=value".
	Environ []string
	// Flags are settings from the command line, by key. They win over everything else.
	Flags map[string]string
}

// Load reads the settings. Its error is an [*Error] with every problem of every source; the Config is not nil even then,
// and has whatever could be read. That no provider is named is not among the problems: some commands need none.
func Load(source Source) (*Config, error) {
	r := &reader{}
	variables := r.variables(source.Environ)

	c := &Config{Looked: cmp.Or(source.File, variables.configFile, DefaultFile)}
	named := source.File != "" || variables.configFile != ""
	file, found := r.file(c.Looked, named)
	if found {
		c.File = c.Looked
	}
	layers := []layer{defaultLayer(), file, r.envFile(variables.envFile), variables.layer, flagLayer(source.Flags)}

	merged := layer{}
	for _, layer := range layers {
		maps.Copy(merged, layer)
	}
	c.decode(merged, r)
	c.check(r)

	slices.SortStableFunc(r.problems, ByPlace)
	slices.SortStableFunc(r.warnings, ByPlace)
	c.Warnings = r.warnings
	if len(r.problems) > 0 {
		return c, &Error{Problems: r.problems}
	}
	return c, nil
}

// reader collects what is wrong with the sources.
type reader struct {
	problems []Problem
	warnings []Problem
}

func (r *reader) problem(place Place, key, format string, args ...any) {
	r.problems = append(r.problems, newProblem(place, key, format, args...))
}

func (r *reader) warn(place Place, key, format string, args ...any) {
	r.warnings = append(r.warnings, newProblem(place, key, format, args...))
}

// layer is one source's settings by key.
type layer map[string]entry

// entry is a value with its key and source.
type entry struct {
	Key   string
	Value any
	Text  bool // from a source that has only strings
	Place Place
}

// empty reports whether the entry stands for "unset".
func (e entry) empty() bool { return e.Value == nil || e.Value == "" }

// put adds a setting to the layer. An empty one of the worker's own becomes its default here, so that it wins over sources
// of lower precedence as any other value would.
func (l layer) put(e entry) {
	if key, own := ownKey(e.Key); own && e.empty() {
		e = entry{Key: e.Key, Value: key.fallback, Text: true, Place: e.Place}
	}
	l[e.Key] = e
}

func flagLayer(flags map[string]string) layer {
	l := layer{}
	for key, value := range flags {
		l.put(entry{Key: key, Value: value, Text: true, Place: Place{Name: flagName(key)}})
	}
	return l
}

// Differences are the keys of the worker's own settings that differ, in the order of the documentation.
func Differences(a, b *Config) []string {
	var differ []string
	for _, key := range keys {
		if !reflect.DeepEqual(a.values[key.name].Value, b.values[key.name].Value) {
			differ = append(differ, key.name)
		}
	}
	return differ
}

// Place is where a setting, by its whole key, has its value from. The name is empty if it has none.
func (c *Config) Place(key string) Place {
	if name, ok := strings.CutPrefix(key, pluginPrefix); ok {
		return c.provider[name].Place
	}
	return c.values[key].Place
}
