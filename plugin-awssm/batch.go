package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"github.com/tom-worker/credential-provider/shared/credential"
)

const (
	// batchSize is the most secrets that AWS reads in one call.
	batchSize = 20
	// batchesInFlight and singlesInFlight bound the calls that the provider has under way for batches, all of them together:
	// reading everything at once shall not use up the account's quota.
	batchesInFlight = 4
	singlesInFlight = 8
)

// GetBatch reads many credentials: current versions twenty at a time as far as AWS allows that, others one by one. What is
// asked for twice is read once. A route that can't be connected to fails its own credentials alone.
func (p *awsProvider) GetBatch(ctx context.Context, requests []credential.Request) ([]credential.Result, error) {
	results := make([]credential.Result, len(requests))
	reads := make(map[credential.Request]*read)
	byRoute := make(map[*route][]*read)
	for i, request := range requests {
		r := p.route(request.ID)
		name, err := secretName(r.prefix.name, request.ID)
		switch {
		case err != nil:
			results[i].Err = err
		case reads[request] == nil:
			reads[request] = &read{request: request, name: name}
			byRoute[r] = append(byRoute[r], reads[request])
		}
	}
	var all sync.WaitGroup
	for r, own := range byRoute {
		all.Go(func() { p.readRoute(ctx, r, own) })
	}
	all.Wait()

	for i, request := range requests {
		if one := reads[request]; one != nil {
			results[i] = credential.Result{Credential: one.found, Err: one.conclusion()}
		}
	}
	return results, nil
}

// readRoute makes the reads of one route.
func (p *awsProvider) readRoute(ctx context.Context, r *route, reads []*read) {
	c, err := r.connect(ctx)
	if err != nil {
		for _, one := range reads {
			one.settle(nil, err)
		}
		return
	}
	var current, versions []*read
	for _, one := range reads {
		if one.request.VersionID == "" && one.request.VersionLabel == "" {
			current = append(current, one)
		} else {
			versions = append(versions, one)
		}
	}
	var parts sync.WaitGroup
	start := func(part []*read) {
		parts.Go(func() {
			r.throughRegions(ctx, c, part, func(ctx context.Context, region string, reads []*read) { p.readPart(ctx, r, c, region, reads) })
		})
	}
	for part := range slices.Chunk(current, batchSize) {
		start(part)
	}
	for part := range slices.Chunk(versions, 1) {
		start(part)
	}
	parts.Wait()
}

// readPart makes up to twenty reads in one region: by one call if AWS takes batches, and by single calls what that leaves
// open. A single read is no batch: it needs no permission for one.
func (p *awsProvider) readPart(ctx context.Context, r *route, c *connection, region string, reads []*read) {
	open := reads
	if len(reads) > 1 {
		open = p.readBatch(ctx, r, c, region, reads)
	}
	var singles sync.WaitGroup
	for _, one := range open {
		singles.Go(func() {
			if !p.singles.enter(ctx) {
				one.settle(nil, r.attemptAt(region, one).failure(ctx, ctx.Err()))
				return
			}
			defer p.singles.leave()
			r.readOne(ctx, c, region, one)
		})
	}
	singles.Wait()
}

// readBatch settles what one batch can, and returns the reads that need a single call.
func (p *awsProvider) readBatch(ctx context.Context, r *route, c *connection, region string, reads []*read) (open []*read) {
	if !p.batches.enter(ctx) {
		r.settleAll(ctx, region, reads, ctx.Err())
		return nil
	}
	if !r.batching.worthTrying() { // asked here, since the answer may have come while this one waited
		p.batches.leave()
		return reads
	}
	answers, err := batchGetSecretValue(ctx, c, region, r.prefix, reads)
	p.batches.leave()
	switch {
	case err == nil:
		r.batching.taken()
	case isAboutOneSecret(err):
		return reads // single calls find out which one
	case isRefusedBatch(err):
		if r.batching.refused() {
			r.log.Info("AWS doesn't allow to read secrets in batches, so they are read one by one; that is slower and works as well",
				"missing_action", actionBatch, "resource", "*", "region", region, "answer", codeOf(err))
		}
		return reads
	default:
		r.settleAll(ctx, region, reads, err)
		return nil
	}
	for _, one := range reads {
		tried := r.attemptAt(region, one)
		answer := answers[one.name]
		switch {
		case answer == nil:
			open = append(open, one) // neither a value nor an error: rather ask than guess
		case answer.refusal != nil:
			err := tried.describe(tried.refusal(answer.refusal, answer.refusal), answer.requestID)
			// A policy may allow AWSCURRENT alone, which only a single call can name; and a single call is tried again by
			// the SDK if the trouble passes.
			if reason := credential.ReasonOf(err); reason == credential.AccessDenied || reason.Transient() {
				open = append(open, one)
				continue
			}
			one.settle(nil, err)
		default:
			one.settle(tried.credential(answer.value, one.request.ID))
		}
	}
	return open
}

