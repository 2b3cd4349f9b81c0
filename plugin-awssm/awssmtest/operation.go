package awssmtest

import (
	"encoding/json"
)

// operation carries a verified call out and returns what is to be encoded.
type operation func(c *call) (any, error)

var secretOperations = map[string]operation{
	"CreateSecret":             decoded(createSecret),
	"PutSecretValue":           decoded(putSecretValue),
	"UpdateSecret":             decoded(updateSecret),
	"UpdateSecretVersionStage": decoded(updateSecretVersionStage),
	"GetSecretValue":           decoded(getSecretValue),
	"BatchGetSecretValue":      decoded(batchGetSecretValue),
	"DescribeSecret":           decoded(describeSecret),
	"ListSecrets":              decoded(listSecrets),
	"DeleteSecret":             decoded(deleteSecret),
	"RestoreSecret":            decoded(restoreSecret),
	"TagResource":              decoded(tagResource),
	"UntagResource":            decoded(untagResource),
	"PutResourcePolicy":        decoded(putResourcePolicy),
	"GetResourcePolicy":        decoded(getResourcePolicy),
	"DeleteResourcePolicy":     decoded(deleteResourcePolicy),
}

var stsOperations = map[string]operation{
	"GetCallerIdentity":         getCallerIdentity,
	"AssumeRole":                assumeRole,
	"AssumeRoleWithWebIdentity": assumeRoleWithWebIdentity,
}

// decoded turns an operation on its own parameters into one on a call.
func decoded[In any](run func(*call, *In) (any, error)) operation {
	return func(c *call) (any, error) {
		in := new(In)
		if err := json.Unmarshal(c.body, in); err != nil {
			return nil, refuse("SerializationException", "the request body is not the JSON object that the operation takes")
		}
		return run(c, in)
	}
}

// open finds the secret that an operation works on, once the caller has been authorized and the id checked. It returns with the state
// locked if there is no error.
func (c *call) open(id string) (*secret, error) {
	s, st, err := c.find(c.operation, id, "")
	if err == nil {
		c.state = st
	}
	return s, err
}

// openGiven opens a secret, by open or openLive, for operations with no parameter to check but SecretId.
func (c *call) openGiven(id *string, by func(*call, string) (*secret, error)) (*secret, error) {
	v := &validation{}
	v.secretID(id)
	if err := v.err(); err != nil {
		return nil, err
	}
	return by(c, *id)
}

// find is open for an operation, with the staging label that it asks for, and returns the state: a batch reads from several.
func (c *call) find(operation, id, stage string) (*secret, *state, error) {
	if err := checkID(id); err != nil {
		return nil, nil, err
	}
	st := c.stateFor(id)
	st.mu.Lock()
	s := st.find(c, id)
	problem := c.authorizeOn(operation, id, stage, s)
	if problem == nil && s == nil {
		problem = notFound()
	}
	if problem != nil {
		st.mu.Unlock()
		return nil, nil, problem
	}
	return s, st, nil
}

// openLive is open for operations that a scheduled deletion forbids.
func (c *call) openLive(id string) (*secret, error) {
	s, err := c.open(id)
	if err != nil {
		return nil, err
	}
	if !s.deletion.IsZero() {
		c.state.mu.Unlock()
		return nil, markedForDeletion()
	}
	return s, nil
}

// change runs do on a secret that isn't scheduled for deletion, and notes when it was changed.
func (c *call) change(id string, do func(*secret) (any, error)) (any, error) {
	s, err := c.openLive(id)
	if err != nil {
		return nil, err
	}
	defer c.state.mu.Unlock()
	out, err := do(s)
	if err == nil {
		s.changed = c.now
	}
	return out, err
}

func notFound() *apiError {
	return refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

func markedForDeletion() *apiError {
	return refuse("InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.")
}

// named is the answer of operations that say which secret they touched, and for some which version.
type named struct {
	ARN           string
	Name          string
	VersionId     string   `json:",omitempty"`
	VersionStages []string `json:",omitempty"`
	DeletionDate  *seconds `json:",omitempty"`
}

func (c *call) name(s *secret) named { return named{ARN: s.arn(c), Name: s.name} }

type nothing struct{}
