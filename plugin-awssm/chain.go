package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// chain finds AWS credentials. The sources and their order are boto3's; the reading of each source is the SDK's own, which
// is steered towards the source that boto3 would have taken.
//
// Every attempt starts afresh from environment and files, so that what somebody has put there since is seen, and so that
// nothing of an attempt that got stuck is left in the next one.
type chain struct {
	settings settings
	base     aws.Config // without credentials
	log      hclog.Logger

	instanceWorked atomic.Bool            // instance metadata has given credentials before, so that its silence is an outage
	last           atomic.Pointer[string] // where credentials last came from
	trying         atomic.Pointer[string] // what the latest attempt asks
	warned         atomic.Bool            // of credentials that end and aren't renewed
}

// source is where credentials come from, for people and for the choice of words when it fails.
type source struct {
	kind  sourceKind
	named string   // "environment variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", `profile "lab"`
	tried []string // what comes before it in the chain and isn't there, a sentence each

	tokenFile string // of a web identity
}

type sourceKind int

const (
	sourceEnvironment sourceKind = iota
	sourceWebIdentity
	sourceProfile
	sourceContainer
	sourceInstance
	sourceRole // of the settings, on top of another source
)

// obtain gets credentials from the first source that is configured, and assumes the role of the settings with them. The
// error is a *credential.Error that says which sources were tried.
func (c *chain) obtain(ctx context.Context) (aws.Credentials, error) {
	from, base, err := c.find(ctx)
	if err != nil {
		return aws.Credentials{}, c.sourceError(ctx, from, err)
	}
	c.trying.Store(&from.named)
	creds, err := base.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, c.sourceError(ctx, from, err)
	}
	if from.kind == sourceInstance {
		c.instanceWorked.Store(true)
	}
	if isLeftToEnd(creds) && !c.warned.Swap(true) {
		c.log.Warn("the AWS credentials are session credentials that nothing renews; when they end, reading fails until their source has new ones",
			"source", from.named)
	}
	if c.settings.RoleARN == "" {
		c.last.Store(&from.named)
		return creds, nil
	}
	static := credentials.StaticCredentialsProvider{Value: creds}
	named := "role " + c.settings.RoleARN + ", assumed with " + from.named
	c.trying.Store(&named)
	assumed, err := c.role(static).Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, c.roleError(ctx, from, err)
	}
	c.last.Store(&named)
	return assumed, nil
}

// isLeftToEnd says whether the credentials end at a time that isn't known, so that nothing can renew them in time.
func isLeftToEnd(creds aws.Credentials) bool { return creds.SessionToken != "" && !creds.CanExpire }

// lastSource names where the credentials that were last obtained came from.
func (c *chain) lastSource() string {
	if named := c.last.Load(); named != nil {
		return *named
	}
	return "an unknown source"
}

// waitingFor names what the latest attempt asks; empty before the first.
func (c *chain) waitingFor() string {
	if named := c.trying.Load(); named != nil {
		return *named
	}
	return ""
}

// find chooses the source, in boto3's order: access keys in the environment, the role of a profile, web identity, what else
// a profile holds, the container, the instance. Naming a profile in the settings leaves the environment out.
func (c *chain) find(ctx context.Context) (source, aws.CredentialsProvider, error) {
	profile := profileChoice(c.settings)
	shared := sharedConfig(c.base)
	named := fmt.Sprintf("profile %q", shared.Profile)
	if shared.Profile == "" {
		named = `profile "default"`
	}
	var tried []string
	byProfile := func() (source, aws.CredentialsProvider, error) {
		return c.load(ctx, source{kind: sourceProfile, named: named, tried: tried, tokenFile: shared.WebIdentityTokenFile}, shared.Profile)
	}

	if profile.from != "profile" {
		switch keys := readEnvironmentKeys(); {
		case keys.id != "" && keys.secret != "":
			provider, err := keys.provider()
			return source{kind: sourceEnvironment, named: "environment variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"}, provider, err
		case keys.id != "" || keys.secret != "":
			return source{kind: sourceEnvironment, named: "environment variables"}, nil, halfPair(keys)
		}
		tried = append(tried, "environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")
	}
	if shared.RoleARN != "" && shared.WebIdentityTokenFile == "" {
		if shared.Source == nil && shared.CredentialSource == "" {
			return source{kind: sourceProfile, named: named}, nil, unauthenticated("it has a role_arn, but neither source_profile nor credential_source says whose credentials assume it").
				WithHelp("add source_profile or credential_source to the profile, or move the role to the setting role_arn")
		}
		return byProfile()
	}
	if profile.from != "profile" {
		if tokenFile := os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"); tokenFile != "" {
			// The SDK takes it from the environment only as long as it isn't told a profile; then it would also look at
			// the environment's keys, which aren't there.
			return c.load(ctx, source{kind: sourceWebIdentity, named: "web identity (AWS_WEB_IDENTITY_TOKEN_FILE)", tried: tried, tokenFile: tokenFile}, "")
		}
		tried = append(tried, "web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set")
	}
	switch {
	case shared.Credentials.HasKeys() && hasSSO(shared):
		return source{kind: sourceProfile, named: named}, nil, unauthenticated("it holds both access keys and SSO settings, and AWS's tools disagree about which of them count").
			WithHelp("remove one of the two, or move it to a profile of its own")
	case shared.CredentialProcess != "" && keysOfConfiguration(shared):
		// The SDK would take the keys; boto3 puts a process before keys that are in the configuration file.
		return source{kind: sourceProfile, named: named}, processcreds.NewProvider(shared.CredentialProcess, processTimeout), nil
	case hasCredentials(shared):
		return byProfile()
	}
	if shared.Profile == "" {
		tried = append(tried, "profile: there is no profile \"default\" in the shared configuration and credentials files")
	} else {
		tried = append(tried, named+": it holds no credentials")
	}
	for _, variable := range []string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} {
		if os.Getenv(variable) != "" {
			return c.load(ctx, source{kind: sourceContainer, named: "container (" + variable + ")", tried: tried}, shared.Profile)
		}
	}
	tried = append(tried, "container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and AWS_CONTAINER_CREDENTIALS_FULL_URI are not set")
	return c.load(ctx, source{kind: sourceInstance, named: "instance metadata", tried: tried}, shared.Profile)
}

