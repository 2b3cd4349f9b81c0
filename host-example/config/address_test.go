package config

import (
	"strings"
	"testing"
)

func TestCheckAddress(t *testing.T) {
	for _, test := range []struct{ address, problem string }{
		{"127.0.0.1:9464", ""},
		{":9464", ""},
		{"0.0.0.0:9464", ""},
		{"[::1]:9464", ""},
		{"[fe80::1%eth0]:9464", ""},
		{"localhost:9464", ""},
		{"worker-1.example:9464", ""},
		{"127.0.0.1:0", ""},
		{"9464", `for all interfaces write ":9464", for this machine alone 127.0.0.1:9464`},
		{"127.0.0.1", "must be host:port, such as"},
		{"::1", "must be host:port, such as"},
		{"http://127.0.0.1:9464", "not a URL"},
		{"127.0.0.1:http", "a port from 0 to 65535"},
		{"127.0.0.1:65536", "a port from 0 to 65535"},
		{"127.0.0.1:-1", "a port from 0 to 65535"},
		{"127.0.0.1:", "a port from 0 to 65535"},
		{"a b:9464", "must be host:port"},
		{"user@host:9464", "must be host:port"},
		{"all", "must be host:port"},
		{"x%eth0:9464", "must be host:port"},
	} {
		err := CheckAddress(test.address)
		switch {
		case err == nil && test.problem != "":
			t.Errorf("%q is accepted", test.address)
		case err != nil && (test.problem == "" || !strings.Contains(err.Error(), test.problem)):
			t.Errorf("%q: %v", test.address, err)
		}
	}
}