// settleAll settles reads of which none was made.
func (r *route) settleAll(ctx context.Context, region string, reads []*read, err error) {
	for _, one := range reads {
		one.settle(nil, r.attemptAt(region, one).failure(ctx, err))
	}
}

// batchAnswer is a batch's answer about one secret: its value, or why there is none.
type batchAnswer struct {
	value     *secretsmanager.GetSecretValueOutput
	refusal   *smithy.GenericAPIError
	requestID string
}

// batchGetSecretValue asks for the secrets' current values, and returns the answers by name.
func batchGetSecretValue(ctx context.Context, c *connection, region string, under prefix, reads []*read) (map[string]*batchAnswer, error) {
	input := &secretsmanager.BatchGetSecretValueInput{}
	for _, r := range reads {
		input.SecretIdList = append(input.SecretIdList, under.secretID(r.name))
	}
	answers := make(map[string]*batchAnswer)
	// An answer has at least one secret on each page that matters; an endpoint that goes on forever is left to single calls.
	for range 2 * len(reads) {
		page, err := again(c, func() (*secretsmanager.BatchGetSecretValueOutput, error) {
			return c.secrets[region].BatchGetSecretValue(ctx, input)
		})
		if err != nil {
			return nil, err
		}
		requestID := requestIDIn(page.ResultMetadata)
		for _, entry := range page.SecretValues {
			value := &secretsmanager.GetSecretValueOutput{
				Name: entry.Name, SecretString: entry.SecretString, SecretBinary: entry.SecretBinary,
				VersionId: entry.VersionId, CreatedDate: entry.CreatedDate, ResultMetadata: page.ResultMetadata,
			}
			answers[aws.ToString(entry.Name)] = &batchAnswer{value: value, requestID: requestID}
		}
		for _, refused := range page.Errors {
			if name, ok := nameOf(refused, under, reads); ok {
				answers[name] = &batchAnswer{refusal: &smithy.GenericAPIError{
					Code: aws.ToString(refused.ErrorCode), Message: aws.ToString(refused.Message),
				}, requestID: requestID}
			}
		}
		if aws.ToString(page.NextToken) == "" {
			break
		}
		input.NextToken = page.NextToken
	}
	return answers, nil
}

// arnSuffix is the length of what AWS appends to a secret's name in its ARN: a hyphen and six characters.
const arnSuffix = 7

// nameOf finds the secret that an error is about, which AWS may name, or give the ARN of with or without its random ending.
func nameOf(refused types.APIErrorType, under prefix, reads []*read) (string, bool) {
	id := aws.ToString(refused.SecretId)
	if asked, ok := strings.CutPrefix(id, under.arn); ok && isRead(asked, reads) {
		return asked, true
	}
	if _, resource, isARN := strings.Cut(id, ":secret:"); isARN {
		id = resource[:max(0, len(resource)-arnSuffix)]
	}
	return id, isRead(id, reads)
}

func isRead(name string, reads []*read) bool {
	return slices.ContainsFunc(reads, func(r *read) bool { return r.name == name })
}

// isRefusedBatch reports whether AWS, or what stands in for it, takes no batches from this worker.
func isRefusedBatch(err error) bool {
	if statusOf(err) == http.StatusNotImplemented {
		return true
	}
	switch codeOf(err) {
	case "AccessDenied", "UnauthorizedAccess", "NotAuthorized":
		return true
	case "UnknownOperation", "UnsupportedOperation", "InvalidAction", "NotImplemented":
		return true
	}
	return false
}

// isAboutOneSecret reports whether a batch was refused as a whole for what may be the fault of one of its secrets.
func isAboutOneSecret(err error) bool {
	switch codeOf(err) {
	case "ResourceNotFound", "InvalidRequest", "InvalidParameter", "Validation", "DecryptionFailure":
		return true
	case "AccessDenied":
		// The policy of a VPC endpoint that denies one of the secrets denies the whole batch, by the name of the other action.
		var api smithy.APIError
		return errors.As(err, &api) && strings.Contains(api.ErrorMessage(), actionGet)
	}
	return false
}

// codeOf is the code of AWS's error, without the ending that some have; empty for any other error.
func codeOf(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() == "UnknownError" {
		return ""
	}
	return strings.TrimSuffix(api.ErrorCode(), "Exception")
}
