package awssmtest

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	signatureAlgorithm = "AWS4-HMAC-SHA256"
	signatureTime      = "20060102T150405Z"
	allowedSkew        = 5 * time.Minute
)

// authorization is what a request's Authorization header claims.
type authorization struct {
	present       bool
	complete      bool // every part is there
	accessKeyID   string
	date          string // of the credential scope, yyyymmdd
	region        string
	scopeService  string
	signedHeaders []string
	signature     string
}

func parseAuthorization(r *http.Request) authorization {
	header := r.Header.Get("Authorization")
	a := authorization{present: header != ""}
	parameters, ok := strings.CutPrefix(header, signatureAlgorithm)
	if !ok {
		return a
	}
	for part := range strings.SplitSeq(parameters, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			// The access key may not hold a slash, and the rest is date/region/service/aws4_request.
			if scope := strings.Split(value, "/"); len(scope) == 5 && scope[4] == "aws4_request" {
				a.accessKeyID, a.date, a.region, a.scopeService = scope[0], scope[1], scope[2], scope[3]
			}
		case "SignedHeaders":
			a.signedHeaders = strings.Split(value, ";")
		case "Signature":
			a.signature = value
		}
	}
	a.complete = a.accessKeyID != "" && len(a.signedHeaders) > 0 && a.signature != ""
	return a
}

// authenticate verifies the signature and sets the caller's identity.
func (c *call) authenticate() *apiError {
	if c.service == serviceSTS && c.operation == "AssumeRoleWithWebIdentity" {
		return nil // not signed: the web identity is the proof
	}
	if c.server.options.AcceptAnyCredentials {
		c.identity = cmp.Or(c.server.identity.arn(c.accessKeyID), c.server.identity.arn(AccessKeyID))
		c.region = cmp.Or(c.region, c.server.options.Region)
		return nil
	}
	if !c.present {
		if c.service == serviceSTS {
			return refuse("MissingAuthenticationToken", "Request is missing Authentication Token")
		}
		return refuse("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	if !c.complete {
		code := "IncompleteSignatureException"
		if c.service == serviceSTS {
			code = "IncompleteSignature"
		}
		return refuse(code, "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters.")
	}

	key, known := c.server.identity.lookup(c.accessKeyID)
	if !known || key.sessionToken != c.request.Header.Get("X-Amz-Security-Token") {
		code := "UnrecognizedClientException"
		if c.service == serviceSTS {
			code = "InvalidClientTokenId"
		}
		return refuse(code, "The security token included in the request is invalid.")
	}
	if problem := c.verify(key.secretAccessKey); problem != "" {
		code := "InvalidSignatureException"
		if c.service == serviceSTS {
			code = "SignatureDoesNotMatch"
		}
		return refuse(code, "%s", problem)
	}
	if !key.expires.IsZero() && !c.now.Before(key.expires) {
		code := "ExpiredTokenException"
		if c.service == serviceSTS {
			code = "ExpiredToken"
		}
		return refuse(code, "The security token included in the request is expired")
	}
	c.identity = key.arn
	return nil
}

// verify returns what is wrong with the signature, in the services' words, or "".
func (c *call) verify(secretAccessKey string) string {
	stamp := c.request.Header.Get("X-Amz-Date")
	signed, err := time.Parse(signatureTime, stamp)
	if err != nil {
		return "Date must be in ISO-8601 'basic format'. See http://docs.aws.amazon.com/general/latest/gr/sigv4-date-handling.html"
	}
	now := c.now.UTC()
	if earliest := now.Add(-allowedSkew); signed.Before(earliest.Truncate(time.Second)) {
		return "Signature expired: " + stamp + " is now earlier than " + earliest.Format(signatureTime) +
			" (" + now.Format(signatureTime) + " - 5 min.)"
	}
	if latest := now.Add(allowedSkew); signed.After(latest) {
		return "Signature not yet current: " + stamp + " is still later than " + latest.Format(signatureTime) +
			" (" + now.Format(signatureTime) + " + 5 min.)"
	}
	if c.scopeService != c.service {
		return "Credential should be scoped to correct service: '" + c.service + "'. "
	}
	if c.date != stamp[:8] {
		return "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '" + c.date + "' != '" + stamp[:8] +
			"', from '" + stamp + "'."
	}
	if missing := c.unsignedHeader(); missing != "" {
		return "'" + missing + "' must be a 'SignedHeader' in the AWS Authorization."
	}
	want, err := hex.DecodeString(c.signature)
	if err != nil || !hmac.Equal(want, c.sign(secretAccessKey, stamp)) {
		return "The request signature we calculated does not match the signature you provided. " +
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	}
	return ""
}

// unsignedHeader returns a header that has to be covered by the signature and isn't: without that, a request could be changed on its way.
func (c *call) unsignedHeader() string {
	if !slices.Contains(c.signedHeaders, "host") {
		return "Host"
	}
	for name := range c.request.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && !slices.Contains(c.signedHeaders, lower) {
			return name
		}
	}
	return ""
}

// sign computes the signature that the request should carry: AWS Signature Version 4 over exactly the headers that it says it signed.
func (c *call) sign(secretAccessKey, stamp string) []byte {
	var canonical strings.Builder
	canonical.WriteString(c.request.Method + "\n" + canonicalPath(c.request.URL) + "\n" + canonicalQuery(c.request.URL.Query()) + "\n")
	for _, name := range c.signedHeaders {
		canonical.WriteString(name + ":" + canonicalHeader(c.request, name) + "\n")
	}
	payload := sha256.Sum256(c.body)
	canonical.WriteString("\n" + strings.Join(c.signedHeaders, ";") + "\n" + hex.EncodeToString(payload[:]))

	scope := strings.Join([]string{c.date, c.region, c.scopeService, "aws4_request"}, "/")
	digest := sha256.Sum256([]byte(canonical.String()))
	key := []byte("AWS4" + secretAccessKey)
	for _, part := range []string{c.date, c.region, c.scopeService, "aws4_request"} {
		key = hmacSHA256(key, part)
	}
	return hmacSHA256(key, signatureAlgorithm+"\n"+stamp+"\n"+scope+"\n"+hex.EncodeToString(digest[:]))
}

func hmacSHA256(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// canonicalHeader joins a header's values; net/http keeps Host apart from the others.
func canonicalHeader(r *http.Request, name string) string {
	if name == "host" {
		return r.Host
	}
	values := slices.Clone(r.Header.Values(name))
	for i, value := range values {
		values[i] = strings.Join(strings.Fields(value), " ")
	}
	return strings.Join(values, ",")
}

// canonicalPath is the path as it came over the wire, encoded once more.
func canonicalPath(u *url.URL) string {
	path := u.EscapedPath()
	if path == "" {
		return "/"
	}
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i] = encode(segment)
	}
	return strings.Join(segments, "/")
}

func canonicalQuery(query url.Values) string {
	var pairs []string
	for name, values := range query {
		for _, value := range values {
			pairs = append(pairs, encode(name)+"="+encode(value))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// encode is RFC 3986 percent-encoding, which differs from url.QueryEscape in its spaces.
func encode(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
