package wire

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/tom-worker/credential-provider/shared/internal/markdowntest"
)

// Declarations in proto/README.md, a line each.
var (
	declaresPackage = regexp.MustCompile(`^package (\S+);`)
	declaresType    = regexp.MustCompile(`^(?:message|service) (\w+) \{`)
	declaresField   = regexp.MustCompile(`^(repeated )?(\S+) (\w+) = (\d+);`)
	declaresMethod  = regexp.MustCompile(`^rpc (\w+)\((\S+)\) returns \((stream )?(\S+)\);`)
	declaresEnum    = regexp.MustCompile(`^enum (\w+) \{ (.*) \}$`)
)

// TestMessagesInTheReadme holds the messages of others that proto/README.md declares for those whose libraries lack them
// to the generated code of gRPC and go-plugin.
func TestMessagesInTheReadme(t *testing.T) {
	d := markdowntest.Read(t, "../../../proto/README.md")
	for _, section := range []string{"## Services", "### The messages"} {
		blocks := d.Section(section).Blocks()
		if len(blocks) != 1 {
			t.Fatalf("%s has %d code blocks, not one", section, len(blocks))
		}
		var scope []string // the package, and the types that are open
		compared := 0
		for line := range strings.Lines(blocks[0].Text) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " //")
			if m := declaresPackage.FindStringSubmatch(line); m != nil {
				scope = []string{m[1]}
				continue
			}
			if m := declaresType.FindStringSubmatch(line); m != nil {
				scope = append(scope, m[1])
				if strings.HasSuffix(line, "}") {
					scope = scope[:len(scope)-1]
				}
				continue
			}
			if line == "}" {
				scope = scope[:len(scope)-1]
				continue
			}
			if len(scope) < 2 || line == "" {
				continue
			}
			found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(strings.Join(scope, ".")))
			if err != nil {
				t.Fatalf("%s: %v", strings.Join(scope, "."), err)
			}
			if declared := declaration(found, line); line != declared {
				t.Errorf("%s has %q, the library %q", found.FullName(), line, declared)
			}
			compared++
		}
		if compared < 2 {
			t.Errorf("%s: only %d declarations were compared", section, compared)
		}
	}
}

// declaration is what a line that declares a part of a type should be.
func declaration(of protoreflect.Descriptor, line string) string {
	local := func(d protoreflect.Descriptor) string {
		name := strings.TrimPrefix(string(d.FullName()), string(of.FullName())+".")
		return strings.TrimPrefix(name, string(of.ParentFile().Package())+".")
	}
	switch of := of.(type) {
	case protoreflect.ServiceDescriptor:
		if m := declaresMethod.FindStringSubmatch(line); m != nil && of.Methods().ByName(protoreflect.Name(m[1])) != nil {
			method, stream := of.Methods().ByName(protoreflect.Name(m[1])), ""
			if method.IsStreamingServer() {
				stream = "stream "
			}
			return fmt.Sprintf("rpc %s(%s) returns (%s%s);", m[1], local(method.Input()), stream, local(method.Output()))
		}
	case protoreflect.MessageDescriptor:
		if m := declaresEnum.FindStringSubmatch(line); m != nil && of.Enums().ByName(protoreflect.Name(m[1])) != nil {
			var values []string
			all := of.Enums().ByName(protoreflect.Name(m[1])).Values()
			for i := range all.Len() {
				values = append(values, fmt.Sprintf("%s = %d;", all.Get(i).Name(), all.Get(i).Number()))
			}
			return fmt.Sprintf("enum %s { %s }", m[1], strings.Join(values, " "))
		}
		if m := declaresField.FindStringSubmatch(strings.Replace(line, ", ", ",", 1)); m != nil && of.Fields().ByName(protoreflect.Name(m[3])) != nil {
			field := of.Fields().ByName(protoreflect.Name(m[3]))
			kind, repeated := field.Kind().String(), ""
			switch {
			case field.IsMap():
				kind = fmt.Sprintf("map<%s, %s>", field.MapKey().Kind(), field.MapValue().Kind())
			case field.Message() != nil:
				kind = local(field.Message())
			case field.Enum() != nil:
				kind = local(field.Enum())
			}
			if field.IsList() {
				repeated = "repeated "
			}
			return fmt.Sprintf("%s%s %s = %d;", repeated, kind, field.Name(), field.Number())
		}
	}
	return "nothing of this name"
}
