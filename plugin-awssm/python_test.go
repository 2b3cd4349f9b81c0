package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
)

// askPython runs a program of testdata with the input as JSON, and decodes the JSON that it prints. It takes the Python that
// the environment variable PYTHON names, else python3. Without one that has the module the test is skipped, unless CI=true.
func askPython(t *testing.T, program, module string, input, output any) {
	t.Helper()
	python := os.Getenv("PYTHON")
	if python == "" {
		python = "python3"
	}
	if err := exec.CommandContext(t.Context(), python, "-c", "import "+module).Run(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s with module %s: %v", python, module, err)
		}
		t.Skipf("set PYTHON to a Python that has the module %s; %s: %v", module, python, err)
	}
	text, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), python, program)
	command.Stdin = bytes.NewReader(text)
	var problems bytes.Buffer
	command.Stderr = &problems
	answer, err := command.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", python, program, err, problems.String())
	}
	if err := json.Unmarshal(answer, output); err != nil {
		t.Fatalf("%s: %v", program, err)
	}
}
