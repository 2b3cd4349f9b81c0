package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/plugin-awssm/internal/awscreds"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// route is a way to secrets, for the credential ids that its glob matches: the settings, and what connects to AWS with them.
type route struct {
	glob     string // empty: the plain settings
	matches  *regexp.Regexp
	settings settings // the plain ones with the route's own over them
	prefix   prefix
	log      hclog.Logger
	batching batching // whether AWS takes batches

	connecting chan struct{} // holds one token: its holder may make the connection
	mu         sync.RWMutex
	connection *connection // nil until it could be made
	failed     error       // why it could not be made
	failedAt   time.Time
}

// routeExample is for messages and documents.
const routeExample = `"branch_* region=eu-west-1 role_arn=arn:aws:iam::210987654321:role/tom external_id=x"`

// maxRoutes is how many routes there may be: each has its own connection.
const maxRoutes = 100

// routes reads the setting routes. The last route has the plain settings; if an item's glob is "*", that item takes its place.
func (s settings) routes() (all []*route, violations []credential.Violation) {
	if len(s.Routes) > maxRoutes {
		return nil, []credential.Violation{{Setting: "routes", Problem: fmt.Sprintf("has %d items; at most %d can be kept track of", len(s.Routes), maxRoutes)}}
	}
	everything := false
	for i, item := range s.Routes {
		r, problem := s.route(item)
		if problem == "" && everything {
			problem = `is never reached: an item before it has the glob "*"`
		}
		if problem != "" {
			violations = append(violations, credential.Violation{Setting: "routes", Problem: fmt.Sprintf("item %d %s", i+1, problem)})
			continue
		}
		everything = r.glob == "*"
		for _, v := range r.settings.check() {
			if v.Setting != "routes" && !s.violates(v) {
				violations = append(violations, credential.Violation{Setting: "routes", Problem: fmt.Sprintf("item %d (%s): %s %s", i+1, r.glob, v.Setting, v.Problem)})
			}
		}
		all = append(all, r)
	}
	if !everything {
		plain := s
		all = append(all, plain.made(""))
	}
	return all, violations
}

// violates reports whether the plain settings have the same problem, of which once is enough.
func (s settings) violates(v credential.Violation) bool {
	for _, own := range s.check() {
		if own == v {
			return true
		}
	}
	return false
}

// route reads one item: a glob, and settings that differ from the plain ones.
func (s settings) route(item string) (*route, string) {
	words, err := awscreds.SplitWords(item)
	if err != nil {
		return nil, fmt.Sprintf("can't be split into words: %v", err)
	}
	own := s
	into := map[string]*string{"region": &own.Region, "role_arn": &own.RoleARN, "external_id": &own.ExternalID, "secret_prefix": &own.SecretPrefix, "profile": &own.Profile}
	if first, _, _ := strings.Cut(strings.Join(words[:min(1, len(words))], ""), "="); len(words) < 2 || into[first] != nil {
		return nil, "must be a glob of credential ids and settings with blanks between them, such as " + routeExample
	}
	set := make(map[string]bool)
	for _, word := range words[1:] {
		name, value, found := strings.Cut(word, "=")
		switch {
		case !found:
			return nil, "has a word without =; write name=value, as in " + routeExample
		case into[name] == nil:
			return nil, fmt.Sprintf("has the setting %q; a route takes region, role_arn, external_id, secret_prefix and profile", name)
		case set[name]:
			return nil, fmt.Sprintf("has %s twice", name)
		}
		*into[name], set[name] = value, true
	}
	if set["role_arn"] && !set["external_id"] {
		own.ExternalID = "" // that of the plain settings belongs to their role
	}
	if set["secret_prefix"] && !set["region"] {
		if arn, ok := parsePrefix(own.SecretPrefix); ok && arn.region != "" {
			own.Region, set["region"] = arn.region, true
		}
	}
	if own.Region != s.Region {
		own.FailoverRegions = nil // they have replicas of the plain region's secrets
		if s.EndpointURL != "" && s.Region != "" {
			return nil, "names another region, which can't be combined with endpoint_url: that is the endpoint of one region; remove one of the two"
		}
	}
	return own.made(words[0]), ""
}

// made is a route with these settings.
func (s settings) made(glob string) *route {
	expression := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(glob))
	r := &route{
		glob: glob, matches: regexp.MustCompile(`(?s)^` + expression + `$`), settings: s,
		batching: batching{now: time.Now}, connecting: make(chan struct{}, 1),
	}
	r.prefix, _ = parsePrefix(s.SecretPrefix)
	if s.Region == "" {
		r.settings.Region = r.prefix.region
	}
	r.connecting <- struct{}{}
	return r
}

// takes reports whether the route is one for this id.
func (r *route) takes(id string) bool { return r.glob == "" || r.matches.MatchString(id) }

// String names the route for messages.
func (r *route) String() string {
	if r.glob == "" {
		return "plain settings"
	}
	return "route " + r.glob
}

// violated adds to a refused setting which route it belongs to.
func (r *route) violated(err error) error {
	var e *credential.Error
	if r.glob == "" || !errors.As(err, &e) {
		return err
	}
	var all []credential.Violation
	for _, v := range e.Violations {
		all = append(all, credential.Violation{Setting: "routes", Problem: fmt.Sprintf("%s: %s %s", r, v.Setting, v.Problem)})
	}
	return refused(all...)
}

// prepare reads environment and files, and connects if a region is known.
func (r *route) prepare() error {
	environment, err := r.environment()
	if err != nil {
		return err
	}
	environment.Warn(r.log)
	if environment.Config.Region == "" {
		return nil
	}
	r.connection, err = connect(r.settings, environment, r.log)
	return err
}

// environment reads environment and files, and refuses what can't go together.
func (r *route) environment() (*awscreds.Environment, error) {
	environment, err := awscreds.Load(r.settings.awsOptions())
	if err != nil {
		return nil, err
	}
	return environment, checkEndpoint(r.settings, environment)
}

// failurePause is how long the answer "there is no region" is repeated without asking instance metadata again.
const failurePause = 5 * time.Second

// connect returns the connection, and makes it if it couldn't be made before: files may have changed, and a region that
// only instance metadata knows is looked up here.
func (r *route) connect(ctx context.Context) (*connection, error) {
	if c := r.connected(); c != nil {
		return c, nil
	}
	select {
	case <-r.connecting:
		defer func() { r.connecting <- struct{}{} }()
	case <-ctx.Done():
		return nil, awscreds.WaitedInVain(ctx)
	}
	if c := r.connected(); c != nil {
		return c, nil
	}
	if r.failed != nil && time.Since(r.failedAt) < failurePause {
		return nil, r.failed
	}
	environment, err := r.environment()
	if err == nil && environment.Config.Region == "" {
		err = environment.InstanceRegion(ctx)
	}
	var made *connection
	if err == nil {
		made, err = connect(r.settings, environment, r.log)
	}
	if err != nil {
		if ctx.Err() == nil {
			r.failed, r.failedAt = err, time.Now()
		}
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.connection = made
	return made, nil
}

func (r *route) connected() *connection {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.connection
}
