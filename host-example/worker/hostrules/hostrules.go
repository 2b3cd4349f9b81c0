// Package hostrules says which hosts may receive which credential. Where new host keys are accepted, that is all that stands
// between a password and a job that chooses its host.
//
//	rules, err := hostrules.Parse([]string{"lab_*=10.0.0.0/8", "core=core-*.example.net"})
//	rules.Allow("lab_1", "10.1.2.3") // true
//
// A rule is <credential>=<host>. In both, * stands for any text and ? for one character; a host may be a network as well, or
// the start of an address with a *. Both of these match addresses only: the rule "10.0.*" is no leave for the host
// "10.0.example.com". Nothing is looked up: a rule for names doesn't match addresses that belong to them.
package hostrules

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Rules are what is allowed. nil allows everything; empty and not nil, nothing.
type Rules []rule

type rule struct {
	credential *regexp.Regexp
	network    netip.Prefix // if it is valid, host isn't used
	host       *regexp.Regexp
	addresses  bool // host matches addresses only
}

var addressLike = regexp.MustCompile(`^[0-9.*?]*[0-9][0-9.*?]*$|^[0-9a-fA-F:.*?]*:[0-9a-fA-F:.*?]*$`)

// Parse reads rules. Its error names the item that is wrong.
func Parse(items []string) (Rules, error) {
	if items == nil {
		return nil, nil
	}
	rules := Rules{}
	for i, item := range items {
		// A host has no =; a credential id may.
		at := strings.LastIndex(item, "=")
		id, host := strings.TrimSpace(item[:max(at, 0)]), strings.ToLower(strings.TrimSpace(item[at+1:]))
		if id == "" || host == "" {
			return nil, fmt.Errorf(`item %d must be a credential id and a host with = between them, such as "lab_*=10.0.0.0/8"`, i+1)
		}
		r := rule{credential: pattern(id), host: pattern(host), addresses: addressLike.MatchString(host)}
		if strings.Contains(host, "/") {
			network, err := netip.ParsePrefix(host)
			if err != nil {
				return nil, fmt.Errorf(`item %d: its host must be a network such as "10.0.0.0/8", or have no slash`, i+1)
			}
			r.network = network.Masked()
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// pattern makes a regular expression of a text with * and ?.
func pattern(glob string) *regexp.Regexp {
	expression := regexp.QuoteMeta(glob)
	expression = strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(expression)
	return regexp.MustCompile(`(?s)^` + expression + `$`)
}

// NotAllowed is the reason of a credential that the rules don't allow to be sent to the host.
const NotAllowed credential.Reason = "HOST_NOT_ALLOWED"

// Check returns an error of the reason NotAllowed where [Rules.Allow] reports false.
func (r Rules) Check(credentialID, host string) error {
	if r.Allow(credentialID, host) {
		return nil
	}
	return credential.Errorf(NotAllowed, "ssh_credential_hosts doesn't allow credential %q to be sent to host %q", credentialID, host)
}

// Allow reports whether a host may receive a credential.
func (r Rules) Allow(credentialID, host string) bool {
	if r == nil {
		return true
	}
	host = strings.ToLower(host)
	address, err := netip.ParseAddr(host)
	isAddress := err == nil
	for _, rule := range r {
		if !rule.credential.MatchString(credentialID) {
			continue
		}
		switch {
		case rule.network.IsValid():
			if isAddress && rule.network.Contains(address.Unmap().WithZone("")) {
				return true
			}
		case rule.addresses && !isAddress:
		case rule.host.MatchString(host):
			return true
		}
	}
	return false
}
