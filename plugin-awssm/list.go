package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// maxResults is the most that AWS puts on one page.
const maxResults = 100

// List returns one page: what one call to AWS gives. Pages may be short, or empty in the middle of a listing.
func (p *awsProvider) List(ctx context.Context, pageSize int, pageToken string) (credential.Page, error) {
	c, err := p.connect(ctx)
	if err != nil {
		return credential.Page{}, err
	}
	input := &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(int32(min(pageSize, maxResults)))}
	if p.settings.SecretPrefix != "" {
		// AWS reads a value as the beginning of a name. A "!" at its front would negate it; no prefix has one.
		input.Filters = []types.Filter{{Key: types.FilterNameStringTypeName, Values: []string{p.settings.SecretPrefix}}}
	}
	scope := pageScope{region: c.regions[0], prefix: p.settings.SecretPrefix}
	if pageToken != "" {
		token, ok := scope.open(pageToken)
		if !ok {
			return credential.Page{}, credential.Errorf(credential.PageTokenInvalid, "the page token is not one that a listing with these settings has returned").
				WithHelp("list again from the first page")
		}
		input.NextToken = aws.String(token)
	}
	tried := attempt{action: actionList, name: p.settings.SecretPrefix, region: scope.region, settings: p.settings}
	out, err := renewing(c, func() (*secretsmanager.ListSecretsOutput, error) { return c.first().ListSecrets(ctx, input) })
	if err != nil {
		return credential.Page{}, tried.failure(ctx, err)
	}
	page := credential.Page{}
	for _, secret := range out.SecretList {
		if id, ok := p.idOf(aws.ToString(secret.Name)); ok {
			page.Credentials = append(page.Credentials, credential.Summary{
				ID:          id,
				Description: aws.ToString(secret.Description),
				LastChanged: aws.ToTime(secret.LastChangedDate),
			})
		}
	}
	if token := aws.ToString(out.NextToken); token != "" {
		page.NextToken = scope.seal(token)
	}
	return page, nil
}

// idOf is the credential id that belongs to a secret's name; false if no Get would reach it: the prefix is checked here
// once more, because endpoints differ in how they read filters, and a secret that is called just like the prefix has no id.
func (p *awsProvider) idOf(name string) (string, bool) {
	id, ok := strings.CutPrefix(name, p.settings.SecretPrefix)
	if !ok {
		return "", false
	}
	_, err := secretName(p.settings.SecretPrefix, id)
	return id, err == nil
}

// pageScope is what a page token belongs to. A token that was cut, or made for another prefix or region, is recognised
// without asking AWS. It keeps no secret, and survives a restart of the provider in the middle of a listing.
type pageScope struct {
	region, prefix string
}

const sumLength = 8

func (s pageScope) seal(token string) string {
	return base64.RawURLEncoding.EncodeToString(append(s.sum(token), token...))
}

func (s pageScope) open(sealed string) (string, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || len(raw) <= sumLength {
		return "", false
	}
	token := string(raw[sumLength:])
	return token, subtle.ConstantTimeCompare(raw[:sumLength], s.sum(token)) == 1
}

func (s pageScope) sum(token string) []byte {
	sum := sha256.Sum256([]byte("page v1\x00" + s.region + "\x00" + s.prefix + "\x00" + token))
	return sum[:sumLength]
}
