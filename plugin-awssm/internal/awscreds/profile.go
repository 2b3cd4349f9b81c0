package awscreds

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/regular"
)

// finder finds the source that profiles describe, for one attempt.
type finder struct {
	chain     *Chain
	files     *files
	variables bool     // web identity in the environment counts
	visited   []string // the profiles on the way, the first one included
}

// problem is an error about a profile.
func (f *finder) problem(p *profile, format string, args ...any) *credential.Error {
	e := unauthenticated(format, args...)
	e.Message = fmt.Sprintf("profile %q in %s: %s", p.name, f.files.where(p), e.Message)
	return e.With("stage", StageCredentials)
}

// role is the source of a profile with a role to assume; nil if it is none. A role with a web identity's token is
// ownCredentials' matter.
func (f *finder) role(p *profile) (*source, error) {
	if !isRole(p) {
		return nil, nil
	}
	base, err := f.roleBase(p)
	if err != nil {
		return nil, err
	}
	if p.has("mfa_serial") {
		return nil, f.problem(p, "its role asks for a code from a person (mfa_serial), and there is none here").WithHelp("use a role that needs no mfa_serial")
	}
	role := assumption{
		chain: f.chain, operation: assumeRole, role: p.value("role_arn"), session: p.value("role_session_name"), externalID: p.value("external_id"),
		duration:      seconds(p.value("duration_seconds")),
		externalIDKey: keyOf("external_id", p, f.files), durationKey: keyOf("duration_seconds", p, f.files),
	}
	if role.role == "" {
		return nil, f.problem(p, "its role_arn is empty").WithHelp("name a role, or remove the key")
	}
	return role.source(fmt.Sprintf("profile %q", p.name), base), nil
}

// isRole reports whether a profile has a role that other credentials assume.
func isRole(p *profile) bool { return p.has("role_arn") && !p.has("web_identity_token_file") }

// hasKeys reports whether a profile has access keys, or one half of them.
func hasKeys(p *profile) bool { return p.has("aws_access_key_id") || p.has("aws_secret_access_key") }

