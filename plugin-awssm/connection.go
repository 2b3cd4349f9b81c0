package main

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/plugin-awssm/internal/awscreds"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// connection is all that calls to AWS need. It is made without using the network and never changes.
type connection struct {
	regions []string // the first one, then those to fail over to
	from    string   // what the first region comes from
	secrets map[string]*secretsmanager.Client
	sts     *sts.Client // nil: stsErr says why not
	stsErr  error
	keys    *awscreds.Keyring
	chain   *awscreds.Chain
}

// secretsManager is the service's name in the SDK.
const secretsManager = "Secrets Manager"

// first is the client for the first region.
func (c *connection) first() *secretsmanager.Client { return c.secrets[c.regions[0]] }

// awsOptions are the settings that AWS credentials depend on.
func (s settings) awsOptions() awscreds.Options {
	return awscreds.Options{
		Region: s.Region, Profile: s.Profile, RoleARN: s.RoleARN, ExternalID: s.ExternalID, SessionName: s.sessionName(),
		RequestTimeout: time.Duration(s.RequestTimeout), ProcessTimeout: time.Duration(s.CredentialProcessTimeout),
	}
}

// connect makes the clients for the regions; the environment has a region.
func connect(s settings, environment *awscreds.Environment, log hclog.Logger) (*connection, error) {
	base, err := environment.ConfigOf(secretsManager)
	if err != nil {
		return nil, err
	}
	chain := awscreds.NewChain(environment, log)
	c := &connection{
		regions: []string{environment.Config.Region},
		from:    environment.RegionFrom,
		secrets: make(map[string]*secretsmanager.Client),
		keys:    awscreds.NewKeyring(chain, log),
		chain:   chain,
	}
	for _, region := range s.FailoverRegions {
		if region != environment.Config.Region {
			c.regions = append(c.regions, region)
		}
	}
	base.Credentials = c.keys
	for _, region := range c.regions {
		c.secrets[region] = secretsmanager.NewFromConfig(base, func(o *secretsmanager.Options) {
			o.Region = region
			if s.EndpointURL != "" {
				o.BaseEndpoint = aws.String(s.EndpointURL)
			}
		})
	}
	if base, c.stsErr = environment.ConfigOf("STS"); c.stsErr == nil {
		base.Credentials = c.keys
		c.sts = sts.NewFromConfig(base)
	}
	return c, nil
}

// checkEndpoint refuses what doesn't go with an endpoint, wherever the endpoint is named: FIPS, since whether it is a FIPS
// endpoint can't be known, and other regions, since it is the endpoint of one.
func checkEndpoint(s settings, environment *awscreds.Environment) error {
	endpoint, from, err := environment.Endpoint(secretsManager)
	if err != nil {
		return err
	}
	const fips = "can't be combined with FIPS endpoints, which %s asks for"
	switch {
	case s.EndpointURL != "" && environment.FIPS:
		return refused(credential.Violation{Setting: "endpoint_url", Problem: "can't be combined with FIPS endpoints, which " + environment.FIPSFrom + " asks for; remove one of the two"})
	case s.EndpointURL != "" || endpoint == "":
		return nil
	case environment.FIPS:
		return misconfigured("%s "+fips, from, environment.FIPSFrom).WithHelp("unset one of the two")
	case len(s.FailoverRegions) > 0:
		return misconfigured("failover_regions can't be combined with %s, which names the endpoint of one region", from).WithHelp("unset one of the two")
	}
	return nil
}

// again asks once more with new AWS credentials if those at hand have expired.
func again[Output any](c *connection, ask func() (Output, error)) (Output, error) {
	used, _ := c.keys.Current()
	out, err := ask()
	if err != nil && c.keys.AskAgain(err, used) {
		return ask()
	}
	return out, err
}

func misconfigured(format string, args ...any) *credential.Error {
	return credential.Errorf(credential.BackendMisconfigured, format, args...)
}
