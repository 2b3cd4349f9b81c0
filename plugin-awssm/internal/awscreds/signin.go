package awscreds

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/logincreds"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/aws-sdk-go-v2/service/signin"
	"github.com/aws/aws-sdk-go-v2/service/sso"
	"github.com/aws/aws-sdk-go-v2/service/sso/types"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"

	"github.com/tom-worker/credential-provider/shared/regular"
)

// sso is a session of IAM Identity Center.
func (f *finder) sso(p *profile) (*source, error) {
	if hasKeys(p) {
		return nil, f.problem(p, "it holds both access keys and SSO settings, and AWS's tools disagree about which of them count").
			WithHelp("remove one of the two, or move it to another profile")
	}
	values, session := maps.Clone(p.values), p.value("sso_session")
	portal, where := p.values, "its SSO settings lack"
	if p.has("sso_session") {
		if session == "" {
			return nil, f.problem(p, "its sso_session is empty").WithHelp("name a section [sso-session NAME], or remove the key")
		}
		shared, found := f.files.sessions[session]
		if !found {
			return nil, f.problem(p, "its sso_session names [sso-session %s], which isn't in %s", session, f.files.config.state()).
				WithHelp("correct sso_session, or add that section with sso_start_url and sso_region")
		}
		for key, value := range shared {
			if own, both := values[key]; both && own != value {
				return nil, f.problem(p, "its %s and that of [sso-session %s] differ", key, session).WithHelp("remove it from the profile")
			}
			values[key] = value
		}
		portal, where = shared, fmt.Sprintf("its SSO settings and their [sso-session %s] lack", session)
	}
	var missing []string
	for _, key := range []string{"sso_role_name", "sso_account_id"} {
		if values[key] == "" {
			missing = append(missing, key)
		}
	}
	for _, key := range []string{"sso_start_url", "sso_region"} { // these are the session's own where there is one
		value, found := portal[key]
		if key == "sso_start_url" && p.has("sso_session") {
			value = session // its name leads to the token
		}
		if !found || value == "" {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		return nil, f.problem(p, "%s %s", where, strings.Join(missing, ", ")).WithHelp("complete them with \"aws configure sso\"")
	}
	if !IsRegion(values["sso_region"]) {
		return nil, f.problem(p, "its sso_region is not the name of a region").WithHelp("correct it, or complete the settings with \"aws configure sso\"")
	}
	tokens := ssoTokens{key: values["sso_start_url"]}
	if p.has("sso_session") {
		tokens.key, tokens.renews = session, true
	}
	return &source{
		named: fmt.Sprintf("profile %q", p.name), timeout: f.chain.requestsTimeout(),
		get: func(ctx context.Context, _ aws.Credentials) (aws.Credentials, error) {
			config, err := f.chain.environment.ConfigOf("SSO OIDC")
			if err != nil {
				return aws.Credentials{}, err
			}
			config.Region = values["sso_region"]
			token, err := tokens.retrieve(ctx, ssooidc.NewFromConfig(config))
			if err != nil {
				return aws.Credentials{}, err
			}
			if config, err = f.chain.environment.ConfigOf("SSO"); err != nil {
				return aws.Credentials{}, err
			}
			config.Region = values["sso_region"]
			out, err := sso.NewFromConfig(config).GetRoleCredentials(ctx, &sso.GetRoleCredentialsInput{
				AccessToken: &token, AccountId: aws.String(values["sso_account_id"]), RoleName: aws.String(values["sso_role_name"]),
			})
			if err != nil {
				return aws.Credentials{}, err
			}
			found := cmp.Or(out.RoleCredentials, &types.RoleCredentials{})
			return aws.Credentials{
				AccessKeyID: aws.ToString(found.AccessKeyId), SecretAccessKey: aws.ToString(found.SecretAccessKey), SessionToken: aws.ToString(found.SessionToken),
				CanExpire: true, Expires: time.UnixMilli(found.Expiration).UTC(),
			}, nil
		},
		explain: func(ctx context.Context, err error) error {
			return f.chain.signInFailure(ctx, err, p.name, "sso login")
		},
	}, nil
}

// ssoTokens reads the token that "aws sso login" has left, by boto3's rules, and renews it ahead of its end.
type ssoTokens struct {
	key    string // the session's name, or the start URL where a profile names no session
	renews bool   // tokens of sessions can be renewed
}

// ssoRenewAhead is how long before its end a token is renewed.
const ssoRenewAhead = 15 * time.Minute

// retrieve returns the token. One that is there but can't be used is no other matter than one that has ended:
// *ssocreds.InvalidTokenError.
func (s ssoTokens) retrieve(ctx context.Context, client *ssooidc.Client) (string, error) {
	path, err := ssocreds.StandardCachedTokenFilepath(s.key)
	if err != nil {
		return "", &ssocreds.InvalidTokenError{Err: err}
	}
	text, err := regular.Read(path, maxFile)
	if err != nil {
		return "", &ssocreds.InvalidTokenError{Err: err}
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		return "", &ssocreds.InvalidTokenError{Err: err}
	}
	word := func(key string) string {
		value, _ := members[key].(string)
		return value
	}
	expires, known := parseTime(word("expiresAt"))
	if !known {
		return "", &ssocreds.InvalidTokenError{}
	}
	left := time.Until(expires)
	registered, _ := parseTime(word("registrationExpiresAt"))
	if _, found := members["accessToken"]; s.renews && found && left < ssoRenewAhead && time.Now().Before(registered) {
		renewed, err := client.CreateToken(ctx, &ssooidc.CreateTokenInput{
			GrantType: aws.String("refresh_token"), ClientId: aws.String(word("clientId")),
			ClientSecret: aws.String(word("clientSecret")), RefreshToken: aws.String(word("refreshToken")),
		})
		switch {
		case err == nil:
			expires = time.Now().Add(time.Duration(renewed.ExpiresIn) * time.Second)
			members["accessToken"], members["expiresAt"] = aws.ToString(renewed.AccessToken), expires.UTC().Format(time.RFC3339)
			if renewed.RefreshToken != nil {
				members["refreshToken"] = *renewed.RefreshToken
			}
			s.keep(path, members)
			left = time.Until(expires)
		case left <= 0:
			return "", err
		}
	}
	if left <= 0 || word("accessToken") == "" || strings.ContainsFunc(word("accessToken"), isControl) {
		return "", &ssocreds.InvalidTokenError{}
	}
	return word("accessToken"), nil
}

// keep writes a renewed token for AWS's other tools, and for the next process. Where that isn't possible, such as in a
// container that may only read, this process has the token nevertheless.
func (s ssoTokens) keep(path string, members map[string]any) {
	text, err := json.Marshal(members)
	if err != nil {
		return
	}
	file, err := os.CreateTemp(filepath.Dir(path), "*.tmp") // mode 0600
	if err != nil {
		return
	}
	_, err = file.Write(text)
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
}

// login is the session of "aws login".
func (f *finder) login(named string, p *profile) (*source, error) {
	directory := expandUser(expandVariables(os.Getenv("AWS_LOGIN_CACHE_DIRECTORY")))
	path, err := logincreds.StandardCachedTokenFilepath(p.value("login_session"), directory)
	if err != nil {
		return nil, f.problem(p, "the session of \"aws login\" can't be found: the user has no home directory").WithHelp("set HOME")
	}
	return &source{
		named: named, timeout: f.chain.requestsTimeout(),
		get: func(ctx context.Context, _ aws.Credentials) (aws.Credentials, error) {
			config, err := f.chain.environment.ConfigOf("Signin")
			if err != nil {
				return aws.Credentials{}, err
			}
			var token struct {
				SignInRegion string `json:"signInRegion"`
			}
			if text, err := regular.Read(path, maxFile); err == nil && json.Unmarshal(text, &token) == nil && IsRegion(token.SignInRegion) {
				config.Region = token.SignInRegion // where the user has signed in
			}
			return logincreds.New(signin.NewFromConfig(config), path).Retrieve(ctx)
		},
		explain: func(ctx context.Context, err error) error { return f.chain.signInFailure(ctx, err, p.name, "login") },
	}, nil
}
