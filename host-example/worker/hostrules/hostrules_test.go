package hostrules_test

import (
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/host-example/worker/hostrules"
)

func TestAllow(t *testing.T) {
	for _, test := range []struct {
		name             string
		rules            []string
		credential, host string
		want             bool
	}{
		{"no rules at all", nil, "lab", "evil.example", true},
		{"an empty list", []string{}, "lab", "10.0.0.1", false},
		{"everything", []string{"*=*"}, "lab", "evil.example", true},
		{"a name", []string{"lab=sw1.example.net"}, "lab", "SW1.example.net", true},
		{"a name's end", []string{"lab=*.example.net"}, "lab", "sw1.example.net", true},
		{"a name that goes on", []string{"lab=*.example.net"}, "lab", "sw1.example.net.evil", false},
		{"a dot is a dot", []string{"lab=sw1.example.net"}, "lab", "sw1xexample.net", false},
		{"one character", []string{"lab=sw?"}, "lab", "sw1", true},
		{"another credential", []string{"lab=*"}, "core", "sw1", false},
		{"credentials by pattern", []string{"site/*=*"}, "site/a/b", "sw1", true},
		{"an id with =", []string{"a=b=sw1"}, "a=b", "sw1", true},
		{"a network", []string{"lab=10.0.0.0/8"}, "lab", "10.9.8.7", true},
		{"outside the network", []string{"lab=10.0.0.0/8"}, "lab", "11.0.0.1", false},
		{"a name isn't in a network", []string{"lab=10.0.0.0/8"}, "lab", "10.example.net", false},
		{"a mapped address", []string{"lab=10.0.0.0/8"}, "lab", "::ffff:10.0.0.1", true},
		{"a network of IPv6", []string{"lab=2001:db8::/32"}, "lab", "2001:db8::1", true},
		{"the start of an address", []string{"lab=10.0.*"}, "lab", "10.0.0.1", true},
		{"a name like an address", []string{"lab=10.0.*"}, "lab", "10.0.evil.example", false},
		{"the second rule", []string{"lab=sw1", " core = sw2 "}, "core", "sw2", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			rules, err := hostrules.Parse(test.rules)
			if err != nil {
				t.Fatal(err)
			}
			if got := rules.Allow(test.credential, test.host); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, test := range []struct{ item, want string }{
		{"", "item 2 must be"},
		{"lab", "item 2 must be"},
		{"lab=", "item 2 must be"},
		{"=sw1", "item 2 must be"},
		{"lab=10.0.0.0/64", "item 2: its host must be a network"},
	} {
		t.Run(test.item, func(t *testing.T) {
			_, err := hostrules.Parse([]string{"a=b", test.item})
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
