package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
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
	var failures []*credential.Error
	for i, region := range c.regions {
		found, err := p.read(ctx, c, region, len(c.regions)-i, name, request)
		if err == nil {
			if i > 0 {
				p.log.Warn("a credential was read from a failover region", "credential_id", request.ID, "region", region)
				found.FromReplica, found.MaxCacheAge = true, aws.Duration(replicaAge)
			}
			return found, nil
		}
		failures = append(failures, err)
		if i == 0 && !failsOver(err) || ctx.Err() != nil {
			break
		}
	}
	return nil, conclusion(failures)
}

// failsOver says whether another region may do better: not if AWS has answered, and not if the trouble is with the AWS
// credentials, which are the same everywhere.
func failsOver(e *credential.Error) bool {
	return e.Reason.Transient() && e.Metadata["stage"] != stageCredentials
}

// conclusion is the error of a read that failed in every region that was tried. A "no" from any but the first one is
// nothing definite: a region may lack a secret that the first one has.
func conclusion(failures []*credential.Error) error {
	if len(failures) == 1 {
		return failures[0]
	}
	texts := make([]string, len(failures))
	for i, failure := range failures {
		texts[i] = failure.Message
	}
	e := unavailable(stageRead, "%s", strings.Join(texts, "; then ")).With("region", failures[0].Metadata["region"])
	e.Help, e.RetryDelay = failures[0].Help, failures[0].RetryDelay
	return e
}

// read reads the secret from one region. The time that is left is shared with the regions still to be tried, so that one
// that doesn't answer leaves time for the next.
func (p *awsProvider) read(ctx context.Context, c *connection, region string, regionsLeft int, name string, request credential.Request) (*credential.Credential, *credential.Error) {
	if deadline, ok := ctx.Deadline(); ok && regionsLeft > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(regionsLeft))
		defer cancel()
	}
	tried := attempt{action: actionGet, name: name, region: region, settings: p.settings}
	input := &secretsmanager.GetSecretValueInput{SecretId: aws.String(name)}
	switch {
	case request.VersionID != "":
		tried.version = fmt.Sprintf("version id %q", request.VersionID)
		input.VersionId = aws.String(request.VersionID)
	case request.VersionLabel != "":
		tried.version = fmt.Sprintf("version label %q", request.VersionLabel)
		input.VersionStage = aws.String(request.VersionLabel)
	default:
		input.VersionStage = aws.String(currentLabel)
	}
	if e := tried.checkVersion(request); e != nil {
		return nil, e
	}
	out, err := getSecretValue(ctx, c, region, input)
	if err != nil {
		return nil, tried.failure(ctx, err)
	}
	return tried.credential(out, request.ID)
}

// getSecretValue asks once more with new AWS credentials if those at hand have expired.
func getSecretValue(ctx context.Context, c *connection, region string, input *secretsmanager.GetSecretValueInput) (*secretsmanager.GetSecretValueOutput, error) {
	used, _ := c.keys.current()
	out, err := c.secrets[region].GetSecretValue(ctx, input)
	if err != nil && isExpired(err) && c.keys.drop(used) {
		return c.secrets[region].GetSecretValue(ctx, input)
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
	requestID, _ := awsmiddleware.GetRequestIDMetadata(out.ResultMetadata)
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
