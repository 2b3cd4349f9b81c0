package awscreds

import (
	"regexp"
	"strings"

	"github.com/aws/smithy-go"
)

// Throttles holds the codes by which AWS throttles.
var Throttles = map[string]bool{
	"Throttling": true, "Throttled": true, "ThrottledRequest": true, "RequestThrottled": true, "TooManyRequests": true,
	"RequestLimitExceeded": true, "SlowDown": true, "LimitExceeded": true, "BandwidthLimitExceeded": true,
	"ProvisionedThroughputExceeded": true, "PriorRequestNotComplete": true, "TransactionInProgress": true, "EC2Throttled": true,
}

// Unsigned maps the codes that all AWS services share for requests that aren't signed as they should be; nil for others. The
// code is without its ending "Exception".
func Unsigned(code, text string) error {
	const source = "check which AWS credentials the worker gets: run validate, which names their source"
	switch code {
	case "ExpiredToken", "TokenRefreshRequired":
		return unauthenticated("the AWS session credentials have expired").
			WithHelp("renew them at their source, for example with \"aws sso login\", or let the worker assume a role that renews itself")
	case "RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture":
		return clockOff()
	case "InvalidSignature", "SignatureDoesNotMatch":
		return signature(text, source)
	case "UnrecognizedClient", "InvalidClientTokenId", "InvalidAccessKeyId", "InvalidToken":
		return unauthenticated("AWS doesn't know the access key or session token").WithHelp("%s", source)
	case "IncompleteSignature", "MissingAuthenticationToken", "NotSignedUp", "OptInRequired", "InvalidClient":
		return unauthenticated("AWS refuses the request's credentials (%s)", code).WithHelp("%s", source)
	}
	return nil
}

// signature maps what AWS means by a signature that doesn't match.
func signature(text, source string) error {
	lower := strings.ToLower(text)
	switch {
	case strings.Contains(lower, "scoped to a valid region"), strings.Contains(lower, "scoped to correct region"):
		return misconfigured("AWS refuses the signature: the endpoint is of another region than the one that the request is signed for").
			WithHelp("let region and endpoint_url (or the AWS_ENDPOINT_URL variables) name the same region")
	case strings.Contains(lower, "scoped to correct service"), strings.Contains(lower, "scoped to a valid service"):
		return misconfigured("AWS refuses the signature: the endpoint is of another service").
			WithHelp("check endpoint_url and the AWS_ENDPOINT_URL variables: AWS_ENDPOINT_URL holds for every service, AWS_ENDPOINT_URL_SECRETS_MANAGER for one")
	case strings.Contains(lower, "expired"), strings.Contains(lower, "not yet current"), strings.Contains(lower, "date in credential scope"):
		return clockOff()
	case strings.Contains(lower, "signedheader"):
		return misconfigured("AWS refuses the signature: the request's headers were changed on the way").
			WithHelp("let the proxy leave the requests as they are (HTTPS_PROXY, NO_PROXY)")
	}
	return unauthenticated("AWS refuses the signature: the secret access key doesn't belong to the access key id").WithHelp("%s", source)
}

func clockOff() error {
	return unauthenticated("AWS refuses the signature because of its time: this machine's clock is off by more than five minutes").
		WithHelp("set the clock, for example with \"timedatectl set-ntp true\"")
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9/_+=.@:-]+$`)

// Quote quotes for a shell what needs it.
func Quote(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// SafeCode returns an error code as far as it looks like one: what answers chose its text.
func SafeCode(api smithy.APIError) string {
	if code := PlainWord(api.ErrorCode()); code != "" {
		return code
	}
	return "an error code that isn't one"
}

// PlainWord returns a word as far as it may be shown; empty if it is long or has characters that no code or id has.
func PlainWord(word string) string {
	if len(word) > 64 || !plainWord.MatchString(word) {
		return ""
	}
	return word
}
