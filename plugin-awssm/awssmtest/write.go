package awssmtest

import (
	"slices"
)

// value is the part of a request that carries a secret.
type value struct {
	ClientRequestToken *string
	SecretString       *string
	SecretBinary       []byte
}

func (in *value) given() bool { return in.SecretString != nil || in.SecretBinary != nil }

func (in *value) check(v *validation) error {
	if in.SecretString != nil {
		v.hidden("secretString", len(*in.SecretString), 1, 65536)
	}
	if in.SecretBinary != nil {
		v.hidden("secretBinary", len(in.SecretBinary), 1, 65536)
	}
	if err := v.err(); err != nil {
		return err
	}
	if in.SecretString != nil && in.SecretBinary != nil {
		return refuse("InvalidParameterException", "You can't specify both a binary secret value and a string secret value in the same secret.")
	}
	if in.given() || in.ClientRequestToken != nil {
		return checkToken(in.ClientRequestToken)
	}
	return nil
}

func (in *value) version(c *call) *version {
	return &version{id: *in.ClientRequestToken, text: in.SecretString, binary: in.SecretBinary, created: c.now}
}

func (in *value) tokenTaken(c *call, s *secret) error {
	return refuse("ResourceExistsException", "You can't use ClientRequestToken %s because that value is already in use for a version of secret %s.",
		*in.ClientRequestToken, s.arn(c))
}

type createSecretInput struct {
	value
	Name        *string
	Description *string
	KmsKeyId    *string
	Tags        []tag
}

func createSecret(c *call, in *createSecretInput) (any, error) {
	v := &validation{}
	v.required("name", in.Name != nil)
	v.text("name", in.Name, 1, 512)
	v.text("description", in.Description, 0, 2048)
	v.text("kmsKeyId", in.KmsKeyId, 0, 2048)
	checkTags(v, in.Tags)
	if err := in.check(v); err != nil {
		return nil, err
	}
	if err := c.checkName(*in.Name); err != nil {
		return nil, err
	}
	if problem := c.authorize(c.operation, *in.Name); problem != nil {
		return nil, problem
	}

	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	if s := c.state.live(c.now, *in.Name); s != nil {
		return recreated(c, in, s)
	}
	s := &secret{
		serial:  c.server.serial.Add(1),
		account: c.state.account,
		name:    *in.Name,
		suffix:  newSuffix(),
		created: c.now,
		changed: c.now,
	}
	s.setTags(in.Tags)
	if in.Description != nil {
		s.description = *in.Description
	}
	if in.KmsKeyId != nil {
		s.kmsKeyID = *in.KmsKeyId
	}
	out := c.name(s)
	if in.given() {
		s.add(in.version(c), []string{stageCurrent})
		out.VersionId = *in.ClientRequestToken
	}
	c.state.insert(s)
	return out, nil
}

// recreated answers a create for a name that is taken: a repetition of the call that made the secret is not an error.
func recreated(c *call, in *createSecretInput, s *secret) (any, error) {
	if !s.deletion.IsZero() {
		return nil, refuse("InvalidRequestException", "You can't create this secret because a secret with this name is already scheduled for deletion.")
	}
	if in.given() {
		if old := s.version(*in.ClientRequestToken); old != nil {
			if !old.holds(in.SecretString, in.SecretBinary) {
				return nil, in.tokenTaken(c, s)
			}
			out := c.name(s)
			out.VersionId = old.id
			return out, nil
		}
	}
	return nil, refuse("ResourceExistsException", "The operation failed because the secret %s already exists.", s.name)
}

type putSecretValueInput struct {
	value
	SecretId      *string
	VersionStages []string
}

