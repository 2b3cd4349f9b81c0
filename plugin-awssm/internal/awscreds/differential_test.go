package awscreds

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// differentialCases is how many spellings are drawn in CI; elsewhere, with botocore at hand, some hundreds show most mistakes.
const differentialCases = 2000

// differences are where this means to differ from boto3. README.md has the same list, and more that can't be drawn.
var differences = map[string]struct {
	why    string
	allows func(c *drawn, ours finding, boto3 botoAnswer) bool
}{
	"secret without id": {
		why: "a secret access key without its id is refused, as the reverse is; boto3 passes over it and signs as another identity",
		allows: func(_ *drawn, ours finding, _ botoAnswer) bool {
			return strings.Contains(ours.problem, "AWS_ACCESS_KEY_ID is not") || strings.Contains(ours.problem, "but no aws_access_key_id")
		},
	},
	"keys and SSO": {
		why: "a profile with access keys and an SSO role is refused, since AWS's tools disagree about which of them count",
		allows: func(_ *drawn, ours finding, _ botoAnswer) bool {
			return strings.Contains(ours.problem, "both access keys and SSO settings")
		},
	},
	"empty variable": {
		why:    "an empty variable is unset; to boto3 an empty AWS_PROFILE, AWS_CONFIG_FILE or AWS_WEB_IDENTITY_TOKEN_FILE is a value",
		allows: func(c *drawn, _ finding, _ botoAnswer) bool { return c.emptyVariable },
	},
	"expired": {
		why: "credentials that have expired by this machine's clock are used: the clock may be wrong, AWS decides",
		allows: func(c *drawn, ours finding, boto3 botoAnswer) bool {
			return c.expired && boto3.Identity == "error" && ours.identity != "none"
		},
	},
	"aws login without awscrt": {
		why: "botocore uses a session of \"aws login\" only beside the package awscrt; where that is, the two are compared",
		allows: func(c *drawn, _ finding, boto3 botoAnswer) bool {
			return c.login && strings.Contains(boto3.Problem, "botocore[crt]")
		},
	},
	"unused sso_session": {
		why: "an sso_session that names no section matters only where SSO is the source; boto3 refuses every profile with one",
		allows: func(_ *drawn, _ finding, boto3 botoAnswer) bool {
			return strings.Contains(boto3.Problem, "configured to use the SSO token provider")
		},
	},
}

// finding is what was found of ours: an identity's ARN, "none", or "error" with its text.
type finding struct{ identity, problem string }

// TestLikeBotocore draws environments and shared files, and compares the identity that a server sees, or the refusal, with
// botocore's. The same seed draws the same cases: DIFFERENTIAL_SEED draws others, DIFFERENTIAL_CASES makes it longer.
func TestLikeBotocore(t *testing.T) {
	w := newWorld(t)
	boto := startBotocore(t, w)
	seed := number(t, "DIFFERENTIAL_SEED", 6974894321118192252)
	cases := number(t, "DIFFERENTIAL_CASES", 300)
	if os.Getenv("CI") == "true" {
		cases = number(t, "DIFFERENTIAL_CASES", differentialCases)
	}
	t.Logf("DIFFERENTIAL_SEED=%d, %d cases", seed, cases)

	outcomes, used, failures := map[string]int{}, map[string]int{}, 0
	for i := range cases {
		c := w.draw(rand.New(rand.NewPCG(seed, i)))
		w.lay(t, c)
		theirs := boto.ask(t, c)
		w.lay(t, c)
		ours := w.whoAmI(t, c)
		outcomes[kind(theirs.Identity)]++
		if same(ours.identity, theirs.Identity) {
			continue
		}
		if name := allowed(c, ours, theirs); name != "" {
			used[name]++
			continue
		}
		if failures++; failures <= 5 {
			t.Errorf("case %d of seed %d: ours %s (%s), boto3's %s (%s)\n%s", i, seed, ours.identity, ours.problem, theirs.Identity, theirs.Problem, c)
		}
	}
	t.Logf("boto3's outcomes: %v; meant differences: %v; others: %d", outcomes, used, failures)
	if cases >= 300 && (outcomes["identity"] < int(cases)/5 || outcomes["error"] < int(cases)/10 || outcomes["none"] == 0) {
		t.Errorf("the cases are one-sided: %v", outcomes)
	}
}

// hole is a place of a message that should have something in it.
var hole = regexp.MustCompile(`[^\\]""|\(\)|: ;|: $`)

func kind(identity string) string {
	if strings.HasPrefix(identity, "arn:") {
		return "identity"
	}
	return identity
}

var ownSession = regexp.MustCompile(`/(botocore-session-[0-9]+|` + ourSession + `)$`)

// ourSession is the session name of Options, in the place of botocore's own.
const ourSession = "session-of-ours"

