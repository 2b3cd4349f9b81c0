//go:build unix

package awssmtest

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

type motoCase struct {
	name string
	run  func(w *witness)
}

// motoCases all start on empty state.
var motoCases = []motoCase{
	// Creating.
	{"create text", func(w *witness) { w.text("s", "v"); w.get("s"); w.describe("s") }},
	{"create without a token", func(w *witness) {
		w.create(secretsmanager.CreateSecretInput{Name: aws.String("s"), SecretString: aws.String("v")})
		w.get("s")
	}},
	{"create binary", func(w *witness) {
		w.create(secretsmanager.CreateSecretInput{Name: aws.String("s"), SecretBinary: []byte{0, 1, 255}, ClientRequestToken: versionID("a")})
		w.get("s")
	}},
	{"create without a value", func(w *witness) {
		w.create(secretsmanager.CreateSecretInput{Name: aws.String("s")})
		w.get("s")
		w.describe("s")
		w.put("v", versionID("b"), "AWSPENDING")
	}},
	{"create with description, key and tags", func(w *witness) {
		w.create(secretsmanager.CreateSecretInput{Name: aws.String("s"), SecretString: aws.String("v"), ClientRequestToken: versionID("a"),
			Description: aws.String("d"), KmsKeyId: aws.String("alias/k"), Tags: tags("a", "1", "b", "2")})
		w.describe("s")
	}},
	{"create every allowed character", func(w *witness) { w.text("azAZ09/_+=.@-", "v"); w.get("azAZ09/_+=.@-") }},
	{"create twice", func(w *witness) {
		w.text("s", "v")
		w.create(secretsmanager.CreateSecretInput{Name: aws.String("s"), SecretString: aws.String("v"), ClientRequestToken: versionID("b")})
		w.get("s")
	}},
	{"create twice with one token", func(w *witness) { w.text("s", "v"); w.text("s", "v"); w.describe("s") }},
	{"create twice with one token and another value", func(w *witness) { w.text("s", "v"); w.text("s", "w"); w.get("s") }},
	{"create over a scheduled deletion", func(w *witness) {
		w.text("s", "v")
		w.delete("s", nil, nil)
		w.create(secretsmanager.CreateSecretInput{Name: aws.String("s"), SecretString: aws.String("v"), ClientRequestToken: versionID("b")})
	}},
	{"create again after a forced deletion", func(w *witness) { w.text("s", "v"); w.delete("s", nil, aws.Bool(true)); w.text("s", "w"); w.get("s") }},
	{"create with a short token", func(w *witness) {
		w.create(secretsmanager.CreateSecretInput{Name: aws.String("s"), SecretString: aws.String("v"), ClientRequestToken: aws.String("short")})
	}},
	{"create with a long token", func(w *witness) {
		w.create(secretsmanager.CreateSecretInput{Name: aws.String("s"), SecretString: aws.String("v"), ClientRequestToken: aws.String(strings.Repeat("t", 65))})
	}},
	{"create with a space in the name", func(w *witness) { w.text("a b", "v") }},
	{"create with a name too long", func(w *witness) { w.text(strings.Repeat("n", 513), "v") }},
	{"create with an empty value", func(w *witness) { w.text("s", "") }},
	{"create with a value too long", func(w *witness) { w.text("s", strings.Repeat("v", 65537)) }},
	{"create with both kinds of value", func(w *witness) {
		w.create(secretsmanager.CreateSecretInput{Name: aws.String("s"), SecretString: aws.String("v"), SecretBinary: []byte("v")})
	}},

	// Putting.
	{"put", func(w *witness) {
		w.text("s", "v")
		w.put("w", versionID("b"))
		w.put("x", versionID("c"))
		w.get("s")
		w.read(secretsmanager.GetSecretValueInput{SecretId: aws.String("s"), VersionStage: aws.String("AWSPREVIOUS")})
	}},
	{"put binary over text", func(w *witness) {
		w.text("s", "v")
		w.putInput(secretsmanager.PutSecretValueInput{SecretId: aws.String("s"), SecretBinary: []byte("b"), ClientRequestToken: versionID("b")})
		w.get("s")
	}},
	{"put pending", func(w *witness) {
		w.text("s", "v")
		w.put("w", versionID("b"), "AWSPENDING")
		w.describe("s")
		w.get("s")
		w.read(secretsmanager.GetSecretValueInput{SecretId: aws.String("s"), VersionStage: aws.String("AWSPENDING")})
	}},
	{"put custom labels", func(w *witness) { w.text("s", "v"); w.put("w", versionID("b"), "one", "two"); w.describe("s") }},
	{"put current with a custom label", func(w *witness) {
		w.text("s", "v")
		w.put("w", versionID("b"), "AWSCURRENT", "blue")
		w.describe("s")
	}},
	{"put takes a label from another version", func(w *witness) {
		w.text("s", "v")
		w.put("w", versionID("b"), "one", "two")
		w.put("x", versionID("c"), "two")
		w.describe("s")
	}},
	{"put leaves custom labels on the previous version", func(w *witness) {
		w.text("s", "v")
		w.put("w", versionID("b"), "AWSCURRENT", "blue")
		w.put("x", versionID("c"))
		w.describe("s")
	}},
	{"put drops deprecated versions from the description", func(w *witness) {
		w.text("s", "v")
		w.put("w", versionID("b"))
		w.put("x", versionID("c"))
		w.describe("s")
	}},
	{"put twice with one token", func(w *witness) {
		w.text("s", "v")
		w.put("w", versionID("b"))
		w.put("w", versionID("b"))
		w.get("s")
	}},
	{"put twice with one token and another value", func(w *witness) {
		w.text("s", "v")
		w.put("w", versionID("b"))
		w.put("x", versionID("b"))
		w.get("s")
	}},
	{"put pending twice with one token and another value", func(w *witness) {
		w.text("s", "v")
		w.put("w", versionID("b"), "AWSPENDING")
		w.put("x", versionID("b"), "AWSPENDING")
	}},
	{"put to absent", func(w *witness) { w.put("v", versionID("a")) }},
	{"put nothing", func(w *witness) {
		w.text("s", "v")
		w.putInput(secretsmanager.PutSecretValueInput{SecretId: aws.String("s"), ClientRequestToken: versionID("b")})
	}},
	{"put to a secret scheduled for deletion", func(w *witness) { w.text("s", "v"); w.delete("s", nil, nil); w.put("w", versionID("b")) }},
	{"put with a short token", func(w *witness) { w.text("s", "v"); w.put("w", aws.String("short")) }},
	{"put by ARN", func(w *witness) { arn := w.text("s", "v").ARN; w.putARN(arn, "w", versionID("b")); w.get("s") }},

	// Getting.
	{"get absent", func(w *witness) { w.get("s") }},
	{"get by ARN", func(w *witness) { w.get(*w.text("s", "v").ARN) }},
	{"get by ARN without its end", func(w *witness) { arn := *w.text("s", "v").ARN; w.get(arn[:len(arn)-7]) }},
	{"get by a name that is a prefix", func(w *witness) { w.text("secret/long", "v"); w.get("secret") }},
	{"get in another case", func(w *witness) { w.text("s", "v"); w.get("S") }},
	{"get by version", func(w *witness) {
		w.text("s", "v")
		w.put("w", versionID("b"))
		w.read(secretsmanager.GetSecretValueInput{SecretId: aws.String("s"), VersionId: versionID("a")})
	}},
	{"get by version and label", func(w *witness) {
		w.text("s", "v")
		w.put("w", versionID("b"))
		w.read(secretsmanager.GetSecretValueInput{SecretId: aws.String("s"), VersionId: versionID("a"), VersionStage: aws.String("AWSPREVIOUS")})
		w.read(secretsmanager.GetSecretValueInput{SecretId: aws.String("s"), VersionId: versionID("a"), VersionStage: aws.String("AWSCURRENT")})
	}},
	{"get an unknown version", func(w *witness) {
		w.text("s", "v")
		w.read(secretsmanager.GetSecretValueInput{SecretId: aws.String("s"), VersionId: versionID("z")})
	}},
	{"get a version id too short", func(w *witness) {
		w.text("s", "v")
		w.read(secretsmanager.GetSecretValueInput{SecretId: aws.String("s"), VersionId: aws.String("z")})
	}},
	{"get an unknown label", func(w *witness) {
		w.text("s", "v")
		w.read(secretsmanager.GetSecretValueInput{SecretId: aws.String("s"), VersionStage: aws.String("green")})
	}},
	{"get the label of no version yet", func(w *witness) {
		w.text("s", "v")
		w.read(secretsmanager.GetSecretValueInput{SecretId: aws.String("s"), VersionStage: aws.String("AWSPREVIOUS")})
	}},
	{"get with a space in the name", func(w *witness) { w.get("a b") }},
	{"get with an empty id", func(w *witness) { w.get("") }},
	{"get a secret scheduled for deletion", func(w *witness) { w.text("s", "v"); w.delete("s", nil, nil); w.get("s"); w.describe("s") }},
	{"get a kilobyte of Unicode", func(w *witness) { w.text("s", strings.Repeat("пароль\u2028", 64)); w.get("s") }},

	// Updating.
	{"update the value", func(w *witness) {
		w.text("s", "v")
		w.update(secretsmanager.UpdateSecretInput{SecretId: aws.String("s"), SecretString: aws.String("w"), ClientRequestToken: versionID("b")})
		w.get("s")
	}},
	{"update the description alone", func(w *witness) {
		w.text("s", "v")
		w.update(secretsmanager.UpdateSecretInput{SecretId: aws.String("s"), Description: aws.String("d"), ClientRequestToken: versionID("b")})
		w.describe("s")
	}},
	{"update keeps tags", func(w *witness) {
		w.text("s", "v")
		w.tag("a", "1")
		w.update(secretsmanager.UpdateSecretInput{SecretId: aws.String("s"), SecretString: aws.String("w"), ClientRequestToken: versionID("b"), KmsKeyId: aws.String("alias/k")})
		w.describe("s")
	}},
	{"update with a used token", func(w *witness) {
		w.text("s", "v")
		w.update(secretsmanager.UpdateSecretInput{SecretId: aws.String("s"), SecretString: aws.String("v"), ClientRequestToken: versionID("a")})
		w.update(secretsmanager.UpdateSecretInput{SecretId: aws.String("s"), SecretString: aws.String("w"), ClientRequestToken: versionID("a")})
	}},
	{"update absent", func(w *witness) {
		w.update(secretsmanager.UpdateSecretInput{SecretId: aws.String("s"), SecretString: aws.String("w"), ClientRequestToken: versionID("a")})
	}},
	{"update a secret scheduled for deletion", func(w *witness) {
		w.text("s", "v")
		w.delete("s", nil, nil)
		w.update(secretsmanager.UpdateSecretInput{SecretId: aws.String("s"), SecretString: aws.String("w"), ClientRequestToken: versionID("b")})
	}},

	// Moving labels.
	{"move current back", func(w *witness) {
		w.text("s", "v")
		w.put("w", versionID("b"))
		w.move("AWSCURRENT", versionID("b"), versionID("a"))
		w.describe("s")
		w.read(secretsmanager.GetSecretValueInput{SecretId: aws.String("s"), VersionStage: aws.String("AWSCURRENT")})
	}},
	{"move current to the pending version", func(w *witness) {
		w.text("s", "v")
		w.put("w", versionID("b"), "AWSPENDING")
		w.move("AWSCURRENT", versionID("a"), versionID("b"))
		w.describe("s")
		w.move("AWSPENDING", versionID("b"), nil)
		w.describe("s")
	}},
	{"move a custom label", func(w *witness) {
		w.text("s", "v")
		w.put("w", versionID("b"), "blue")
		w.move("blue", versionID("b"), versionID("a"))
		w.describe("s")
	}},
	{"move a new label on", func(w *witness) { w.text("s", "v"); w.move("blue", nil, versionID("a")); w.describe("s") }},
	{"move current without saying from where", func(w *witness) {
		w.text("s", "v")
		w.put("w", versionID("b"))
		w.move("AWSCURRENT", nil, versionID("a"))
	}},
	{"move a custom label without saying from where", func(w *witness) {
		w.text("s", "v")
		w.put("w", versionID("b"), "blue")
		w.move("blue", nil, versionID("a"))
	}},
	{"move from the wrong version", func(w *witness) {
		w.text("s", "v")
		w.put("w", versionID("b"))
		w.move("AWSCURRENT", versionID("a"), versionID("b"))
	}},
	{"move from an unknown version", func(w *witness) { w.text("s", "v"); w.move("AWSCURRENT", versionID("z"), versionID("a")) }},
	{"move to an unknown version", func(w *witness) { w.text("s", "v"); w.move("AWSCURRENT", versionID("a"), versionID("z")) }},
	{"move current away altogether", func(w *witness) { w.text("s", "v"); w.move("AWSCURRENT", versionID("a"), nil) }},
	{"move a label of absent", func(w *witness) { w.move("AWSCURRENT", versionID("a"), versionID("b")) }},

	// Deleting and restoring.
	{"delete", func(w *witness) { w.text("s", "v"); w.delete("s", nil, nil); w.delete("s", nil, nil) }},
	{"delete with a window of 7 days", func(w *witness) { w.text("s", "v"); w.delete("s", aws.Int64(7), nil) }},
	{"delete with a window of 30 days", func(w *witness) { w.text("s", "v"); w.delete("s", aws.Int64(30), nil) }},
	{"delete with a window of 6 days", func(w *witness) { w.text("s", "v"); w.delete("s", aws.Int64(6), nil); w.get("s") }},
	{"delete with a window of 31 days", func(w *witness) { w.text("s", "v"); w.delete("s", aws.Int64(31), nil) }},
	{"delete with window and force", func(w *witness) { w.text("s", "v"); w.delete("s", aws.Int64(7), aws.Bool(true)) }},
	{"delete by force", func(w *witness) { w.text("s", "v"); w.delete("s", nil, aws.Bool(true)); w.get("s"); w.describe("s") }},
	{"delete by force what is scheduled", func(w *witness) {
		w.text("s", "v")
		w.delete("s", nil, nil)
		w.delete("s", nil, aws.Bool(true))
		w.describe("s")
	}},
	{"delete absent", func(w *witness) { w.delete("s", nil, nil) }},
	{"delete absent by force", func(w *witness) { w.delete("s", nil, aws.Bool(true)) }},
	{"restore", func(w *witness) {
		w.text("s", "v")
		w.delete("s", nil, nil)
		w.restore()
		w.get("s")
		w.describe("s")
	}},
	{"restore what is not deleted", func(w *witness) { w.text("s", "v"); w.restore() }},
	{"restore absent", func(w *witness) { w.restore() }},
	{"restore after a forced deletion", func(w *witness) { w.text("s", "v"); w.delete("s", nil, aws.Bool(true)); w.restore() }},

	// Describing and tagging.
	{"describe absent", func(w *witness) { w.describe("s") }},
	{"describe by ARN", func(w *witness) { w.describe(*w.text("s", "v").ARN) }},
	{"tag", func(w *witness) {
		w.text("s", "v")
		w.tag("a", "1", "b", "2")
		w.tag("b", "3")
		w.describe("s")
		w.untag("s", "a", "unknown")
		w.describe("s")
	}},
	{"tag absent", func(w *witness) { w.tag("a", "1"); w.untag("s", "a") }},

	// Listing.
	{"list nothing", func(w *witness) { w.list("all", secretsmanager.ListSecretsInput{}) }},
	{"list pages of the default size", func(w *witness) {
		for i := range 205 {
			_, err := w.secrets.CreateSecret(w.t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String(fmt.Sprintf("s/%03d", i))})
			check(w.t, err)
		}
		w.list("all", secretsmanager.ListSecretsInput{})
		w.list("of 100", secretsmanager.ListSecretsInput{MaxResults: aws.Int32(100), Filters: filterBy("name", "s/1")})
	}},
	{"list small pages", func(w *witness) { w.five(); w.list("by 2", secretsmanager.ListSecretsInput{MaxResults: aws.Int32(2)}) }},
	{"list a page that is just full", func(w *witness) { w.five(); w.list("by 5", secretsmanager.ListSecretsInput{MaxResults: aws.Int32(5)}) }},
	{"list filtered pages", func(w *witness) {
		w.five()
		w.list("by 1", secretsmanager.ListSecretsInput{MaxResults: aws.Int32(1), Filters: filterBy("name", "tom/")})
	}},
	{"list by name", func(w *witness) {
		w.five()
		for _, values := range [][]string{{"tom/"}, {"TOM"}, {"om/"}, {"tom/a", "zebra"}, {"!tom/"}, {"absent"}} {
			w.list(fmt.Sprint(values), secretsmanager.ListSecretsInput{Filters: filterBy("name", values...)})
		}
	}},
	{"list by the specification's filter", func(w *witness) {
		w.text("tom/credentials/lab_creds", "v")
		w.text("tom/credentialsx", "v")
		w.text("x/tom/credentials/y", "v")
		w.list("tom/credentials/", secretsmanager.ListSecretsInput{Filters: filterBy("name", "tom/credentials/")})
	}},
	{"list by the start of a description", func(w *witness) { w.five(); w.listBy("description", "Core") }},
	{"list by a description in another case", func(w *witness) { w.five(); w.listBy("description", "core") }},
	{"list by the middle of a description", func(w *witness) { w.five(); w.listBy("description", "routers") }},
	{"list by the negated description", func(w *witness) { w.five(); w.listBy("description", "!Core") }},
	{"list by tag key", func(w *witness) { w.five(); w.listBy("tag-key", "te") }},
	{"list by tag value", func(w *witness) { w.five(); w.listBy("tag-value", "N") }},
	{"list by tag value in another case", func(w *witness) { w.five(); w.listBy("tag-value", "n") }},
	{"list by a word of anything", func(w *witness) { w.five(); w.listBy("all", "routers") }},
	{"list by a region without replicas", func(w *witness) { w.five(); w.listBy("primary-region", "us-east-1") }},
	{"list by an owning service", func(w *witness) { w.five(); w.listBy("owning-service", "rds") }},
	{"list by two filters", func(w *witness) {
		w.five()
		w.list("two", secretsmanager.ListSecretsInput{Filters: append(filterBy("name", "tom/"), filterBy("tag-key", "team")...)})
	}},
	{"list without and with what is deleted", func(w *witness) {
		w.five()
		w.delete("zebra", nil, nil)
		w.list("all", secretsmanager.ListSecretsInput{})
		w.list("deleted too", secretsmanager.ListSecretsInput{IncludePlannedDeletion: aws.Bool(true)})
	}},
	{"list by an unknown key", func(w *witness) { w.listBy("colour", "red") }},
	{"list no results a page", func(w *witness) { w.five(); w.list("by 0", secretsmanager.ListSecretsInput{MaxResults: aws.Int32(0)}) }},
	{"list 101 results a page", func(w *witness) { w.list("by 101", secretsmanager.ListSecretsInput{MaxResults: aws.Int32(101)}) }},
	{"list with a token that is none", func(w *witness) {
		w.five()
		w.list("from nowhere", secretsmanager.ListSecretsInput{NextToken: aws.String("bogus")})
	}},
	{"list by descending date", func(w *witness) {
		w.five()
		w.list("down", secretsmanager.ListSecretsInput{SortOrder: types.SortOrderTypeDesc})
	}},

	// Batches.
	{"batch", func(w *witness) { w.five(); w.batchOf("tom/b", "tom/a") }},
	{"batch of mixed fortune", func(w *witness) {
		w.five()
		w.delete("zebra", nil, nil)
		w.batchOf("tom/a", "absent", "zebra", "tom/b")
	}},
	{"batch by ARN", func(w *witness) {
		arn := *w.text("s", "v").ARN
		w.batch("ARN", secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{arn}})
	}},
	{"batch of binaries", func(w *witness) {
		w.create(secretsmanager.CreateSecretInput{Name: aws.String("s"), SecretBinary: []byte{1}})
		w.batchOf("s")
	}},
	{"batch of a secret without a value", func(w *witness) {
		w.create(secretsmanager.CreateSecretInput{Name: aws.String("s")})
		w.batchOf("s")
	}},
	{"batch of 20", func(w *witness) { w.five(); w.batchOf(strings.Split(strings.Repeat("zebra ", 20)[:119], " ")...) }},
	{"batch of 21", func(w *witness) { w.five(); w.batchOf(strings.Split(strings.Repeat("zebra ", 21)[:125], " ")...) }},
	{"batch by ids and filters", func(w *witness) {
		w.five()
		w.batch("both", secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"zebra"}, Filters: filterBy("name", "tom/")})
	}},
	{"batch by neither", func(w *witness) { w.batch("neither", secretsmanager.BatchGetSecretValueInput{}) }},
	{"batch by filter", func(w *witness) {
		w.five()
		w.batch("tom/", secretsmanager.BatchGetSecretValueInput{Filters: filterBy("name", "tom/")})
	}},
	{"batch by filter in pages", func(w *witness) {
		w.five()
		w.batch("by 2", secretsmanager.BatchGetSecretValueInput{Filters: filterBy("name", "tom/"), MaxResults: aws.Int32(2)})
	}},
	{"batch by ids with a page size", func(w *witness) {
		w.five()
		w.batch("sized", secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"zebra"}, MaxResults: aws.Int32(2)})
	}},

	// STS.
	{"caller identity", func(w *witness) {
		out, err := w.sts.GetCallerIdentity(w.t.Context(), nil)
		w.saw(err, "who am I", func() string { return *out.Account })
	}},
	{"assume a role", func(w *witness) {
		w.assume(sts.AssumeRoleInput{RoleArn: aws.String(workerRole), RoleSessionName: aws.String("shift")})
	}},
	{"assume a role of another account", func(w *witness) {
		w.assume(sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::210987654321:role/other"), RoleSessionName: aws.String("shift")})
	}},
	{"assume a role by web identity", func(w *witness) {
		w.assumeWeb(sts.AssumeRoleWithWebIdentityInput{RoleArn: aws.String(workerRole), RoleSessionName: aws.String("shift"), WebIdentityToken: aws.String("token")})
	}},
	{"assume a role with a session name too long", func(w *witness) {
		w.assume(sts.AssumeRoleInput{RoleArn: aws.String(workerRole), RoleSessionName: aws.String(strings.Repeat("n", 65))})
	}},
	{"assume a role for a second", func(w *witness) {
		w.assume(sts.AssumeRoleInput{RoleArn: aws.String(workerRole), RoleSessionName: aws.String("shift"), DurationSeconds: aws.Int32(1)})
	}},
}

