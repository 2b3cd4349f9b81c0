package main

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/tom-worker/credential-provider/plugin-awssm/internal/awscreds"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/provider"
)

// settings are what an operator may set. Everything else about AWS follows the SDK's own AWS_* variables and files.
type settings struct {
	Region          string            `json:"region,omitempty" jsonschema:"AWS region. Default: AWS_DEFAULT_REGION, then AWS_REGION, then the profile's region, then the region of the EC2 instance."`
	SecretPrefix    string            `json:"secret_prefix,omitempty" empty:"allowed" jsonschema:"What comes before the credential id in a secret's name. An empty prefix lets credential ids name every secret that AWS lets the worker read. An ARN prefix (arn:aws:secretsmanager:REGION:ACCOUNT:secret:tom/credentials/) reads another account's secrets by their resource policy."`
	EndpointURL     string            `json:"endpoint_url,omitempty" jsonschema:"URL of the Secrets Manager endpoint, for LocalStack and the like or for a VPC endpoint. It holds for Secrets Manager alone; STS follows AWS_ENDPOINT_URL_STS."`
	Profile         string            `json:"profile,omitempty" jsonschema:"Profile of the shared AWS configuration and credentials files. With it, access keys and web identity in the environment are ignored."`
	RoleARN         string            `json:"role_arn,omitempty" jsonschema:"ARN of a role to assume with whatever AWS credentials are found, for example to read the secrets of another account."`
	ExternalID      string            `json:"external_id,omitempty" jsonschema:"External id to give when assuming role_arn."`
	RoleSessionName string            `json:"role_session_name,omitempty" jsonschema:"Name of the session of role_arn, as CloudTrail shows it. Default: tom- and the host's name."`
	FailoverRegions []string          `json:"failover_regions,omitempty" jsonschema:"Regions with replicas of the secrets, tried in this order when the first one is unreachable or fails. They never decide that a credential doesn't exist."`
	RequestTimeout  provider.Duration `json:"request_timeout,omitempty" jsonschema:"How long one attempt of one request to AWS may take. A call makes several attempts within the time its caller gives it."`
	UsernameField   string            `json:"username_field,omitempty" jsonschema:"Key of the username in a secret's JSON object, or a JSON Pointer (/login/user) to it. Keys are case-sensitive."`
	PasswordField   string            `json:"password_field,omitempty" jsonschema:"Key of the password in a secret's JSON object, or a JSON Pointer (/login/password) to it. Keys are case-sensitive."`
	SecretFormat    string            `json:"secret_format,omitempty" jsonschema:"What a secret holds: json for a JSON object with username and password, password for nothing but the password, with the username of the setting username."`
	Username        string            `json:"username,omitempty" jsonschema:"Username of every credential, with secret_format: password."`
	Routes          []string          `json:"routes,omitempty" jsonschema:"Credential ids with their own settings: GLOB NAME=VALUE ... with blanks between them, where * stands for any text, ? for one character, and NAME is region, role_arn, external_id, secret_prefix or profile. The first match wins; other ids use the plain settings."`

	CredentialProcessTimeout provider.Duration `json:"credential_process_timeout,omitempty" jsonschema:"How long a profile's credential_process may take."`
}

func defaultSettings() settings {
	return settings{
		SecretPrefix:   "tom/credentials/",
		RequestTimeout: provider.Duration(3 * time.Second),
		UsernameField:  "username",
		PasswordField:  "password",
		SecretFormat:   formatJSON,

		CredentialProcessTimeout: provider.Duration(time.Minute),
	}
}

// Bounds of what STS takes, in characters.
const (
	minRoleText    = 2
	maxExternalID  = 1224
	maxSessionName = 64
)

// Bounds that keep a typing error ("3000s") from turning into a hang.
const (
	maxRequestTimeout = time.Minute
	maxProcessTimeout = 10 * time.Minute
)

// The values of secret_format.
const (
	formatJSON     = "json"
	formatPassword = "password"
)

