//go:build unix

package awssmtest

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func (w *witness) create(in secretsmanager.CreateSecretInput) *secretsmanager.CreateSecretOutput {
	out, err := w.secrets.CreateSecret(w.t.Context(), &in)
	w.saw(err, "create "+shortened(*in.Name), func() string {
		return fmt.Sprintf("version=%s %s", brief(out.VersionId), shape(out.ARN, out.Name))
	})
	return out
}

// text creates a secret with version a.
func (w *witness) text(name, value string) *secretsmanager.CreateSecretOutput {
	return w.create(secretsmanager.CreateSecretInput{Name: &name, SecretString: &value, ClientRequestToken: versionID("a")})
}

func (w *witness) put(value string, token *string, stages ...string) {
	w.putInput(secretsmanager.PutSecretValueInput{SecretId: aws.String("s"), SecretString: &value, ClientRequestToken: token, VersionStages: stages})
}

func (w *witness) putInput(in secretsmanager.PutSecretValueInput) {
	out, err := w.secrets.PutSecretValue(w.t.Context(), &in)
	w.saw(err, "put "+*in.SecretId, func() string {
		return fmt.Sprintf("version=%s stages=%v %s", brief(out.VersionId), sorted(out.VersionStages), shape(out.ARN, out.Name))
	})
}

func (w *witness) update(in secretsmanager.UpdateSecretInput) {
	out, err := w.secrets.UpdateSecret(w.t.Context(), &in)
	w.saw(err, "update "+*in.SecretId, func() string {
		return fmt.Sprintf("version=%s %s", brief(out.VersionId), shape(out.ARN, out.Name))
	})
}

func (w *witness) move(stage string, from, to *string) {
	out, err := w.secrets.UpdateSecretVersionStage(w.t.Context(), &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: aws.String("s"), VersionStage: &stage, RemoveFromVersionId: from, MoveToVersionId: to})
	w.saw(err, fmt.Sprintf("move %s from %s to %s", stage, brief(from), brief(to)), func() string { return shape(out.ARN, out.Name) })
}

func (w *witness) get(id string) { w.read(secretsmanager.GetSecretValueInput{SecretId: &id}) }

func (w *witness) read(in secretsmanager.GetSecretValueInput) {
	out, err := w.secrets.GetSecretValue(w.t.Context(), &in)
	asked := "get " + general(*in.SecretId)
	if in.VersionId != nil {
		asked += " version " + brief(in.VersionId)
	}
	if in.VersionStage != nil {
		asked += " label " + *in.VersionStage
	}
	w.saw(err, asked, func() string {
		return fmt.Sprintf("string=%s binary=%q version=%s stages=%v dated=%v %s", deref(out.SecretString), out.SecretBinary,
			brief(out.VersionId), sorted(out.VersionStages), out.CreatedDate != nil, shape(out.ARN, out.Name))
	})
}

func (w *witness) describe(id string) {
	out, err := w.secrets.DescribeSecret(w.t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &id})
	w.saw(err, "describe "+general(id), func() string {
		return fmt.Sprintf("description=%s key=%s tags=%v versions=%v deleted=%v dated=%v,%v %s", deref(out.Description), deref(out.KmsKeyId),
			tagText(out.Tags), versionText(out.VersionIdsToStages), out.DeletedDate != nil, out.CreatedDate != nil, out.LastChangedDate != nil,
			shape(out.ARN, out.Name))
	})
}

// list follows the pages and writes down what each holds.
func (w *witness) list(asked string, in secretsmanager.ListSecretsInput) {
	for page := 1; ; page++ {
		out, err := w.secrets.ListSecrets(w.t.Context(), &in)
		w.saw(err, fmt.Sprintf("list %s, page %d", asked, page), func() string {
			var entries []string
			for _, s := range out.SecretList {
				entries = append(entries, fmt.Sprintf("%s%v deleted=%v", *s.Name, versionText(s.SecretVersionsToStages), s.DeletedDate != nil))
			}
			if len(entries) > 12 {
				entries = []string{fmt.Sprintf("%d entries, %s to %s", len(entries), entries[0], entries[len(entries)-1])}
			}
			return fmt.Sprintf("%s more=%v", strings.Join(entries, ", "), out.NextToken != nil)
		})
		if err != nil || out.NextToken == nil || page > 200 {
			return
		}
		in.NextToken = out.NextToken
	}
}

