package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// The stages of a read, for the metadata of BACKEND_UNAVAILABLE.
const (
	stageCredentials = "credentials"
	stageRead        = "read"
)

// The actions that policies allow or deny.
const (
	actionGet      = "secretsmanager:GetSecretValue"
	actionBatch    = "secretsmanager:BatchGetSecretValue"
	actionList     = "secretsmanager:ListSecrets"
	actionIdentity = "sts:GetCallerIdentity"
	actionDecrypt  = "kms:Decrypt"
)

// defaultRetryDelay is when to try again where AWS asks for fewer calls without saying how long.
const defaultRetryDelay = time.Second

// attempt is what was asked of AWS, for the words of its failure.
type attempt struct {
	action   string // the IAM action
	name     string // the secret's name; for a list, the prefix
	version  string // `version id "..."` or `version label "..."` if one was asked for
	region   string
	settings settings
}

// subject names what the attempt was about.
func (a attempt) subject() string {
	switch {
	case a.action == actionIdentity:
		return "the identity of the AWS credentials"
	case a.action == actionList && a.name == "":
		return "the list of secrets in " + a.region
	case a.action == actionList:
		return fmt.Sprintf("the list of secrets %q in %s", a.name+"*", a.region)
	default:
		return fmt.Sprintf("secret %q in %s", a.name, a.region)
	}
}

// failure says what the SDK's error amounts to. Texts of the SDK and of AWS are read, but not repeated: they may quote what a
// proxy, an endpoint or a credential process has sent.
func (a attempt) failure(ctx context.Context, err error) *credential.Error {
	return a.describe(a.classify(ctx, err), requestIDOf(err))
}

// describe adds to an error what it is about.
func (a attempt) describe(e *credential.Error, requestID string) *credential.Error {
	if len(e.Help) == 0 && e.Reason.Transient() {
		e.Help = []string{"try again; https://health.aws.amazon.com shows whether AWS has trouble in the region"}
	}
	e.Message = a.subject() + ": " + e.Message
	if requestID != "" {
		e.Message += " (AWS request id " + requestID + ")"
	}
	return e.With("region", a.region).With("request_id", requestID)
}

func (a attempt) classify(ctx context.Context, err error) *credential.Error {
	var ours *credential.Error // from the keyring
	if errors.As(err, &ours) {
		copied := *ours // one attempt to obtain credentials may fail several calls, each with metadata of its own
		copied.Metadata = maps.Clone(ours.Metadata)
		return &copied
	}
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() != "UnknownError" {
		return a.refusal(api, err)
	}
	return a.transport(ctx, err)
}

// refusal maps an error that AWS has answered, by its code: most come with status 400, and many aren't modelled.
func (a attempt) refusal(api smithy.APIError, err error) *credential.Error {
	code, text := strings.TrimSuffix(api.ErrorCode(), "Exception"), api.ErrorMessage()
	switch code {
	case "ResourceNotFound":
		return a.notFound(text)
	case "InvalidRequest":
		if strings.Contains(text, "deletion") || strings.Contains(text, "deleted") {
			return a.deleted()
		}
	case "DecryptionFailure":
		return a.decryption()
	case "AccessDenied", "UnauthorizedAccess", "NotAuthorized":
		return a.denied(text)
	case "InvalidNextToken":
		return credential.Errorf(credential.PageTokenInvalid, "AWS doesn't take the page token any more").WithHelp("list again from the first page")
	}
	if e := authentication(code, text); e != nil {
		return e
	}
	switch status := statusOf(err); {
	case throttled[code], status == http.StatusTooManyRequests:
		return a.throttled(err)
	case code == "InternalServiceError", code == "InternalFailure", code == "ServiceUnavailable", code == "RequestTimeout", status >= 500:
		e := unavailable(stageRead, "AWS fails (%s)", safeCode(api))
		e.RetryDelay = retryAfter(err, 0)
		return e
	case code == "UnknownOperation":
		return a.notTheAPI("it doesn't know the operation")
	default:
		return misconfigured("AWS refuses the request (%s)", safeCode(api)).
			WithHelp("look the code up under the request id in CloudTrail; with an endpoint of your own, check that it knows this request")
	}
}