var (
	// A role's path may have any printable character of ASCII, its name fewer.
	roleARN = regexp.MustCompile(`^arn:aws[a-z0-9-]*:iam::[0-9]{12}:role/([!-~]+/)*[\w+=,.@-]+$`)
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
	if region, _ := awscreds.PseudoRegion(s.Region); region != "" && !awscreds.IsRegion(region) {
		refuse("region", `must be the name of a region, such as "us-east-1"`)
	}
	s.checkPrefix(refuse)
	s.checkFormat(refuse)
	s.checkEndpoint(refuse)
	s.checkRole(refuse)
	for i, region := range s.FailoverRegions {
		plain, fips := awscreds.PseudoRegion(region)
		switch {
		case fips && awscreds.IsRegion(plain):
			refuse("failover_regions", "item %d must be %s: FIPS endpoints are asked for by region or AWS_USE_FIPS_ENDPOINT, for all regions", i+1, plain)
		case !awscreds.IsRegion(region):
			refuse("failover_regions", `item %d must be the name of a region, such as "us-west-2"`, i+1)
		case region == s.Region, slices.Contains(s.FailoverRegions[:i], region):
			refuse("failover_regions", "%s is there twice; each region is tried once", region)
		}
	}
	if timeout := time.Duration(s.RequestTimeout); timeout <= 0 || timeout > maxRequestTimeout {
		refuse("request_timeout", "must be more than 0s and at most %s", maxRequestTimeout)
	}
	if timeout := time.Duration(s.CredentialProcessTimeout); timeout <= 0 || timeout > maxProcessTimeout {
		refuse("credential_process_timeout", "must be more than 0s and at most %s", maxProcessTimeout)
	}
	return violations
}

// checkFormat checks what is said of a secret's text.
func (s settings) checkFormat(refuse func(setting, format string, args ...any)) {
	defaults := defaultSettings()
	switch s.SecretFormat {
	case formatJSON:
		if s.Username != "" {
			refuse("username", "needs secret_format: password; with json the username comes from the secret, by username_field")
		}
	case formatPassword:
		if s.Username == "" {
			refuse("username", "is needed with secret_format: password, whose secrets hold no username")
		}
		if s.UsernameField != defaults.UsernameField {
			refuse("username_field", "can't be combined with secret_format: password, whose secrets have no fields; remove it")
		}
		if s.PasswordField != defaults.PasswordField {
			refuse("password_field", "can't be combined with secret_format: password, whose secrets have no fields; remove it")
		}
	default:
		refuse("secret_format", "must be json or password")
	}
	if strings.ContainsFunc(s.Username, unicode.IsControl) {
		refuse("username", "must not hold a line end or another control character")
	}
	for setting, field := range map[string]string{"username_field": s.UsernameField, "password_field": s.PasswordField} {
		if problem := fieldProblem(field); problem != "" {
			refuse(setting, "%s", problem)
		}
	}
	if s.UsernameField == s.PasswordField {
		refuse("password_field", "must differ from username_field")
	}
}
func (s settings) checkPrefix(refuse func(setting, format string, args ...any)) {
	if problem := prefixProblem(s.SecretPrefix); problem != "" {
		refuse("secret_prefix", "%s", problem)
		return
	}
	arn, _ := parsePrefix(s.SecretPrefix)
	if arn.region == "" {
		return
	}
	if region, _ := awscreds.PseudoRegion(s.Region); region != "" && region != arn.region {
		refuse("secret_prefix", "is an ARN of the region %s, and region is another one; let them agree, or leave region out", arn.region)
	}
	if len(s.FailoverRegions) > 0 {
		refuse("failover_regions", "can't be combined with a secret_prefix that is an ARN, which names one region; remove one of the two")
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
	case !isPort(u.Port()):
		refuse("endpoint_url", "has a port that isn't one")
	case u.User != nil:
		refuse("endpoint_url", "must not hold a user name or password; AWS requests are signed with AWS credentials")
	case u.RawQuery != "" || u.Fragment != "":
		refuse("endpoint_url", "must end with the host, the port or a path")
	}
	if len(s.FailoverRegions) > 0 {
		refuse("failover_regions", "can't be combined with endpoint_url, which names the endpoint of one region; remove one of the two")
	}
}

func isPort(port string) bool {
	n, err := strconv.Atoi(port)
	return port == "" || err == nil && n > 0 && n < 1<<16
}

func (s settings) checkRole(refuse func(setting, format string, args ...any)) {
	if s.RoleARN != "" {
		if !roleARN.MatchString(s.RoleARN) {
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

// sessionName is role_session_name, or one by which the worker's host is found in CloudTrail.
func (s settings) sessionName() string {
	if s.RoleSessionName != "" {
		return s.RoleSessionName
	}
	host, _ := os.Hostname()
	name := "tom-" + notInSessionName.ReplaceAllString(cmp.Or(host, "worker"), "-")
	return name[:min(len(name), maxSessionName)]
}
