package awssmtest

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/xml"
	"regexp"
	"strconv"
	"strings"
	"time"
)

type responseMetadata struct {
	RequestID string `xml:"ResponseMetadata>RequestId"`
}

func (c *call) metadata() responseMetadata { return responseMetadata{c.requestID} }

type callerIdentity struct {
	XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ GetCallerIdentityResponse"`
	Arn     string   `xml:"GetCallerIdentityResult>Arn"`
	UserID  string   `xml:"GetCallerIdentityResult>UserId"`
	Account string   `xml:"GetCallerIdentityResult>Account"`
	responseMetadata
}

// GetCallerIdentity needs no permission, on AWS neither.
func getCallerIdentity(c *call) (any, error) {
	return callerIdentity{Arn: c.identity, UserID: userID(c.identity), Account: c.account(), responseMetadata: c.metadata()}, nil
}

type assumedRole struct {
	Credentials struct {
		AccessKeyId     string
		SecretAccessKey string
		SessionToken    string
		Expiration      string
	}
	AssumedRoleUser struct {
		Arn           string
		AssumedRoleId string
	}
	// Of AssumeRoleWithWebIdentity alone.
	SubjectFromWebIdentityToken string `xml:",omitempty"`
	Provider                    string `xml:",omitempty"`
	Audience                    string `xml:",omitempty"`
}

type assumeRoleResponse struct {
	XMLName xml.Name    `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleResponse"`
	Result  assumedRole `xml:"AssumeRoleResult"`
	responseMetadata
}

func assumeRole(c *call) (any, error) {
	v := &validation{}
	lifetime := c.checkRole(v, 43200)
	if id := c.form.Get("ExternalId"); c.form.Has("ExternalId") {
		v.text("externalId", &id, 2, 1224)
	}
	role, err := c.assume(v, lifetime)
	if err != nil {
		return nil, err
	}
	return assumeRoleResponse{Result: *role, responseMetadata: c.metadata()}, nil
}

type assumeRoleWithWebIdentityResponse struct {
	XMLName xml.Name    `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleWithWebIdentityResponse"`
	Result  assumedRole `xml:"AssumeRoleWithWebIdentityResult"`
	responseMetadata
}

// assumeRoleWithWebIdentity believes any token: the call is not signed, and there is no identity provider here to ask.
func assumeRoleWithWebIdentity(c *call) (any, error) {
	v := &validation{}
	lifetime := c.checkRole(v, 43200)
	v.required("webIdentityToken", c.form.Has("WebIdentityToken"))
	if c.form.Has("WebIdentityToken") {
		v.hidden("webIdentityToken", len(c.form.Get("WebIdentityToken")), 4, 20000)
	}
	role, err := c.assume(v, lifetime)
	if err != nil {
		return nil, err
	}
	role.SubjectFromWebIdentityToken, role.Provider, role.Audience = "awssmtest", "awssmtest", "sts.amazonaws.com"
	return assumeRoleWithWebIdentityResponse{Result: *role, responseMetadata: c.metadata()}, nil
}

var sessionName = regexp.MustCompile(`^[\w+=,.@-]*$`)

// checkRole validates what both ways of assuming a role have in common, and returns the lifetime asked for.
func (c *call) checkRole(v *validation, longest int64) time.Duration {
	for field, bounds := range map[string][2]int{"RoleArn": {20, 2048}, "RoleSessionName": {2, 64}} {
		name := strings.ToLower(field[:1]) + field[1:]
		value := c.form.Get(field)
		v.required(name, c.form.Has(field))
		if c.form.Has(field) {
			v.text(name, &value, bounds[0], bounds[1])
		}
	}
	if name := c.form.Get("RoleSessionName"); !sessionName.MatchString(name) {
		v.problem("Value '%s' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*", name)
	}
	lifetime := int64(3600)
	if c.form.Has("DurationSeconds") {
		n, err := strconv.ParseInt(c.form.Get("DurationSeconds"), 10, 64)
		if err != nil {
			n = 0
		}
		lifetime = n
		v.number("durationSeconds", &lifetime, 900, longest)
	}
	return time.Duration(lifetime) * time.Second
}

var roleARN = regexp.MustCompile(`^arn:[a-z-]+:iam::(\d{12}):role/(?:.*/)?([^/]+)$`)

// assume issues credentials for a role; every role exists and trusts every identity unless its policy or a Denial of sts:AssumeRole says otherwise.
func (c *call) assume(v *validation, lifetime time.Duration) (*assumedRole, error) {
	if err := v.result("ValidationError"); err != nil {
		return nil, err
	}
	arn, name := c.form.Get("RoleArn"), c.form.Get("RoleSessionName")
	role := roleARN.FindStringSubmatch(arn)
	if role == nil {
		return nil, refuse("ValidationError", "%s is invalid", arn)
	}
	if problem := c.authorize(c.operation, arn); problem != nil {
		return nil, problem
	}

	c.server.identity.mu.Lock()
	if fixed := c.server.identity.lifetime; fixed != 0 {
		lifetime = fixed
	}
	c.server.identity.mu.Unlock()
	identity := "arn:aws:sts::" + role[1] + ":assumed-role/" + role[2] + "/" + name
	session := c.server.AddSession(identity, lifetime)

	out := &assumedRole{}
	out.Credentials.AccessKeyId = session.AccessKeyID
	out.Credentials.SecretAccessKey = session.SecretAccessKey
	out.Credentials.SessionToken = session.SessionToken
	out.Credentials.Expiration = session.Expires.Format("2006-01-02T15:04:05Z")
	out.AssumedRoleUser.Arn = identity
	out.AssumedRoleUser.AssumedRoleId = userID(identity)
	return out, nil
}

// userID makes the unique id that AWS gives an identity; a role's sessions share it, followed by the session's name.
func userID(arn string) string {
	prefix, subject, session := "AIDA", arn, ""
	if strings.Contains(arn, ":assumed-role/") {
		at := strings.LastIndexByte(arn, '/')
		prefix, subject, session = "AROA", arn[:at], ":"+arn[at+1:]
	}
	digest := sha256.Sum256([]byte(subject))
	return prefix + base32.StdEncoding.EncodeToString(digest[:])[:17] + session
}
