package awssmtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// list collects all pages of a listing.
func list(t testing.TB, client *secretsmanager.Client, in secretsmanager.ListSecretsInput) (names []string, pages int) {
	t.Helper()
	pager := secretsmanager.NewListSecretsPaginator(client, &in)
	for pager.HasMorePages() {
		page, err := pager.NextPage(t.Context())
		check(t, err)
		pages++
		for _, s := range page.SecretList {
			names = append(names, *s.Name)
		}
	}
	return names, pages
}

func filterBy(key types.FilterNameStringType, values ...string) []types.Filter {
	return []types.Filter{{Key: key, Values: values}}
}

func TestListTenThousand(t *testing.T) {
	s, client := start(t, Options{})
	var want []string
	for i := range 10_000 {
		name := fmt.Sprintf("tom/credentials/%05d", i)
		want = append(want, name)
		s.PutSecret(name, "value")
	}
	s.PutSecret("elsewhere", "value")
	start := time.Now()
	got, pages := list(t, client, secretsmanager.ListSecretsInput{Filters: filterBy("name", "tom/credentials/")})
	if !slices.Equal(got, want) || pages != 100 {
		t.Errorf("%d secrets in %d pages, want %d in 100", len(got), pages, len(want))
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("listing took %s", took)
	}
	got, pages = list(t, client, secretsmanager.ListSecretsInput{MaxResults: aws.Int32(100), SortOrder: types.SortOrderTypeDesc})
	slices.Reverse(got)
	if !slices.Equal(got, append(slices.Clone(want), "elsewhere")) || pages != 101 {
		t.Errorf("descending: %d secrets in %d pages", len(got), pages)
	}
}

func TestListOrderAndChangesBetweenPages(t *testing.T) {
	s, client := start(t, Options{})
	for _, name := range []string{"c", "a", "d", "b"} {
		s.PutSecret(name, "v")
	}
	for by, want := range map[types.SortByType][]string{
		"":                               {"c", "a", "d", "b"},
		types.SortByTypeCreatedDate:      {"c", "a", "d", "b"},
		types.SortByTypeName:             {"a", "b", "c", "d"},
		types.SortByTypeLastChangedDate:  {"c", "a", "d", "b"},
		types.SortByTypeLastAccessedDate: {"c", "a", "d", "b"},
	} {
		for _, order := range []types.SortOrderType{types.SortOrderTypeAsc, types.SortOrderTypeDesc} {
			got, pages := list(t, client, secretsmanager.ListSecretsInput{SortBy: by, SortOrder: order, MaxResults: aws.Int32(1)})
			if order == types.SortOrderTypeDesc {
				slices.Reverse(got)
			}
			if !slices.Equal(got, want) || pages != 4 {
				t.Errorf("by %q %s: %v in %d pages", by, order, got, pages)
			}
		}
	}

	page, err := client.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(2)})
	check(t, err)
	s.DeleteSecret("a") // the last of the first page
	s.PutSecret("e", "v")
	page, err = client.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{NextToken: page.NextToken})
	check(t, err)
	var names []string
	for _, entry := range page.SecretList {
		names = append(names, *entry.Name)
	}
	if !slices.Equal(names, []string{"d", "b", "e"}) || page.NextToken != nil {
		t.Errorf("second page = %v", names)
	}
}

func TestListFilters(t *testing.T) {
	s, client := start(t, Options{})
	for name, in := range map[string]secretsmanager.CreateSecretInput{
		"tom/a":  {Description: aws.String("Core routers"), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("Net")}}},
		"tom/b":  {Description: aws.String("edge switches")},
		"Tom/c":  {},
		"zebra":  {},
		"doomed": {},
	} {
		in.Name = aws.String(name)
		_, err := client.CreateSecret(t.Context(), &in)
		check(t, err)
	}
	s.ScheduleDeletion("doomed")
	for name, c := range map[string]struct {
		in   secretsmanager.ListSecretsInput
		want string
	}{
		"all":                       {secretsmanager.ListSecretsInput{}, "Tom/c tom/a tom/b zebra"},
		"planned deletion":          {secretsmanager.ListSecretsInput{IncludePlannedDeletion: aws.Bool(true)}, "Tom/c doomed tom/a tom/b zebra"},
		"name prefix":               {secretsmanager.ListSecretsInput{Filters: filterBy("name", "tom/")}, "tom/a tom/b"},
		"name prefix, other case":   {secretsmanager.ListSecretsInput{Filters: filterBy("name", "Tom/")}, "Tom/c"},
		"name middle":               {secretsmanager.ListSecretsInput{Filters: filterBy("name", "om/")}, ""},
		"not the prefix":            {secretsmanager.ListSecretsInput{Filters: filterBy("name", "!tom/")}, "Tom/c zebra"},
		"two names":                 {secretsmanager.ListSecretsInput{Filters: filterBy("name", "zeb", "Tom")}, "Tom/c zebra"},
		"prefix without one":        {secretsmanager.ListSecretsInput{Filters: filterBy("name", "tom/", "!tom/b")}, "tom/a"},
		"description in any case":   {secretsmanager.ListSecretsInput{Filters: filterBy("description", "CORE")}, "tom/a"},
		"description from middle":   {secretsmanager.ListSecretsInput{Filters: filterBy("description", "routers")}, ""},
		"tag key":                   {secretsmanager.ListSecretsInput{Filters: filterBy("tag-key", "te")}, "tom/a"},
		"tag value is case-bound":   {secretsmanager.ListSecretsInput{Filters: filterBy("tag-value", "net")}, ""},
		"tag value":                 {secretsmanager.ListSecretsInput{Filters: filterBy("tag-value", "Net")}, "tom/a"},
		"any attribute":             {secretsmanager.ListSecretsInput{Filters: filterBy("all", "NET routers")}, "tom/a"},
		"any attribute, word parts": {secretsmanager.ListSecretsInput{Filters: filterBy("all", "switch")}, "tom/b"},
		"region of no replica":      {secretsmanager.ListSecretsInput{Filters: filterBy("primary-region", "us-east-1")}, ""},
		"owning service":            {secretsmanager.ListSecretsInput{Filters: filterBy("owning-service", "rds")}, ""},
		"two filters":               {secretsmanager.ListSecretsInput{Filters: append(filterBy("name", "tom/"), filterBy("description", "edge")...)}, "tom/b"},
	} {
		got, _ := list(t, client, c.in)
		slices.Sort(got)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %q", name, got, c.want)
		}
	}
	for name, c := range map[string]struct {
		in   secretsmanager.ListSecretsInput
		code string
	}{
		"no results a page":  {secretsmanager.ListSecretsInput{MaxResults: aws.Int32(0)}, "ValidationException"},
		"101 results a page": {secretsmanager.ListSecretsInput{MaxResults: aws.Int32(101)}, "ValidationException"},
		"bad token":          {secretsmanager.ListSecretsInput{NextToken: aws.String("bogus")}, "InvalidNextTokenException"},
		"unknown key":        {secretsmanager.ListSecretsInput{Filters: filterBy("colour", "red")}, "ValidationException"},
		"eleven values":      {secretsmanager.ListSecretsInput{Filters: filterBy("name", strings.Split("abcdefghijk", "")...)}, "ValidationException"},
		"no values":          {secretsmanager.ListSecretsInput{Filters: filterBy("name")}, "ValidationException"},
		"sort order":         {secretsmanager.ListSecretsInput{SortOrder: "up"}, "ValidationException"},
	} {
		if _, err := client.ListSecrets(t.Context(), &c.in); codeOf(t, err) != c.code {
			t.Errorf("%s: %v, want %q", name, err, c.code)
		}
	}
}

