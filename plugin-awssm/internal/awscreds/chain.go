package awscreds

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// StageCredentials is the stage in the metadata of errors that are about AWS credentials.
const StageCredentials = "credentials"

// What obtaining credentials from a source may take, all its requests together. A role or SSO has several attempts of
// Options.RequestTimeout.
const (
	containerTimeout = 5 * time.Second
	instanceTimeout  = 5 * time.Second
	requestsTimeout  = 5 * time.Second // at least
)

// Chain finds AWS credentials. The sources and their order are boto3's. It may be used concurrently.
//
// Every attempt starts afresh from environment and files, so that what was put there since is seen, and so that nothing of an
// attempt that hangs is left in the next one.
type Chain struct {
	environment *Environment
	log         hclog.Logger

	instanceWorked atomic.Bool            // instance metadata has given credentials before, so that its silence is an outage
	last           atomic.Pointer[string] // where credentials last came from
	asking         atomic.Pointer[source] // what the latest attempt asks
	warned         atomic.Bool            // of credentials that expire and aren't renewed
}

// NewChain returns a chain for what Load has found.
func NewChain(e *Environment, log hclog.Logger) *Chain { return &Chain{environment: e, log: log} }

// source is where credentials come from.
type source struct {
	named    string        // for messages: `profile "lab"`
	base     *source       // whose credentials assume the role; nil for other sources
	timeout  time.Duration // of get; 0: it sends no request
	patience time.Duration // 0: Patience
	// get obtains the credentials, with those of base.
	get func(ctx context.Context, base aws.Credentials) (aws.Credentials, error)
	// explain maps an error of get that isn't a *credential.Error.
	explain  func(ctx context.Context, err error) error
	tried    []string // of the chain's last source: what comes before it and isn't there, a sentence each
	instance bool     // it is instance metadata
}

// Obtain implements Source.
func (c *Chain) Obtain(ctx context.Context) (aws.Credentials, error) {
	from, err := c.find()
	if err != nil {
		return aws.Credentials{}, err
	}
	found := from
	if c.environment.options.RoleARN != "" {
		from = c.roleOfSettings(from)
	}
	creds, err := c.obtain(ctx, from)
	if err != nil {
		return aws.Credentials{}, err
	}
	if found == from {
		c.warnOfSession(creds, from)
	}
	c.last.Store(&from.named)
	return creds, nil
}

// obtain gets a source's credentials.
func (c *Chain) obtain(ctx context.Context, from *source) (creds aws.Credentials, err error) {
	var base aws.Credentials
	if from.base != nil {
		if base, err = c.obtain(ctx, from.base); err != nil {
			return aws.Credentials{}, err
		}
		c.warnOfSession(base, from.base)
	}
	c.asking.Store(from)
	if from.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, from.timeout)
		defer cancel()
	}
	creds, err = from.get(ctx, base)
	if err == nil {
		err = checkKeys(creds)
	}
	if err != nil {
		return aws.Credentials{}, c.failed(ctx, from, err)
	}
	if from.instance {
		c.instanceWorked.Store(true)
	}
	return creds, nil
}

// failed adds which source gave no credentials.
func (c *Chain) failed(ctx context.Context, from *source, err error) error {
	var e *credential.Error
	if !errors.As(err, &e) {
		explained := from.explain(ctx, err)
		if !errors.As(explained, &e) {
			return explained
		}
	}
	if from.tried != nil && e.Reason == credential.BackendUnauthenticated {
		e = unauthenticated("no AWS credentials were found; tried: %s", strings.Join(append(from.tried, "instance metadata: "+e.Message), "; ")).
			WithHelp("give the worker AWS credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role of the instance, task or service account")
		return e.With("stage", StageCredentials)
	}
	return fromSource(from.named, e)
}

// fromSource adds to an error which source it is about.
func fromSource(named string, e *credential.Error) error {
	about := e.With("stage", StageCredentials)
	about.Message = fmt.Sprintf("no AWS credentials from %s: %s", named, e.Message)
	if len(about.Help) == 0 && e.Reason == credential.BackendUnauthenticated {
		about = about.WithHelp("correct that source, or unset it if another one is meant")
	}
	return about
}

// checkKeys refuses credentials that can't be sent: net/http would refuse each request, in words about headers.
func checkKeys(creds aws.Credentials) error {
	for _, part := range []struct{ name, value string }{
		{"access key id", creds.AccessKeyID}, {"secret access key", creds.SecretAccessKey}, {"session token", creds.SessionToken},
	} {
		if strings.ContainsFunc(part.value, isControl) {
			return unauthenticated("the %s holds a line end or another control character", part.name).WithHelp("write it without one: printf, not echo, when a shell writes it")
		}
	}
	if creds.AccessKeyID == "" || creds.SecretAccessKey == "" {
		return unauthenticated("the access key is empty")
	}
	return nil
}

// warnOfSession warns once of credentials that nothing will renew.
func (c *Chain) warnOfSession(creds aws.Credentials, from *source) {
	if IsLeftToExpire(creds) && !c.warned.Swap(true) {
		c.log.Warn("the AWS credentials are session credentials that nothing renews; when they expire, reading fails until their source has new ones",
			"source", from.named)
	}
}

