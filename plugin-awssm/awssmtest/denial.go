package awssmtest

import (
	"cmp"
	"slices"
	"strings"
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

// authorize checks that the caller may act on what has this id and isn't a secret at hand: "*" is none in particular.
func (c *call) authorize(operation, id string) *apiError {
	var s *secret
	if c.service == serviceSecrets && id != "*" {
		st := c.stateFor(id)
		st.mu.Lock()
		defer st.mu.Unlock()
		s = st.find(c, id)
	}
	return c.authorizeOn(operation, id, "", s)
}

// authorizeOn checks that the caller may act on a secret, which may be nil. The caller holds the state's lock.
func (c *call) authorizeOn(operation, id, stage string, s *secret) *apiError {
	if c.trusted {
		return nil
	}
	action := c.service + ":" + operation
	resources, arn := []string{id}, id
	if s != nil {
		arn = s.arn(c)
		resources = append(resources, s.name, arn)
	} else if c.service == serviceSecrets && id != "*" && !strings.HasPrefix(id, "arn:") {
		arn = "arn:aws:secretsmanager:" + c.region + ":" + c.state.account + ":secret:" + id
	}
	message := ""
	if d := c.server.rules.find(c.identity, action, stage, resources...); d != nil {
		message = cmp.Or(d.Message, c.denied(action, id, "because no identity-based policy allows the "+action+" action"))
	} else if why := c.byPolicy(action, stage, arn, s); why != "" {
		message = c.denied(action, id, why)
	}
	switch {
	case message == "":
		return nil
	case c.service == serviceSTS:
		return refuse("AccessDenied", "%s", message)
	}
	return refuse("AccessDeniedException", "%s", message)
}

// denied is how the services word it. STS doesn't say why, and a web identity has no ARN that could be named.
func (c *call) denied(action, id, why string) string {
	switch {
	case c.service == serviceSTS && c.identity == "":
		return "Not authorized to perform " + action
	case c.service == serviceSTS:
		return "User: " + c.identity + " is not authorized to perform: " + action + " on resource: " + id
	case id == "*":
		return "User: " + c.identity + " is not authorized to perform: " + action + " " + why
	}
	return "User: " + c.identity + " is not authorized to perform: " + action + " on resource: " + id + " " + why
}

// byPolicy returns why policies don't let the caller act; empty if the caller may act. Within an account one policy that allows is enough,
// across accounts both have to.
func (c *call) byPolicy(action, stage, arn string, s *secret) string {
	var said []condition
	if stage != "" {
		said = append(said, condition{"secretsmanager:VersionStage", stage})
	}
	if id := c.form.Get("ExternalId"); id != "" {
		said = append(said, condition{"sts:ExternalId", id})
	}
	own, resource := c.server.policies.of(c.identity, arn)
	byIdentity := own.on(action, arn, said...)
	foreign := false
	if s != nil {
		resource, foreign = s.policy, s.account != c.account()
	}
	byResource := resource.on(c.identity, action, arn, said...)
	trust := c.service == serviceSTS && resource != nil // a role's own policy must allow, whatever the account
	switch {
	case byIdentity == denies:
		return "with an explicit deny in an identity-based policy"
	case byResource == denies:
		return "with an explicit deny in a resource-based policy"
	case (foreign || trust) && byResource != allows:
		return "because no resource-based policy allows the " + action + " action"
	case byIdentity != allows && (foreign || trust || byResource != allows):
		return "because no identity-based policy allows the " + action + " action"
	}
	return ""
}

// decrypt checks that the caller may use the key of a secret. The caller holds the state's lock.
func (c *call) decrypt(s *secret) *apiError {
	const noKey = "Access to KMS is not allowed"
	// Only a denial that speaks of KMS: one that denies everything has denied the operation before.
	if d := c.server.rules.find(c.identity, "kms:Decrypt", "", s.name, s.arn(c)); d != nil && d.Action != "" && d.Action != "*" {
		return refuse("AccessDeniedException", "%s", cmp.Or(d.Message, noKey))
	}
	foreign := !c.trusted && s.account != c.account()
	if s.kmsKeyID == "" {
		if foreign {
			return refuse("InvalidRequestException", "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key.")
		}
		return nil
	}
	if c.trusted {
		return nil
	}
	via := condition{"kms:ViaService", "secretsmanager." + c.region + ".amazonaws.com"}
	own, key := c.server.policies.of(c.identity, s.kmsKeyID)
	byIdentity, byKey := own.on("kms:Decrypt", s.kmsKeyID, via), key.on(c.identity, "kms:Decrypt", s.kmsKeyID, via)
	if byIdentity == denies || byKey == denies || foreign && byKey != allows || byIdentity != allows && (foreign || byKey != allows) {
		return refuse("AccessDeniedException", noKey)
	}
	return nil
}