func (w *witness) batch(asked string, in secretsmanager.BatchGetSecretValueInput) {
	for page := 1; ; page++ {
		out, err := w.secrets.BatchGetSecretValue(w.t.Context(), &in)
		w.saw(err, fmt.Sprintf("batch %s, page %d", asked, page), func() string {
			var values, failed []string
			for _, v := range out.SecretValues {
				values = append(values, fmt.Sprintf("%s=%s%q%v", *v.Name, deref(v.SecretString), v.SecretBinary, sorted(v.VersionStages)))
			}
			if len(values) > 12 {
				values = []string{fmt.Sprintf("%d values", len(values))}
			}
			for _, e := range out.Errors {
				failed = append(failed, *e.SecretId+"="+*e.ErrorCode)
			}
			return fmt.Sprintf("values=%v errors=%v more=%v", values, failed, out.NextToken != nil)
		})
		if err != nil || out.NextToken == nil || page > 200 {
			return
		}
		in.NextToken = out.NextToken
	}
}

func (w *witness) delete(id string, window *int64, force *bool) {
	out, err := w.secrets.DeleteSecret(w.t.Context(), &secretsmanager.DeleteSecretInput{
		SecretId: &id, RecoveryWindowInDays: window, ForceDeleteWithoutRecovery: force})
	w.saw(err, "delete "+id, func() string { return fmt.Sprintf("dated=%v %s", out.DeletionDate != nil, shape(out.ARN, out.Name)) })
}

func (w *witness) restore() {
	out, err := w.secrets.RestoreSecret(w.t.Context(), &secretsmanager.RestoreSecretInput{SecretId: aws.String("s")})
	w.saw(err, "restore s", func() string { return shape(out.ARN, out.Name) })
}

func (w *witness) tag(pairs ...string) {
	_, err := w.secrets.TagResource(w.t.Context(), &secretsmanager.TagResourceInput{SecretId: aws.String("s"), Tags: tags(pairs...)})
	w.saw(err, fmt.Sprint("tag s ", pairs), func() string { return "" })
}

func (w *witness) untag(id string, keys ...string) {
	_, err := w.secrets.UntagResource(w.t.Context(), &secretsmanager.UntagResourceInput{SecretId: &id, TagKeys: keys})
	w.saw(err, fmt.Sprint("untag ", id, " ", keys), func() string { return "" })
}

func (w *witness) assume(in sts.AssumeRoleInput) {
	out, err := w.sts.AssumeRole(w.t.Context(), &in)
	w.saw(err, "assume", func() string { return credentialText(out.Credentials.AccessKeyId, out.AssumedRoleUser.Arn) })
}

func (w *witness) assumeWeb(in sts.AssumeRoleWithWebIdentityInput) {
	out, err := w.sts.AssumeRoleWithWebIdentity(w.t.Context(), &in)
	w.saw(err, "assume by web identity", func() string { return credentialText(out.Credentials.AccessKeyId, out.AssumedRoleUser.Arn) })
}

func credentialText(accessKeyID, arn *string) string { return (*accessKeyID)[:4] + "... " + *arn }

func tags(pairs ...string) (list []types.Tag) {
	for pair := range slices.Chunk(pairs, 2) {
		list = append(list, types.Tag{Key: &pair[0], Value: &pair[1]})
	}
	return list
}

func tagText(tags []types.Tag) (list []string) {
	for _, t := range tags {
		list = append(list, *t.Key+"="+*t.Value)
	}
	return list
}

func versionText(versions map[string][]string) []string {
	list := []string{}
	for id, stages := range versions {
		list = append(list, brief(&id)+fmt.Sprint(sorted(stages)))
	}
	sort.Strings(list)
	return list
}

func sorted(stages []string) []string {
	stages = slices.Clone(stages)
	sort.Strings(stages)
	return stages
}

func deref(s *string) string {
	if s == nil {
		return "(none)"
	}
	return *s
}

// shape describes a secret's name and ARN, briefly if the ARN is as it should be but for the random six characters at its end.
func shape(arn, name *string) string {
	if general(deref(arn)) == "arn:aws:secretsmanager:us-east-1:123456789012:secret:"+deref(name)+"-??????" {
		return shortened(deref(name)) + " with ARN"
	}
	return shortened(deref(name)) + " " + shortened(deref(arn))
}

func shortened(text string) string {
	if len(text) > 40 {
		return fmt.Sprintf("(%d characters)", len(text))
	}
	return text
}

func general(id string) string {
	if strings.HasPrefix(id, "arn:") && len(id) > 7 && id[len(id)-7] == '-' {
		return id[:len(id)-6] + "??????"
	}
	return id
}
