package awssmtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Policies are those of IAM as far as they matter to readers of secrets: statements with Effect, Principal, Action, Resource and the
// conditions StringEquals and StringLike on secretsmanager:VersionStage, sts:ExternalId and kms:ViaService. Others are refused when they are put, rather
// than passed over when they should count.

// policies are all but those of secrets, which are with their secrets.
type policies struct {
	mu       sync.Mutex
	identity map[string]attached // by the ARN of a user or role
	resource map[string]*policy  // by the ARN of a KMS key or role
}

// attached are an identity's policies; nil: it needs none.
type attached []*policy

// AttachPolicy gives a user or role, named by its ARN, an identity-based policy besides those that it has. From then on it may do what
// these or, in its own account, a secret's policy allow, and nothing else. An identity without one may do everything that another
// account doesn't have to allow. It panics on a policy that can't be evaluated: that is a mistake in the test.
func (s *Server) AttachPolicy(identity, document string) {
	parsed := mustParsePolicy(identity, document)
	s.policies.mu.Lock()
	defer s.policies.mu.Unlock()
	s.policies.identity[identity] = append(s.policies.identity[identity], parsed)
}

// PutPolicy gives a KMS key or a role, named by its ARN, its own policy: whose principals may use the key (kms:Decrypt), or assume the
// role. Without one, a key is its own account's, and a role trusts everyone. A secret has Region.SetPolicy, and the operation
// PutResourcePolicy. It panics on a policy that can't be evaluated.
func (s *Server) PutPolicy(resource, document string) {
	parsed := mustParsePolicy(resource, document)
	s.policies.mu.Lock()
	defer s.policies.mu.Unlock()
	s.policies.resource[resource] = parsed
}

func mustParsePolicy(of, document string) *policy {
	parsed, err := parsePolicy(document)
	if err != nil {
		panic(fmt.Sprintf("awssmtest: the policy of %s: %v", of, err))
	}
	return parsed
}

// of returns the policies of an identity, and the one of a key or role; nil if there is none.
func (p *policies) of(identity, resource string) (attached, *policy) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var own attached
	for of, policies := range p.identity {
		if isPrincipal(of, identity) {
			own = append(own, policies...)
		}
	}
	return own, p.resource[resource]
}

// on decides for all of an identity's policies.
func (a attached) on(action, resource string, conditions ...condition) decision {
	if a == nil {
		return allows
	}
	result := silent
	for _, p := range a {
		result = max(result, p.on("", action, resource, conditions...))
	}
	return result
}

type policy struct {
	text      string
	Version   string
	Id        string
	Statement []statement
}

type statement struct {
	Sid, Effect string
	Principal   principals
	Action      texts
	Resource    texts
	Condition   map[string]map[string]texts
}

// condition is what a request says of a key that conditions may be about.
type condition struct{ key, value string }

// texts are one string or several.
type texts []string

func (t *texts) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*t = texts{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(t))
}

// principals are "*" or those of {"AWS": ...}.
type principals texts

func (p *principals) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil && one == "*" {
		*p = principals{one}
		return nil
	}
	var kinds struct{ AWS texts }
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&kinds)
	*p = principals(kinds.AWS)
	return err
}

var conditionKeys = []string{"secretsmanager:VersionStage", "sts:ExternalId", "kms:ViaService"}

func parsePolicy(text string) (*policy, error) {
	p := &policy{text: text}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(p); err != nil {
		return nil, err
	}
	if len(p.Statement) == 0 {
		return nil, fmt.Errorf("it has no statement")
	}
	for i, s := range p.Statement {
		if s.Effect != "Allow" && s.Effect != "Deny" || len(s.Action) == 0 {
			return nil, fmt.Errorf("statement %d needs an Effect, Allow or Deny, and an Action", i+1)
		}
		for operator, keys := range s.Condition {
			for key := range keys {
				if operator != "StringEquals" && operator != "StringLike" || !slices.Contains(conditionKeys, key) {
					return nil, fmt.Errorf("statement %d: the condition %s on %s is not evaluated here", i+1, operator, key)
				}
			}
		}
	}
	return p, nil
}

