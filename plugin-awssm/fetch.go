package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// currentLabel is the label of the version in use. It is always asked for by name: policies may allow it alone.
const currentLabel = "AWSCURRENT"

// replicaAge is how long an answer from a failover region may be used, since its copy may lag behind.
const replicaAge = 30 * time.Second

// Get reads one credential, from the first region or, if that one has a passing trouble, from those to fail over to.
func (p *awsProvider) Get(ctx context.Context, request credential.Request) (*credential.Credential, error) {
	name, err := secretName(p.settings.SecretPrefix, request.ID)
	if err != nil {
		return nil, err
	}
	c, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	one := &read{request: request, name: name}
	p.throughRegions(ctx, c, []*read{one}, func(ctx context.Context, region string, _ []*read) { p.readOne(ctx, c, region, one) })
	return one.found, one.conclusion()
}

// read is one credential on its way: which one, and what the regions asked so far have said.
type read struct {
	request  credential.Request
	name     string                 // the secret's
	found    *credential.Credential // nil until a region gave it
	failures []*credential.Error    // one for each region that didn't
}

// settle takes a region's answer.
func (r *read) settle(found *credential.Credential, failure *credential.Error) {
	if failure != nil {
		r.failures = append(r.failures, failure)
		return
	}
	r.found = found
}

// decided says whether no further region is to be asked: not once there is a credential, nor after a definite answer of the
// first region, nor if the trouble is with the AWS credentials, which are the same everywhere.
func (r *read) decided() bool {
	if r.found != nil {
		return true
	}
	first := r.failures[0]
	return !first.Reason.Transient() || first.Metadata["stage"] == stageCredentials
}

// conclusion is the error of a read that failed in every region that was tried; nil for one that didn't. A "no" from any but
// the first region is nothing definite: a region may lack a secret that the first one has.
func (r *read) conclusion() error {
	switch {
	case r.found != nil:
		return nil
	case len(r.failures) == 1:
		return r.failures[0]
	}
	texts := make([]string, len(r.failures))
	for i, failure := range r.failures {
		texts[i] = failure.Message
	}
	first := r.failures[0]
	e := unavailable(stageRead, "%s", strings.Join(texts, "; then ")).With("region", first.Metadata["region"])
	e.Help, e.RetryDelay = first.Help, first.RetryDelay
	return e
}

// throughRegions has the reads made in the first region, and those that it leaves undecided in the next ones. The time that
// is left is shared with the regions still to be tried, so that one that doesn't answer leaves time for the next. readAll
// settles each read that it is given, once.
func (p *awsProvider) throughRegions(ctx context.Context, c *connection, reads []*read, readAll func(ctx context.Context, region string, reads []*read)) {
	for i, region := range c.regions {
		part, cancel := shareOfTime(ctx, len(c.regions)-i)
		readAll(part, region, reads)
		cancel()
		var undecided []*read
		for _, r := range reads {
			if i > 0 && r.found != nil {
				p.log.Warn("a credential was read from a failover region", "credential_id", r.request.ID, "region", region)
				r.found.FromReplica, r.found.MaxCacheAge = true, aws.Duration(replicaAge)
			}
			if !r.decided() {
				undecided = append(undecided, r)
			}
		}
		if reads = undecided; len(reads) == 0 || ctx.Err() != nil {
			return
		}
	}
}

// shareOfTime gives one of several regions its part of the time that is left.
func shareOfTime(ctx context.Context, regions int) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok || regions == 1 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, time.Until(deadline)/time.Duration(regions))
}

// attemptAt is the reading of one secret in a region, for the words of its failure.
func (p *awsProvider) attemptAt(region string, r *read) attempt {
	tried := attempt{action: actionGet, name: r.name, region: region, settings: p.settings}
	switch {
	case r.request.VersionID != "":
		tried.version = fmt.Sprintf("version id %q", r.request.VersionID)
	case r.request.VersionLabel != "":
		tried.version = fmt.Sprintf("version label %q", r.request.VersionLabel)
	}
	return tried
}

