package main

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// appID is how the provider's requests are recognised in CloudTrail, in the User-Agent.
const appID = "tom-credential-provider"

// connection is all that calls to AWS need. It is made without using the network and never changes.
type connection struct {
	regions []string // the first one, then those to fail over to
	from    string   // what the first region comes from
	secrets map[string]*secretsmanager.Client
	sts     *sts.Client
	keys    *keyring
	chain   *chain
}

// first is the client for the first region.
func (c *connection) first() *secretsmanager.Client { return c.secrets[c.regions[0]] }

// loadBase reads environment and shared files into a configuration without credentials. Its region is empty if neither
// settings nor environment nor profile name one.
func loadBase(s settings) (aws.Config, error) {
	options := append(commonOptions(s),
		// Without this the SDK would choose credentials here, by an order that isn't boto3's.
		config.WithCredentialsProvider(aws.AnonymousCredentials{}),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(time.Duration(s.RequestTimeout))),
	)
	region := regionChoice(s)
	if region.value != "" {
		if !isRegion(region.value) {
			return aws.Config{}, misconfigured("%s is not the name of a region", region.from).WithHelp(`set it to a region such as "us-east-1"`)
		}
		options = append(options, config.WithRegion(region.value))
	}
	if profile := profileChoice(s); profile.value != "" {
		options = append(options, config.WithSharedConfigProfile(profile.value))
	}
	base, err := config.LoadDefaultConfig(context.Background(), options...)
	if err != nil {
		return aws.Config{}, loadError(s, err)
	}
	return base, nil
}

// commonOptions are those of every configuration that is loaded.
func commonOptions(settings) []func(*config.LoadOptions) error {
	return []func(*config.LoadOptions) error{
		config.WithAppID(appID),
		// The mode "auto" would ask instance metadata; the other modes change nothing that isn't set here.
		config.WithDefaultsMode(aws.DefaultsModeLegacy),
		// The SDK would write lines of its own to standard error.
		config.WithLogger(logging.Nop{}),
	}
}

// connect makes the clients for the regions; base has a region.
func connect(s settings, base aws.Config, regionFrom string, log hclog.Logger) *connection {
	finder := &chain{settings: s, base: base, log: log}
	c := &connection{
		regions: []string{base.Region},
		from:    regionFrom,
		secrets: make(map[string]*secretsmanager.Client),
		keys:    newKeyring(finder.obtain, log),
		chain:   finder,
	}
	c.keys.waitingFor = finder.waitingFor
	for _, region := range s.FailoverRegions {
		if region != base.Region {
			c.regions = append(c.regions, region)
		}
	}
	base.Credentials = c.keys
	requests := newRequester(base.HTTPClient, time.Duration(s.RequestTimeout))
	for _, region := range c.regions {
		c.secrets[region] = secretsmanager.NewFromConfig(base, func(o *secretsmanager.Options) {
			o.Region = region
			o.HTTPClient = requests
			if s.EndpointURL != "" {
				o.BaseEndpoint = aws.String(s.EndpointURL)
			}
		})
	}
	c.sts = sts.NewFromConfig(base, func(o *sts.Options) { o.HTTPClient = requests })
	return c
}

// checkFIPS refuses what the SDK refuses with every call: it can't know whether an endpoint of one's own is a FIPS endpoint.
func checkFIPS(s settings, base aws.Config) error {
	o := secretsmanager.NewFromConfig(base).Options()
	if o.EndpointOptions.UseFIPSEndpoint != aws.FIPSEndpointStateEnabled {
		return nil
	}
	const problem = "can't be combined with FIPS endpoints, which AWS_USE_FIPS_ENDPOINT or the profile asks for"
	switch {
	case s.EndpointURL != "":
		return refused(credential.Violation{Setting: "endpoint_url", Problem: problem})
	case o.BaseEndpoint != nil:
		return misconfigured("AWS_ENDPOINT_URL_SECRETS_MANAGER, AWS_ENDPOINT_URL or the profile's endpoint " + problem).
			WithHelp("unset one of the two")
	}
	return nil
}

// instanceMetadata is the client for EC2 instance metadata. One attempt, since most machines where nothing else is found
// have no metadata either: that costs a second and not five.
func instanceMetadata(base aws.Config) *imds.Client {
	base.HTTPClient = direct(base.HTTPClient)
	return imds.NewFromConfig(base, func(o *imds.Options) { o.Retryer = aws.NopRetryer{} })
}

