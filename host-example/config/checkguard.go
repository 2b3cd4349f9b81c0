package config

import (
	"fmt"
	"strings"
)

// checkGuard looks at the settings of the login guard and its Redis.
func (c *Config) checkGuard(r *reader, refuse func(key, format string, args ...any)) {
	oneOf := func(key, value string, allowed ...string) {
		for _, a := range allowed {
			if value == a {
				return
			}
		}
		refuse(key, "must be %s, not %s", strings.Join(allowed, " or "), quoted(value))
	}
	oneOf("login_guard", c.LoginGuard, GuardMemory, GuardRedis)
	oneOf("login_guard_without_redis", c.LoginGuardWithoutRedis, WithoutRedisWait, WithoutRedisOwn)
	oneOf("redis_tls_cert_reqs", c.RedisTLSCertReqs, CertNone, CertOptional, CertRequired)
	if c.RedisPort < 1 || c.RedisPort > 65535 {
		refuse("redis_port", "must be a port from 1 to 65535")
	}
	if c.RedisDB < 0 {
		refuse("redis_db", "must be 0 or more")
	}
	switch {
	case c.RedisTLSCertfile != "" && c.RedisTLSKeyfile == "":
		refuse("redis_tls_certfile", "needs redis_tls_keyfile, the file with the certificate's key")
	case c.RedisTLSCertfile == "" && c.RedisTLSKeyfile != "":
		refuse("redis_tls_keyfile", "needs redis_tls_certfile, the file with the key's certificate")
	}
	if c.LoginGuard != GuardRedis {
		return
	}
	if c.LoginGuardKeyFile == "" {
		refuse("login_guard", "%s needs login_guard_key_file: all workers that share the Redis need the same file, which no one else may read; make it with: head -c 32 /dev/urandom >guard.key; chmod 600 guard.key", GuardRedis)
	}
	if c.RedisUseTLS && c.RedisTLSCertReqs == CertNone {
		r.warnings = append(r.warnings, newProblem(c.values["redis_tls_cert_reqs"].Place, "redis_tls_cert_reqs", "%s",
			fmt.Sprintf("%s: the certificate of Redis isn't checked, so that any server between can pose as it", CertNone)))
	}
}