// IsLeftToExpire reports whether credentials expire at a time that isn't known, so that nothing can renew them in time.
func IsLeftToExpire(creds aws.Credentials) bool { return creds.SessionToken != "" && !creds.CanExpire }

// Last names where the credentials that were last obtained came from.
func (c *Chain) Last() string {
	if named := c.last.Load(); named != nil {
		return *named
	}
	return "an unknown source"
}

// Asking implements Source.
func (c *Chain) Asking() (named string, patience time.Duration) {
	asking := c.asking.Load()
	if asking == nil {
		return "", Patience
	}
	return asking.named, cmp.Or(asking.patience, Patience)
}

// find chooses the source, in boto3's order: access keys in the environment, the role of a profile, web identity, what else
// a profile holds, the container, the instance. Naming a profile in the settings leaves the environment out.
func (c *Chain) find() (*source, error) {
	shared, err := readFiles()
	if err != nil {
		return nil, err
	}
	e := c.environment
	finder := &finder{chain: c, files: shared, variables: e.options.Profile == "", visited: []string{e.profileName()}}
	p := shared.profiles[e.profileName()]

	var tried []string
	if finder.variables {
		keys := readKeys()
		from, err := keys.source()
		if err != nil || from != nil {
			return from, err
		}
		tried = append(tried, "environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")
	}
	from, err := finder.role(p)
	if from == nil && err == nil {
		from, err = finder.ownCredentials(p)
	}
	if err != nil || from != nil {
		return from, err
	}
	if finder.variables {
		tried = append(tried, "web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set")
	}
	if p == nil {
		tried = append(tried, fmt.Sprintf("profile: there is no profile %q in %s", e.profileName(), shared.where(nil)))
	} else {
		tried = append(tried, fmt.Sprintf("profile %q: it holds no credentials in %s", p.name, shared.where(p)))
	}
	if from := c.container(); from != nil {
		return from, nil
	}
	tried = append(tried, "container: "+containerRelative+" and "+containerFull+" are not set")
	return c.instance("instance metadata", tried), nil
}

// profileName is the profile that counts.
func (e *Environment) profileName() string { return cmp.Or(e.named.value, "default") }

// keys are access keys in the environment. boto3 takes a token from AWS_SECURITY_TOKEN first.
type keys struct{ id, secret, token, expiration string }

func readKeys() keys {
	return keys{
		id:         os.Getenv("AWS_ACCESS_KEY_ID"),
		secret:     os.Getenv("AWS_SECRET_ACCESS_KEY"),
		token:      cmp.Or(os.Getenv("AWS_SECURITY_TOKEN"), os.Getenv("AWS_SESSION_TOKEN")),
		expiration: os.Getenv("AWS_CREDENTIAL_EXPIRATION"),
	}
}

// source is nil if there are no keys. Half a pair is refused: passing over it would mean another identity, in silence.
func (k keys) source() (*source, error) {
	if k.id == "" && k.secret == "" {
		return nil, nil
	}
	if k.id == "" || k.secret == "" {
		present, absent := "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
		if k.id == "" {
			present, absent = absent, present
		}
		return nil, fromSource("environment variables", unauthenticated("%s is set, but %s is not", present, absent).WithHelp("set both, or unset %s", present))
	}
	creds := aws.Credentials{AccessKeyID: k.id, SecretAccessKey: k.secret, SessionToken: k.token}
	if k.expiration != "" {
		if creds.Expires, creds.CanExpire = parseTime(k.expiration); !creds.CanExpire {
			return nil, fromSource("environment variables", unauthenticated("AWS_CREDENTIAL_EXPIRATION is not a time with a zone").
				WithHelp("write it like 2026-01-31T12:00:00Z, or unset it"))
		}
	}
	return static("environment variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", creds), nil
}

// static is a source of credentials that are at hand.
func static(named string, creds aws.Credentials) *source {
	return &source{
		named:   named,
		get:     func(context.Context, aws.Credentials) (aws.Credentials, error) { return creds, nil },
		explain: func(_ context.Context, err error) error { return err },
	}
}

// container is nil if the environment names no endpoint.
func (c *Chain) container() *source {
	chosen := firstSet(containerRelative, containerFull)
	if chosen.value == "" {
		return nil
	}
	ask := container{named: chosen.from, client: c.environment.direct}
	return &source{
		named:   "container (" + chosen.from + ")",
		timeout: containerTimeout,
		get:     func(ctx context.Context, _ aws.Credentials) (aws.Credentials, error) { return ask.retrieve(ctx) },
		explain: func(_ context.Context, err error) error { return err },
	}
}

// instance is instance metadata. As the chain's last source it comes with what was tried before it.
func (c *Chain) instance(named string, tried []string) *source {
	return &source{
		named: named, tried: tried, instance: true,
		timeout: instanceTimeout,
		get: func(ctx context.Context, _ aws.Credentials) (aws.Credentials, error) {
			client, err := c.environment.instanceMetadata()
			if err != nil {
				return aws.Credentials{}, err
			}
			return ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = client }).Retrieve(ctx)
		},
		explain: c.instanceFailure,
	}
}
