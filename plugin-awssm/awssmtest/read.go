package awssmtest

import (
	"slices"
	"time"
)

type getSecretValueInput struct {
	SecretId     *string
	VersionId    *string
	VersionStage *string
}

type secretValue struct {
	ARN           string
	Name          string
	VersionId     string
	VersionStages []string `json:",omitempty"`
	SecretString  *string  `json:",omitempty"`
	SecretBinary  []byte   `json:",omitempty"`
	CreatedDate   *seconds
}

func getSecretValue(c *call, in *getSecretValueInput) (any, error) {
	v := &validation{}
	v.secretID(in.SecretId)
	v.text("versionId", in.VersionId, 32, 64)
	v.text("versionStage", in.VersionStage, 1, 256)
	if err := v.err(); err != nil {
		return nil, err
	}
	return c.read(*in.SecretId, in.VersionId, in.VersionStage)
}

// read is GetSecretValue, for one secret or as part of a batch.
func (c *call) read(id string, versionID, stage *string) (*secretValue, error) {
	asked := ""
	if stage != nil {
		asked = *stage
	}
	s, st, err := c.find("GetSecretValue", id, asked)
	if err != nil {
		return nil, err
	}
	defer st.mu.Unlock()
	if !s.deletion.IsZero() {
		return nil, markedForDeletion()
	}
	v, err := s.choose(versionID, stage)
	if err != nil {
		return nil, err
	}
	if problem := c.decrypt(s); problem != nil {
		return nil, problem
	}
	s.accessed = c.now.UTC().Truncate(24 * time.Hour) // the service keeps the day alone
	return &secretValue{
		ARN:           s.arn(c),
		Name:          s.name,
		VersionId:     v.id,
		VersionStages: slices.Clone(v.stages),
		SecretString:  v.text,
		SecretBinary:  v.binary,
		CreatedDate:   optional(v.created),
	}, nil
}

// choose picks the version that a read asks for: by id, by label, by both if they agree, or the current one.
func (s *secret) choose(versionID, stage *string) (*version, error) {
	if versionID == nil {
		label := stageCurrent
		if stage != nil {
			label = *stage
		}
		if v := s.holder(label); v != nil {
			return v, nil
		}
		return nil, refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: %s", label)
	}
	v := s.version(*versionID)
	if v == nil {
		return nil, refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: %s", *versionID)
	}
	if stage != nil && !slices.Contains(v.stages, *stage) {
		return nil, refuse("InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId.")
	}
	return v, nil
}

type describeSecretInput struct{ SecretId *string }

type description struct {
	ARN                string
	Name               string
	Description        string              `json:",omitempty"`
	KmsKeyId           string              `json:",omitempty"`
	CreatedDate        *seconds            `json:",omitempty"`
	LastChangedDate    *seconds            `json:",omitempty"`
	LastAccessedDate   *seconds            `json:",omitempty"`
	DeletedDate        *seconds            `json:",omitempty"`
	Tags               []tag               `json:",omitempty"`
	PrimaryRegion      string              `json:",omitempty"`
	VersionIdsToStages map[string][]string `json:",omitempty"`
	// ListSecrets has another name for the same thing.
	SecretVersionsToStages map[string][]string `json:",omitempty"`
}

func describeSecret(c *call, in *describeSecretInput) (any, error) {
	s, err := c.openGiven(in.SecretId, (*call).open)
	if err != nil {
		return nil, err
	}
	defer c.state.mu.Unlock()
	out := c.describe(s)
	out.VersionIdsToStages = s.stages()
	return out, nil
}

func (c *call) describe(s *secret) *description {
	return &description{
		ARN:              s.arn(c),
		Name:             s.name,
		Description:      s.description,
		KmsKeyId:         s.kmsKeyID,
		CreatedDate:      optional(s.created),
		LastChangedDate:  optional(s.changed),
		LastAccessedDate: optional(s.accessed),
		DeletedDate:      optional(s.deletion),
		Tags:             slices.Clone(s.tags),
		PrimaryRegion:    c.primaryRegion(),
	}
}

// primaryRegion is only told of secrets that are in several regions.
func (c *call) primaryRegion() string {
	if c.server.options.SharedRegions {
		return c.server.options.Region
	}
	return ""
}
