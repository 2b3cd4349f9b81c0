package main

import (
	"errors"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// awsProvider reads credentials from AWS Secrets Manager. Its methods may be called concurrently.
type awsProvider struct {
	log     hclog.Logger
	routes  []*route // in their order; the last one has the plain settings and takes every id
	batches gate     // calls for batches that are under way, of all routes
	singles gate     // single calls for batches that are under way
}

// newProvider makes the provider from the settings, and reads environment and shared files. It uses no network. What is
// wrong with a setting is its error; what is wrong around it is the error of each call, so that Validate can report it with
// its remedy, and so that it may be put right while the process runs.
func newProvider(s settings, log hclog.Logger) (*awsProvider, error) {
	all, violations := s.routes()
	if violations = append(violations, s.check()...); len(violations) > 0 {
		return nil, refused(violations...)
	}
	p := &awsProvider{log: log, batches: make(gate, batchesInFlight), singles: make(gate, singlesInFlight)}
	for _, r := range all {
		r.log = log
		p.routes = append(p.routes, r)
		switch err := r.prepare(); {
		case errors.Is(err, credential.SettingsInvalid):
			return nil, r.violated(err)
		case err != nil:
			log.Warn("AWS can't be used like this", "route", r.String(), "reason", string(credential.ReasonOf(err)), "error", err.Error())
		}
	}
	return p, nil
}

// plain is the route of ids that no other route takes.
func (p *awsProvider) plain() *route { return p.routes[len(p.routes)-1] }

// route returns the first route that takes an id.
func (p *awsProvider) route(id string) *route {
	for _, r := range p.routes {
		if r.takes(id) {
			return r
		}
	}
	return p.plain()
}

// Close ends what runs in the background.
func (p *awsProvider) Close() error { //nolint:unparam // provider.Closer has the error
	for _, r := range p.routes {
		if c := r.connected(); c != nil {
			c.keys.Close()
		}
	}
	return nil
}

func refused(violations ...credential.Violation) error {
	return &credential.Error{Reason: credential.SettingsInvalid, Message: "the settings are refused", Violations: violations}
}