// throttled holds the codes by which AWS asks for fewer calls.
var throttled = map[string]bool{
	"Throttling": true, "Throttled": true, "ThrottledRequest": true, "RequestThrottled": true, "TooManyRequests": true,
	"RequestLimitExceeded": true, "SlowDown": true, "LimitExceeded": true, "BandwidthLimitExceeded": true,
	"ProvisionedThroughputExceeded": true, "PriorRequestNotComplete": true, "TransactionInProgress": true, "EC2Throttled": true,
}

// authentication maps the codes that all AWS services share for requests that aren't signed as they should be; nil for
// others.
func authentication(code, text string) *credential.Error {
	const source = "check which AWS credentials the worker gets: run validate, which names their source"
	switch code {
	case "ExpiredToken", "TokenRefreshRequired":
		return unauthenticated("the AWS session credentials have expired").
			WithHelp("renew them at their source, for example with \"aws sso login\", or let the worker assume a role that renews itself")
	case "RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture":
		return clockOff()
	case "InvalidSignature", "SignatureDoesNotMatch":
		if strings.Contains(text, "expired") || strings.Contains(text, "not yet current") {
			return clockOff()
		}
		return unauthenticated("AWS refuses the signature: the secret access key doesn't belong to the access key id").WithHelp(source)
	case "UnrecognizedClient", "InvalidClientTokenId", "InvalidAccessKeyId", "InvalidToken":
		return unauthenticated("AWS doesn't know the access key or session token").WithHelp(source)
	case "IncompleteSignature", "MissingAuthenticationToken", "NotSignedUp", "OptInRequired", "InvalidClient":
		return unauthenticated("AWS refuses the request's credentials (%s)", code).WithHelp(source)
	}
	return nil
}

func clockOff() *credential.Error {
	return unauthenticated("AWS refuses the signature because of its time: this machine's clock is off by more than five minutes").
		WithHelp("set the clock, for example with \"timedatectl set-ntp true\"")
}

func (a attempt) notFound(text string) *credential.Error {
	// AWS names what it misses: the secret, or the secret's value for a version or stage.
	noValue := strings.Contains(text, "secret value")
	if noValue && a.version != "" {
		return credential.Errorf(credential.VersionNotFound, "it has no %s", a.version).
			WithHelp("%s", a.command("list-secret-version-ids", "--secret-id %s --include-deprecated", quote(a.name)))
	}
	file := fmt.Sprintf("write {%q: \"...\", %q: \"...\"} to credential.json, and delete that file afterwards", a.settings.UsernameField, a.settings.PasswordField)
	put := a.command("put-secret-value", "--secret-id %s --secret-string file://credential.json", quote(a.name))
	if noValue {
		return credential.Errorf(credential.CredentialNotFound, "the secret has no value yet").WithHelp("%s", file).WithHelp("%s", put)
	}
	return credential.Errorf(credential.CredentialNotFound, "there is no such secret").
		WithHelp("%s", file).
		WithHelp("%s", a.command("create-secret", "--name %s --secret-string file://credential.json", quote(a.name))).
		WithHelp("if the secret exists but has no value yet: %s", put)
}

func (a attempt) deleted() *credential.Error {
	return credential.Errorf(credential.CredentialDeleted, "the secret is scheduled for deletion").
		WithHelp("%s", a.command("restore-secret", "--secret-id %s", quote(a.name)))
}

func (a attempt) decryption() *credential.Error {
	return credential.Errorf(credential.DecryptionFailed, "AWS can't decrypt the secret").
		WithHelp("see that its KMS key is enabled and not pending deletion: %s", a.command("describe-secret", "--secret-id %s --query KmsKeyId", quote(a.name)))
}

// What AWS writes into a refusal by policy.
var (
	deniedAction   = regexp.MustCompile(`not authorized to perform: ([a-z0-9-]+:[A-Za-z]+)`)
	deniedResource = regexp.MustCompile(`on resource: (arn:[A-Za-z0-9/_+=.@:*-]+)`)
	deniedUser     = regexp.MustCompile(`^User: (arn:[A-Za-z0-9/_+=,.@:-]+)`)
)

