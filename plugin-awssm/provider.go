package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// awsProvider reads credentials from AWS Secrets Manager. Its methods may be called concurrently.
type awsProvider struct {
	settings settings
	log      hclog.Logger

	batching batching // whether AWS takes batches
	batches  gate     // calls for batches that are under way
	singles  gate     // single calls for batches that are under way

	connecting chan struct{} // holds one token: whoever takes it may make the connection
	mu         sync.RWMutex
	connection *connection // nil until it could be made
	failed     error       // why it could not be made
	failedAt   time.Time
}

// newProvider makes the provider from the settings, and reads environment and shared files. It uses no network. What is
// wrong with a setting is its error; what is wrong around it is the error of each call, so that Validate can tell it with
// its remedy, and so that it may be put right while the process runs.
func newProvider(s settings, log hclog.Logger) (*awsProvider, error) {
	if violations := s.check(); len(violations) > 0 {
		return nil, refused(violations...)
	}
	warnOfAmbiguity(s, log)
	forgetAliases()
	p := &awsProvider{
		settings:   s,
		log:        log,
		batching:   batching{now: time.Now},
		batches:    make(gate, batchesInFlight),
		singles:    make(gate, singlesInFlight),
		connecting: make(chan struct{}, 1),
	}
	p.connecting <- struct{}{}

	base, err := loadBase(s)
	if err == nil {
		err = checkFIPS(s, base)
	}
	switch {
	case errors.Is(err, credential.SettingsInvalid):
		return nil, err
	case err != nil:
		log.Warn("AWS can't be used like this", "reason", string(credential.ReasonOf(err)), "error", err.Error())
	case base.Region != "":
		warnOfRegion(s, sharedConfig(base).Region, log)
		p.connection = connect(s, base, p.regionOrigin(), log)
	}
	return p, nil
}

// ReadsVersions marks that Get and GetBatch honour version ids and labels.
func (p *awsProvider) ReadsVersions() {}

// Close ends what runs in the background.
func (p *awsProvider) Close() error { //nolint:unparam // provider.Closer has the error
	if c := p.connected(); c != nil {
		c.keys.close()
	}
	return nil
}

// failurePause is how long the answer "there is no region" is repeated without asking instance metadata again.
const failurePause = 5 * time.Second

// connect returns the connection, and makes it if it couldn't be made before: files may have changed, and a region that
// only instance metadata knows is looked up here.
func (p *awsProvider) connect(ctx context.Context) (*connection, error) {
	if c := p.connected(); c != nil {
		return c, nil
	}
	select {
	case <-p.connecting:
		defer func() { p.connecting <- struct{}{} }()
	case <-ctx.Done():
		return nil, waitedInVain(ctx, "")
	}
	if c := p.connected(); c != nil {
		return c, nil
	}
	if p.failed != nil && time.Since(p.failedAt) < failurePause {
		return nil, p.failed
	}
	c, err := p.dial(ctx)
	if err != nil {
		if ctx.Err() == nil {
			p.failed, p.failedAt = err, time.Now()
		}
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.connection = c
	return c, nil
}

// dial makes the connection.
func (p *awsProvider) dial(ctx context.Context) (*connection, error) {
	base, err := loadBase(p.settings)
	if err != nil {
		return nil, err
	}
	if err := checkFIPS(p.settings, base); err != nil {
		return nil, err
	}
	origin := p.regionOrigin()
	if base.Region == "" {
		if base.Region, err = instanceRegion(ctx, base); err != nil {
			return nil, err
		}
		origin = "instance metadata"
	}
	return connect(p.settings, base, origin, p.log), nil
}

// regionOrigin says where the region of a base configuration comes from that has one.
func (p *awsProvider) regionOrigin() string {
	if chosen := regionChoice(p.settings); chosen.value != "" {
		return chosen.from
	}
	return "the AWS profile"
}

func (p *awsProvider) connected() *connection {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.connection
}
