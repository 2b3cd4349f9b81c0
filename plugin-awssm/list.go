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
//
// Routes are listed one after the other. One that fails is left out with a warning in the log, as long as another one can be
// listed; if none can, the plain settings' error is the listing's.
func (p *awsProvider) List(ctx context.Context, pageSize int, pageToken string) (credential.Page, error) {
	at, err := p.openToken(pageToken)
	if err != nil {
		return credential.Page{}, err
	}
	r := p.routes[at.route]
	page, next, err := p.listRoute(ctx, r, pageSize, at.token)
	if err == nil {
		at.listed = true
		if at.token = next; next == "" {
			at.route++
		}
	} else {
		last := at.route == len(p.routes)-1
		if len(p.routes) == 1 || last && !at.listed || at.token != "" {
			return credential.Page{}, err
		}
		r.log.Warn("a route's credentials can't be listed", "route", r.String(), "reason", string(credential.ReasonOf(err)), "error", err.Error())
		at.route, at.token = at.route+1, ""
	}
	if at.route < len(p.routes) {
		page.NextToken = p.sealToken(at)
	}
	return page, nil
}

// listRoute returns a page of a route's credentials, and AWS's token of the next one.
func (p *awsProvider) listRoute(ctx context.Context, r *route, pageSize int, token string) (page credential.Page, next string, err error) {
	if r.prefix.arn != "" {
		return page, "", credential.Errorf(credential.Unsupported, "the secrets of the account %s can't be listed: AWS lists those of the caller's own account only", r.prefix.account).
			WithHelp("read them by id; to list them, set role_arn to a role in that account, and secret_prefix to a prefix of names")
	}
	c, err := r.connect(ctx)
	if err != nil {
		return page, "", err
	}
	input := &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(int32(min(pageSize, maxResults)))}
	if name := r.prefix.name; name != "" && name[0] != '!' {
		// AWS reads a value as the start of a name. A "!" at its front would negate it: such a prefix is looked for here.
		input.Filters = []types.Filter{{Key: types.FilterNameStringTypeName, Values: []string{name}}}
	}
	if token != "" {
		input.NextToken = aws.String(token)
	}
	tried := attempt{action: actionList, name: r.prefix.name, region: c.regions[0], settings: r.settings, prefix: r.prefix}
	out, err := again(c, func() (*secretsmanager.ListSecretsOutput, error) { return c.first().ListSecrets(ctx, input) })
	if err != nil {
		return page, "", tried.failure(ctx, err)
	}
	if out.SecretList == nil { // AWS always sends one; something else that answers with nothing must not look like an empty account
		return page, "", misconfigured("the answer to ListSecrets from region %s has no list: it isn't Secrets Manager's", c.regions[0]).
			WithHelp("check endpoint_url, and the proxy that HTTPS_PROXY names")
	}
	for _, secret := range out.SecretList {
		if id, ok := p.idOf(r, aws.ToString(secret.Name)); ok {
			page.Credentials = append(page.Credentials, credential.Summary{
				ID:          id,
				Description: aws.ToString(secret.Description),
				LastChanged: aws.ToTime(secret.LastChangedDate),
			})
		}
	}
	return page, aws.ToString(out.NextToken), nil
}

// idOf is the credential id that belongs to a secret's name; false if no Get would reach it: the prefix is checked here
// once more, because endpoints differ in how they read filters; a secret that is called just like the prefix has no id; and
// an id that another route takes is that route's.
func (p *awsProvider) idOf(r *route, name string) (string, bool) {
	id, ok := strings.CutPrefix(name, r.prefix.name)
	if !ok || p.route(id) != r {
		return "", false
	}
	_, err := secretName(r.prefix.name, id)
	return id, err == nil
}

// pagePlace is where in a listing a page starts.
type pagePlace struct {
	route  int
	listed bool   // a route before it was listed
	token  string // AWS's; empty: the route's first page
}

// A page token is a place with a checksum of it and of the settings secret_prefix and region: a token that was cut, or made with
// other settings, is recognised without asking AWS. It keeps no secret, and survives a restart of the provider in the middle
// of a listing.
const sumLength = 8

func (p *awsProvider) sealToken(at pagePlace) string {
	text := string([]byte{byte(at.route), asByte(at.listed)}) + at.token
	return base64.RawURLEncoding.EncodeToString(append(p.sum(at.route, text), text...))
}

func (p *awsProvider) openToken(sealed string) (pagePlace, error) {
	if sealed == "" {
		return pagePlace{}, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	// The decoder skips line ends: what has them is another token than the one that was returned.
	if err == nil && len(raw) >= sumLength+2 && base64.RawURLEncoding.EncodeToString(raw) == sealed {
		at := pagePlace{route: int(raw[sumLength]), listed: raw[sumLength+1] == 1, token: string(raw[sumLength+2:])}
		if at.route < len(p.routes) && subtle.ConstantTimeCompare(raw[:sumLength], p.sum(at.route, string(raw[sumLength:]))) == 1 {
			return at, nil
		}
	}
	return pagePlace{}, credential.Errorf(credential.PageTokenInvalid, "the page token is not one that a listing with these settings has returned").
		WithHelp("list again from the first page")
}

func (p *awsProvider) sum(route int, text string) []byte {
	s := p.routes[route].settings
	sum := sha256.Sum256([]byte("page v2\x00" + s.Region + "\x00" + s.SecretPrefix + "\x00" + text))
	return sum[:sumLength]
}

func asByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}
