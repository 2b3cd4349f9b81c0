package awssmtest

import "fmt"

// Region changes a region's secrets from Go, without HTTP, signatures, faults or the record. Its methods may be called concurrently.
// They panic on what the API would refuse, such as a name with a space: that is a mistake in the test.
type Region struct {
	server  *Server
	account string
	name    string
}

// In returns a region of the server's own account. It need not have been used before.
func (s *Server) In(region string) *Region { return s.InAccount(s.options.Account, region) }

// InAccount returns a region of another account, whose secrets callers of that account read by name, and others by ARN as far as policies let them. It
// need not have been used before.
func (s *Server) InAccount(account, region string) *Region {
	return &Region{server: s, account: account, name: region}
}

// PutSecret gives a secret of the home region a new current text value, and makes the secret if need be. See Region.PutSecret.
func (s *Server) PutSecret(name, value string) (versionID string) {
	return s.In(s.options.Region).PutSecret(name, value)
}

// PutBinary is PutSecret for a binary value.
func (s *Server) PutBinary(name string, value []byte) (versionID string) {
	return s.In(s.options.Region).PutBinary(name, value)
}

// Rotate is PutSecret for a secret that must exist.
func (s *Server) Rotate(name, value string) (versionID string) {
	return s.In(s.options.Region).Rotate(name, value)
}

// ScheduleDeletion is DeleteSecret with the default recovery window of 30 days, in the home region.
func (s *Server) ScheduleDeletion(name string) { s.In(s.options.Region).ScheduleDeletion(name) }

// DeleteSecret removes a secret of the home region at once, without recovery. It may be gone already.
func (s *Server) DeleteSecret(name string) { s.In(s.options.Region).DeleteSecret(name) }

// PutSecret gives the secret a new current text value, and makes the secret if need be; the value that was current becomes the previous
// one. It returns the version's id. Name: 1-512 characters of ASCII letters, digits and /_+=.@-, and ! as in names that AWS services make; value: 1-65,536 bytes.
func (r *Region) PutSecret(name, value string) (versionID string) { return r.put(name, &value, nil) }

// PutBinary is PutSecret for a binary value.
func (r *Region) PutBinary(name string, value []byte) (versionID string) {
	return r.put(name, nil, append([]byte{}, value...))
}

// Rotate is PutSecret for a secret that must exist.
func (r *Region) Rotate(name, value string) (versionID string) {
	c := r.call("PutSecretValue")
	return r.must(name)(putSecretValue(c, &putSecretValueInput{value: newValue(&value, nil), SecretId: &name})).VersionId
}

// SetKey encrypts the secret with a KMS key, named by its ARN, in place of aws/secretsmanager, which another account can't use.
func (r *Region) SetKey(name, key string) {
	r.must(name)(updateSecret(r.call("UpdateSecret"), &updateSecretInput{SecretId: &name, KmsKeyId: &key}))
}

// SetPolicy gives the secret a resource policy in place of one that it has. See Server.AttachPolicy for what is evaluated.
func (r *Region) SetPolicy(name, document string) {
	if _, err := putResourcePolicy(r.call("PutResourcePolicy"), &resourcePolicyInput{SecretId: &name, ResourcePolicy: &document}); err != nil {
		panic(fmt.Sprintf("awssmtest: the policy of %q: %v", name, err))
	}
}

// ScheduleDeletion is the API's DeleteSecret with the default recovery window of 30 days.
func (r *Region) ScheduleDeletion(name string) {
	r.must(name)(deleteSecret(r.call("DeleteSecret"), &deleteSecretInput{SecretId: &name}))
}

// DeleteSecret removes the secret at once, without recovery. It may be gone already.
func (r *Region) DeleteSecret(name string) {
	r.must(name)(deleteSecret(r.call("DeleteSecret"), &deleteSecretInput{SecretId: &name, ForceDeleteWithoutRecovery: true}))
}

func (r *Region) put(name string, text *string, binary []byte) string {
	in := newValue(text, binary)
	out, err := createSecret(r.call("CreateSecret"), &createSecretInput{value: in, Name: &name})
	if isRefusal(err, "ResourceExistsException") {
		out, err = putSecretValue(r.call("PutSecretValue"), &putSecretValueInput{value: in, SecretId: &name})
	}
	return r.must(name)(out, err).VersionId
}

func newValue(text *string, binary []byte) value {
	token := newUUID()
	return value{ClientRequestToken: &token, SecretString: text, SecretBinary: binary}
}

// call is one that came from nowhere: it has no identity, so that denials of identities don't touch it.
func (r *Region) call(operation string) *call {
	s := r.server
	return &call{
		server:        s,
		service:       serviceSecrets,
		operation:     operation,
		authorization: authorization{region: r.name},
		now:           s.options.Now(),
		state:         s.stateOf(r.account, r.name),
		trusted:       true,
	}
}

func (r *Region) must(name string) func(any, error) named {
	return func(out any, err error) named {
		if err != nil {
			panic(fmt.Sprintf("awssmtest: secret %q in %s: %v", name, r.name, err))
		}
		return out.(named)
	}
}
