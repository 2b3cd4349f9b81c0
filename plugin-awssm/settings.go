package main

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/provider"
)

// settings are what an operator may set. Everything else about AWS follows the SDK's own AWS_* variables and files.
type settings struct {
	Region          string            `json:"region,omitempty" jsonschema:"AWS region. Default: AWS_DEFAULT_REGION, then AWS_REGION, then the profile's region, then the region of the EC2 instance."`
	SecretPrefix    string            `json:"secret_prefix,omitempty" empty:"allowed" jsonschema:"What comes before the credential id in a secret's name. An empty prefix lets credential ids name every secret that AWS lets the worker read."`
	EndpointURL     string            `json:"endpoint_url,omitempty" jsonschema:"URL of the Secrets Manager endpoint, for LocalStack and the like or for a VPC endpoint. It holds for Secrets Manager alone; STS follows AWS_ENDPOINT_URL_STS."`
	Profile         string            `json:"profile,omitempty" jsonschema:"Profile of the shared AWS configuration and credentials files. With it, access keys and web identity in the environment are ignored."`
	RoleARN         string            `json:"role_arn,omitempty" jsonschema:"ARN of a role to assume with whatever AWS credentials are found, for example to read the secrets of another account."`
	ExternalID      string            `json:"external_id,omitempty" jsonschema:"External id to give when assuming role_arn."`
	RoleSessionName string            `json:"role_session_name,omitempty" jsonschema:"Name of the session of role_arn, as CloudTrail shows it. Default: tom- and the host's name."`
	FailoverRegions []string          `json:"failover_regions,omitempty" jsonschema:"Regions with replicas of the secrets, tried in this order when the first one can't be reached or fails. They never decide that a credential doesn't exist."`
	RequestTimeout  provider.Duration `json:"request_timeout,omitempty" jsonschema:"How long one attempt of one request to AWS may take. A call makes several attempts within the time its caller gives it."`
	UsernameField   string            `json:"username_field,omitempty" jsonschema:"Key of the username in a secret's JSON object. Keys are case-sensitive."`
	PasswordField   string            `json:"password_field,omitempty" jsonschema:"Key of the password in a secret's JSON object. Keys are case-sensitive."`
}

func defaultSettings() settings {
	return settings{
		SecretPrefix:   "tom/credentials/",
		RequestTimeout: provider.Duration(3 * time.Second),
		UsernameField:  "username",
		PasswordField:  "password",
	}
}

// Bounds of what STS takes, in characters.
const (
	minRoleText    = 2
	maxExternalID  = 1224
	maxSessionName = 64
)

// maxRequestTimeout keeps a typing error ("3000s") from turning into a hang.
const maxRequestTimeout = time.Minute

var (
	regionPattern = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	// What STS takes no external id and no session name with.
	notInExternalID  = regexp.MustCompile(`[^\w+=,.@:/-]`)
	notInSessionName = regexp.MustCompile(`[^\w+=,.@-]`)
)

// check returns every setting that can't be right, without using the network.
func (s settings) check() []credential.Violation {
	var violations []credential.Violation
	refuse := func(setting, format string, args ...any) {
		violations = append(violations, credential.Violation{Setting: setting, Problem: fmt.Sprintf(format, args...)})
	}
	if s.Region != "" && !isRegion(s.Region) {
		refuse("region", `must be the name of a region, such as "us-east-1"`)
	}
	s.checkPrefix(refuse)
	s.checkEndpoint(refuse)
	s.checkRole(refuse)
	for i, region := range s.FailoverRegions {
		switch {
		case !isRegion(region):
			refuse("failover_regions", `item %d must be the name of a region, such as "us-west-2"`, i+1)
		case region == s.Region, slices.Contains(s.FailoverRegions[:i], region):
			refuse("failover_regions", "%s is there twice; each region is tried once", region)
		}
	}
	if timeout := time.Duration(s.RequestTimeout); timeout <= 0 || timeout > maxRequestTimeout {
		refuse("request_timeout", "must be more than 0s and at most %s", maxRequestTimeout)
	}
	if s.UsernameField == "" {
		refuse("username_field", "must not be empty")
	}
	if s.PasswordField == "" {
		refuse("password_field", "must not be empty")
	}
	if s.UsernameField == s.PasswordField {
		refuse("password_field", "must differ from username_field")
	}
	return violations
}

// isRegion says whether the name could be a region's, which is a part of a host name.
func isRegion(name string) bool { return len(name) <= 63 && regionPattern.MatchString(name) }

func (s settings) checkPrefix(refuse func(setting, format string, args ...any)) {
	switch bad, found := firstForbidden(s.SecretPrefix); {
	case strings.HasPrefix(s.SecretPrefix, "arn:"):
		refuse("secret_prefix", "must be the beginning of secret names, not an ARN; to read the secrets of another account set role_arn to a role there")
	case found:
		refuse("secret_prefix", "holds %+q; %s", bad, nameCharset)
	case len(s.SecretPrefix) >= maxSecretName:
		refuse("secret_prefix", "leaves no room for a credential id; a secret's name has at most %d characters", maxSecretName)
	case hasDotSegment(s.SecretPrefix):
		refuse("secret_prefix", `must not have "." or ".." between slashes`)
	}
}

func (s settings) checkEndpoint(refuse func(setting, format string, args ...any)) {
	if s.EndpointURL == "" {
		return
	}
	u, err := url.Parse(s.EndpointURL)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		refuse("endpoint_url", `must be an http or https URL, such as "http://127.0.0.1:4566"`)
	case u.User != nil:
		refuse("endpoint_url", "must not hold a user name or password; AWS requests are signed with AWS credentials")
	case u.RawQuery != "" || u.Fragment != "":
		refuse("endpoint_url", "must end with the host, the port or a path")
	}
	if len(s.FailoverRegions) > 0 {
		refuse("failover_regions", "can't be combined with endpoint_url, which names the endpoint of one region")
	}
}

func (s settings) checkRole(refuse func(setting, format string, args ...any)) {
	if s.RoleARN != "" {
		if role, err := arn.Parse(s.RoleARN); err != nil || role.Service != "iam" || !strings.HasPrefix(role.Resource, "role/") {
			refuse("role_arn", `must be the ARN of a role, such as "arn:aws:iam::123456789012:role/tom"`)
		}
	}
	if s.ExternalID != "" && s.RoleARN == "" {
		refuse("external_id", "needs role_arn: it is given when that role is assumed")
	}
	if n := len(s.ExternalID); n > 0 && (n < minRoleText || n > maxExternalID || notInExternalID.MatchString(s.ExternalID)) {
		refuse("external_id", "must have %d to %d characters: letters, digits and _ + = , . @ : / -", minRoleText, maxExternalID)
	}
	if n := len(s.RoleSessionName); n > 0 && (n < minRoleText || n > maxSessionName || notInSessionName.MatchString(s.RoleSessionName)) {
		refuse("role_session_name", "must have %d to %d characters: letters, digits and _ + = , . @ -", minRoleText, maxSessionName)
	}
}

// sessionName is role_session_name, or one by which a person finds the worker's host in CloudTrail.
func (s settings) sessionName() string {
	if s.RoleSessionName != "" {
		return s.RoleSessionName
	}
	host, _ := os.Hostname()
	name := "tom-" + notInSessionName.ReplaceAllString(cmp.Or(host, "worker"), "-")
	return name[:min(len(name), maxSessionName)]
}
