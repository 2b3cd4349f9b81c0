package credential_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// However a secret is printed, it can't be read. Only Reveal gives the text.
func ExampleRedacted() {
	password := credential.NewRedacted("correct horse")
	encoded, _ := json.Marshal(map[string]any{"password": password})

	fmt.Println(password)
	fmt.Printf("%#v %x\n", password, &password)
	fmt.Println(string(encoded))
	fmt.Println(password.Reveal())
	// Output:
	// [REDACTED]
	// [REDACTED] [REDACTED]
	// {"password":"[REDACTED]"}
	// correct horse
}

// An absent password is not an empty one: a login must not try an empty password only because there is a key.
func ExampleOptional() {
	for _, password := range []credential.Optional{
		credential.Password("secret"),
		credential.Password(""),
		{},
	} {
		value, present := password.Get()
		fmt.Printf("%v: present %v, empty %v\n", password, present, value.IsEmpty())
	}
	// Output:
	// [REDACTED]: present true, empty false
	// [REDACTED]: present true, empty true
	// <absent>: present false, empty true
}

// read stands for a host's Provider.Get.
func read(_ context.Context, request credential.Request) (*credential.Credential, error) {
	if request.ID == "core" {
		return &credential.Credential{ID: request.ID, Username: "admin"}, nil
	}
	return nil, credential.Errorf(credential.CredentialNotFound, "there is no credential %q", request.ID).
		WithHelp("create it, or ask for another one")
}

// A caller decides by the reason, and shows the message and the help to the user.
func ExampleError() {
	_, err := read(context.Background(), credential.Request{ID: "lab"})
	if errors.Is(err, credential.CredentialNotFound) {
		fmt.Println("not found:", err)
	}
	var e *credential.Error
	if errors.As(err, &e) {
		fmt.Println(e.Reason, e.Help[0])
	}
	fmt.Println("worth trying again:", credential.ReasonOf(err).Transient())
	// Output:
	// not found: there is no credential "lab"
	// CREDENTIAL_NOT_FOUND create it, or ask for another one
	// worth trying again: false
}