// decision is what a policy says of a request.
type decision int

const (
	silent decision = iota
	allows
	denies
)

// on decides. Of identity-based policies, whose identity is known, the principal is "".
func (p *policy) on(principal, action, resource string, conditions ...condition) decision {
	result := silent
	if p == nil {
		return result
	}
	for _, s := range p.Statement {
		if principal != "" && !slices.ContainsFunc(s.Principal, func(of string) bool { return isPrincipal(of, principal) }) ||
			!slices.ContainsFunc(s.Action, func(pattern string) bool { return matchesPattern(pattern, action) }) ||
			len(s.Resource) > 0 && !slices.ContainsFunc(s.Resource, func(pattern string) bool { return matchesPattern(pattern, resource) }) ||
			!s.holds(conditions) {
			continue
		}
		if s.Effect == "Deny" {
			return denies
		}
		result = allows
	}
	return result
}

// holds reports whether all conditions hold; one about what the request doesn't say doesn't.
func (s *statement) holds(said []condition) bool {
	for operator, keys := range s.Condition {
		for key, wanted := range keys {
			if !slices.ContainsFunc(said, func(c condition) bool {
				return c.key == key && slices.ContainsFunc(wanted, func(want string) bool {
					return c.value == want || operator == "StringLike" && matchesPattern(want, c.value)
				})
			}) {
				return false
			}
		}
	}
	return true
}

// isPrincipal reports whether a principal of a policy is, or includes, an identity: an account is all of its identities, a role all of its
// sessions.
func isPrincipal(of, identity string) bool {
	parts := strings.SplitN(identity, ":", 6)
	if of == "*" || of == identity || len(parts) < 6 {
		return of == "*" || of == identity
	}
	if of == parts[4] || of == "arn:aws:iam::"+parts[4]+":root" {
		return true
	}
	session, isSession := strings.CutPrefix(parts[5], "assumed-role/")
	role, _, _ := strings.Cut(session, "/")
	named, isRole := strings.CutPrefix(of, "arn:aws:iam::"+parts[4]+":role/")
	return isSession && isRole && named[strings.LastIndexByte(named, '/')+1:] == role
}

type resourcePolicyInput struct {
	SecretId          *string
	ResourcePolicy    *string
	BlockPublicPolicy bool
}

type resourcePolicy struct {
	ARN            string
	Name           string
	ResourcePolicy string `json:",omitempty"`
}

func putResourcePolicy(c *call, in *resourcePolicyInput) (any, error) {
	v := &validation{}
	v.secretID(in.SecretId)
	v.required("resourcePolicy", in.ResourcePolicy != nil)
	v.text("resourcePolicy", in.ResourcePolicy, 1, 20480)
	if err := v.err(); err != nil {
		return nil, err
	}
	parsed, err := parsePolicy(*in.ResourcePolicy)
	if err != nil {
		return nil, refuse("MalformedPolicyDocumentException", "This resource policy contains a syntax error. (%v)", err)
	}
	for _, s := range parsed.Statement {
		if in.BlockPublicPolicy && s.Effect == "Allow" && len(s.Condition) == 0 && slices.Contains(s.Principal, "*") {
			return nil, refuse("PublicPolicyException", "You can't create a resource policy that allows broad access.")
		}
	}
	return c.policyOf(in.SecretId, func(s *secret) { s.policy = parsed })
}

func getResourcePolicy(c *call, in *resourcePolicyInput) (any, error) {
	return c.policyOf(in.SecretId, func(*secret) {})
}

func deleteResourcePolicy(c *call, in *resourcePolicyInput) (any, error) {
	return c.policyOf(in.SecretId, func(s *secret) { s.policy = nil })
}

// policyOf changes a secret's policy, and returns it as it is then.
func (c *call) policyOf(id *string, change func(*secret)) (any, error) {
	s, err := c.openGiven(id, (*call).openLive)
	if err != nil {
		return nil, err
	}
	defer c.state.mu.Unlock()
	change(s)
	out := resourcePolicy{ARN: s.arn(c), Name: s.name}
	if s.policy != nil {
		out.ResourcePolicy = s.policy.text
	}
	return out, nil
}
