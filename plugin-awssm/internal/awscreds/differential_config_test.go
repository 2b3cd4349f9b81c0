package awscreds

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// configuration is what decides which endpoint is asked, and how, in the form of testdata/whoami.py.
type configuration struct {
	Attempts  int    `json:"attempts"`
	DualStack bool   `json:"dual_stack"`
	Endpoint  string `json:"endpoint"`
	FIPS      bool   `json:"fips"`
	Mode      string `json:"mode"`
	Region    string `json:"region"`
}

// mistyped are refusals that botocore leaves to the request, or never makes: it takes a mistyped flag for false.
var mistyped = regexp.MustCompile(`is neither true nor false|is not the name of a region|is none of legacy, standard and adaptive|is not an http or https URL`)

// TestConfigurationLikeBotocore draws regions, endpoints, [services] sections and the keys of FIPS and retries in variables and
// files, and compares what they come to with botocore. AWS_REGION isn't drawn: boto3 doesn't read it.
func TestConfigurationLikeBotocore(t *testing.T) {
	w := newWorld(t)
	boto := startBotocore(t, w)
	seed, cases := number(t, "DIFFERENTIAL_SEED", 8213), number(t, "DIFFERENTIAL_CONFIGURATIONS", 600)
	t.Logf("DIFFERENTIAL_SEED=%d, %d cases", seed, cases)
	refused, meant, failures := 0, 0, 0
	for i := range cases {
		a := w.artist(rand.New(rand.NewPCG(seed, i)))
		a.configuration()
		theirs := boto.ask(t, a.c)
		ours := configurationOf(a.c)
		switch {
		case ours.identity == theirs.Identity:
		case a.c.emptyVariable, mistyped.MatchString(ours.problem):
			meant++
			continue
		default:
			if failures++; failures <= 5 {
				t.Errorf("case %d of seed %d: ours %s (%s), boto3's %s (%s)\n%s", i, seed, ours.identity, ours.problem, theirs.Identity, theirs.Problem, a.c)
			}
		}
		if theirs.Identity == "error" {
			refused++
		}
	}
	t.Logf("%d refused, %d meant differences, %d differ", refused, meant, failures)
	if cases >= 600 && (refused < int(cases)/20 || refused > int(cases)*2/3) {
		t.Errorf("the cases are one-sided: %d of %d are refused", refused, cases)
	}
}

func configurationOf(c *drawn) finding {
	restore := setEnvironment(c.env)
	defer restore()
	e, err := Load(Options{Profile: c.profile, SessionName: ourSession, RequestTimeout: 1})
	if err != nil {
		return finding{"error", err.Error()}
	}
	endpoint, _, err := e.Endpoint("Secrets Manager")
	if err != nil {
		return finding{"error", err.Error()}
	}
	mode, attempts, err := e.retries()
	if err != nil {
		return finding{"error", err.Error()}
	}
	text, err := json.Marshal(configuration{attempts, e.dualStack, endpoint, e.FIPS, string(mode), e.Config.Region})
	if err != nil {
		return finding{"error", err.Error()}
	}
	return finding{identity: strings.NewReplacer(`":`, `": `, `,"`, `, "`).Replace(string(text))}
}

// configuration draws files and variables that hold no credentials.
func (a *artist) configuration() {
	a.c.configuration = true
	delete(a.c.env, "AWS_DEFAULT_REGION")
	var text strings.Builder
	for _, name := range []string{"default", "lab"} {
		if a.chance(85) {
			text.WriteString(a.section(true, name))
			text.WriteString(a.settings())
		}
	}
	if a.chance(75) {
		text.WriteString(a.pick("[services s]\n", "[services s]\n", "[services 's']\n", "[services t]\n", "[service s]\n", "[services s]\nregion = eu-north-1\n"))
		for range a.IntN(3) {
			text.WriteString(a.pick("", "", " ") + a.pick("secrets_manager", "secrets_manager", "Secrets_Manager", "secretsmanager", "sts", "s3") + " =" + a.pick("\n", "\n", " \n", " x\n") +
				a.pick("  ", "\t", "    ", " ") + a.pick("endpoint_url", "endpoint_url", "endpoint_url ", "ENDPOINT_URL", "other") + a.pick(" = ", "=", " =  ", ": ") + "http://127.0.0.1:" + fmt.Sprint(1+a.IntN(4)) + "\n" +
				a.pick("", "", "  # comment\n", "  nothing\n", "\n", "  other = 1\n"))
		}
	}
	a.c.config = text.String()
	if a.chance(10) {
		a.c.config = a.spoil(a.c.config)
	}
	if a.chance(30) {
		a.c.credentials = "[" + a.pick("default", "lab") + "]\n" + a.settings()
	}
	a.place("AWS_CONFIG_FILE", "config", a.c.config)
	a.place("AWS_SHARED_CREDENTIALS_FILE", "credentials", a.c.credentials)
	env := a.c.env
	if a.chance(40) {
		env[a.pick("AWS_PROFILE", "AWS_DEFAULT_PROFILE")] = a.pick("lab", "lab", "default", " lab")
	}
	for _, one := range [][]string{
		{"AWS_DEFAULT_REGION", "us-west-2", "us-west-2", ""}, {"AWS_ENDPOINT_URL", "http://127.0.0.1:7"}, {"AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:8", ""},
		{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true", "TRUE", "false"}, {"AWS_USE_FIPS_ENDPOINT", "true", "True", "false"}, {"AWS_USE_DUALSTACK_ENDPOINT", "true", "false"},
		{"AWS_MAX_ATTEMPTS", "4", " 5 ", "x"}, {"AWS_RETRY_MODE", "standard", "adaptive"},
	} {
		if a.chance(12) {
			env[one[0]] = a.pick(one[1:]...)
			a.c.emptyVariable = a.c.emptyVariable || env[one[0]] == ""
		}
	}
}

// settings draws the keys of a profile.
func (a *artist) settings() (text string) {
	for _, key := range [][]string{
		{"region", "eu-west-1", "us-east-2"}, {"services", "s", "s", "t", ""}, {"endpoint_url", "http://127.0.0.1:9"}, {"ignore_configured_endpoint_urls", "true", "false"},
		{"use_fips_endpoint", "true", "false"}, {"use_dualstack_endpoint", "true", "false"}, {"max_attempts", "2", "3"}, {"retry_mode", "standard", "adaptive"},
	} {
		if a.chance(22) {
			text += a.line(key[0], a.pick(key[1:]...))
		}
	}
	return text
}
