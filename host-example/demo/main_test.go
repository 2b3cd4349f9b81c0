package main

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

var update = flag.Bool("update-readme", false, "write the generated parts of the documents")

func TestMain(m *testing.M) {
	flag.Parse()
	goleak.VerifyTestMain(m)
}
