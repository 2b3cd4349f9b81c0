package main

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/plugin-awssm/internal/awscreds"
)

// policy is a policy of IAM as far as the README has any.
type policy struct {
	Version   string
	Statement []struct {
		Sid, Effect, Resource string
		Action                actions
		Principal             map[string]string
		Condition             map[string]map[string]string
	}
}

// actions are one action or several.
type actions []string

func (a *actions) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*a = actions{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(a))
}

var jsonBlock = regexp.MustCompile("(?s)```json\n(.*?)```")

// TestReadmePolicies: the policies are JSON that IAM would take, and name the actions that the provider needs, on the
// resources that AWS honours.
func TestReadmePolicies(t *testing.T) {
	var document string
	for _, path := range []string{"README.md", "../README.md"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		document += strings.ReplaceAll(string(text), "\r\n", "\n")
	}
	var seen []string
	for i, block := range jsonBlock.FindAllStringSubmatch(document, -1) {
		if !strings.Contains(block[1], `"Statement"`) {
			continue // what a secret holds
		}
		decoder := json.NewDecoder(strings.NewReader(block[1]))
		decoder.DisallowUnknownFields()
		var p policy
		if err := decoder.Decode(&p); err != nil {
			t.Errorf("block %d: %v\n%s", i+1, err, block[1])
			continue
		}
		if p.Version != "2012-10-17" || len(p.Statement) == 0 {
			t.Errorf("block %d is no policy: %s", i+1, block[1])
		}
		for _, statement := range p.Statement {
			if statement.Effect != "Allow" || len(statement.Action) == 0 || statement.Resource == "" && statement.Principal == nil {
				t.Errorf("block %d: statement %+v", i+1, statement)
			}
			for _, action := range statement.Action {
				seen = append(seen, action)
				everything := statement.Resource == "*"
				switch action {
				case actionList, actionBatch:
					if !everything {
						t.Errorf("block %d: %s on %q, which AWS doesn't honour", i+1, action, statement.Resource)
					}
				case actionGet:
					if byResource := everything && statement.Principal != nil; byResource {
						continue // a policy on the secret itself
					}
					if !strings.HasSuffix(statement.Resource, ":secret:"+defaultSettings().SecretPrefix+"*") {
						t.Errorf("block %d: %s on %q", i+1, action, statement.Resource)
					}
				case actionDecrypt, "sts:AssumeRole":
					if everything {
						t.Errorf("block %d: %s on everything", i+1, action)
					}
				default:
					t.Errorf("block %d: the provider doesn't use %s", i+1, action)
				}
			}
		}
	}
	for _, action := range []string{actionGet, actionList, actionBatch, actionDecrypt, "sts:AssumeRole"} {
		if !slices.Contains(seen, action) {
			t.Errorf("no policy has %s", action)
		}
	}
	if !strings.Contains(document, "app/"+awscreds.AppID) {
		t.Errorf("the app id %s isn't named", awscreds.AppID)
	}
}

// readmePolicy is the README's policy with the statement of this Sid.
func readmePolicy(t *testing.T, sid string) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range jsonBlock.FindAllStringSubmatch(strings.ReplaceAll(string(text), "\r\n", "\n"), -1) {
		if strings.Contains(block[1], `"Sid": "`+sid+`"`) {
			return block[1]
		}
	}
	t.Fatalf("README.md has no policy with the Sid %s", sid)
	return ""
}
