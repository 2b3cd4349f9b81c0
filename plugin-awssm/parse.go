package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// login is what a secret holds.
type login struct {
	username string
	password credential.Optional
	extra    map[string]credential.Redacted
}

// fields are the two fields that a login needs, as the secret writes them: keys of its object, or JSON Pointers.
type fields struct {
	username string
	password string
}

// object is what a secret should be.
func (f fields) object() string {
	if isPointer(f.username) || isPointer(f.password) {
		return fmt.Sprintf("store a JSON object with strings at %s and %s", f.username, f.password)
	}
	return fmt.Sprintf(adviceObject, f.username, f.password)
}

// names reports whether a key of the object is one of the fields.
func (f fields) names(key string) bool {
	return key == topLevelKey(f.username) || key == topLevelKey(f.password)
}

// malformed is why a secret is no login. Nothing of it comes from the secret, except the spelling of a key that is one of
// the keys looked for.
type malformed struct {
	field   string // empty if it isn't about one field
	problem string // "is missing", "must be a string, not null"
	advice  string
}

// Kinds of advice that several problems share.
const (
	adviceObject  = `store a JSON object with a "%s" and a "%s", both strings`
	adviceNewline = "store it without the line end: printf, not echo, when a shell writes the file; many devices lock the account over it"
)

// parse reads a secret's text.
func (s settings) parse(secret []byte) (login, *malformed) {
	if s.SecretFormat == formatPassword {
		return parsePassword(secret, s.Username)
	}
	return parseLogin(secret, fields{s.UsernameField, s.PasswordField})
}

// parsePassword reads a secret that is nothing but a password. A JSON object is refused: as a password it would lock accounts.
func parsePassword(secret []byte, username string) (login, *malformed) {
	const alone = "store the password alone, or set secret_format to json"
	problem := checkText(secret, alone)
	if problem == nil {
		problem = checkLogin("", string(secret))
	}
	if value := jsontext.Value(secret); problem == nil && value.Kind() == '{' && value.IsValid() {
		problem = &malformed{problem: "the secret is a JSON object, not a password", advice: alone}
	}
	if problem != nil {
		return login{}, problem
	}
	return login{username: username, password: credential.Some(credential.NewRedacted(string(secret)))}, nil
}

// parseLogin reads a secret's JSON object. Every value comes out byte for byte as the JSON has it.
//
// jsontext does the reading, not encoding/json: a key that comes twice, a lone surrogate and bytes that aren't UTF-8 are
// errors to it, where encoding/json silently picks, replaces, and matches keys without regard to case. A password that was
// changed by one character locks accounts.
func parseLogin(secret []byte, want fields) (login, *malformed) {
	if problem := checkText(secret, want.object()); problem != nil {
		return login{}, problem
	}
	members, err := readObject(secret)
	if err != nil {
		return login{}, syntaxProblem(secret, want, err)
	}
	found := login{extra: make(map[string]credential.Redacted)}
	for _, m := range members {
		if text, ok := m.extra(); ok && !want.names(m.key) {
			found.extra[m.key] = credential.NewRedacted(text)
		}
	}
	username, hasUsername, problem := readField(members, want.username)
	switch {
	case problem != nil:
		return login{}, problem
	case !hasUsername:
		return login{}, missing(want.username, members)
	case username == "":
		return login{}, &malformed{field: want.username, problem: "is empty"}
	}
	found.username = username
	password, hasPassword, problem := readField(members, want.password)
	switch {
	case problem != nil:
		return login{}, problem
	case hasPassword:
		found.password = credential.Some(credential.NewRedacted(password))
	case found.extra[credential.PrivateKeyField].IsEmpty():
		problem := missing(want.password, members)
		if problem.advice == "" {
			problem.advice = fmt.Sprintf("add it; only a secret with a %q can do without", credential.PrivateKeyField)
		}
		return login{}, problem
	}
	return found, nil
}

// member is one key of the object with its value as JSON.
type member struct {
	key   string
	value jsontext.Value
}

// readObject reads one JSON object with nothing after it.
func readObject(secret []byte) ([]member, error) {
	decoder := jsontext.NewDecoder(bytes.NewReader(secret))
	if decoder.PeekKind() != '{' {
		// Its kind doesn't matter if it isn't JSON at all.
		if _, err := decoder.ReadValue(); err != nil {
			return nil, err
		}
		return nil, errNotObject
	}
	if _, err := decoder.ReadToken(); err != nil {
		return nil, err
	}
	var members []member
	for decoder.PeekKind() != '}' {
		key, err := decoder.ReadToken()
		if err != nil {
			return nil, err
		}
		name := key.String() // before the decoder moves on, which ends the token's life
		value, err := decoder.ReadValue()
		if err != nil {
			return nil, err
		}
		members = append(members, member{key: name, value: value.Clone()})
	}
	if _, err := decoder.ReadToken(); err != nil {
		return nil, err
	}
	if _, err := decoder.ReadToken(); err != io.EOF {
		return nil, errTrailing
	}
	return members, nil
}

