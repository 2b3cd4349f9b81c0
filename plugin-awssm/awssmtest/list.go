package awssmtest

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
)

type listSecretsInput struct {
	Filters                []filter
	IncludePlannedDeletion bool
	MaxResults             *int64
	NextToken              *string
	SortBy                 *string
	SortOrder              *string
}

type secretList struct {
	SecretList []*description
	NextToken  string `json:",omitempty"`
}

func listSecrets(c *call, in *listSecretsInput) (any, error) {
	v := &validation{}
	v.number("maxResults", in.MaxResults, 1, 100)
	v.text("nextToken", in.NextToken, 1, 4096)
	checkFilters(v, in.Filters)
	oneOf(v, "sortOrder", in.SortOrder, "asc", "desc")
	oneOf(v, "sortBy", in.SortBy, "created-date", "last-accessed-date", "last-changed-date", "name")
	if err := v.err(); err != nil {
		return nil, err
	}
	from, err := parsePosition("ListSecrets", in.NextToken)
	if err != nil {
		return nil, err
	}
	if problem := c.authorize(c.operation, "*"); problem != nil {
		return nil, problem
	}

	limit := 100
	if in.MaxResults != nil {
		limit = int(*in.MaxResults)
	}
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	page, next := c.page(in, from, limit)
	out := secretList{SecretList: make([]*description, 0, len(page))}
	for _, s := range page {
		d := c.describe(s)
		d.SecretVersionsToStages = s.stages()
		out.SecretList = append(out.SecretList, d)
	}
	out.NextToken = next
	return out, nil
}

// page returns the next secrets after a position, and the token for the page after it. Positions are keys, not indexes, so that
// creations and deletions between two pages neither repeat nor hide a secret.
func (c *call) page(in *listSecretsInput, from *position, limit int) ([]*secret, string) {
	list, descending := c.state.order, in.SortOrder != nil && *in.SortOrder == "desc"
	key := sortKey(in.SortBy)
	before := func(a, b position) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), cmp.Compare(a.Serial, b.Serial))
	}
	if descending {
		ascending := before
		before = func(a, b position) int { return ascending(b, a) }
	}
	at := func(s *secret) position { return position{Key: key(s), Serial: s.serial} }

	switch {
	case in.SortBy != nil && *in.SortBy != "created-date":
		list = slices.Clone(list)
		slices.SortFunc(list, func(a, b *secret) int { return before(at(a), at(b)) })
	case descending:
		list = slices.Clone(list)
		slices.Reverse(list)
	}
	start := 0
	if from != nil {
		// The first one that comes after the position.
		start, _ = slices.BinarySearchFunc(list, *from, func(s *secret, p position) int {
			if before(at(s), p) <= 0 {
				return -1
			}
			return 1
		})
	}

	var page []*secret
	for _, s := range list[start:] {
		over := !s.deletion.IsZero() && !c.now.Before(s.deletion)
		if over || !s.deletion.IsZero() && !in.IncludePlannedDeletion || !c.matchesAll(s, in.Filters) {
			continue
		}
		if len(page) == limit {
			return page, at(page[limit-1]).token(c.operation)
		}
		page = append(page, s)
	}
	return page, ""
}

// sortKey gives secrets keys that sort as text; equal ones are told apart by their order of creation.
func sortKey(sortBy *string) func(*secret) string {
	const sortable = "20060102150405.000000000"
	switch {
	case sortBy == nil || *sortBy == "created-date":
		return func(*secret) string { return "" }
	case *sortBy == "name":
		return func(s *secret) string { return s.name }
	case *sortBy == "last-accessed-date":
		return func(s *secret) string { return s.accessed.UTC().Format(sortable) }
	default:
		return func(s *secret) string { return s.changed.UTC().Format(sortable) }
	}
}

// position is a place in a list, after a secret. It travels to the client and back as a NextToken.
type position struct {
	Operation string `json:"o,omitempty"`
	Key       string `json:"k,omitempty"`
	Serial    int64  `json:"s"`
}

func (p position) token(operation string) string {
	p.Operation = operation
	text, _ := json.Marshal(p) // strings and a number
	return base64.RawURLEncoding.EncodeToString(text)
}

// parsePosition returns nil without a token, and an error for one that this operation did not issue.
func parsePosition(operation string, token *string) (*position, error) {
	if token == nil {
		return nil, nil
	}
	p := &position{}
	text, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil || base64.RawURLEncoding.EncodeToString(text) != *token || json.Unmarshal(text, p) != nil || p.Operation != operation {
		return nil, refuse("InvalidNextTokenException", "Invalid NextToken: start again from the first page.")
	}
	p.Operation = ""
	return p, nil
}

func oneOf(v *validation, field string, value *string, allowed ...string) {
	if value != nil && !slices.Contains(allowed, *value) {
		v.problem("Value '%s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: [%s]",
			*value, field, strings.Join(allowed, ", "))
	}
}
