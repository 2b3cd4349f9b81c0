package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/tom-worker/credential-provider/plugin-awssm/internal/awscreds"
	"github.com/tom-worker/credential-provider/plugin-awssm/internal/transport"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// The stages of a read, for the metadata of BACKEND_UNAVAILABLE.
const (
	stageCredentials = awscreds.StageCredentials
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

// defaultRetryDelay is when to try again where AWS throttles without saying for how long.
const defaultRetryDelay = time.Second

// longestRetryDelay bounds what an answer says: that of something before AWS may say anything.
const longestRetryDelay = time.Hour

// attempt is what was asked of AWS, for the words of its failure.
type attempt struct {
	action   string // the IAM action
	name     string // the secret's name; for a list, the prefix
	version  string // `version id "..."` or `version label "..."` if one was asked for
	region   string
	settings settings
	prefix   prefix
}

// peer is Secrets Manager, for the words of what goes wrong on the way.
func (a attempt) peer() transport.Peer {
	p := transport.Peer{Name: "Secrets Manager", Stage: stageRead, Endpoint: "endpoint_url", Service: "secretsmanager"}
	if a.action == actionIdentity {
		p.Name, p.Endpoint, p.Service = "STS", "AWS_ENDPOINT_URL_STS", "sts"
	} else if a.settings.EndpointURL != "" {
		p.Endpoint, p.Service = "endpoint_url "+transport.Shown(a.settings.EndpointURL), ""
	}
	return p
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

// failure maps an error of the SDK. Texts of the SDK and of AWS are read, but not repeated: they may quote what a proxy, an
// endpoint or a credential process has sent.
func (a attempt) failure(ctx context.Context, err error) error {
	return a.describe(a.classify(ctx, err), requestIDOf(err))
}

// describe adds to an error what it is about.
func (a attempt) describe(err error, requestID string) error {
	var e *credential.Error
	if !errors.As(err, &e) {
		return err
	}
	about := e.With("region", a.region).With("request_id", requestID)
	if len(e.Help) == 0 && e.Reason.Transient() {
		about = about.WithHelp("try again; https://health.aws.amazon.com shows whether AWS has trouble in the region")
	}
	about.Message = a.subject() + ": " + e.Message
	if requestID != "" {
		about.Message += " (AWS request id " + requestID + ")"
	}
	return about
}

func (a attempt) classify(ctx context.Context, err error) error {
	var ours *credential.Error // from the keyring
	if errors.As(err, &ours) {
		return ours
	}
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() != "UnknownError" {
		return a.refusal(api, err)
	}
	failure := a.peer().Failure(ctx, err)
	switch status := statusOf(err); {
	case status == http.StatusTooManyRequests:
		return throttled(err)
	case status >= 500:
		return retryLater(failure, err)
	}
	return failure
}

// retryLater adds the time that the answer names to an error.
func retryLater(failure, err error) error {
	var e *credential.Error
	if !errors.As(failure, &e) {
		return failure
	}
	later := *e
	later.RetryDelay = retryAfter(err, 0)
	return &later
}

// refusal maps an error that AWS has answered, by its code: most come with status 400, and many aren't modelled.
func (a attempt) refusal(api smithy.APIError, err error) error {
	code, text := strings.TrimSuffix(api.ErrorCode(), "Exception"), api.ErrorMessage()
	switch code {
	case "ResourceNotFound":
		return a.notFound(text)
	case "InvalidRequest":
		if strings.Contains(text, "deletion") || strings.Contains(text, "deleted") {
			return a.deleted()
		}
		if strings.Contains(text, "default KMS service key") {
			return a.keyOfItsAccount()
		}
	case "DecryptionFailure":
		return a.decryption()
	case "AccessDenied", "UnauthorizedAccess", "NotAuthorized":
		return a.denied(text)
	case "InvalidNextToken":
		return credential.Errorf(credential.PageTokenInvalid, "AWS doesn't take the page token any more").WithHelp("list again from the first page")
	}
	if e := awscreds.Unsigned(code, text); e != nil {
		return e
	}
	switch status := statusOf(err); {
	case awscreds.Throttles[code], status == http.StatusTooManyRequests:
		return throttled(err)
	case code == "InternalServiceError", code == "InternalFailure", code == "ServiceUnavailable", code == "RequestTimeout", status >= 500:
		return retryLater(unavailable("AWS fails (%s)", awscreds.SafeCode(api)), err)
	case code == "UnknownOperation":
		return a.peer().NotTheAPI("it doesn't know the operation")
	default:
		return misconfigured("AWS refuses the request (%s)", awscreds.SafeCode(api)).
			WithHelp("look the code up under the request id in CloudTrail; with an endpoint of your own, check that it knows this request")
	}
}

func (a attempt) notFound(text string) error {
	// AWS names what it misses: the secret, or the secret's value for a version or stage.
	noValue := strings.Contains(text, "secret value")
	if noValue && a.version != "" {
		return credential.Errorf(credential.VersionNotFound, "it has no %s", a.version).
			WithHelp("%s", a.command("list-secret-version-ids", "--secret-id %s --include-deprecated", a.id()))
	}
	write := fmt.Sprintf("write {%q: \"...\", %q: \"...\"} to credential.json, and delete that file afterwards", a.settings.UsernameField, a.settings.PasswordField)
	switch {
	case a.settings.SecretFormat == formatPassword:
		write = "write the password alone, without a line end, to password.txt, and delete that file afterwards"
	case strings.HasPrefix(a.settings.UsernameField+a.settings.PasswordField, "/"), strings.HasPrefix(a.settings.PasswordField, "/"):
		write = fmt.Sprintf("write a JSON object with strings at %s and %s to credential.json, and delete that file afterwards", a.settings.UsernameField, a.settings.PasswordField)
	}
	if noValue {
		return credential.Errorf(credential.CredentialNotFound, "the secret has no value yet").WithHelp("%s", write).WithHelp("%s", a.put())
	}
	e := credential.Errorf(credential.CredentialNotFound, "there is no such secret").WithHelp("%s", write)
	if a.prefix.arn != "" {
		e = e.WithHelp("in the account %s: %s", a.prefix.account, a.command("create-secret", "--name %s --secret-string file://%s", awscreds.Quote(a.name), a.file()))
		if len(a.name) > arnSuffix && a.name[len(a.name)-arnSuffix] == '-' {
			e = e.WithHelp("a name that ends in a hyphen and six characters can't be told from an ARN's random ending: give the secret another name")
		}
		return e
	}
	return e.WithHelp("%s", a.command("create-secret", "--name %s --secret-string file://%s", awscreds.Quote(a.name), a.file())).
		WithHelp("if the secret exists but has no value yet: %s", a.put())
}

// id is the secret's id as a word of a command.
func (a attempt) id() string { return awscreds.Quote(a.prefix.secretID(a.name)) }

// file is the file that remedies have written.
func (a attempt) file() string {
	if a.settings.SecretFormat == formatPassword {
		return "password.txt"
	}
	return "credential.json"
}

// put is the command that gives the secret a new value.
func (a attempt) put() string {
	return a.command("put-secret-value", "--secret-id %s --secret-string file://%s", a.id(), a.file())
}

func (a attempt) deleted() error {
	return credential.Errorf(credential.CredentialDeleted, "the secret is scheduled for deletion").
		WithHelp("%s", a.command("restore-secret", "--secret-id %s", a.id()))
}

// keyOfItsAccount is about another account's secret that is encrypted with aws/secretsmanager.
func (a attempt) keyOfItsAccount() error {
	return credential.Errorf(credential.AccessDenied, "it is encrypted with the key aws/secretsmanager, which only its own account can use").With("action", actionDecrypt).
		WithHelp("in the account %s, encrypt it with a customer-managed key whose policy allows %s to the worker: %s", a.prefix.account, actionDecrypt,
			a.command("update-secret", "--secret-id %s --kms-key-id KEY", a.id()))
}

func (a attempt) decryption() error {
	return credential.Errorf(credential.DecryptionFailed, "AWS can't decrypt the secret").
		WithHelp("see that its KMS key is enabled and not pending deletion: %s", a.command("describe-secret", "--secret-id %s --query KmsKeyId", a.id()))
}

// What AWS writes into a refusal by policy.
var (
	deniedResource = regexp.MustCompile(`on resource: (arn:[A-Za-z0-9/_+=.@:*-]+)`)
	deniedUser     = regexp.MustCompile(`^User: (arn:[A-Za-z0-9/_+=,.@:-]+)`)
)

func (a attempt) denied(text string) error {
	action, resource := a.action, a.arn()
	if named := awscreds.DeniedAction(text); named != "" {
		action = named
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
	if a.prefix.arn != "" && a.action == actionGet {
		e = e.WithHelp("allow it in the secret's resource policy as well, which is in the account %s, and kms:Decrypt in the policy of its KMS key, which must not be aws/secretsmanager", a.prefix.account)
	}
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
	return a.secretARN(a.prefix.name + "*")
}

// arn is the secret's ARN as far as it is known.
func (a attempt) arn() string {
	if a.action != actionGet {
		return "*"
	}
	return a.secretARN(a.name)
}

// secretARN is the ARN of secrets with this name, as far as it is known.
func (a attempt) secretARN(name string) string {
	if a.prefix.arn != "" {
		return a.prefix.arn + name
	}
	return fmt.Sprintf("arn:%s:secretsmanager:%s:*:secret:%s", partition(a.region), a.region, name)
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

func throttled(err error) error {
	e := credential.Errorf(credential.Throttled, "AWS throttles")
	e.RetryDelay = retryAfter(err, defaultRetryDelay)
	return e
}

// command is an AWS CLI command that can be pasted.
func (a attempt) command(operation, format string, args ...any) string {
	line := "aws secretsmanager " + operation + " --region " + a.region
	if a.settings.EndpointURL != "" {
		line += " --endpoint-url " + awscreds.Quote(a.settings.EndpointURL)
	}
	return line + " " + fmt.Sprintf(format, args...)
}

func requestIDOf(err error) string {
	var response *awshttp.ResponseError
	if !errors.As(err, &response) {
		return ""
	}
	return awscreds.PlainWord(response.ServiceRequestID())
}

// requestIDIn is the request id of an answer.
func requestIDIn(metadata middleware.Metadata) string {
	id, _ := awsmiddleware.GetRequestIDMetadata(metadata)
	return awscreds.PlainWord(id)
}

// statusOf returns the HTTP status of the answer, or 0 if there was none.
func statusOf(err error) int {
	var response *awshttp.ResponseError
	if !errors.As(err, &response) {
		return 0
	}
	return response.HTTPStatusCode()
}

// retryAfter reads the answer's Retry-After, in seconds or as a time.
func retryAfter(err error, otherwise time.Duration) time.Duration {
	var response *awshttp.ResponseError
	if !errors.As(err, &response) || response.HTTPResponse() == nil {
		return otherwise
	}
	value := response.HTTPResponse().Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 {
		return time.Duration(min(seconds, int(longestRetryDelay/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil && time.Until(at) > 0 {
		return min(time.Until(at).Round(time.Second), longestRetryDelay)
	}
	return otherwise
}

func unavailable(format string, args ...any) *credential.Error {
	return credential.Errorf(credential.BackendUnavailable, format, args...).With("stage", stageRead)
}
