package device

import (
	"errors"
	"slices"
	"sync/atomic"

	"golang.org/x/crypto/ssh"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// passphraseField is the key of a credential's extra fields that opens its private key.
const passphraseField = "passphrase"

// attempt is one connection's login: what it has to show, and what it has shown so far. The SSH client calls it from one
// goroutine, and nobody else looks before that has ended, but at presented.
type attempt struct {
	username string
	key      ssh.Signer // nil if there is none
	password credential.Redacted
	// hasPassword: an empty password is one, an absent one isn't.
	hasPassword bool

	hostKey   error    // what is wrong with the host key
	offered   []string // the ways to log in that the device offers
	prompt    string   // what the device asked that can't be answered
	keyTried  bool
	spent     bool        // the password
	presented atomic.Bool // the device has seen something that it can refuse, and hasn't accepted it
	accepted  int         // how many parts of a login it has accepted, and asked for more
}

// newAttempt prepares what a credential has.
func newAttempt(cred *credential.Credential) (*attempt, error) {
	a := &attempt{username: cred.Username}
	a.password, a.hasPassword = cred.Password.Get()
	key := cred.Extra[credential.PrivateKeyField]
	if key.IsEmpty() {
		return a, nil
	}
	var err error
	if passphrase := cred.Extra[passphraseField]; passphrase.IsEmpty() {
		a.key, err = ssh.ParsePrivateKey([]byte(key.Reveal()))
	} else {
		a.key, err = ssh.ParsePrivateKeyWithPassphrase([]byte(key.Reveal()), []byte(passphrase.Reveal()))
	}
	if err != nil {
		// The parser's message isn't passed on: it is about a secret.
		problem := "it isn't a private key that can be read"
		var missing *ssh.PassphraseMissingError
		if errors.As(err, &missing) {
			problem = "it needs a passphrase"
		} else if !cred.Extra[passphraseField].IsEmpty() {
			problem = "it can't be opened with the passphrase"
		}
		return nil, credential.Errorf(credential.CredentialMalformed, "credential %q: %s: %s", cred.ID, credential.PrivateKeyField, problem).
			With("field", credential.PrivateKeyField).With("problem", problem)
	}
	return a, nil
}

// has names what there is to log in with.
func (a *attempt) has() []string {
	var has []string
	if a.key != nil {
		has = append(has, "a private key")
	}
	if a.hasPassword {
		has = append(has, "a password")
	}
	return has
}

// next chooses how to go on, out of what the device offers. nil ends the login.
func (a *attempt) next(device *ssh.ClientAuthContext) ssh.AuthMethod {
	a.offered = device.AllowedMethods
	if parts := len(device.PartialSuccessMethods); parts > a.accepted {
		a.accepted = parts
		a.presented.Store(false)
	}
	allowed := func(method string) bool {
		return slices.Contains(device.AllowedMethods, method) && !slices.Contains(device.TriedMethods, method)
	}
	switch {
	case a.key != nil && !a.keyTried && allowed("publickey"):
		a.keyTried = true
		a.presented.Store(true)
		return ssh.PublicKeys(a.key)
	case !a.hasPassword || a.spent:
		return nil
	case allowed("password"):
		return ssh.PasswordCallback(a.spend)
	case allowed("keyboard-interactive") && a.prompt == "":
		return ssh.KeyboardInteractive(a.answer)
	}
	return nil
}

var errSpent = errors.New("the password has been used on this connection")

// spend gives the password away, once.
func (a *attempt) spend() (string, error) {
	if a.spent {
		return "", errSpent
	}
	a.spent = true
	a.presented.Store(true)
	return a.password.Reveal(), nil
}

// answer answers a single prompt that doesn't echo with the password. Anything else isn't a question for a password: an
// echo would show it, and of several prompts nobody knows which one means it.
func (a *attempt) answer(_, _ string, prompts []string, echo []bool) ([]string, error) {
	switch {
	case len(prompts) == 0: // something to read only
		return nil, nil
	case len(prompts) > 1:
		a.prompt = "asks several questions at once"
	case echo[0]:
		a.prompt = "asks a question whose answer it would show"
	default:
		password, err := a.spend()
		return []string{password}, err
	}
	return nil, errors.New(a.prompt)
}
