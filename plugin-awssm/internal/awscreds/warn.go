package awscreds

import (
	"os"

	"github.com/hashicorp/go-hclog"
)

// Warn logs once, at Configure, where the environment can be read in more than one way and which one counts, and what boto3
// reads and this doesn't.
func (e *Environment) Warn(log hclog.Logger) {
	o := e.options
	differ := func(winner, loser string) {
		if a, b := os.Getenv(winner), os.Getenv(loser); a != "" && b != "" && a != b {
			log.Warn("two environment variables disagree; the first one counts", "first", winner, "value", a, "ignored", loser, "ignored_value", b)
		}
	}
	if o.Region == "" {
		differ("AWS_DEFAULT_REGION", "AWS_REGION")
	}
	if o.Profile == "" {
		differ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")
	}
	if o.Profile != "" && (os.Getenv("AWS_ACCESS_KEY_ID") != "" || os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "") {
		log.Warn("AWS credentials in the environment are ignored, because the setting profile names a profile", "profile", o.Profile)
	}
	for variable, because := range map[string]string{
		"AWS_ACCESS_KEY":      "use AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
		"AWS_SECRET_KEY":      "use AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
		"AWS_CREDENTIAL_FILE": "files of the oldest tools aren't read: use AWS_SHARED_CREDENTIALS_FILE",
		"BOTO_CONFIG":         "files of boto 2 aren't read: use AWS_SHARED_CREDENTIALS_FILE",
	} {
		if os.Getenv(variable) != "" {
			log.Warn("an environment variable is ignored", "variable", variable, "because", because)
		}
	}
	if region := e.profile.value("region"); e.RegionFrom == "AWS_REGION" && region != "" && region != e.Config.Region {
		log.Warn("AWS_REGION and the profile's region disagree; AWS_REGION counts, which boto3 doesn't read: set region to decide",
			"value", e.Config.Region, "ignored_value", region)
	}
	if o.Profile == "" && readKeys() != (keys{}) {
		if err := e.profileProblem(); err != nil {
			log.Warn("the AWS profile can't be used; the access keys in the environment are used instead", "error", err.Error())
		}
	}
}

// profileProblem returns what is wrong with the profile, which may not matter.
func (e *Environment) profileProblem() error {
	find := &finder{chain: &Chain{environment: e}, files: e.files, visited: []string{e.profileName()}}
	found, err := find.role(e.profile)
	if found == nil && err == nil {
		_, err = find.ownCredentials(e.profile)
	}
	return err
}
