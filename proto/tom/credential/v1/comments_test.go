package credentialv1_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// The contract's comments are the specification for authors in other languages. What they say of tables and constants
// is compared here with what the Go code does; shared/internal/wire does the same for the handshake.

func contract(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("credential_provider.proto")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// declaredReasons are the constants of shared/credential, read from its source: a list here could be forgotten.
func declaredReasons(t *testing.T) []credential.Reason {
	t.Helper()
	source, err := os.ReadFile("../../../../shared/credential/reason.go")
	if err != nil {
		t.Fatal(err)
	}
	var reasons []credential.Reason
	for _, match := range regexp.MustCompile(`(?m)^\s+\w+\s+Reason = "([A-Z_]+)"$`).FindAllStringSubmatch(string(source), -1) {
		reasons = append(reasons, credential.Reason(match[1]))
	}
	if len(reasons) < 28 {
		t.Fatalf("only %d reasons found in the source", len(reasons))
	}
	return reasons
}

func TestReasonsInTheContractAreThoseOfTheCode(t *testing.T) {
	text := contract(t)
	_, table, ok := strings.Cut(text, "//   reason                    code                 meaning\n")
	if !ok {
		t.Fatal("the table of errors isn't where it was")
	}
	table, after, _ := strings.Cut(table, "//\n")
	written := map[credential.Reason]string{}
	for line := range strings.Lines(table) {
		fields := strings.Fields(strings.TrimPrefix(line, "//"))
		if len(fields) < 3 {
			t.Fatalf("a line of the table without a meaning: %q", line)
		}
		reason := credential.Reason(fields[0])
		if _, twice := written[reason]; twice {
			t.Errorf("%s is there twice", reason)
		}
		written[reason] = fields[1]
	}
	hostOnly, _, _ := strings.Cut(after, "//\n")
	hosts := regexp.MustCompile(`[A-Z]+_[A-Z_]+`).FindAllString(hostOnly, -1)

	for _, reason := range declaredReasons(t) {
		code, fromProvider := written[reason]
		switch {
		case reason.FromProvider() && !fromProvider:
			t.Errorf("%s is missing in the contract's table", reason)
		case reason.FromProvider() && code != reason.Code():
			t.Errorf("%s has code %s in the contract and %s in the code", reason, code, reason.Code())
		case !reason.FromProvider() && fromProvider:
			t.Errorf("%s is in the contract's table, and the code takes it from no provider", reason)
		case !reason.FromProvider() && !slices.Contains(hosts, string(reason)):
			t.Errorf("%s is missing in the contract's list of what hosts add", reason)
		}
	}
	declared := declaredReasons(t)
	for _, reason := range slices.Concat(slices.Collect(maps.Keys(written)), toReasons(hosts)) {
		if !slices.Contains(declared, reason) {
			t.Errorf("%s is in the contract and not in the code", reason)
		}
	}
	for _, reason := range toReasons(hosts) {
		if reason.FromProvider() {
			t.Errorf("%s: the contract says that hosts add it, the code takes it from providers", reason)
		}
	}
}

// What the rows of that table say is compared in shared/store.
func TestEveryReasonIsInTheReadme(t *testing.T) {
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range declaredReasons(t) {
		if row := "\n| `" + string(reason) + "` |"; reason.FromProvider() && strings.Count(string(text), row) != 1 {
			t.Errorf("%s has %d rows in proto/README.md", reason, strings.Count(string(text), row))
		}
	}
}

func toReasons(texts []string) []credential.Reason {
	reasons := make([]credential.Reason, len(texts))
	for i, text := range texts {
		reasons[i] = credential.Reason(text)
	}
	return reasons
}

func TestCapabilitiesInTheContractAreThoseOfTheCode(t *testing.T) {
	_, list, _ := strings.Cut(contract(t), "// What the provider can do beyond GetCredential and Validate:\n")
	list, _, _ = strings.Cut(list, "// RELEASE and WATCH")
	var written []string
	for _, match := range regexp.MustCompile(`(?m)^  //   ([A-Z]+)  `).FindAllStringSubmatch(list, -1) {
		written = append(written, match[1])
	}
	declared := []string{string(credential.CapabilityList), string(credential.CapabilityBatch), string(credential.CapabilityVersion)}
	if !slices.Equal(written, declared) {
		t.Errorf("the contract has %v, the code %v", written, declared)
	}
}

func TestEveryReasonNamedInTheContractExists(t *testing.T) {
	declared := declaredReasons(t)
	known := []string{"SERVING"}
	for _, reason := range declared {
		known = append(known, reason.Code())
	}
	for _, name := range regexp.MustCompile(`\b[A-Z]+_[A-Z_]+[A-Z]\b`).FindAllString(contract(t), -1) {
		switch {
		case strings.HasPrefix(name, "CHECK_STATUS_"), strings.HasPrefix(name, "PLUGIN_"), strings.HasPrefix(name, "TOM_CREDENTIAL_"):
		case !slices.Contains(known, name) && !slices.Contains(declared, credential.Reason(name)):
			t.Errorf("the contract speaks of %s, which is neither a reason nor a code", name)
		}
	}
}

func TestNumbersInTheContractAreThoseOfTheCode(t *testing.T) {
	text := contract(t)
	for pattern, want := range map[string]int{
		`More than (\d+) requests:`: credential.MaxBatch,
		`// 1 to (\d+) requests;`:   credential.MaxBatch,
		`1 to (\d+) bytes of UTF-8`: credential.MaxIDLength,
	} {
		match := regexp.MustCompile(pattern).FindStringSubmatch(text)
		if match == nil || match[1] != strconv.Itoa(want) {
			t.Errorf("the contract has %q where the code has %d", match, want)
		}
	}
}