// seconds reads duration_seconds. boto3 passes over what is no number.
func seconds(text string) time.Duration {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// roleBase is whose credentials assume a profile's role.
func (f *finder) roleBase(p *profile) (*source, error) {
	named, from := p.value("source_profile"), p.value("credential_source")
	switch {
	case p.has("source_profile") && p.has("credential_source"):
		return nil, f.problem(p, "it has both source_profile and credential_source").WithHelp("remove one of the two")
	case !p.has("source_profile") && !p.has("credential_source"):
		return nil, f.problem(p, "it has a role_arn, but neither source_profile nor credential_source names the credentials that assume it").
			WithHelp("add source_profile or credential_source to the profile, or move the role to the setting role_arn")
	case p.has("credential_source"):
		return f.credentialSource(p, from)
	}
	next := f.files.profiles[named]
	if next == nil {
		return nil, f.problem(p, "its source_profile names the profile %q, which is in neither %s nor %s", named, f.files.config.state(), f.files.credentials.state()).
			WithHelp("correct source_profile, or add that profile")
	}
	if slices.Contains(f.visited, named) && (named != p.name || !hasKeys(next)) {
		return nil, f.problem(p, "its source_profile leads back to itself: %s", strings.Join(append(slices.Clone(f.visited), named), " -> ")).
			WithHelp("let one of these profiles have credentials instead of a source_profile")
	}
	f.visited = append(f.visited, named)
	if isRole(next) && !hasKeys(next) {
		return f.role(next)
	}
	source := *f
	source.variables = false
	base, err := source.ownCredentials(next)
	if err == nil && base == nil {
		err = f.problem(p, "its source_profile names the profile %q, which holds no credentials", named).WithHelp("add credentials to that profile, or correct source_profile")
	}
	return base, err
}

func (f *finder) credentialSource(p *profile, named string) (base *source, err error) {
	lacks := ""
	switch named {
	case "Environment":
		base, err = readKeys().source()
		lacks = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"
	case "EcsContainer":
		base = f.chain.container()
		lacks = containerRelative + " and " + containerFull + " are not set"
	case "Ec2InstanceMetadata":
		base = f.chain.instance(fmt.Sprintf("instance metadata (credential_source of profile %q)", p.name), nil)
	default:
		return nil, f.problem(p, "its credential_source is none of Environment, EcsContainer and Ec2InstanceMetadata").WithHelp("correct credential_source; it is case-sensitive")
	}
	if err == nil && base == nil {
		err = f.problem(p, "its credential_source is %s, but %s", named, lacks).WithHelp("set them, or correct credential_source")
	}
	return base, err
}

// ownCredentials is the source of what a profile holds besides a role on other credentials, or of a web identity in the
// environment; nil if there is none. The order is boto3's.
func (f *finder) ownCredentials(p *profile) (*source, error) {
	if from, err := f.webIdentity(p); from != nil || err != nil {
		return from, err
	}
	if p == nil {
		return nil, nil
	}
	named := fmt.Sprintf("profile %q", p.name)
	switch {
	case p.has("sso_role_name") || p.has("sso_account_id"):
		return f.sso(p)
	case has(p.inCredentials, "aws_access_key_id"):
		return f.keys(named, p, p.inCredentials, f.files.credentials)
	case p.value("login_session") != "":
		return f.login(named, p)
	case p.has("credential_process"):
		line, limit := p.value("credential_process"), f.chain.environment.options.ProcessTimeout
		return &source{
			named: named, timeout: limit, patience: limit,
			get:     func(ctx context.Context, _ aws.Credentials) (aws.Credentials, error) { return runProcess(ctx, line) },
			explain: func(_ context.Context, err error) error { return err },
		}, nil
	case has(p.inConfig, "aws_access_key_id"):
		return f.keys(named, p, p.inConfig, f.files.config)
	case hasKeys(p):
		return nil, f.problem(p, "it has aws_secret_access_key, but no aws_access_key_id").WithHelp("complete the pair")
	}
	return nil, nil
}

func has(values map[string]string, key string) bool {
	_, found := values[key]
	return found
}

// keys are a profile's access keys in one file; the other file's don't mix with them.
func (f *finder) keys(named string, p *profile, values map[string]string, in file) (*source, error) {
	creds := aws.Credentials{AccessKeyID: values["aws_access_key_id"], SecretAccessKey: values["aws_secret_access_key"]}
	for _, key := range []string{"aws_security_token", "aws_session_token"} {
		if has(values, key) {
			creds.SessionToken = values[key]
			break
		}
	}
	for key, value := range map[string]string{"aws_access_key_id": creds.AccessKeyID, "aws_secret_access_key": creds.SecretAccessKey} {
		if value == "" {
			return nil, f.problem(p, "it lacks a value for %s in %s", key, in.shown()).WithHelp("complete the pair of aws_access_key_id and aws_secret_access_key in that file")
		}
	}
	return static(named, creds), nil
}

// webIdentity is the token of a service account, in the environment or a profile, and its role; nil if there is none.
func (f *finder) webIdentity(p *profile) (*source, error) {
	lookup := func(variable, key string) choice {
		if f.variables {
			if found := firstSet(variable); found.value != "" {
				return found
			}
		}
		if value := p.value(key); value != "" {
			return choice{value, keyOf(key, p, f.files)}
		}
		return choice{}
	}
	token := lookup("AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file")
	if token.value == "" {
		return nil, nil
	}
	named := "web identity (AWS_WEB_IDENTITY_TOKEN_FILE)"
	if token.from != "AWS_WEB_IDENTITY_TOKEN_FILE" {
		named = fmt.Sprintf("profile %q", p.name)
	}
	role := lookup("AWS_ROLE_ARN", "role_arn")
	if role.value == "" {
		return nil, fromSource(named, unauthenticated("%s is set, but no role: AWS_ROLE_ARN isn't, and the profile has no role_arn", token.from).
			WithHelp("set AWS_ROLE_ARN, or role_arn in the profile, to the role that trusts the token"))
	}
	assumed := assumption{
		chain: f.chain, operation: assumeRoleWithWebIdentity, role: role.value, tokenFile: token.value,
		session: lookup("AWS_ROLE_SESSION_NAME", "role_session_name").value,
	}
	return assumed.source(named, nil), nil
}

// The ways of assuming a role.
const (
	assumeRole                = "sts:AssumeRole"
	assumeRoleWithWebIdentity = "sts:AssumeRoleWithWebIdentity"
)

// assumption is a role that is assumed.
type assumption struct {
	chain               *Chain
	operation           string
	role                string
	session, externalID string
	tokenFile           string        // of a web identity
	duration            time.Duration // 0: the SDK's default
	// externalIDKey and durationKey name what sets these two, for messages.
	externalIDKey, durationKey string
}

// roleOfSettings assumes the role of the settings.
func (c *Chain) roleOfSettings(base *source) *source {
	o := c.environment.options
	role := assumption{chain: c, operation: assumeRole, role: o.RoleARN, session: o.SessionName, externalID: o.ExternalID, externalIDKey: "external_id"}
	return role.source("role "+o.RoleARN+", assumed with "+base.named, base)
}

// requestsTimeout bounds what takes several requests, each with attempts.
func (c *Chain) requestsTimeout() time.Duration {
	return max(requestsTimeout, 2*c.environment.options.RequestTimeout)
}

func (a assumption) source(named string, base *source) *source {
	a.session = cmp.Or(a.session, a.chain.environment.options.SessionName)
	return &source{named: named, base: base, timeout: a.chain.requestsTimeout(), get: a.get, explain: a.failure}
}

func (a assumption) get(ctx context.Context, base aws.Credentials) (aws.Credentials, error) {
	config, err := a.chain.environment.ConfigOf("STS")
	if err != nil {
		return aws.Credentials{}, err
	}
	if a.operation == assumeRoleWithWebIdentity {
		if _, err := regular.Read(a.tokenFile, maxFile); err != nil { // the SDK's error doesn't hold this one
			return aws.Credentials{}, err
		}
		config.Credentials = aws.AnonymousCredentials{}
		return stscreds.NewWebIdentityRoleProvider(sts.NewFromConfig(config), a.role, stscreds.IdentityTokenFile(a.tokenFile), func(o *stscreds.WebIdentityRoleOptions) {
			o.RoleSessionName = a.session
		}).Retrieve(ctx)
	}
	config.Credentials = credentials.StaticCredentialsProvider{Value: base}
	return stscreds.NewAssumeRoleProvider(sts.NewFromConfig(config), a.role, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.Duration = a.session, a.duration
		if a.externalID != "" {
			o.ExternalID = aws.String(a.externalID)
		}
	}).Retrieve(ctx)
}
