package wire

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/markdowntest"
)

// TestErrorInTheReadme holds the worked example of proto/README.md to what gRPC sends: header fields, read by an HTTP/2
// client that knows nothing of gRPC.
func TestErrorInTheReadme(t *testing.T) {
	example := credential.Errorf(credential.CredentialNotFound, `there is no credential "absent"`).
		With("request_id", "r-17").WithHelp("create it")
	header := sent(t, StatusError(example))
	const details = "Grpc-Status-Details-Bin"
	raw, err := base64.RawStdEncoding.DecodeString(header.Get(details))
	if err != nil {
		t.Fatal(err)
	}

	var fields strings.Builder
	for _, name := range []string{"Grpc-Status", "Grpc-Message", details} {
		_, _ = fmt.Fprintf(&fields, "%s: %s\n", strings.ToLower(name), header.Get(name))
	}
	var bytes strings.Builder
	if err := dump(&bytes, (&statuspb.Status{}).ProtoReflect().Descriptor(), raw, 0); err != nil {
		t.Fatal(err)
	}

	errors := markdowntest.Read(t, "../../../proto/README.md").Section("## Errors")
	errors.Says("with the domain `" + Domain + "`")
	errors.Says(fmt.Sprintf("at most %d KiB", maxDetails>>10))
	errors.Says(fmt.Sprintf("within %d KiB", maxMessage>>10))
	blocks := errors.Section("### The bytes").Blocks()
	if len(blocks) != 2 {
		t.Fatalf("the section has %d code blocks, not the header fields and the bytes", len(blocks))
	}
	for i, want := range []string{fields.String(), bytes.String()} {
		if blocks[i].Text != want {
			t.Errorf("proto/README.md has\n%s\nwhere gRPC sends\n%s", blocks[i].Text, want)
		}
	}
}

// sent is what arrives when a call ends with an error.
func sent(t *testing.T, failure error) http.Header {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { return failure }))
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // until Stop
	}()
	t.Cleanup(func() {
		server.Stop()
		<-served
	})
	transport := &http.Transport{Protocols: &http.Protocols{}}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+listener.Addr().String()+"/service/Call", strings.NewReader("\x00\x00\x00\x00\x00"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("Te", "trailers")
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	return response.Header // without a message in the answer the trailers are its only header fields
}

// inner are the messages that the details of the example hold.
var inner = map[string]protoreflect.MessageDescriptor{
	"type.googleapis.com/google.rpc.ErrorInfo": (&errdetails.ErrorInfo{}).ProtoReflect().Descriptor(),
	"type.googleapis.com/google.rpc.Help":      (&errdetails.Help{}).ProtoReflect().Descriptor(),
}

// dump writes an encoded message, a field a line: its bytes, and what they mean.
func dump(to *strings.Builder, message protoreflect.MessageDescriptor, encoded []byte, depth int) error {
	content := message // of an Any it depends on the type
	for len(encoded) > 0 {
		number, kind, tag := protowire.ConsumeTag(encoded)
		if tag < 0 {
			return protowire.ParseError(tag)
		}
		field := message.Fields().ByNumber(number)
		if field == nil {
			return fmt.Errorf("%s has no field %d", message.FullName(), number)
		}
		if kind == protowire.VarintType {
			value, length := protowire.ConsumeVarint(encoded[tag:])
			if length < 0 {
				return protowire.ParseError(length)
			}
			row(to, depth, encoded[:tag+length], fmt.Sprintf("%d %s: %d", number, field.Name(), value))
			encoded = encoded[tag+length:]
			continue
		}
		value, length := protowire.ConsumeBytes(encoded[tag:])
		if length < 0 {
			return protowire.ParseError(length)
		}
		head := encoded[:tag+length-len(value)]
		encoded = encoded[tag+length:]
		switch {
		case field.Kind() == protoreflect.StringKind:
			row(to, depth, head, fmt.Sprintf("%d %s, %d bytes:", number, field.Name(), len(value)))
			row(to, depth+1, value, fmt.Sprintf("%q", value))
			if found := inner[string(value)]; found != nil {
				content = found
			}
			continue
		case field.Kind() == protoreflect.MessageKind:
			content = field.Message()
		case content.FullName() == (&anypb.Any{}).ProtoReflect().Descriptor().FullName():
			return fmt.Errorf("no message is known for field %s", field.FullName())
		}
		name := string(content.FullName())
		if content.IsMapEntry() {
			name = "an entry of the map"
		}
		row(to, depth, head, fmt.Sprintf("%d %s, %d bytes: %s", number, field.Name(), len(value), name))
		if err := dump(to, content, value, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// row writes bytes, sixteen a line, and beside the first what they mean.
func row(to *strings.Builder, depth int, bytes []byte, meaning string) {
	for len(bytes) > 0 {
		n := min(len(bytes), 16)
		_, _ = fmt.Fprintln(to, strings.TrimRight(fmt.Sprintf("%-58s%s", strings.Repeat("  ", depth)+fmt.Sprintf("% x", bytes[:n]), meaning), " "))
		bytes, meaning = bytes[n:], ""
	}
}