func TestBatch(t *testing.T) {
	s, client := start(t, Options{})
	var ids []string
	for i := range 45 {
		ids = append(ids, fmt.Sprintf("s/%02d", i))
		s.PutSecret(ids[i], fmt.Sprint("value ", i))
	}
	s.PutSecret("doomed", "v")
	s.ScheduleDeletion("doomed")
	batch := func(in secretsmanager.BatchGetSecretValueInput) (*secretsmanager.BatchGetSecretValueOutput, error) {
		return client.BatchGetSecretValue(t.Context(), &in)
	}
	s.Deny(Denial{Action: "secretsmanager:GetSecretValue", Resource: "s/02"})
	s.Deny(Denial{Action: "kms:Decrypt", Resource: "s/03"})
	fault := s.Inject(Fault{SecretID: "s/04", Code: "DecryptionFailure"}) // strikes the item, not the whole batch
	out, err := batch(secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"s/01", "absent", "doomed", "s/02", "s/03", "s/04", "not valid"}})
	check(t, err)
	if len(out.SecretValues) != 1 || *out.SecretValues[0].SecretString != "value 1" || !slices.Equal(out.SecretValues[0].VersionStages, []string{"AWSCURRENT"}) {
		t.Errorf("values = %+v", out.SecretValues)
	}
	failed := map[string]string{}
	for _, e := range out.Errors {
		failed[*e.SecretId] = *e.ErrorCode
	}
	want := map[string]string{"absent": "ResourceNotFoundException", "doomed": "InvalidRequestException", "s/02": "AccessDeniedException",
		"s/03": "AccessDeniedException", "s/04": "DecryptionFailure", "not valid": "ValidationException"}
	if !maps.Equal(failed, want) {
		t.Errorf("errors = %v, want %v", failed, want)
	}
	fault.Remove()

	pager := secretsmanager.NewBatchGetSecretValuePaginator(client, &secretsmanager.BatchGetSecretValueInput{Filters: filterBy("name", "s/")})
	values, pages := 0, 0
	for pager.HasMorePages() {
		page, err := pager.NextPage(t.Context())
		check(t, err)
		values, pages = values+len(page.SecretValues)+len(page.Errors), pages+1
	}
	if values != 45 || pages != 3 {
		t.Errorf("by filter: %d values in %d pages", values, pages)
	}
	for name, in := range map[string]secretsmanager.BatchGetSecretValueInput{
		"21 ids":                       {SecretIdList: ids[:21]},
		"no ids":                       {SecretIdList: []string{}},
		"21 a page":                    {Filters: filterBy("name", "s/"), MaxResults: aws.Int32(21)},
		"ids and filters":              {SecretIdList: ids[:1], Filters: filterBy("name", "s/")},
		"neither":                      {},
		"page size without filters":    {SecretIdList: ids[:1], MaxResults: aws.Int32(1)},
		"token of another operation":   {Filters: filterBy("name", "s/"), NextToken: aws.String(position{Serial: 1}.token("ListSecrets"))},
		"token that was never a token": {Filters: filterBy("name", "s/"), NextToken: aws.String("bogus")},
	} {
		want := "InvalidParameterException"
		switch name {
		case "21 ids", "no ids", "21 a page":
			want = "ValidationException"
		case "token of another operation", "token that was never a token":
			want = "InvalidNextTokenException"
		}
		if _, err := batch(in); codeOf(t, err) != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}