var (
	errNotObject = errors.New("not an object")
	errTrailing  = errors.New("something follows the object")
)

// login reads a value of a field that is sent to a device.
func (m member) login() (string, *malformed) {
	if kind := m.value.Kind(); kind != '"' {
		return "", &malformed{field: m.key, problem: "must be a string, not " + kindName(kind), advice: "put the value in double quotes"}
	}
	text := m.text()
	return text, checkLogin(m.key, text)
}

// checkLogin refuses a text that must not be sent to a device.
func checkLogin(field, text string) *malformed {
	whole := ""
	if field == "" {
		whole = "the secret "
	}
	switch {
	case strings.HasSuffix(text, "\n") || strings.HasSuffix(text, "\r"):
		return &malformed{field: field, problem: whole + "ends with a line end", advice: adviceNewline}
	case strings.ContainsAny(text, "\r\n"):
		return &malformed{field: field, problem: whole + "holds a line end"}
	case strings.ContainsRune(text, 0):
		return &malformed{field: field, problem: whole + "holds a NUL character"}
	}
	return nil
}

// extra reads the value of any other field; false for those that are left out.
func (m member) extra() (string, bool) {
	switch m.value.Kind() {
	case '"':
		return m.text(), true
	case '0', 't', 'f':
		return string(m.value), true
	default: // null, objects and arrays
		return "", false
	}
}

func (m member) text() string {
	text, err := jsontext.AppendUnquote(nil, []byte(m.value))
	if err != nil {
		panic("unquote a string that the decoder has accepted") // without err, which may quote it
	}
	return string(text)
}

func kindName(kind jsontext.Kind) string {
	switch kind {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '0':
		return "a number"
	case '{':
		return "an object"
	default:
		return "an array"
	}
}

// checkText finds what is wrong before anything is read.
func checkText(secret []byte, wanted string) *malformed {
	switch {
	case len(bytes.TrimSpace(secret)) == 0:
		return &malformed{problem: "the secret is empty", advice: wanted}
	case bytes.HasPrefix(secret, []byte("\xef\xbb\xbf")):
		return &malformed{problem: "the secret starts with a byte-order mark", advice: "save the file as UTF-8 without byte-order mark and store it again"}
	case bytes.HasPrefix(secret, []byte("\xff\xfe")), bytes.HasPrefix(secret, []byte("\xfe\xff")):
		return &malformed{problem: "the secret is UTF-16", advice: "save the file as UTF-8 without byte-order mark and store it again"}
	case !utf8.Valid(secret):
		return &malformed{problem: "the secret is not UTF-8 text", advice: wanted}
	}
	return nil
}

// syntaxProblem maps an error of the decoder, whose own words quote the secret.
func syntaxProblem(secret []byte, want fields, err error) *malformed {
	object := want.object()
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, errNotObject):
		kind := jsontext.Value(secret).Kind()
		if kind == '"' {
			return &malformed{problem: "the secret is a JSON string, not a JSON object", advice: object}
		}
		return &malformed{problem: "the secret is " + kindName(kind) + ", not a JSON object", advice: object}
	case errors.Is(err, errTrailing):
		return &malformed{problem: "something follows the JSON object", advice: "store the object alone"}
	case errors.Is(err, jsontext.ErrDuplicateName):
		field := ""
		if errors.As(err, &syntax) {
			field = knownKey(syntax.JSONPointer.LastToken(), want)
		}
		return &malformed{field: field, problem: "the same key comes twice", advice: "remove one: readers disagree about which one counts"}
	case jsontext.Value(secret).IsValid(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)):
		// The text itself is UTF-8, so what is invalid is an escape.
		return &malformed{problem: `a \u escape is half of a surrogate pair`, advice: "write the character itself, in UTF-8, or both halves"}
	default:
		return &malformed{problem: "the secret is not JSON", advice: object}
	}
}

// missing is about a field that isn't there, and a key that looks like it.
func missing(field string, members []member) *malformed {
	for _, m := range members {
		if strings.EqualFold(m.key, field) {
			return &malformed{field: field, problem: "is missing", advice: fmt.Sprintf("rename %q to %q: keys are case-sensitive", m.key, field)}
		}
	}
	return &malformed{field: field, problem: "is missing"}
}

// knownKey returns the key if it is one that we look for; any other might be a value in the wrong place.
func knownKey(key string, want fields) string {
	if want.names(key) || key == credential.PrivateKeyField {
		return key
	}
	return ""
}