func (w *witness) putARN(id *string, value string, token *string) {
	out, err := w.secrets.PutSecretValue(w.t.Context(), &secretsmanager.PutSecretValueInput{SecretId: id, SecretString: &value, ClientRequestToken: token})
	w.saw(err, "put by ARN", func() string { return fmt.Sprintf("version=%s stages=%v", brief(out.VersionId), out.VersionStages) })
}

// five makes five secrets to choose from.
func (w *witness) five() {
	for _, in := range []secretsmanager.CreateSecretInput{
		{Name: aws.String("tom/a"), Description: aws.String("Core routers"), Tags: tags("team", "Net")},
		{Name: aws.String("tom/b"), Description: aws.String("edge switches")},
		{Name: aws.String("tom/c"), Tags: tags("team", "Ops")},
		{Name: aws.String("Tom/d")},
		{Name: aws.String("zebra")},
	} {
		in.SecretString, in.ClientRequestToken = aws.String("value of "+*in.Name), versionID("a")
		w.create(in)
	}
}

func (w *witness) listBy(key types.FilterNameStringType, value string) {
	w.list(string(key)+" "+value, secretsmanager.ListSecretsInput{Filters: filterBy(key, value)})
}

func (w *witness) batchOf(ids ...string) {
	asked := fmt.Sprint(ids)
	if len(ids) > 5 {
		asked = fmt.Sprint("of ", len(ids))
	}
	w.batch(asked, secretsmanager.BatchGetSecretValueInput{SecretIdList: ids})
}
