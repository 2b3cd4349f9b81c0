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
	if err := checkID(id); err != nil {
		return nil, err
	}
	if problem := c.authorize(c.operation, id); problem != nil {
		return nil, problem
	}
	c.state.mu.Lock()
	s := c.state.find(c, id)
	if s == nil {
		c.state.mu.Unlock()
		return nil, notFound()
	}
	return s, nil
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
