// Package redisledger keeps a guard's ledger in Redis or Valkey, so that all workers of a fleet share their budgets: what one
// of them learns of a password, all of them know.
//
//	key, err := guard.ReadKey("/etc/tom/guard.key") // the same file on every worker
//	if err != nil {
//		return err
//	}
//	ledger := redisledger.New(redisledger.Options{Address: "redis.example.net:6379", Logger: logger})
//	defer ledger.Close()
//	logins, err := guard.New(credentials, guard.Options{Ledger: ledger, Key: key})
//
// Each operation is one Lua script, with the server's time, on keys of one hash tag, so it works with a cluster too. Scripts
// are sent anew to a server that doesn't know them, such as one after a failover. A permit has a name that its worker makes up,
// so operations can be repeated when an answer was lost, and a late report of a permit that has run out changes nothing but the
// device's own word. Nothing is kept longer than 30 days after its last use. README.md lists the keys.
//
// While Redis is unreachable, logins wait for it, or go on with what this worker knew last: see [Own].
//
// # Why go-redis
//
// Three clients were tried: redis/go-redis, redis/rueidis and valkey-io/valkey-go, which is rueidis for the most part. All
// reload scripts and speak TLS. The latter two pipeline by themselves, which is faster with many callers at once, and here no
// worker has many: each material has one request under way. go-redis has a plain pool of connections, so a blocked one
// holds up no other call, closes connections to a server that has become read-only, needs no RESP3, takes a dialer (the tests'
// virtual time depends on it), and brings two small modules.
package redisledger