// same compares what was found; sessions have random names where nothing gives them one.
func same(ours, theirs string) bool {
	// One of them reads the line feed of a role's name in XML, the other as a character.
	return ownSession.ReplaceAllString(html.UnescapeString(ours), "/*") == ownSession.ReplaceAllString(html.UnescapeString(theirs), "/*")
}

// drawn is an environment with shared files.
type drawn struct {
	env         map[string]string
	config      string
	credentials string
	profile     string // the setting, and botocore's argument

	configuration bool // the configuration is asked for, not the identity
	emptyVariable bool // a variable is set, and empty
	expired       bool // credentials have expired
	login         bool // a profile has a session of "aws login"

	cache map[string]string // the files below ~/.aws that signing in has left, which both sides may write to
}

// allowed returns the difference that is meant; empty if none is.
func allowed(c *drawn, ours finding, theirs botoAnswer) string {
	for _, name := range slices.Sorted(maps.Keys(differences)) {
		if differences[name].allows(c, ours, theirs) {
			return name
		}
	}
	return ""
}

func (c *drawn) String() string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(c.env)) {
		fmt.Fprintf(&text, "%s=%q\n", name, c.env[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.cache)) {
		fmt.Fprintf(&text, "~/.aws/%s: %s\n", name, c.cache[name])
	}
	fmt.Fprintf(&text, "profile %q\nconfig %q\ncredentials %q", c.profile, c.config, c.credentials)
	return text.String()
}

// whoAmI is the identity that the server sees of us.
func (w *world) whoAmI(t *testing.T, c *drawn) finding {
	t.Helper()
	restore := setEnvironment(c.env)
	defer restore()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	failed := func(err error) finding {
		if credential.ReasonOf(err) == credential.Internal || strings.Contains(err.Error(), "%!") || strings.Contains(err.Error(), "*errors.") || hole.MatchString(err.Error()) {
			t.Errorf("a bad message: %v\n%s", err, c)
		}
		if strings.Contains(err.Error(), "no AWS credentials were found") {
			return finding{"none", err.Error()}
		}
		return finding{"error", err.Error()}
	}
	e, err := Load(Options{Region: "us-east-1", Profile: c.profile, SessionName: ourSession, RequestTimeout: 20 * time.Second, ProcessTimeout: 20 * time.Second})
	if err != nil {
		return failed(err)
	}
	leadECS(t, e, w.answers.URL)
	creds, err := NewChain(e, hclog.NewNullLogger()).Obtain(ctx)
	if err != nil {
		return failed(err)
	}
	config, err := e.ConfigOf("STS")
	if err != nil {
		return failed(err)
	}
	config.HTTPClient = w.http
	config.Credentials = fixed(creds)
	out, err := sts.NewFromConfig(config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return finding{"error", err.Error()}
	}
	return finding{identity: *out.Arn}
}

// setEnvironment makes the variables the process's own, and returns what takes that back.
func setEnvironment(env map[string]string) (restore func()) {
	before := make(map[string]*string)
	for name, value := range env {
		before[name] = nil
		if old, set := os.LookupEnv(name); set {
			before[name] = &old
		}
		os.Setenv(name, value)
	}
	return func() {
		for name, value := range before {
			if value == nil {
				os.Unsetenv(name)
			} else {
				os.Setenv(name, *value)
			}
		}
	}
}

func number(t *testing.T, variable string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s=%q: %v", variable, text, err)
	}
	return n
}

// botocore is a Python process that answers as whom botocore signs.
type botocore struct {
	in  io.Writer
	out *bufio.Reader
}

type botoAnswer struct {
	Identity string `json:"identity"`
	Problem  string `json:"problem"`
}

// startBotocore starts the Python that PYTHON names, else python3. Without botocore the test is skipped, unless CI=true.
func startBotocore(t *testing.T, w *world) *botocore {
	t.Helper()
	python := os.Getenv("PYTHON")
	if python == "" {
		python = "python3"
	}
	if err := exec.CommandContext(t.Context(), python, "-c", "import botocore.session").Run(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s with botocore: %v", python, err)
		}
		t.Skipf("set PYTHON to a Python that has boto3 (pip install boto3); %s: %v", python, err)
	}
	command := exec.Command(python, filepath.Join("testdata", "whoami.py"))
	// The cache of IAM Identity Center's tokens is where HOME is when Python starts.
	command.Env = append(os.Environ(), "HOME="+w.home, "ECS_ADDRESS="+strings.TrimPrefix(w.answers.URL, "http://"))
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = command.Wait()
	})
	return &botocore{in: in, out: bufio.NewReader(out)}
}

func (b *botocore) ask(t *testing.T, c *drawn) (answer botoAnswer) {
	t.Helper()
	question, err := json.Marshal(map[string]any{"environment": c.env, "profile": c.profile, "configuration": c.configuration})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.in.Write(append(question, '\n')); err != nil {
		t.Fatal(err)
	}
	line, err := b.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("botocore gave no answer: %v\n%s", err, c)
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}