func (a attempt) denied(text string) *credential.Error {
	action, resource := a.action, a.arn()
	if m := deniedAction.FindStringSubmatch(text); m != nil {
		action = m[1]
	}
	if m := deniedResource.FindStringSubmatch(text); m != nil {
		resource = m[1]
	}
	who := "the worker's AWS identity"
	if m := deniedUser.FindStringSubmatch(text); m != nil {
		who = m[1]
	}
	if strings.Contains(text, "KMS") || strings.HasPrefix(action, "kms:") {
		action = actionDecrypt
		return credential.Errorf(credential.AccessDenied, "%s may not decrypt it (%s)", who, action).
			With("action", action).With("resource", resource).
			WithHelp("allow %s on the secret's KMS key, in the key's policy and to the identity: %s", action, statement(action, "ARN of the key"))
	}
	e := credential.Errorf(credential.AccessDenied, "%s is denied %s", who, action).With("action", action).With("resource", resource)
	e = e.WithHelp("allow it: %s", statement(action, a.policyResource()))
	if a.action == actionGet {
		e = e.WithHelp("AWS may answer the same for a secret that doesn't exist: check the name and the region")
	}
	if strings.Contains(text, "explicit deny") {
		e = e.WithHelp("a policy denies it explicitly; allowing it elsewhere doesn't help")
	}
	return e
}

func statement(action, resource string) string {
	return fmt.Sprintf(`{"Effect": "Allow", "Action": "%s", "Resource": "%s"}`, action, resource)
}

// policyResource is what a policy has to name for the action. AWS honours no resource but * for the others.
func (a attempt) policyResource() string {
	if a.action != actionGet {
		return "*"
	}
	return fmt.Sprintf("arn:%s:secretsmanager:%s:*:secret:%s*", partition(a.region), a.region, a.settings.SecretPrefix)
}

// arn is the secret's ARN as far as it is known.
func (a attempt) arn() string {
	if a.action != actionGet {
		return "*"
	}
	return fmt.Sprintf("arn:%s:secretsmanager:%s:*:secret:%s", partition(a.region), a.region, a.name)
}

func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	default:
		return "aws"
	}
}

func (a attempt) throttled(err error) *credential.Error {
	e := credential.Errorf(credential.Throttled, "AWS asks for fewer calls")
	e.RetryDelay = retryAfter(err, defaultRetryDelay)
	return e
}

// command is an AWS CLI command that a person can paste.
func (a attempt) command(operation, format string, args ...any) string {
	line := "aws secretsmanager " + operation + " --region " + a.region
	if a.settings.EndpointURL != "" {
		line += " --endpoint-url " + quote(a.settings.EndpointURL)
	}
	return line + " " + fmt.Sprintf(format, args...)
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9/_+=.@:-]+$`)

// quote quotes for a shell what needs it.
func quote(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// safeCode is an error code as far as it looks like one: whatever answers chose its text.
func safeCode(api smithy.APIError) string {
	code := api.ErrorCode()
	if len(code) > 64 || !plainWord.MatchString(code) {
		return "an error code that isn't one"
	}
	return code
}

func requestIDOf(err error) string {
	var response *awshttp.ResponseError
	if !errors.As(err, &response) {
		return ""
	}
	return plainID(response.ServiceRequestID())
}

// requestIDIn is the request id of an answer.
func requestIDIn(metadata middleware.Metadata) string {
	id, _ := awsmiddleware.GetRequestIDMetadata(metadata)
	return plainID(id)
}

// plainID is a request id as far as it looks like one.
func plainID(id string) string {
	if len(id) > 64 || !plainWord.MatchString(id) {
		return ""
	}
	return id
}

// statusOf is the HTTP status of the answer, or 0 if there was none.
func statusOf(err error) int {
	var response *awshttp.ResponseError
	if !errors.As(err, &response) {
		return 0
	}
	return response.HTTPStatusCode()
}

// retryAfter is what the answer's Retry-After says, in seconds or as a time.
func retryAfter(err error, otherwise time.Duration) time.Duration {
	var response *awshttp.ResponseError
	if !errors.As(err, &response) || response.HTTPResponse() == nil {
		return otherwise
	}
	value := response.HTTPResponse().Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil && time.Until(at) > 0 {
		return time.Until(at).Round(time.Second)
	}
	return otherwise
}
