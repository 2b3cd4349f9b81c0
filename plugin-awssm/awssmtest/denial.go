package awssmtest

import (
	"cmp"
	"slices"
	"sync"
)

// Denial takes a permission away. Empty fields match everything, and in all of them * stands for anything.
type Denial struct {
	// Identity is the caller's ARN, such as "arn:aws:sts::123456789012:assumed-role/worker/*". A caller of AssumeRoleWithWebIdentity has
	// none yet, and is matched by an empty Identity or "*".
	Identity string
	// Action is an IAM action, such as "secretsmanager:GetSecretValue" or "sts:AssumeRole". "kms:Decrypt" stands for the key that encrypts
	// the secret: reads of its value fail with "Access to KMS is not allowed".
	Action string
	// Resource is a secret's name or ARN, or the role's ARN for sts:AssumeRole. Operations on no secret in particular, which are
	// ListSecrets and BatchGetSecretValue itself, have the resource "*", as in IAM, and are only matched by an empty Resource or one of
	// nothing but stars.
	Resource string
	// VersionStage narrows GetSecretValue to calls that ask for this staging label; "none" matches calls that ask for no label, which
	// is what a policy with a condition on secretsmanager:VersionStage refuses.
	VersionStage string
	// Message replaces AWS's wording.
	Message string
}

// Rule is a denial at work.
type Rule struct {
	denial Denial
	rules  *rules
}

// Remove gives the permission back. It may be called more than once.
func (r *Rule) Remove() {
	r.rules.mu.Lock()
	defer r.rules.mu.Unlock()
	r.rules.list = slices.DeleteFunc(r.rules.list, func(other *Rule) bool { return other == r })
}

type rules struct {
	mu   sync.Mutex
	list []*Rule
}

// Deny takes a permission away until the rule is removed.
func (s *Server) Deny(denial Denial) *Rule {
	r := &Rule{denial: denial, rules: s.rules}
	s.rules.mu.Lock()
	defer s.rules.mu.Unlock()
	s.rules.list = append(s.rules.list, r)
	return r
}

// find returns the first denial that matches the identity and the action on any of the resource's names.
func (r *rules) find(identity, action, stage string, resources ...string) *Denial {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rule := range r.list {
		d := &rule.denial
		if (d.Identity == "" || matchesPattern(d.Identity, identity)) &&
			(d.Action == "" || matchesPattern(d.Action, action)) &&
			(d.VersionStage == "" || d.VersionStage == stage || d.VersionStage == "none" && stage == "") &&
			(d.Resource == "" || slices.ContainsFunc(resources, func(id string) bool { return matchesSecret(d.Resource, id) })) {
			return d
		}
	}
	return nil
}

// authorize checks that the caller may act on the secret with this id; the id "*" is no secret in particular.
func (c *call) authorize(operation, id string) *apiError {
	return c.authorizeStage(operation, id, "")
}

func (c *call) authorizeStage(operation, id, stage string) *apiError {
	if c.trusted {
		return nil
	}
	action := c.service + ":" + operation
	resources := []string{id}
	if c.service == serviceSecrets && id != "*" {
		c.state.mu.Lock()
		if s := c.state.find(c, id); s != nil {
			resources = append(resources, s.name, s.arn(c))
		}
		c.state.mu.Unlock()
	}
	d := c.server.rules.find(c.identity, action, stage, resources...)
	if d == nil {
		return nil
	}
	if c.service == serviceSTS {
		return refuse("AccessDenied", "%s", cmp.Or(d.Message, c.deniedRole(action, id)))
	}
	message := "User: " + c.identity + " is not authorized to perform: " + action
	if id != "*" {
		message += " on resource: " + id
	}
	message += " because no identity-based policy allows the " + action + " action"
	return refuse("AccessDeniedException", "%s", cmp.Or(d.Message, message))
}

// deniedRole is how STS words it; a web identity has no ARN that could be named.
func (c *call) deniedRole(action, role string) string {
	if c.identity == "" {
		return "Not authorized to perform " + action
	}
	return "User: " + c.identity + " is not authorized to perform: " + action + " on resource: " + role
}

// decrypt checks that the caller may use the key of a secret. The caller holds the state's lock.
func (c *call) decrypt(s *secret) *apiError {
	// Only a denial that speaks of KMS: one that denies everything has denied the operation before.
	if d := c.server.rules.find(c.identity, "kms:Decrypt", "", s.name, s.arn(c)); d != nil && d.Action != "" && d.Action != "*" {
		return refuse("AccessDeniedException", "%s", cmp.Or(d.Message, "Access to KMS is not allowed"))
	}
	return nil
}
