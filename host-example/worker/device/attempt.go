package device

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"golang.org/x/crypto/ssh"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// passphraseField is the key of a credential's extra fields that opens its private key.
const passphraseField = "passphrase"

// leastRSA is how many bits an RSA key has that is no short one.
const leastRSA = 1024

// attempt is one connection's login: what it has to show, and what it has shown so far. The SSH client calls it from one
// goroutine, and nothing else looks before that has ended, but at presented.
type attempt struct {
	target   Target
	username string
	ask      func() (*credential.Credential, error) // for what to log in with; called once

	asked       bool
	material    *credential.Credential
	key         ssh.Signer // nil if there is none
	password    credential.Redacted
	hasPassword bool // an empty password is one, an absent one isn't

	host      *knownHost
	hostKey   error    // what is wrong with the host key
	offered   []string // the ways to log in that the device offers
	prompt    string   // what the device asked that can't be answered
	failed    error    // why there is nothing to log in with
	keyTried  bool
	spent     bool        // the password
	presented atomic.Bool // the device has seen something that it can refuse, and hasn't accepted it
	accepted  int         // how many parts of a login it has accepted, and asked for more
}

// errOtherUser is for material with another user name than the connection has.
var errOtherUser = errors.New("the credential has another user name by now")

// load asks for what to log in with, once.
func (a *attempt) load() error {
	if a.asked {
		return a.failed
	}
	a.asked = true
	a.material, a.failed = a.ask()
	if a.failed != nil {
		return a.failed
	}
	if a.key, a.failed = privateKey(a.material); a.failed != nil {
		return a.failed
	}
	a.password, a.hasPassword = a.material.Password.Get()
	if a.material.Username != a.username {
		a.failed = errOtherUser
	}
	return a.failed
}

// privateKey returns nil if a credential has none.
func privateKey(cred *credential.Credential) (ssh.Signer, error) {
	key := cred.Extra[credential.PrivateKeyField]
	if key.IsEmpty() {
		return nil, nil
	}
	var signer ssh.Signer
	var err error
	if passphrase := cred.Extra[passphraseField]; passphrase.IsEmpty() {
		signer, err = ssh.ParsePrivateKey([]byte(key.Reveal()))
	} else {
		signer, err = ssh.ParsePrivateKeyWithPassphrase([]byte(key.Reveal()), []byte(passphrase.Reveal()))
	}
	if err == nil {
		return signer, longEnough(cred.ID, signer)
	}
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

// longEnough tries a short RSA key: Go refuses to sign with it, unless it was told otherwise. The device wouldn't see it then.
func longEnough(id string, signer ssh.Signer) error {
	public, ok := signer.PublicKey().(ssh.CryptoPublicKey)
	if !ok {
		return nil
	}
	key, ok := public.CryptoPublicKey().(*rsa.PublicKey)
	if !ok || key.N.BitLen() >= leastRSA {
		return nil
	}
	if _, err := signer.Sign(rand.Reader, nil); err == nil {
		return nil
	}
	problem := fmt.Sprintf("it is an RSA key of %d bits, fewer than the %d that are accepted", key.N.BitLen(), leastRSA)
	return credential.Errorf(credential.CredentialMalformed, "credential %q: %s: %s", id, credential.PrivateKeyField, problem).
		With("field", credential.PrivateKeyField).With("problem", problem).
		WithHelp("make a new key, and store it in the backend").
		WithHelp("if the device takes no other: ssh_legacy_algorithms: true")
}

// has names what there is to log in with.
func (a *attempt) has() []string {
	known := a.material
	if known == nil {
		known = a.target.Expected
	}
	var has []string
	if !known.Extra[credential.PrivateKeyField].IsEmpty() {
		has = append(has, "a private key")
	}
	if _, ok := known.Password.Get(); ok {
		has = append(has, "a password")
	}
	return has
}

// next chooses how to go on, out of what the device offers. nil ends the login. Where the device offers a method that takes
// what the credential has, the credential is asked for here; with keyboard-interactive alone, not before a prompt asks for it.
func (a *attempt) next(device *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	a.offered = device.AllowedMethods
	if parts := len(device.PartialSuccessMethods); parts > a.accepted {
		a.accepted = parts
		a.presented.Store(false)
	}
	allowed := func(method string) bool {
		return slices.Contains(device.AllowedMethods, method) && !slices.Contains(device.TriedMethods, method)
	}
	expectsKey := !a.target.Expected.Extra[credential.PrivateKeyField].IsEmpty()
	_, expectsPassword := a.target.Expected.Password.Get()
	if !a.asked && (allowed("publickey") && expectsKey || allowed("password") && expectsPassword) {
		if err := a.load(); err != nil {
			return nil, err
		}
	}
	switch {
	case a.key != nil && !a.keyTried && allowed("publickey"):
		a.keyTried = true
		a.presented.Store(true)
		return ssh.PublicKeys(a.key), nil
	case a.spent || a.asked && !a.hasPassword || !a.asked && !expectsPassword:
		return nil, nil
	case allowed("password") && a.asked:
		return ssh.PasswordCallback(a.spend), nil
	case allowed("keyboard-interactive") && a.prompt == "":
		return ssh.KeyboardInteractive(a.questions), nil
	}
	return nil, nil
}

var errSpent = errors.New("the password has been used on this connection")

// spend gives the password away, once.
func (a *attempt) spend() (string, error) {
	if a.spent {
		return "", errSpent
	}
	if err := a.load(); err != nil {
		return "", err
	}
	if !a.hasPassword {
		return "", errUnanswered
	}
	a.spent = true
	a.presented.Store(true)
	return a.password.Reveal(), nil
}

// secrets are what an error must not repeat.
func (a *attempt) secrets() []string { return secretsOf(a.material) }

// secretsOf returns the values that a device may have been shown.
func secretsOf(cred *credential.Credential) []string {
	const least = 4 // bytes: less is found in every text
	var values []string
	if cred == nil {
		return nil
	}
	if password, ok := cred.Password.Get(); ok && len(password.Reveal()) >= least {
		values = append(values, password.Reveal())
	}
	for _, value := range cred.Extra {
		if len(value.Reveal()) >= least {
			values = append(values, value.Reveal())
		}
	}
	return values
}

// login is what a [Connection] is told to go on with.
type login struct {
	ctx      context.Context //nolint:containedctx // it is handed to the goroutine of the connection
	material Material
}
