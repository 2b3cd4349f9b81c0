package awscreds

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/smithy-go/logging"

	"github.com/tom-worker/credential-provider/plugin-awssm/internal/transport"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// AppID is how the provider's requests are recognised in CloudTrail, in the User-Agent.
const AppID = "tom-credential-provider"

// Options are the settings that AWS credentials depend on.
type Options struct {
	// Region is the setting region. Default: as the environment says.
	Region string
	// Profile is the setting profile. With it, access keys and web identity in the environment are ignored. Default: as the
	// environment says, else "default".
	Profile string
	// RoleARN is a role to assume with whatever credentials are found. Default: none.
	RoleARN string
	// ExternalID goes with RoleARN. Default: none.
	ExternalID string
	// SessionName names the sessions of roles that have no name for them. It must be set.
	SessionName string
	// RequestTimeout bounds one request to STS or SSO. It must be positive.
	RequestTimeout time.Duration
	// ProcessTimeout bounds a credential_process. Default: one minute.
	ProcessTimeout time.Duration
}

// Environment is what variables and shared files say when it is loaded. It doesn't change, and may be used concurrently.
type Environment struct {
	// Config has the region, HTTP client and attempts, and no credentials. Clients are made with ConfigOf.
	Config aws.Config
	// RegionFrom names the setting, variable or profile that the region is from. Empty: no region is set.
	RegionFrom string
	// FIPS reports whether FIPS endpoints are asked for; FIPSFrom names what asks for them.
	FIPS     bool
	FIPSFrom string

	options   Options
	files     *files
	profile   *profile // nil: none is named, and there is no "default"
	named     choice   // what names the profile
	dualStack bool
	direct    *awshttp.BuildableClient // goes through no proxy
}

// choice is a value from the first place that has one.
type choice struct {
	value string
	from  string // the setting, variable, or key of a profile
}

// Load reads variables and shared files, without using the network. A profile of Options.Profile that doesn't exist is
// SETTINGS_INVALID.
func Load(o Options) (*Environment, error) {
	o.ProcessTimeout = cmp.Or(o.ProcessTimeout, time.Minute)
	e := &Environment{options: o, direct: transport.Direct()}
	if err := e.readProfile(); err != nil {
		return nil, err
	}
	var err error
	if e.FIPS, e.FIPSFrom, err = e.flag("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"); err != nil {
		return nil, err
	}
	if e.dualStack, _, err = e.flag("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"); err != nil {
		return nil, err
	}
	mode, attempts, err := e.retries()
	if err != nil {
		return nil, err
	}
	bundle := e.lookup("AWS_CA_BUNDLE", "ca_bundle")
	if bundle.value == "" {
		bundle = firstSet("REQUESTS_CA_BUNDLE") // as boto3 does
	}
	client, err := transport.New(transport.Options{RequestTimeout: o.RequestTimeout, CABundle: bundle.value, CABundleFrom: bundle.from})
	if err != nil {
		return nil, err
	}
	region, err := e.region()
	if err != nil {
		return nil, err
	}
	if _, _, err := e.Endpoint("Secrets Manager"); err != nil {
		return nil, err
	}
	e.Config = aws.Config{
		Region:       region,
		HTTPClient:   client,
		Retryer:      transport.Retryer(mode, attempts),
		AppID:        AppID,
		DefaultsMode: aws.DefaultsModeLegacy, // "auto" would ask instance metadata; the others change nothing that isn't set here
		Logger:       logging.Nop{},          // the SDK would write lines to standard error
	}
	e.Config.ConfigSources = []any{sdkSource{e}}
	return e, nil
}

// readProfile reads the shared files and finds the profile.
func (e *Environment) readProfile() error {
	shared, err := readFiles()
	if err != nil {
		return err
	}
	e.files, e.named = shared, profileChoice(e.options)
	e.profile = shared.profiles[cmp.Or(e.named.value, "default")]
	if e.profile != nil || e.named.value == "" {
		return nil
	}
	problem := fmt.Sprintf("names a profile that is in neither the shared configuration file %s nor the shared credentials file %s", shared.config.state(), shared.credentials.state())
	if e.options.Profile != "" {
		return &credential.Error{Reason: credential.SettingsInvalid, Message: "the settings are refused", Violations: []credential.Violation{{Setting: "profile", Problem: problem}}}
	}
	return misconfigured("%s %s: %q", e.named.from, problem, e.named.value).WithHelp("correct %s, or add the profile", e.named.from)
}

// profileChoice is the profile to use; empty if none is named, which means "default" if there is one.
func profileChoice(o Options) choice {
	if o.Profile != "" {
		return choice{o.Profile, "profile"}
	}
	return firstSet("AWS_DEFAULT_PROFILE", "AWS_PROFILE")
}

