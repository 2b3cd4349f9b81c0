package awscreds

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/smithy-go"

	"github.com/tom-worker/credential-provider/plugin-awssm/internal/transport"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// Texts of the SDK and of AWS are read, but not repeated: they may quote what an endpoint has sent.

var (
	stsPeer = transport.Peer{Name: "STS", Stage: StageCredentials, Endpoint: "AWS_ENDPOINT_URL_STS", Service: "sts"}
	ssoPeer = transport.Peer{Name: "IAM Identity Center", Stage: StageCredentials, Endpoint: "sso_region"}

	loginPeer = transport.Peer{Name: "AWS Sign-In", Stage: StageCredentials, Endpoint: "region"}
)

// DeniedAction finds the action in AWS's refusal; empty if it names none.
func DeniedAction(text string) string {
	if m := deniedAction.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

var deniedAction = regexp.MustCompile(`[Nn]ot authorized to perform:? ([a-z0-9-]+:[A-Za-z]+)`)

// failure maps an error of STS.
func (a assumption) failure(ctx context.Context, err error) error {
	about := func(e *credential.Error) error {
		e.Message = fmt.Sprintf("the role %s can't be assumed (%s): %s", a.role, a.operation, e.Message)
		return e.With("action", a.operation).With("resource", a.role)
	}
	var api smithy.APIError
	var file *fs.PathError
	var mapped *credential.Error
	switch {
	case a.tokenFile != "" && errors.As(err, &file):
		return unauthenticated("the token file %s can't be read: %v", file.Path, file.Err).WithHelp("correct the path, or the file's permissions; see AWS_WEB_IDENTITY_TOKEN_FILE and web_identity_token_file")
	case answered(err, &api):
		return about(a.refusal(api, err))
	case timedOut(ctx, err):
		return about(unavailable("STS doesn't answer in time").WithHelp("check routes, firewalls and the proxy; a subnet without internet access needs a VPC endpoint for sts"))
	case errors.As(stsPeer.Failure(ctx, err), &mapped):
		return about(mapped.With("stage", StageCredentials))
	}
	return err
}

// answered reports whether the service has answered with its own error, and which.
func answered(err error, api *smithy.APIError) bool {
	return errors.As(err, api) && (*api).ErrorCode() != "" && (*api).ErrorCode() != "UnknownError"
}

// timedOut reports whether the time that a source has is up.
func timedOut(ctx context.Context, err error) bool {
	return errors.Is(ctx.Err(), context.DeadlineExceeded) || ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded)
}

// refusal maps what STS has answered.
func (a assumption) refusal(api smithy.APIError, err error) *credential.Error {
	code, text := strings.TrimSuffix(api.ErrorCode(), "Exception"), api.ErrorMessage()
	web := a.operation == assumeRoleWithWebIdentity
	switch {
	case code == "AccessDenied":
		return a.denied(text)
	case code == "ExpiredToken" && web:
		return unauthenticated("the web identity token in %s has expired", a.tokenFile).
			WithHelp("let what writes that file renew it: on EKS the kubelet does, from the projected volume of the service account's token")
	case code == "InvalidIdentityToken", code == "IDPRejectedClaim":
		return unauthenticated("the web identity token in %s is refused (%s)", a.tokenFile, code).
			WithHelp("check that the account has an OIDC provider for the token's issuer (iss) with the token's audience (aud), and that the file holds the token and nothing else")
	case code == "IDPCommunicationError":
		return unavailable("AWS can't ask the issuer of the web identity token for its keys").WithHelp("check that the issuer's address can be reached from the internet")
	case code == "RegionDisabled":
		return misconfigured("STS is not activated in the region %s for that account", a.chain.environment.Config.Region).
			WithHelp("activate the region in the account's settings, or use another region; AWS_ENDPOINT_URL_STS can name another region's STS")
	case strings.Contains(text, "DurationSeconds"):
		key := a.durationKey
		if key == "" {
			key = "the duration of its sessions"
		}
		return misconfigured("%s is not what the role allows", key).
			WithHelp("set duration_seconds to at most the role's maximum session duration, and to at most 3600 for a role that is assumed with another role's credentials").WithHelp("or raise the role's maximum: aws iam update-role --role-name ... --max-session-duration ...")
	case code == "ValidationError", code == "MalformedPolicyDocument", code == "PackedPolicyTooLarge":
		return misconfigured("STS refuses the request (%s)", code).WithHelp("check the role's ARN, the session's name and the external id")
	}
	var e *credential.Error
	if errors.As(Unsigned(code, text), &e) {
		return e
	}
	if status := httpStatus(err); Throttles[code] || status >= 500 || status == 429 {
		return unavailable("STS fails (%s)", SafeCode(api))
	}
	return unauthenticated("STS refuses (%s)", SafeCode(api))
}

