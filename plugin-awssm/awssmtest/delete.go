package awssmtest

import (
	"slices"
	"time"
)

const day = 24 * time.Hour

type deleteSecretInput struct {
	SecretId                   *string
	RecoveryWindowInDays       *int64
	ForceDeleteWithoutRecovery bool
}

func deleteSecret(c *call, in *deleteSecretInput) (any, error) {
	v := &validation{}
	v.secretID(in.SecretId)
	if err := v.err(); err != nil {
		return nil, err
	}
	days := int64(30)
	if in.RecoveryWindowInDays != nil {
		days = *in.RecoveryWindowInDays
		if in.ForceDeleteWithoutRecovery {
			return nil, refuse("InvalidParameterException", "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
		}
		if days < 7 || days > 30 {
			return nil, refuse("InvalidParameterException", "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
		}
	}

	s, err := c.open(*in.SecretId)
	if isRefusal(err, "ResourceNotFoundException") && in.ForceDeleteWithoutRecovery {
		// Force means that the secret shall be gone, and it is.
		gone := &secret{account: c.state.account, name: *in.SecretId, suffix: newSuffix()}
		out := c.name(gone)
		out.DeletionDate = optional(c.now)
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	defer c.state.mu.Unlock()

	out := c.name(s)
	if in.ForceDeleteWithoutRecovery {
		c.state.remove(s)
		out.DeletionDate = optional(c.now)
		return out, nil
	}
	if !s.deletion.IsZero() {
		return nil, markedForDeletion()
	}
	s.deletion = c.now.Add(time.Duration(days) * day)
	out.DeletionDate = optional(s.deletion)
	return out, nil
}

type restoreSecretInput struct{ SecretId *string }

func restoreSecret(c *call, in *restoreSecretInput) (any, error) {
	s, err := c.openGiven(in.SecretId, (*call).open)
	if err != nil {
		return nil, err
	}
	defer c.state.mu.Unlock()
	s.deletion = time.Time{}
	return c.name(s), nil
}

type tagResourceInput struct {
	SecretId *string
	Tags     []tag
}

func tagResource(c *call, in *tagResourceInput) (any, error) {
	v := &validation{}
	v.secretID(in.SecretId)
	v.required("tags", in.Tags != nil)
	checkTags(v, in.Tags)
	if err := v.err(); err != nil {
		return nil, err
	}
	return c.change(*in.SecretId, func(s *secret) (any, error) {
		s.setTags(in.Tags)
		return nothing{}, nil
	})
}

type untagResourceInput struct {
	SecretId *string
	TagKeys  []string
}

func untagResource(c *call, in *untagResourceInput) (any, error) {
	v := &validation{}
	v.secretID(in.SecretId)
	v.required("tagKeys", in.TagKeys != nil)
	if err := v.err(); err != nil {
		return nil, err
	}
	return c.change(*in.SecretId, func(s *secret) (any, error) {
		s.tags = slices.DeleteFunc(s.tags, func(t tag) bool { return slices.Contains(in.TagKeys, t.Key) })
		return nothing{}, nil
	})
}

func checkTags(v *validation, tags []tag) {
	for i := range tags {
		v.text("tags."+formatInt(int64(i+1))+".member.key", &tags[i].Key, 1, 128)
		v.text("tags."+formatInt(int64(i+1))+".member.value", &tags[i].Value, 0, 256)
	}
}

// setTags adds tags; a key that is there already gets the new value.
func (s *secret) setTags(tags []tag) {
	for _, t := range tags {
		at := slices.IndexFunc(s.tags, func(old tag) bool { return old.Key == t.Key })
		if at < 0 {
			s.tags = append(s.tags, t)
		} else {
			s.tags[at] = t
		}
	}
}
