package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/smithy-go"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// sourceError says why a source gave no AWS credentials, and what was tried before it. It decides between "nobody will get
// credentials like this" (BACKEND_UNAUTHENTICATED) and "not now" (BACKEND_UNAVAILABLE). Texts of the SDK are not repeated:
// that of a credential process, for one, quotes the keys that it printed.
func (c *chain) sourceError(ctx context.Context, from source, err error) *credential.Error {
	e := c.classify(ctx, from, err)
	e.Message = fmt.Sprintf("no AWS credentials from %s: %s", from.named, e.Message)
	if from.kind == sourceInstance && e.Reason == credential.BackendUnauthenticated {
		e.Message = "no AWS credentials were found; tried: " + strings.Join(append(from.tried, "instance metadata: "+c.instanceProblem(err)), "; ")
		e.Help = []string{"give the worker AWS credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role of the instance, task or service account"}
	}
	if len(e.Help) == 0 && e.Reason == credential.BackendUnauthenticated {
		e.Help = []string{"correct that source, or unset it if another one is meant"}
	}
	return e.With("stage", stageCredentials)
}

// roleError says why the role of the settings could not be assumed.
func (c *chain) roleError(ctx context.Context, from source, err error) *credential.Error {
	e := c.classify(ctx, source{kind: sourceRole}, err)
	if len(e.Help) == 0 && e.Reason == credential.BackendUnauthenticated {
		e.Help = []string{"check role_arn, and that the role's trust policy names the identity"}
	}
	e.Message = fmt.Sprintf("role %s can't be assumed with the credentials from %s: %s", c.settings.RoleARN, from.named, e.Message)
	return e.With("stage", stageCredentials)
}

func (c *chain) classify(ctx context.Context, from source, err error) *credential.Error {
	var ours *credential.Error
	var api smithy.APIError
	var session *ssocreds.InvalidTokenError
	var process *processcreds.ProviderError
	var mfa config.AssumeRoleTokenProviderNotSetError
	var file *fs.PathError
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.Is(ctx.Err(), context.Canceled):
		return credential.Errorf(credential.Cancelled, "the provider ends")
	case errors.As(err, &api) && api.ErrorCode() != "" && api.ErrorCode() != "UnknownError":
		return c.refusal(api, err)
	case errors.As(err, &session):
		return unauthenticated("the SSO session has ended, or there is none").WithHelp("%s", c.signIn())
	case errors.As(err, &mfa):
		return unauthenticated("the role needs a code from a person (mfa_serial), and there is none here").WithHelp("use a role that needs no mfa_serial")
	case errors.As(err, &process):
		if ctx.Err() != nil || strings.Contains(process.Error(), "timed out") {
			return unavailable(stageCredentials, "credential_process doesn't end; it has %s", obtainTimeout)
		}
		return unauthenticated("credential_process fails, or prints no credentials").WithHelp("run the profile's credential_process by hand as the worker's user")
	case errors.As(err, &file):
		return unauthenticated("the file %s can't be read: %v", file.Path, file.Err)
	}
	if status := httpStatus(err); status >= 500 || status == 429 {
		return unavailable(stageCredentials, "it fails with HTTP status %d", status)
	} else if status >= 400 {
		return unauthenticated("it refuses with HTTP status %d", status)
	}
	if from.kind == sourceInstance {
		if c.instanceWorked.Load() {
			return unavailable(stageCredentials, "it has given some before, and doesn't answer now")
		}
		return unauthenticated("it doesn't answer")
	}
	if e := from.tokenProblem(); e != nil {
		return e
	}
	if e := network(err); e != nil {
		e.Help = append(e.Help[:0:0], "check AWS_ENDPOINT_URL_STS, AWS_CA_BUNDLE and the proxy (HTTPS_PROXY, NO_PROXY)")
		return e.With("stage", stageCredentials)
	}
	var garbled *smithy.DeserializationError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return unavailable(stageCredentials, "its answer was cut short")
	case errors.As(err, &garbled):
		return misconfigured("what answers isn't AWS").WithHelp("check AWS_ENDPOINT_URL_STS and the proxy (HTTPS_PROXY, NO_PROXY)")
	}
	if ctx.Err() != nil || isTimeout(err) {
		return unavailable(stageCredentials, "it doesn't answer in time").
			WithHelp("check routes, firewalls and the proxy; a subnet without internet access needs a VPC endpoint for sts")
	}
	return unauthenticated("it gives none (%T)", rootOf(err))
}

// tokenProblem says whether the web identity token can't be read: the SDK's error doesn't.
func (s source) tokenProblem() *credential.Error {
	if s.tokenFile == "" {
		return nil
	}
	var file *fs.PathError
	if _, err := os.ReadFile(s.tokenFile); errors.As(err, &file) {
		return unauthenticated("the token file %s can't be read: %v", file.Path, file.Err)
	}
	return nil
}

// refusal maps an answer of STS, SSO or a container's endpoint.
func (c *chain) refusal(api smithy.APIError, err error) *credential.Error {
	code := strings.TrimSuffix(api.ErrorCode(), "Exception")
	switch code {
	case "AccessDenied":
		e := unauthenticated("it is denied (sts:AssumeRole)").
			WithHelp("allow sts:AssumeRole to the identity, and the identity in the role's trust policy")
		if c.settings.RoleARN != "" {
			e = e.WithHelp("if the trust policy asks for an external id, set external_id to it")
		}
		return e.With("action", "sts:AssumeRole").With("resource", c.settings.RoleARN)
	case "InvalidIdentityToken", "IDPRejectedClaim":
		return unauthenticated("the web identity token is refused (%s)", code).
			WithHelp("check the role's trust policy, and the token file that AWS_WEB_IDENTITY_TOKEN_FILE names")
	case "Unauthorized", "InvalidGrant": //nolint:misspell // AWS's own word
		return unauthenticated("the SSO session has ended").WithHelp("%s", c.signIn())
	}
	if e := authentication(code, api.ErrorMessage()); e != nil {
		return e
	}
	if status := httpStatus(err); throttled[code] || status >= 500 || status == 429 || code == "IDPCommunicationError" {
		return unavailable(stageCredentials, "it fails (%s)", safeCode(api))
	}
	return unauthenticated("it refuses (%s)", safeCode(api))
}

func (c *chain) signIn() string {
	if profile := profileChoice(c.settings).value; profile != "" {
		return "aws sso login --profile " + quote(profile)
	}
	return "aws sso login"
}

// instanceProblem says why instance metadata gave nothing.
func (c *chain) instanceProblem(err error) string {
	switch status := httpStatus(err); {
	case strings.EqualFold(os.Getenv("AWS_EC2_METADATA_DISABLED"), "true"):
		return "switched off by AWS_EC2_METADATA_DISABLED"
	case status == 404:
		return "this instance has no role"
	case status != 0:
		return fmt.Sprintf("it answers with HTTP status %d", status)
	default:
		return "it doesn't answer"
	}
}

// httpStatus is the status of the answer of whichever service it was, or 0 if there was none.
func httpStatus(err error) int {
	var response interface{ HTTPStatusCode() int }
	if !errors.As(err, &response) {
		return 0
	}
	return response.HTTPStatusCode()
}

// rootOf is the innermost error, whose type says most.
func rootOf(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