func firstSet(variables ...string) choice {
	for _, variable := range variables {
		if value := os.Getenv(variable); value != "" {
			return choice{value, variable}
		}
	}
	return choice{}
}

// lookup returns a variable's value, else that of the profile's key. An empty variable is unset.
func (e *Environment) lookup(variable, key string) choice {
	if found := firstSet(variable); found.value != "" {
		return found
	}
	if value := e.profile.value(key); value != "" {
		return choice{value, e.key(key)}
	}
	return choice{}
}

// key names a key of the profile for messages.
func (e *Environment) key(key string) string { return keyOf(key, e.profile, e.files) }

func keyOf(key string, p *profile, f *files) string {
	return fmt.Sprintf("%s of profile %q in %s", key, p.name, f.where(p))
}

// region chooses the region, in boto3's order, with AWS_REGION before the profile's. A pseudo region of FIPS stands for its
// region with FIPS endpoints.
func (e *Environment) region() (string, error) {
	chosen := choice{e.options.Region, "region"}
	if chosen.value == "" {
		chosen = firstSet("AWS_DEFAULT_REGION", "AWS_REGION")
	}
	if chosen.value == "" {
		chosen = choice{e.profile.value("region"), "the AWS profile"}
	}
	if chosen.value == "" {
		return "", nil
	}
	e.RegionFrom = chosen.from
	region, fips := PseudoRegion(chosen.value)
	if fips && !e.FIPS {
		e.FIPS, e.FIPSFrom = true, chosen.from
	}
	if !IsRegion(region) {
		return "", misconfigured("%s is not the name of a region", chosen.from).WithHelp(`set it to a region such as "us-east-1"`)
	}
	return region, nil
}

// PseudoRegion returns the region that a pseudo region of FIPS stands for ("us-east-1-fips", "fips-us-east-1"), and whether
// it is one.
func PseudoRegion(name string) (region string, fips bool) {
	region = strings.ReplaceAll(strings.ReplaceAll(name, "fips-", ""), "-fips", "")
	return region, region != name
}

var regionPattern = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// IsRegion reports whether the name could be a region's, which is a part of a host name.
func IsRegion(name string) bool { return len(name) <= 63 && regionPattern.MatchString(name) }

// flag reads a boolean. boto3 takes anything but "true" as false; here a typing error in a demand for FIPS is an error.
func (e *Environment) flag(variable, key string) (set bool, from string, err error) {
	found := e.lookup(variable, key)
	switch strings.ToLower(found.value) {
	case "", "false":
		return false, "", nil
	case "true":
		return true, found.from, nil
	}
	return false, "", misconfigured("%s is neither true nor false", found.from).WithHelp("correct it, or unset it")
}

// retries reads the retry mode and how many attempts a request makes; 0: the default. "legacy" is boto3's older mode, for
// which "standard" stands.
func (e *Environment) retries() (aws.RetryMode, int, error) {
	mode := aws.RetryModeStandard
	found := e.lookup("AWS_RETRY_MODE", "retry_mode")
	switch strings.ToLower(found.value) {
	case "", "legacy", "standard":
	case "adaptive":
		mode = aws.RetryModeAdaptive
	default:
		return "", 0, misconfigured("%s is none of legacy, standard and adaptive", found.from).WithHelp("correct it, or unset it")
	}
	found = e.lookup("AWS_MAX_ATTEMPTS", "max_attempts")
	if found.value == "" {
		return mode, 0, nil
	}
	attempts, err := strconv.Atoi(strings.TrimSpace(found.value))
	if err != nil || attempts < 1 {
		return "", 0, misconfigured("%s is not a number of at least 1", found.from).WithHelp("correct it, or unset it")
	}
	return mode, attempts, nil
}

// Endpoint returns the endpoint that variables or the profile name for a service, and where; empty if they name none. The
// service is named as the SDK does: "Secrets Manager", "STS".
func (e *Environment) Endpoint(service string) (endpoint, from string, err error) {
	if endpoint, from, err = e.endpoint(service); endpoint == "" || err != nil {
		return "", "", err
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", "", misconfigured("%s is not an http or https URL", from).WithHelp("correct it, or unset it; a whole one is such as http://127.0.0.1:4566")
	}
	return endpoint, from, nil
}