// direct is the client without the proxy of the environment: what a machine or a container tells about itself is asked on
// the spot, and a proxy has no business with the keys in the answer.
func direct(client aws.HTTPClient) aws.HTTPClient {
	buildable, ok := client.(*awshttp.BuildableClient)
	if !ok {
		return client
	}
	return buildable.WithTransportOptions(func(t *http.Transport) { t.Proxy = nil })
}

// regionTimeout bounds the question which region this instance is in.
const regionTimeout = time.Second

// instanceRegion asks instance metadata for the region.
func instanceRegion(caller context.Context, base aws.Config) (string, error) {
	ctx, cancel := context.WithTimeout(caller, regionTimeout)
	defer cancel()
	out, err := instanceMetadata(base).GetRegion(ctx, nil)
	if err == nil && isRegion(out.Region) {
		return out.Region, nil
	}
	if caller.Err() != nil { // nothing is known of the region then, least of all that there is none
		return "", waitedInVain(caller, "instance metadata")
	}
	why := "instance metadata doesn't answer"
	if strings.EqualFold(os.Getenv("AWS_EC2_METADATA_DISABLED"), "true") {
		why = "instance metadata is switched off by AWS_EC2_METADATA_DISABLED"
	}
	return "", misconfigured("no AWS region is set: not in plugin_aws_secrets_manager_region, AWS_DEFAULT_REGION, AWS_REGION or the AWS profile, and %s", why).
		WithHelp("set plugin_aws_secrets_manager_region, or the environment variable AWS_DEFAULT_REGION or AWS_REGION, to the region that holds the secrets, for example us-east-1")
}

// withoutUser is an endpoint's URL as far as it may be shown.
func withoutUser(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "that is no URL"
	}
	return u.Scheme + "://" + u.Host + u.Path
}

func misconfigured(format string, args ...any) *credential.Error {
	return credential.Errorf(credential.BackendMisconfigured, format, args...)
}

func refused(violations ...credential.Violation) error {
	return &credential.Error{Reason: credential.SettingsInvalid, Message: "the settings are refused", Violations: violations}
}

// loadError says what is wrong with environment or files. The SDK's own text is used only where it can't quote a secret.
func loadError(s settings, err error) error {
	var noProfile config.SharedConfigProfileNotExistError
	var unreadable config.SharedConfigLoadError
	var file *fs.PathError
	text := err.Error()
	switch {
	case errors.As(err, &noProfile):
		profile := profileChoice(s)
		const problem = "names a profile that is in neither the shared configuration file (AWS_CONFIG_FILE, ~/.aws/config) nor the shared credentials file (AWS_SHARED_CREDENTIALS_FILE, ~/.aws/credentials)"
		if profile.from == "profile" && noProfile.Profile == profile.value {
			return refused(credential.Violation{Setting: "profile", Problem: problem})
		}
		return misconfigured("%s %s: %q", profile.from, problem, noProfile.Profile).WithHelp("correct %s, or add the profile", profile.from)
	case strings.Contains(text, "partial credentials"):
		return unauthenticated("a profile holds one of aws_access_key_id and aws_secret_access_key, but not the other").
			WithHelp("complete the pair in the shared credentials or configuration file")
	case errors.As(err, &unreadable):
		return misconfigured("the AWS file %s can't be read as an INI file", unreadable.Filename).WithHelp("correct it; \"aws configure list\" reads the same file")
	case errors.As(err, &file):
		return misconfigured("the file %s, which AWS_CA_BUNDLE or the profile's ca_bundle names, can't be read: %v", file.Path, file.Err).
			WithHelp("correct the path or the file's permissions")
	case strings.Contains(text, "custom CA bundle"):
		return misconfigured("the file that AWS_CA_BUNDLE or the profile's ca_bundle names holds no certificate in PEM form").
			WithHelp("name a file with BEGIN CERTIFICATE lines")
	case strings.HasPrefix(text, "invalid "):
		return misconfigured("an AWS_* environment variable can't be used: %s", text).WithHelp("correct it, or unset it")
	default:
		return misconfigured("the AWS_* environment variables or the shared AWS files can't be used (%T)", err).
			WithHelp(`run "aws configure list" with the same environment to see what is wrong`)
	}
}
