package provider_test

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/conformance"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/markdowntest"
	"github.com/tom-worker/credential-provider/shared/provider"
	"github.com/tom-worker/credential-provider/shared/provider/providertest"
)

// What README.md says of the package is compared with the package.

func TestInterfacesInTheReadme(t *testing.T) {
	interfaces := []reflect.Type{
		reflect.TypeFor[provider.Provider](), reflect.TypeFor[provider.Lister](), reflect.TypeFor[provider.BatchGetter](),
		reflect.TypeFor[provider.Validator](), reflect.TypeFor[provider.Closer](),
	}
	rows := markdowntest.Read(t, "README.md").Section("## What a provider can do").Table("Interface")
	if len(rows) != len(interfaces) {
		t.Fatalf("%d rows for %d interfaces", len(rows), len(interfaces))
	}
	for i, row := range rows {
		if name := markdowntest.Code(row[0])[0]; name != interfaces[i].Name() {
			t.Errorf("row %d is %s, not %s", i+1, name, interfaces[i].Name())
		}
		if method := markdowntest.Code(row[1])[0]; interfaces[i].NumMethod() != 1 || interfaces[i].Method(0).Name != method {
			t.Errorf("%s has the method %s, not %s", interfaces[i].Name(), interfaces[i].Method(0).Name, method)
		}
		if told := capabilitiesOf(t, interfaces[i]); !slices.Equal(told, markdowntest.Code(row[2])) {
			t.Errorf("%s makes %v of a provider, not %s", interfaces[i].Name(), told, row[2])
		}
	}
}

// capabilitiesOf are the capabilities of a provider that has Get and this interface's methods.
func capabilitiesOf(t *testing.T, ability reflect.Type) []string {
	t.Helper()
	var p *providertest.Provider
	switch ability {
	case reflect.TypeFor[provider.Lister]():
		p = providertest.Start(t, define[lister]())
	case reflect.TypeFor[provider.BatchGetter]():
		p = providertest.Start(t, define[batcher]())
	case reflect.TypeFor[provider.Validator]():
		p = providertest.Start(t, define[validator]())
	case reflect.TypeFor[provider.Closer]():
		p = providertest.Start(t, define[closer]())
	default:
		p = providertest.Start(t, define[provider.Provider]())
	}
	metadata, err := p.Metadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return metadata.GetCapabilities()
}

// Each is a provider with one ability. There is none: what it could do is read off the type.
type (
	lister interface {
		provider.Provider
		provider.Lister
	}
	batcher interface {
		provider.Provider
		provider.BatchGetter
	}
	validator interface {
		provider.Provider
		provider.Validator
	}
	closer interface {
		provider.Provider
		provider.Closer
	}
)

func define[P provider.Provider]() provider.Definition[struct{}, P] {
	return provider.Definition[struct{}, P]{Name: "one", New: func(struct{}, hclog.Logger) (P, error) {
		var none P
		return none, credential.Errorf(credential.Internal, "there is none")
	}}
}

// TestReasonsInTheReadme: they exist, and the first six are those for which a worker's store drops a credential, as the
// contract's table has it, which is compared with the store.
func TestReasonsInTheReadme(t *testing.T) {
	source, err := os.ReadFile("../credential/reason.go")
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]string{}
	for _, match := range regexp.MustCompile(`(?m)^\s+(\w+)\s+Reason = "([A-Z_]+)"$`).FindAllStringSubmatch(string(source), -1) {
		reasons[match[1]] = match[2]
	}
	var dropped, want []string
	for i, row := range markdowntest.Read(t, "README.md").Section("## Reasons").Table("What happened") {
		for _, name := range markdowntest.Code(row[1]) {
			isName := regexp.MustCompile(`^[A-Z][A-Za-z]+$`).MatchString(name) && name != "RetryDelay"
			if isName && reasons[name] == "" {
				t.Errorf("there is no reason %s", name)
			}
			if isName && i < 6 {
				dropped = append(dropped, reasons[name])
			}
		}
	}
	for _, row := range markdowntest.Read(t, "../../proto/README.md").Section("### Reasons").Table("Reason") {
		if row[2] == "drops" {
			want = append(want, markdowntest.Code(row[0])[0])
		}
	}
	slices.Sort(dropped)
	slices.Sort(want)
	if len(want) != 6 || !slices.Equal(dropped, want) {
		t.Errorf("the first six rows are %v; the store drops for %v", dropped, want)
	}
}

func TestChecksInTheReadme(t *testing.T) {
	exists := map[string]bool{}
	for _, check := range conformance.Checks() {
		exists[check.ID] = true
	}
	for _, row := range markdowntest.Read(t, "README.md").Section("## Mistakes that the checks find").Table("Mistake") {
		for _, id := range markdowntest.Code(row[1]) {
			if !exists[id] {
				t.Errorf("there is no check %s", id)
			}
		}
	}
}
