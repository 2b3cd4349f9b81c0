package main

import (
	"cmp"
	"os"

	"github.com/hashicorp/go-hclog"
)

// The environment is read as boto3 reads it, which the AWS SDK for Go does not: users come from a worker that used boto3,
// and their environments must go on meaning the same account and region.

// choice is a value from the first place that has one.
type choice struct {
	value string
	from  string // the variable or setting it came from
}

// profileChoice is the profile to use; empty if none is named, which means "default" if there is one.
func profileChoice(s settings) choice {
	if s.Profile != "" {
		return choice{s.Profile, "profile"}
	}
	return firstSet("AWS_DEFAULT_PROFILE", "AWS_PROFILE")
}

// regionChoice is the region that settings or environment name; empty if it is left to the profile or the instance.
func regionChoice(s settings) choice {
	if s.Region != "" {
		return choice{s.Region, "region"}
	}
	return firstSet("AWS_DEFAULT_REGION", "AWS_REGION")
}

func firstSet(variables ...string) choice {
	for _, variable := range variables {
		if value := os.Getenv(variable); value != "" {
			return choice{value, variable}
		}
	}
	return choice{}
}

// environmentKeys are AWS access keys in the environment. boto3 takes a token from AWS_SECURITY_TOKEN first.
type environmentKeys struct {
	id, secret, token, expiration string
}

func readEnvironmentKeys() environmentKeys {
	return environmentKeys{
		id:         os.Getenv("AWS_ACCESS_KEY_ID"),
		secret:     os.Getenv("AWS_SECRET_ACCESS_KEY"),
		token:      cmp.Or(os.Getenv("AWS_SECURITY_TOKEN"), os.Getenv("AWS_SESSION_TOKEN")),
		expiration: os.Getenv("AWS_CREDENTIAL_EXPIRATION"),
	}
}

// warnOfAmbiguity says once, at Configure, where the environment can be read in more than one way and which one counts.
func warnOfAmbiguity(s settings, log hclog.Logger) {
	differ := func(winner, loser string) {
		if a, b := os.Getenv(winner), os.Getenv(loser); a != "" && b != "" && a != b {
			log.Warn("two environment variables disagree; the first one counts", "first", winner, "value", a, "ignored", loser, "ignored_value", b)
		}
	}
	if s.Region == "" {
		differ("AWS_DEFAULT_REGION", "AWS_REGION")
	}
	if s.Profile == "" {
		differ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")
	}
	if s.Profile != "" && (os.Getenv("AWS_ACCESS_KEY_ID") != "" || os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "") {
		log.Warn("AWS credentials in the environment are ignored, because the setting profile names a profile", "profile", s.Profile)
	}
	for _, alias := range keyAliases {
		if os.Getenv(alias) != "" {
			log.Warn("an environment variable is ignored", "variable", alias, "because", "use AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
		}
	}
}

// warnOfRegion says that the environment overrules the profile in a way in which boto3 didn't.
func warnOfRegion(s settings, profiles string, log hclog.Logger) {
	if chosen := regionChoice(s); chosen.from == "AWS_REGION" && profiles != "" && profiles != chosen.value {
		log.Warn("AWS_REGION and the profile's region disagree; AWS_REGION counts, which boto3 doesn't read: set region to decide",
			"value", chosen.value, "ignored_value", profiles)
	}
}

// keyAliases are names for access keys that the AWS SDK for Go reads and boto3 doesn't.
var keyAliases = []string{"AWS_ACCESS_KEY", "AWS_SECRET_KEY"}

// forgetAliases removes them from the process's environment: the SDK has no other way of being told not to read them. It
// belongs to a process that serves one provider, and is called once, before anything reads the environment.
func forgetAliases() {
	for _, alias := range keyAliases {
		_ = os.Unsetenv(alias)
	}
}