func putSecretValue(c *call, in *putSecretValueInput) (any, error) {
	v := &validation{}
	v.secretID(in.SecretId)
	if in.VersionStages != nil {
		v.bounds("versionStages", "", len(in.VersionStages), 1, 20)
	}
	for i := range in.VersionStages {
		v.text("versionStages", &in.VersionStages[i], 1, 256)
	}
	if err := in.check(v); err != nil {
		return nil, err
	}
	if !in.given() {
		return nil, refuse("InvalidRequestException", "You must provide either SecretString or SecretBinary.")
	}
	s, err := c.openLive(*in.SecretId)
	if err != nil {
		return nil, err
	}
	defer c.state.mu.Unlock()

	out := c.name(s)
	put := s.version(*in.ClientRequestToken)
	switch {
	case put == nil:
		stages := in.VersionStages
		if stages == nil {
			stages = []string{stageCurrent}
		}
		put = in.version(c)
		s.add(put, stages)
		s.changed = c.now
	case !put.holds(in.SecretString, in.SecretBinary):
		return nil, in.tokenTaken(c, s)
	}
	out.VersionId, out.VersionStages = put.id, slices.Clone(put.stages)
	return out, nil
}

type updateSecretInput struct {
	value
	SecretId    *string
	Description *string
	KmsKeyId    *string
}

func updateSecret(c *call, in *updateSecretInput) (any, error) {
	v := &validation{}
	v.secretID(in.SecretId)
	v.text("description", in.Description, 0, 2048)
	v.text("kmsKeyId", in.KmsKeyId, 0, 2048)
	if err := in.check(v); err != nil {
		return nil, err
	}
	return c.change(*in.SecretId, in.apply(c))
}

func (in *updateSecretInput) apply(c *call) func(*secret) (any, error) {
	return func(s *secret) (any, error) {
		out := c.name(s)
		if in.given() {
			// Unlike a put, an update that repeats a token is an error even with the same value: so it is documented.
			if s.version(*in.ClientRequestToken) != nil {
				return nil, in.tokenTaken(c, s)
			}
			s.add(in.version(c), []string{stageCurrent})
			out.VersionId = *in.ClientRequestToken
		}
		if in.Description != nil {
			s.description = *in.Description
		}
		if in.KmsKeyId != nil {
			s.kmsKeyID = *in.KmsKeyId
		}
		return out, nil
	}
}

type updateSecretVersionStageInput struct {
	SecretId            *string
	VersionStage        *string
	RemoveFromVersionId *string
	MoveToVersionId     *string
}

func updateSecretVersionStage(c *call, in *updateSecretVersionStageInput) (any, error) {
	v := &validation{}
	v.secretID(in.SecretId)
	v.required("versionStage", in.VersionStage != nil)
	v.text("versionStage", in.VersionStage, 1, 256)
	v.text("removeFromVersionId", in.RemoveFromVersionId, 32, 64)
	v.text("moveToVersionId", in.MoveToVersionId, 32, 64)
	if err := v.err(); err != nil {
		return nil, err
	}
	return c.change(*in.SecretId, func(s *secret) (any, error) {
		if err := in.move(s); err != nil {
			return nil, err
		}
		return c.name(s), nil
	})
}

// move puts the label where it is asked to be.
func (in *updateSecretVersionStageInput) move(s *secret) error {
	stage, from := *in.VersionStage, s.holder(*in.VersionStage)
	for _, id := range []*string{in.RemoveFromVersionId, in.MoveToVersionId} {
		if id != nil && s.version(*id) == nil {
			return refuse("InvalidParameterException", "Not a valid version: %s", *id)
		}
	}
	if in.RemoveFromVersionId != nil && (from == nil || from.id != *in.RemoveFromVersionId) {
		return refuse("InvalidParameterException", "The staging label %s is not attached to version %s.", stage, *in.RemoveFromVersionId)
	}
	switch {
	case in.MoveToVersionId == nil && in.RemoveFromVersionId == nil:
		return refuse("InvalidParameterException", "You must provide MoveToVersionId, RemoveFromVersionId or both.")
	case in.MoveToVersionId == nil && stage == stageCurrent:
		return refuse("InvalidParameterException",
			"You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.")
	case in.MoveToVersionId == nil:
		s.detach(stage)
	default:
		to := s.version(*in.MoveToVersionId)
		if from != nil && from != to && in.RemoveFromVersionId == nil {
			return refuse("InvalidParameterException", "The parameter RemoveFromVersionId can't be empty. Staging label %s is currently "+
				"attached to version %s, so you must explicitly reference that version in RemoveFromVersionId.", stage, from.id)
		}
		if stage == stageCurrent {
			s.promote(to)
		} else {
			s.attach(to, stage)
		}
	}
	return nil
}
