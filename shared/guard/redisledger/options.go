package redisledger

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"
)

// WithoutRedis is what logins do while Redis is unreachable.
type WithoutRedis int

const (
	// Wait has logins wait for Redis within their time. No wrong password more is sent, and no job lost that has time.
	Wait WithoutRedis = iota
	// Own goes on with what this worker knew last, with one login at a time for each material, and only with materials that
	// a device has accepted before. Each worker may then have one failed login.
	Own
)

// Options say where Redis is. The zero value has the documented defaults.
type Options struct {
	// Address is host:port. Empty: localhost:6379.
	Address string
	// DB is the number of the database.
	DB int
	// Username and Password are sent if they aren't empty.
	Username, Password string
	// TLS is used if it isn't nil.
	TLS *tls.Config
	// Prefix starts all keys. It should have a hash tag. Empty: `tom:{login_guard}:`.
	Prefix string
	// WithoutRedis is what logins do while Redis is unreachable.
	WithoutRedis WithoutRedis
	// Timeout bounds connecting and each operation. 0: 2 s.
	Timeout time.Duration
	// Logger gets that Redis is unreachable, and that it can again. nil: they aren't logged.
	Logger *slog.Logger

	dial func(ctx context.Context, network, address string) (net.Conn, error)
	now  func() int64 // in place of the server's clock, in microseconds
}

const (
	defaultAddress = "localhost:6379"
	defaultPrefix  = "tom:{login_guard}:"
	defaultTimeout = 2 * time.Second
)

func (o Options) resolved() Options {
	if o.Address == "" {
		o.Address = defaultAddress
	}
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
