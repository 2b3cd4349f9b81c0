package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/tom-worker/credential-provider/plugin-awssm/internal/awscreds"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// currentLabel is the label of the version in use. It is always asked for by name: policies may allow it alone.
const currentLabel = "AWSCURRENT"

// replicaAge is how long an answer from a failover region may be used, since its copy may lag behind.
const replicaAge = 30 * time.Second

// Get reads one credential, from the first region or, if that one fails for now, from those to fail over to.
func (p *awsProvider) Get(ctx context.Context, request credential.Request) (*credential.Credential, error) {
	r := p.route(request.ID)
	name, err := secretName(r.prefix.name, request.ID)
	if err != nil {
		return nil, err
	}
	c, err := r.connect(ctx)
	if err != nil {
		return nil, err
	}
	one := &read{request: request, name: name}
	if len(c.regions) == 1 {
		r.readOne(ctx, c, c.regions[0], one)
	} else {
		r.throughRegions(ctx, c, []*read{one}, func(ctx context.Context, region string, _ []*read) { r.readOne(ctx, c, region, one) })
	}
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
func (r *read) settle(found *credential.Credential, err error) {
	var failure *credential.Error
	if errors.As(err, &failure) {
		r.failures = append(r.failures, failure)
		return
	}
	r.found = found
}

// decided reports whether no further region is to be asked: not once there is a credential, nor after a definite answer of the
// first region, nor if the trouble is with the AWS credentials, which are the same everywhere.
func (r *read) decided() bool {
	if r.found != nil {
		return true
	}
	first := r.failures[0]
	return !first.Reason.Transient() || first.Metadata["stage"] == awscreds.StageCredentials
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
	e := unavailable("%s", strings.Join(texts, "; then ")).With("region", first.Metadata["region"])
	e.Help, e.RetryDelay = first.Help, first.RetryDelay
	return e
}

// throughRegions has the reads made in the first region, and those that it leaves undecided in the next ones. The time that
// is left is shared with the regions still to be tried, so that one that doesn't answer leaves time for the next. readAll
// settles each read that it is given, once.
func (r *route) throughRegions(ctx context.Context, c *connection, reads []*read, readAll func(ctx context.Context, region string, reads []*read)) {
	for i, region := range c.regions {
		part, cancel := shareOfTime(ctx, len(c.regions)-i)
		readAll(part, region, reads)
		cancel()
		var undecided []*read
		for _, one := range reads {
			if i > 0 && one.found != nil {
				r.log.Warn("a credential was read from a failover region", "credential_id", one.request.ID, "region", region)
				one.found.FromReplica, one.found.MaxCacheAge = true, aws.Duration(replicaAge)
			}
			if !one.decided() {
				undecided = append(undecided, one)
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
func (r *route) attemptAt(region string, one *read) attempt {
	tried := attempt{action: actionGet, name: one.name, region: region, settings: r.settings, prefix: r.prefix}
	switch {
	case one.request.VersionID != "":
		tried.version = fmt.Sprintf("version id %q", one.request.VersionID)
	case one.request.VersionLabel != "":
		tried.version = fmt.Sprintf("version label %q", one.request.VersionLabel)
	}
	return tried
}

// readOne reads one secret from one region, by its own call; once more with new AWS credentials if those at hand have
// expired.
func (r *route) readOne(ctx context.Context, c *connection, region string, one *read) {
	tried := r.attemptAt(region, one)
	if err := tried.checkVersion(one.request); err != nil {
		one.settle(nil, err)
		return
	}
	input := &secretsmanager.GetSecretValueInput{SecretId: aws.String(r.prefix.secretID(one.name))}
	switch {
	case one.request.VersionID != "":
		input.VersionId = aws.String(one.request.VersionID)
	case one.request.VersionLabel != "":
		input.VersionStage = aws.String(one.request.VersionLabel)
	default:
		input.VersionStage = aws.String(currentLabel)
	}
	used, _ := c.keys.Current()
	out, err := c.secrets[region].GetSecretValue(ctx, input)
	if err != nil && c.keys.AskAgain(err, used) {
		out, err = c.secrets[region].GetSecretValue(ctx, input)
	}
	if err != nil {
		one.settle(nil, tried.failure(ctx, err))
		return
	}
	one.settle(tried.credential(out, one.request.ID))
}

// Bounds of what AWS takes as the id and as the label of a version.
const (
	minVersionID    = 32
	maxVersionID    = 64
	maxVersionLabel = 256
)

// checkVersion refuses versions that no secret can have: AWS would call the request invalid, in no particular words.
func (a attempt) checkVersion(request credential.Request) error {
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
func (a attempt) credential(out *secretsmanager.GetSecretValueOutput, id string) (*credential.Credential, error) {
	requestID := requestIDIn(out.ResultMetadata)
	if aws.ToString(out.Name) != a.name {
		return nil, a.describe(a.peer().NotTheAPI("it answers for another secret"), requestID)
	}
	text := []byte(aws.ToString(out.SecretString))
	if out.SecretString == nil {
		text = out.SecretBinary
	}
	found, problem := a.settings.parse(text)
	if problem != nil {
		return nil, a.describe(a.malformed(problem, out.SecretString == nil), requestID)
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
		e = e.WithHelp("the secret is binary (SecretBinary); that is fine if it holds the same in UTF-8")
	}
	return e.WithHelp("%s", a.put())
}
