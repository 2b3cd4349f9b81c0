package terminal_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/tom-worker/credential-provider/host-example/worker/device/terminal"
)

// The password goes into prompts that ask for it, and into no other. host-example/python tries the same prompts.
func TestAsksPassword(t *testing.T) {
	content, err := os.ReadFile("testdata/prompts.json")
	var prompts struct {
		Names, Password []string
		OtherNames      []string `json:"other_names"`
		Other           []string
	}
	if err == nil {
		err = json.Unmarshal(content, &prompts)
	}
	if err != nil || len(prompts.Password) == 0 || len(prompts.Other) == 0 {
		t.Fatalf("%+v, %v", prompts, err)
	}
	for _, prompt := range prompts.Password {
		if !terminal.AsksPassword(prompt, prompts.Names...) {
			t.Errorf("%q doesn't ask for the password", prompt)
		}
	}
	for _, prompt := range prompts.Other {
		if terminal.AsksPassword(prompt, prompts.OtherNames...) {
			t.Errorf("%q asks for the password", prompt)
		}
	}
	for _, prompt := range []string{"Password: ", "Enable password:", "Enable secret: password:", "Privileged password:"} {
		if !terminal.AsksSecret(prompt) {
			t.Errorf("%q doesn't ask for the password of enable", prompt)
		}
	}
	if terminal.AsksSecret("New enable password:") || terminal.AsksSecret("PIN:") {
		t.Error("a prompt for something else asks for the password of enable")
	}
}
