package awssmtest

import (
	"errors"
	"strings"
)

type batchGetSecretValueInput struct {
	SecretIdList []string
	Filters      []filter
	MaxResults   *int64
	NextToken    *string
}

type batchError struct{ SecretId, ErrorCode, Message string }

type secretValues struct {
	SecretValues []*secretValue
	Errors       []batchError
	NextToken    string `json:",omitempty"`
}

func batchGetSecretValue(c *call, in *batchGetSecretValueInput) (any, error) {
	v := &validation{}
	if in.SecretIdList != nil {
		v.bounds("secretIdList", "'["+strings.Join(in.SecretIdList, ", ")+"]' ", len(in.SecretIdList), 1, 20)
	}
	for i := range in.SecretIdList {
		v.text("secretIdList", &in.SecretIdList[i], 1, 2048)
	}
	v.number("maxResults", in.MaxResults, 1, 20)
	v.text("nextToken", in.NextToken, 1, 4096)
	checkFilters(v, in.Filters)
	if err := v.err(); err != nil {
		return nil, err
	}
	switch {
	case in.SecretIdList != nil && len(in.Filters) > 0:
		return nil, refuse("InvalidParameterException", "Either 'SecretIdList' or 'Filters' must be provided, but not both.")
	case in.SecretIdList == nil && len(in.Filters) == 0:
		return nil, refuse("InvalidParameterException", "Either 'SecretIdList' or 'Filters' must be provided.")
	case in.MaxResults != nil && len(in.Filters) == 0:
		return nil, refuse("InvalidParameterException",
			"'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is provided.")
	}
	from, err := parsePosition("BatchGetSecretValue", in.NextToken)
	if err != nil {
		return nil, err
	}
	if problem := c.authorize(c.operation, "*"); problem != nil {
		return nil, problem
	}

	ids, next := in.SecretIdList, ""
	if len(in.Filters) > 0 {
		if problem := c.authorize("ListSecrets", "*"); problem != nil {
			return nil, problem
		}
		ids, next = c.selectNames(in, from)
	} else if size := c.server.options.BatchPage; size > 0 {
		var done int64
		if from != nil {
			done = min(from.Serial, int64(len(ids)))
		}
		if ids = ids[done:]; len(ids) > size {
			ids, next = ids[:size], position{Serial: done + int64(size)}.token(c.operation)
		}
	}
	out := secretValues{SecretValues: []*secretValue{}, Errors: []batchError{}, NextToken: next}
	for _, id := range ids {
		value, err := c.readItem(id)
		if err == nil {
			out.SecretValues = append(out.SecretValues, value)
			continue
		}
		var problem *apiError
		if !errors.As(err, &problem) {
			return nil, err
		}
		out.Errors = append(out.Errors, batchError{id, problem.code, problem.message})
	}
	return out, nil
}

// selectNames returns one page of the secrets that the filters choose.
func (c *call) selectNames(in *batchGetSecretValueInput, from *position) ([]string, string) {
	limit := 20
	if in.MaxResults != nil {
		limit = int(*in.MaxResults)
	}
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	page, next := c.page(&listSecretsInput{Filters: in.Filters}, from, limit)
	names := make([]string, 0, len(page))
	for _, s := range page {
		names = append(names, s.name)
	}
	return names, next
}

func (c *call) readItem(id string) (*secretValue, error) {
	value, err := c.read(id, nil, nil)
	name, arn := id, id
	if value != nil {
		name, arn = value.Name, value.ARN
	}
	if problem := c.server.faults.matchItem(c, name, arn); problem != nil {
		return nil, problem
	}
	return value, err
}