func (e *Environment) endpoint(service string) (endpoint, from string, err error) {
	if ignored, _, err := e.flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls"); ignored || err != nil {
		return "", "", err
	}
	id := strings.ReplaceAll(service, " ", "_")
	if found := firstSet("AWS_ENDPOINT_URL_"+strings.ToUpper(id), "AWS_ENDPOINT_URL"); found.value != "" {
		return found.value, found.from, nil
	}
	if e.profile.has("services") {
		name := e.profile.value("services")
		values := e.files.services[name]
		if len(values) == 0 {
			return "", "", misconfigured("%s names the section [services %s], which isn't there or is empty", e.key("services"), name).WithHelp("correct the name, or complete the section")
		}
		id := strings.ToLower(id)
		own, found := values[id]
		if found && !strings.HasPrefix(own, "\n") {
			return "", "", misconfigured("%s in [services %s] of %s is not followed by indented lines", id, name, e.files.config.shown()).
				WithHelp("write \"endpoint_url = ...\" on its own line below it, indented")
		}
		if url := nested(own)["endpoint_url"]; url != "" {
			return url, fmt.Sprintf("endpoint_url in [services %s] of %s", name, e.files.config.shown()), nil
		}
	}
	if url := e.profile.value("endpoint_url"); url != "" {
		return url, e.key("endpoint_url"), nil
	}
	return "", "", nil
}

// ConfigOf makes clients of one service: it is Config with the endpoint that variables or the profile name for the service. Clients look
// for one themselves, but not where AWS_ENDPOINT_URL is set: they rely on the SDK's own reading of it then, and would ask AWS.
func (e *Environment) ConfigOf(service string) (aws.Config, error) {
	endpoint, _, err := e.Endpoint(service)
	if err != nil {
		return aws.Config{}, err
	}
	config := e.Config.Copy()
	if endpoint != "" {
		config.BaseEndpoint = aws.String(endpoint)
	}
	return config, nil
}

// sdkSource gives the SDK's clients what Environment has found, by the methods that they look for among an aws.Config's
// ConfigSources.
type sdkSource struct{ *Environment }

// GetUseFIPSEndpoint is looked for by every service's NewFromConfig.
func (s sdkSource) GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error) {
	return aws.FIPSEndpointStateEnabled, s.FIPS, nil
}

// GetUseDualStackEndpoint is looked for by every service's NewFromConfig.
func (s sdkSource) GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error) {
	return aws.DualStackEndpointStateEnabled, s.dualStack, nil
}

// instanceMetadata is the client for EC2 instance metadata. One attempt, since most machines where nothing else is found
// have no metadata either: that costs a second and not five.
func (e *Environment) instanceMetadata() (*imds.Client, error) {
	disabled, _, err := e.flag("AWS_EC2_METADATA_V1_DISABLED", "ec2_metadata_v1_disabled")
	if err != nil {
		return nil, err
	}
	endpoint := e.lookup("AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint").value
	mode := imds.EndpointModeStateUnset
	found := e.lookup("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode")
	switch strings.ToLower(found.value) {
	case "", "ipv4":
	case "ipv6":
		mode = imds.EndpointModeStateIPv6
	default:
		return nil, misconfigured("%s is neither ipv4 nor ipv6", found.from).WithHelp("correct it, or unset it")
	}
	return imds.New(imds.Options{
		HTTPClient: e.direct, Retryer: aws.NopRetryer{}, Endpoint: endpoint, EndpointMode: mode,
		EnableFallback: aws.BoolTernary(!disabled), Logger: logging.Nop{},
	}), nil
}

// metadataDisabled reports whether instance metadata is switched off.
func metadataDisabled() bool {
	return strings.EqualFold(os.Getenv("AWS_EC2_METADATA_DISABLED"), "true")
}

// regionTimeout bounds the question which region this instance is in.
const regionTimeout = time.Second

// InstanceRegion asks instance metadata for the region, and takes it.
func (e *Environment) InstanceRegion(caller context.Context) error {
	ctx, cancel := context.WithTimeout(caller, regionTimeout)
	defer cancel()
	client, err := e.instanceMetadata()
	if err != nil {
		return err
	}
	out, err := client.GetRegion(ctx, nil)
	if err == nil && IsRegion(out.Region) {
		e.Config.Region, e.RegionFrom = out.Region, "instance metadata"
		return nil
	}
	if caller.Err() != nil { // nothing is known of the region then, least of all that there is none
		return waitedInVain(caller, "instance metadata")
	}
	why := "instance metadata doesn't answer"
	if metadataDisabled() {
		why = "instance metadata is switched off by AWS_EC2_METADATA_DISABLED"
	}
	return misconfigured("no AWS region is set: not in plugin_aws_secrets_manager_region, AWS_DEFAULT_REGION, AWS_REGION or the AWS profile, and %s", why).
		WithHelp("set plugin_aws_secrets_manager_region, or the environment variable AWS_DEFAULT_REGION or AWS_REGION, to the region that holds the secrets, for example us-east-1")
}
