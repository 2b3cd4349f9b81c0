package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"strconv"

	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/shared/guard"
	"github.com/tom-worker/credential-provider/shared/guard/redisledger"
	"github.com/tom-worker/credential-provider/shared/regular"
)

// openLedger opens the ledger that the settings name. A Redis that is unavailable is none of its errors: logins wait for it.
func (l *loaded) openLedger() (guard.Ledger, error) {
	if l.config.LoginGuard != config.GuardRedis {
		return guard.NewMemory(), nil
	}
	c := l.config
	options := redisledger.Options{
		Address:  net.JoinHostPort(c.RedisHost, strconv.Itoa(c.RedisPort)),
		DB:       c.RedisDB,
		Username: c.RedisUsername,
		Password: c.RedisPassword.Reveal(),
		Logger:   slog.New(logHandler{log: l.log}),
	}
	if c.LoginGuardWithoutRedis == config.WithoutRedisOwn {
		options.WithoutRedis = redisledger.Own
	}
	if c.RedisUseTLS {
		var err error
		if options.TLS, err = l.redisTLS(); err != nil {
			return nil, err
		}
	}
	return redisledger.New(options), nil
}

// maxPEM bounds a file of certificates or of a key, in bytes.
const maxPEM = 16 << 20

// keyPair reads the worker's own certificate and its key.
func (l *loaded) keyPair() (tls.Certificate, error) {
	certificate, err := regular.Read(l.config.RedisTLSCertfile, maxPEM)
	if err != nil {
		return tls.Certificate{}, l.config.Unusable("redis_tls_certfile", err)
	}
	key, err := regular.Read(l.config.RedisTLSKeyfile, maxPEM)
	if err != nil {
		return tls.Certificate{}, l.config.Unusable("redis_tls_keyfile", err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return tls.Certificate{}, l.config.Unusable("redis_tls_certfile", err)
	}
	return pair, nil
}

// redisTLS returns how the certificate of Redis is checked, and the worker's own.
func (l *loaded) redisTLS() (*tls.Config, error) {
	c := l.config
	settings := &tls.Config{ServerName: c.RedisHost, MinVersion: tls.VersionTLS12}
	if c.RedisTLSCACerts != "" {
		authorities, err := regular.Read(c.RedisTLSCACerts, maxPEM)
		if err != nil {
			return nil, l.config.Unusable("redis_tls_ca_certs", err)
		}
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM(authorities) {
			return nil, l.config.Unusable("redis_tls_ca_certs", errors.New(c.RedisTLSCACerts+" has no certificate in PEM"))
		}
	}
	if c.RedisTLSCertfile != "" {
		own, err := l.keyPair()
		if err != nil {
			return nil, err
		}
		settings.Certificates = []tls.Certificate{own}
	}
	switch {
	case c.RedisTLSCertReqs == config.CertNone:
		settings.InsecureSkipVerify = true
	case !c.RedisTLSCheckHostname:
		settings.InsecureSkipVerify = true // of the names; the rest is checked here
		settings.VerifyConnection = func(state tls.ConnectionState) error {
			between := x509.NewCertPool()
			for _, certificate := range state.PeerCertificates[1:] {
				between.AddCert(certificate)
			}
			_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: settings.RootCAs, Intermediates: between})
			return err
		}
	}
	return settings, nil
}
