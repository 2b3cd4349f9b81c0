package config

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tom-worker/credential-provider/host-example/worker/hostrules"
)

var (
	providerName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	sha256Digits = regexp.MustCompile(`^[0-9a-fA-F]{64}( .*)?$`)
	passPattern  = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*\*?|\*)$`)
)

// check looks at what types can't say. A setting whose type is already wrong isn't looked at again.
func (c *Config) check(r *reader) {
	refuse := func(key, format string, args ...any) {
		place := c.values[key].Place
		if !slices.ContainsFunc(r.problems, func(p Problem) bool { return p.Key == key && p.Place == place }) {
			r.problem(place, key, format, args...)
		}
	}
	switch name := c.CredentialPlugin; {
	case name == "" || providerName.MatchString(name):
	case strings.ContainsAny(name, `/\.`):
		refuse("credential_plugin", "must be a provider's name, not a path like %s; to launch a certain file, put its path into credential_plugin_path and the provider's name here", quoted(name))
	default:
		refuse("credential_plugin", "must be a provider's name (lower-case letters, digits and underscores, a letter first), not %s", quoted(name))
	}
	for i, dir := range c.CredentialPluginDirs {
		absolute, err := filepath.Abs(dir)
		if dir == "" || err != nil {
			refuse("credential_plugin_dirs", "item %d must be a directory's path", i+1)
			continue
		}
		c.CredentialPluginDirs[i] = absolute
	}
	if digest := c.CredentialPluginSHA256; digest != "" && !sha256Digits.MatchString(digest) {
		refuse("credential_plugin_sha256", "must be 64 hexadecimal digits, alone or with a file name behind them, as sha256sum prints them")
	}
	for i, pattern := range c.CredentialPluginPassEnv {
		if !passPattern.MatchString(pattern) {
			refuse("credential_plugin_pass_env", "item %d must be the name of an environment variable, or the start of names with a * at the end, not %s", i+1, quoted(pattern))
		}
	}
	atLeast := func(key string, value, least time.Duration) {
		if value < least {
			refuse(key, "must be at least %v", least)
		}
	}
	atLeast("credential_plugin_start_timeout", c.CredentialPluginStartTimeout, time.Millisecond)
	atLeast("credential_plugin_call_timeout", c.CredentialPluginCallTimeout, time.Millisecond)
	atLeast("credential_cache_ttl", c.CredentialCacheTTL, 0)
	atLeast("credential_cache_max_stale", c.CredentialCacheMaxStale, 0)
	atLeast("credential_cache_negative_ttl", c.CredentialCacheNegativeTTL, 0)
	atLeast("job_timeout", c.JobTimeout, time.Millisecond)
	atLeast("shutdown_grace", c.ShutdownGrace, 0)
	atLeast("ssh_login_timeout", c.SSHLoginTimeout, time.Millisecond)
	atLeast("login_refusal_pause", c.LoginRefusalPause, time.Millisecond)
	c.checkGuard(r, refuse)
	if _, err := hostrules.Parse(c.SSHCredentialHosts); err != nil {
		refuse("ssh_credential_hosts", "%v", err)
	}
	switch c.SSHHostKeys {
	case HostKeysStrict:
	case HostKeysAcceptNew:
		if c.SSHCredentialHosts == nil {
			refuse("ssh_host_keys", `with %s a job could send a password to a host that its author chose: say in ssh_credential_hosts which hosts may receive which credential, such as "lab_*=10.0.0.0/8"`, HostKeysAcceptNew)
		}
	default:
		refuse("ssh_host_keys", "must be %s or %s, not %s", HostKeysStrict, HostKeysAcceptNew, quoted(c.SSHHostKeys))
	}
	if c.MetricsAddress != "" {
		if err := CheckAddress(c.MetricsAddress); err != nil {
			refuse("metrics_address", "%v", err)
		}
	}
	for i, link := range c.FleetLinks {
		if _, _, err := ParseLink(link); err != nil {
			refuse("fleet_links", "item %d %v", i+1, err)
		}
	}
	if c.CredentialCacheSize < 1 {
		refuse("credential_cache_size", "must be at least 1; to do without the cache, set credential_cache_ttl to 0s")
	}
	if c.CredentialCacheSize > MaxCacheSize {
		refuse("credential_cache_size", "must be at most %d", MaxCacheSize)
	}
	switch {
	case c.Concurrency < 1:
		refuse("concurrency", "must be at least 1")
	case c.Concurrency > MaxConcurrency:
		refuse("concurrency", "must be at most %d; each job has files, memory and its own connection", MaxConcurrency)
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		refuse("log_format", "must be text or json, not %s", quoted(c.LogFormat))
	}
}