// load makes the SDK's provider for a source.
func (c *chain) load(ctx context.Context, from source, profile string) (source, aws.CredentialsProvider, error) {
	options := append(commonOptions(c.settings),
		config.WithRegion(c.base.Region),
		config.WithHTTPClient(c.base.HTTPClient),
		config.WithCredentialsCacheOptions(func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = 0 }), // the keyring has its own
		config.WithEndpointCredentialOptions(func(o *endpointcreds.Options) { o.HTTPClient = direct(c.base.HTTPClient) }),
		config.WithProcessCredentialOptions(processTimeout),
		config.WithWebIdentityRoleCredentialOptions(func(o *stscreds.WebIdentityRoleOptions) {
			if o.RoleSessionName == "" {
				o.RoleSessionName = c.settings.sessionName()
			}
		}),
		config.WithEC2RoleCredentialOptions(func(o *ec2rolecreds.Options) { o.Client = instanceMetadata(c.base) }),
	)
	if profile != "" {
		options = append(options, config.WithSharedConfigProfile(profile))
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return from, nil, err
	}
	return from, loaded.Credentials, nil
}

// role assumes the role of the settings.
func (c *chain) role(with aws.CredentialsProvider) aws.CredentialsProvider {
	client := sts.NewFromConfig(c.base, func(o *sts.Options) {
		o.Credentials = with
		o.HTTPClient = newRequester(c.base.HTTPClient, time.Duration(c.settings.RequestTimeout))
	})
	return stscreds.NewAssumeRoleProvider(client, c.settings.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = c.settings.sessionName()
		if c.settings.ExternalID != "" {
			o.ExternalID = aws.String(c.settings.ExternalID)
		}
	})
}

// provider gives the environment's keys, which boto3 takes to expire when AWS_CREDENTIAL_EXPIRATION says so.
func (k environmentKeys) provider() (aws.CredentialsProvider, error) {
	creds := aws.Credentials{AccessKeyID: k.id, SecretAccessKey: k.secret, SessionToken: k.token, Source: config.CredentialsSourceName}
	if k.expiration != "" {
		expires, err := time.Parse(time.RFC3339, k.expiration)
		if err != nil {
			return nil, unauthenticated("AWS_CREDENTIAL_EXPIRATION is not a time").WithHelp("write it like 2026-01-31T12:00:00Z, or unset it")
		}
		creds.CanExpire, creds.Expires = true, expires
	}
	return credentials.StaticCredentialsProvider{Value: creds}, nil
}

// halfPair refuses what the SDK would pass over in silence, to end up with somebody else's credentials.
func halfPair(keys environmentKeys) error {
	present, absent := "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
	if keys.id == "" {
		present, absent = absent, present
	}
	return unauthenticated("%s is set, but %s is not", present, absent).WithHelp("set both, or unset %s", present)
}

func unauthenticated(format string, args ...any) *credential.Error {
	return credential.Errorf(credential.BackendUnauthenticated, format, args...)
}

func processTimeout(o *processcreds.Options) { o.Timeout = obtainTimeout }

// hasCredentials says whether a profile is a source of its own.
func hasCredentials(shared config.SharedConfig) bool {
	return shared.Credentials.HasKeys() || shared.RoleARN != "" || shared.WebIdentityTokenFile != "" || shared.CredentialProcess != "" ||
		hasSSO(shared) || shared.LoginSession != ""
}

func hasSSO(shared config.SharedConfig) bool {
	return shared.SSOSessionName != "" || shared.SSOStartURL != "" || shared.SSOAccountID != ""
}

// keysOfConfiguration says whether a profile's keys come from the configuration file, and not from the credentials file.
func keysOfConfiguration(shared config.SharedConfig) bool {
	file := cmp.Or(os.Getenv("AWS_CONFIG_FILE"), config.DefaultSharedConfigFilename())
	return shared.Credentials.HasKeys() && strings.HasSuffix(shared.Credentials.Source, file)
}

// sharedConfig is what the SDK has read from the shared files for the configuration.
func sharedConfig(base aws.Config) config.SharedConfig {
	for _, from := range base.ConfigSources {
		if shared, ok := from.(config.SharedConfig); ok {
			return shared
		}
	}
	return config.SharedConfig{}
}
