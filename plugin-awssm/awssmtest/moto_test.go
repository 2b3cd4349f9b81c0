//go:build unix

package awssmtest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest/externaltool"
)

// moto is another implementation of the same services, by other people: where both agree, neither is likely to be wrong. The test runs
// one table of calls against both.

// witness makes calls of one implementation and writes down what came back, without what is bound to differ: dates, ids and the ends
// of ARNs.
type witness struct {
	t       *testing.T
	secrets *secretsmanager.Client
	sts     *sts.Client
	seen    []string
}

// saw adds a line: what was asked, and the error's code or what the answer held.
func (w *witness) saw(err error, asked string, answer func() string) {
	w.t.Helper()
	var api smithy.APIError
	switch {
	case errors.As(err, &api):
		w.seen = append(w.seen, asked+": "+api.ErrorCode())
		return
	case err != nil:
		w.seen = append(w.seen, asked+": no answer of the service")
		return
	}
	w.seen = append(w.seen, strings.TrimSpace(asked+": ok "+answer()))
}

func TestAgainstMoto(t *testing.T) {
	moto := externaltool.Moto(t)
	caller := defaultCaller(t)
	if len(motoCases) < 60 {
		t.Errorf("%d cases, want at least 60", len(motoCases))
	}
	names := map[string]bool{}
	for _, c := range motoCases {
		if names[c.name] {
			t.Errorf("two cases are named %q", c.name)
		}
		names[c.name] = true
		t.Run(c.name, func(t *testing.T) {
			ours := StartTest(t, Options{})
			response, err := caller.http.Post(moto+"/moto-api/reset", "", nil)
			check(t, err)
			response.Body.Close()

			watch := func(url string) []string {
				w := &witness{t: t, secrets: caller.secrets(url), sts: caller.sts(url)}
				c.run(w)
				return w.seen
			}
			compare(t, c.name, watch(ours.URL()), watch(moto))
		})
	}
	for name := range knownDifferences {
		if !names[name] {
			t.Errorf("known difference %q belongs to no case", name)
		}
	}
}

// compare fails on lines that differ, unless exactly that difference is known; and on a known difference that is no more.
func compare(t *testing.T, name string, ours, moto []string) {
	t.Helper()
	var oursOnly, motoOnly []string
	for i := range max(len(ours), len(moto)) {
		a, b := lineAt(ours, i), lineAt(moto, i)
		if a != b {
			oursOnly, motoOnly = append(oursOnly, a), append(motoOnly, b)
		}
	}
	known, listed := knownDifferences[name]
	got := difference{ours: strings.Join(oursOnly, "\n"), moto: strings.Join(motoOnly, "\n")}
	switch {
	case listed && known.why == "":
		t.Error("a known difference needs its reason")
	case listed && len(oursOnly) == 0:
		t.Error("listed as a known difference, but there is none: remove it from the table")
	case got.ours != known.ours || got.moto != known.moto:
		t.Errorf("ours: %q\nmoto: %q\nknown: %q\nfor moto: %q", got.ours, got.moto, known.ours, known.moto)
	}
}

func lineAt(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(nothing)"
}

// versionID makes a version id, which is a token of 32 characters, out of one.
func versionID(letter string) *string { return aws.String(strings.Repeat(letter, 32)) }

// brief is the inverse: it shortens version ids, and says "generated" of those that the service made.
func brief(id *string) string {
	switch {
	case id == nil:
		return "none"
	case len(*id) == 32 && strings.Count(*id, (*id)[:1]) == 32:
		return (*id)[:1]
	default:
		return fmt.Sprintf("generated(%d)", len(*id))
	}
}
