package main

import (
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/host-example/config"
)

// A setting of 0s turns off what it is for, where 0 is the default in the store's options.
func TestCacheSettings(t *testing.T) {
	for name, test := range map[string]struct{ set, want time.Duration }{
		"set": {time.Minute, time.Minute}, "off": {0, -1},
	} {
		t.Run(name, func(t *testing.T) {
			w := &loaded{log: hclog.NewNullLogger(), config: &config.Config{CredentialCacheTTL: test.set, CredentialCacheMaxStale: test.set, CredentialCacheNegativeTTL: test.set}}
			if o := w.cache(); o.TTL != test.want || o.MaxStale != test.want || o.NegativeTTL != test.want {
				t.Errorf("%+v", o)
			}
		})
	}
}
