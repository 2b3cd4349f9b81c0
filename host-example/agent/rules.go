package agent

import (
	"fmt"
	"os"
	"os/user"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Method is what a client may do.
type Method string

// The methods that a rule can give.
const (
	// Get reads credentials.
	Get Method = "get"
	// List lists credential ids.
	List Method = "list"
	// Validate has the provider check its backend.
	Validate Method = "validate"
	// Login gets material for logins, and reports on them.
	Login Method = "login"
)

var methods = []Method{Get, List, Validate, Login}

// Rules are what the clients may do, by user. nil gives everything to the agent's own user, and nothing to others.
type Rules []Rule

// Rule gives methods to a user, for credential ids that match.
type Rule struct {
	UID     uint32
	Methods []Method
	ids     *regexp.Regexp // nil: all
}

// ParseRules reads rules of the form user=methods or user=methods:ids. The user is a name or a number; methods are all, or get,
// list, validate and login with + between them; ids are a glob in which * stands for any string and ? for one character.
//
//	rules, err := agent.ParseRules([]string{"tom=all", "1001=login:lab_*"})
//
// list and validate have no credential id: a rule with ids gives them for all. The error names the item that is wrong.
func ParseRules(items []string) (Rules, error) {
	var rules Rules
	for i, item := range items {
		name, rest, ok := strings.Cut(item, "=")
		if !ok {
			return nil, fmt.Errorf(`item %d must be a user and methods with = between them, such as "tom=all" or "1001=login:lab_*"`, i+1)
		}
		uid, err := userID(strings.TrimSpace(name))
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i+1, err)
		}
		given, glob, bounded := strings.Cut(rest, ":")
		rule := Rule{UID: uid}
		for method := range strings.SplitSeq(given, "+") {
			switch m := Method(strings.ToLower(strings.TrimSpace(method))); {
			case m == "all":
				rule.Methods = append(rule.Methods, methods...)
			case slices.Contains(methods, m):
				rule.Methods = append(rule.Methods, m)
			default:
				return nil, fmt.Errorf("item %d: a method must be all, get, list, validate or login, not %q", i+1, method)
			}
		}
		if bounded {
			expression := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(strings.TrimSpace(glob)))
			rule.ids = regexp.MustCompile(`(?s)^` + expression + `$`)
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

func userID(name string) (uint32, error) {
	if uid, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(uid), nil
	}
	known, err := user.Lookup(name)
	if err != nil {
		return 0, fmt.Errorf("there is no user %q on this machine", name)
	}
	uid, err := strconv.ParseUint(known.Uid, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("user %q has no number on this system", name)
	}
	return uint32(uid), nil
}

// resolved puts the agent's own user in the place of no rules.
func (r Rules) resolved() Rules {
	if r != nil {
		return r
	}
	return Rules{{UID: uint32(max(0, os.Geteuid())), Methods: methods}}
}

// knows reports whether a user has a rule.
func (r Rules) knows(uid uint32) bool {
	return slices.ContainsFunc(r, func(rule Rule) bool { return rule.UID == uid })
}

// check returns ACCESS_DENIED if no rule gives the client a method for a credential id; id is empty for a method without one.
func (r Rules) check(client Peer, method Method, id string) error {
	for _, rule := range r {
		if rule.UID == client.UID && slices.Contains(rule.Methods, method) && (id == "" || rule.ids == nil || rule.ids.MatchString(id)) {
			return nil
		}
	}
	e := credential.Errorf(credential.AccessDenied, "the agent's rules don't give user %d the method %s", client.UID, method)
	if id != "" {
		e = credential.Errorf(credential.AccessDenied, "the agent's rules don't give user %d the method %s for credential %q", client.UID, method, id)
	}
	return e.With("action", string(method)).With("resource", id).WithHelp("allow it in the agent's setting agent_clients")
}