// readOne reads one secret from one region, by a call of its own.
func (p *awsProvider) readOne(ctx context.Context, c *connection, region string, r *read) {
	tried := p.attemptAt(region, r)
	if e := tried.checkVersion(r.request); e != nil {
		r.settle(nil, e)
		return
	}
	input := &secretsmanager.GetSecretValueInput{SecretId: aws.String(r.name)}
	switch {
	case r.request.VersionID != "":
		input.VersionId = aws.String(r.request.VersionID)
	case r.request.VersionLabel != "":
		input.VersionStage = aws.String(r.request.VersionLabel)
	default:
		input.VersionStage = aws.String(currentLabel)
	}
	out, err := getSecretValue(ctx, c, region, input)
	if err != nil {
		r.settle(nil, tried.failure(ctx, err))
		return
	}
	r.settle(tried.credential(out, r.request.ID))
}

// getSecretValue reads a secret's value from one region.
func getSecretValue(ctx context.Context, c *connection, region string, input *secretsmanager.GetSecretValueInput) (*secretsmanager.GetSecretValueOutput, error) {
	return renewing(c, func() (*secretsmanager.GetSecretValueOutput, error) {
		return c.secrets[region].GetSecretValue(ctx, input)
	})
}

// renewing asks once more with new AWS credentials if those at hand have expired.
func renewing[Output any](c *connection, ask func() (Output, error)) (Output, error) {
	used, _ := c.keys.current()
	out, err := ask()
	if err != nil && isExpired(err) && c.keys.drop(used) {
		return ask()
	}
	return out, err
}

func isExpired(err error) bool {
	var api interface{ ErrorCode() string }
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode() {
	case "ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException":
		return true
	}
	return false
}

// Bounds of what AWS takes as the id and as the label of a version.
const (
	minVersionID    = 32
	maxVersionID    = 64
	maxVersionLabel = 256
)

// checkVersion refuses versions that no secret can have: AWS would call the request invalid, in no particular words.
func (a attempt) checkVersion(request credential.Request) *credential.Error {
	id, label := len(request.VersionID), len(request.VersionLabel)
	if id > 0 && (id < minVersionID || id > maxVersionID) {
		return credential.Errorf(credential.VersionNotFound, "%s: version ids have %d to %d characters, not %d", a.subject(), minVersionID, maxVersionID, id)
	}
	if label > maxVersionLabel {
		return credential.Errorf(credential.VersionNotFound, "%s: version labels have at most %d characters, not %d", a.subject(), maxVersionLabel, label)
	}
	return nil
}

// credential makes a credential of what AWS has answered.
func (a attempt) credential(out *secretsmanager.GetSecretValueOutput, id string) (*credential.Credential, *credential.Error) {
	requestID := requestIDIn(out.ResultMetadata)
	fail := func(e *credential.Error) *credential.Error {
		e.Message = a.subject() + ": " + e.Message
		if requestID != "" {
			e.Message += " (AWS request id " + requestID + ")"
		}
		return e.With("region", a.region).With("request_id", requestID)
	}
	if aws.ToString(out.Name) != a.name {
		return nil, fail(a.notTheAPI("it answers for another secret"))
	}
	text := []byte(aws.ToString(out.SecretString))
	if out.SecretString == nil {
		text = out.SecretBinary
	}
	found, problem := parseLogin(text, fields{a.settings.UsernameField, a.settings.PasswordField})
	if problem != nil {
		return nil, fail(a.malformed(problem, out.SecretString == nil))
	}
	return &credential.Credential{
		ID:               id,
		Username:         found.username,
		Password:         found.password,
		Extra:            found.extra,
		VersionID:        aws.ToString(out.VersionId),
		VersionCreated:   aws.ToTime(out.CreatedDate),
		BackendRequestID: requestID,
	}, nil
}

func (a attempt) malformed(m *malformed, binary bool) *credential.Error {
	what := m.problem
	if m.field != "" {
		what = fmt.Sprintf("%q %s", m.field, m.problem)
	}
	e := credential.Errorf(credential.CredentialMalformed, "it isn't a credential: %s", what).With("field", m.field).With("problem", m.problem)
	if m.advice != "" {
		e = e.WithHelp("%s", m.advice)
	}
	if binary {
		e = e.WithHelp("the secret is binary (SecretBinary); that is fine if it holds the JSON object in UTF-8")
	}
	return e.WithHelp("%s", a.command("put-secret-value", "--secret-id %s --secret-string file://credential.json", quote(a.name)))
}