// denied is about a role that may not be assumed. AWS names the action: it may be another than the one called.
func (a assumption) denied(text string) *credential.Error {
	action := DeniedAction(text)
	if action == "" {
		action = a.operation
	}
	e := unauthenticated("it is denied (%s)", action).With("action", action)
	switch {
	case action == "sts:TagSession":
		return e.WithHelp("allow sts:TagSession besides %s in the role's trust policy, and to the identity: its session tags go along (EKS Pod Identity sets some)", a.operation)
	case a.operation == assumeRoleWithWebIdentity:
		return e.WithHelp("in the trust policy of %s allow sts:AssumeRoleWithWebIdentity to the federated principal that is the token's issuer: arn:aws:iam::ACCOUNT:oidc-provider/ISSUER", a.role).
			WithHelp("the policy's conditions must fit the token's aud (sts.amazonaws.com) and sub (system:serviceaccount:NAMESPACE:NAME)")
	}
	e = e.WithHelp("allow %s on %s to the identity, and the identity in the role's trust policy", action, a.role)
	if a.externalID == "" {
		return e.WithHelp("if the trust policy asks for an external id, set %s to it", a.externalIDKey)
	}
	return e.WithHelp("check that %s is the external id that the trust policy asks for", a.externalIDKey)
}

// signInFailure maps an error of IAM Identity Center or of "aws login".
func (c *Chain) signInFailure(ctx context.Context, err error, profile, command string) error {
	signIn := "aws " + command
	if profile != "default" {
		signIn += " --profile " + Quote(profile)
	}
	peer, kept := ssoPeer, "SSO session"
	if command == "login" {
		peer, kept = loginPeer, `session of "aws login"`
	}
	ended := unauthenticated("the %s has ended, or there is none", kept).WithHelp("%s", signIn)
	var api smithy.APIError
	var session *ssocreds.InvalidTokenError
	var file *fs.PathError
	switch {
	case errors.As(err, &session), errors.As(err, &file):
		return ended
	case answered(err, &api):
		code := strings.TrimSuffix(api.ErrorCode(), "Exception")
		switch status := httpStatus(err); {
		case code == "Unauthorized" || code == "InvalidGrant" || code == "ExpiredToken" || code == "AccessDenied" && command == "login": //nolint:misspell // AWS's own word
			return ended
		case code == "Forbidden" || code == "ResourceNotFound":
			return unauthenticated("IAM Identity Center refuses the role (%s)", code).WithHelp("check sso_account_id and sso_role_name, and that the user is assigned to them")
		case Throttles[code] || status >= 500 || status == 429:
			return unavailable("%s fails (%s)", peer.Name, SafeCode(api))
		}
		return unauthenticated("%s refuses (%s)", peer.Name, SafeCode(api)).WithHelp("%s", signIn)
	case timedOut(ctx, err):
		return unavailable("%s doesn't answer in time", peer.Name).WithHelp("check routes, firewalls and the proxy; it needs the internet")
	case httpStatus(err) == 0 && !isRequest(err):
		return ended // what is in the cache can't be used
	}
	return peer.Failure(ctx, err)
}

// isRequest reports whether the SDK has tried to send a request.
func isRequest(err error) bool {
	var operation *smithy.OperationError
	return errors.As(err, &operation)
}

// instanceFailure maps an error of instance metadata.
func (c *Chain) instanceFailure(ctx context.Context, err error) error {
	switch status := httpStatus(err); {
	case errors.Is(ctx.Err(), context.Canceled):
		return credential.Errorf(credential.Cancelled, "the provider ends")
	case metadataDisabled():
		return unauthenticated("switched off by AWS_EC2_METADATA_DISABLED")
	case status == 404:
		return unauthenticated("this instance has no role")
	case status >= 500 || status == 429:
		return unavailable("it fails with HTTP status %d", status)
	case status != 0:
		return unauthenticated("it answers with HTTP status %d", status)
	case c.instanceWorked.Load():
		return unavailable("it has given some before, and doesn't answer now")
	}
	return unauthenticated("it doesn't answer")
}

// httpStatus is the status of the answer of whichever service it was, or 0 if there was none.
func httpStatus(err error) int {
	var response interface{ HTTPStatusCode() int }
	if !errors.As(err, &response) {
		return 0
	}
	return response.HTTPStatusCode()
}
