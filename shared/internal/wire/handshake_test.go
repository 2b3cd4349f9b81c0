package wire

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
)

// The contract defines for authors in other languages what to put into the handshake. It must be what the code expects.
func TestHandshakeInTheContractIsThatOfTheCode(t *testing.T) {
	raw, err := os.ReadFile("../../../proto/tom/credential/v1/credential_provider.proto")
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	_, launch, ok := strings.Cut(text, "// # Launch\n")
	launch, _, ok2 := strings.Cut(launch, "// # Duties")
	if !ok || !ok2 {
		t.Fatal("the contract's section about the launch isn't where it was")
	}
	var variables []string
	for _, match := range regexp.MustCompile(`(?m)^//   ([A-Z]+_[A-Z_]+)  +\S`).FindAllStringSubmatch(launch, -1) {
		variables = append(variables, match[1])
	}
	want := []string{Handshake.MagicCookieKey, "PLUGIN_PROTOCOL_VERSIONS", EnvClientCert, EnvSocketDir, EnvLogLevel, EnvLifeline}
	if !slices.Equal(variables, want) {
		t.Errorf("the contract's variables are %v, the code's %v", variables, want)
	}
	for what, phrase := range map[string]string{
		"cookie":         "the cookie, " + Handshake.MagicCookieValue + ".",
		"version":        fmt.Sprintf("This file is version %d.", Handshake.ProtocolVersion),
		"handshake line": fmt.Sprintf("%d|%d|unix|/path/of/the/socket|%s|<", plugin.CoreProtocolVersion, Handshake.ProtocolVersion, plugin.ProtocolGRPC),
		"executable":     "`" + ExecutablePrefix + "<name>`",
		"lifeline":       "`" + LifelineStdin + "`",
		"health service": "`" + plugin.GRPCServiceName + "`",
		"server name":    "`" + serverName + "`",
	} {
		if !strings.Contains(strings.ReplaceAll(launch, "\n// ", " "), phrase) {
			t.Errorf("%s: the contract doesn't say %q", what, phrase)
		}
	}
	if !strings.Contains(text, "domain `"+Domain+"`") {
		t.Errorf("the contract doesn't name the domain %s", Domain)
	}
	if !strings.Contains(text, fmt.Sprintf("Messages are at most\n// %d MiB", MaxMessageSize>>20)) {
		t.Errorf("the contract doesn't have %d MiB as the largest message", MaxMessageSize>>20)
	}
	if !strings.Contains(strings.ReplaceAll(text, "\n// ", " "), fmt.Sprintf("details together take at most %d KiB", maxDetails>>10)) {
		t.Errorf("the contract doesn't have %d KiB as the most for details", maxDetails>>10)
	}
}

func TestPluginWithoutAServiceIsRefused(t *testing.T) {
	if err := (&Plugin{}).GRPCServer(nil, grpc.NewServer()); err == nil {
		t.Error("nothing is served")
	}
	server := grpc.NewServer()
	if err := (&Plugin{Service: credentialv1.UnimplementedCredentialProviderServer{}}).GRPCServer(nil, server); err != nil {
		t.Fatal(err)
	}
	if _, ok := server.GetServiceInfo()["tom.credential.v1.CredentialProvider"]; !ok {
		t.Errorf("served are %v", server.GetServiceInfo())
	}
	client, err := (&Plugin{}).GRPCClient(t.Context(), nil, nil)
	if _, ok := client.(credentialv1.CredentialProviderClient); !ok || err != nil {
		t.Errorf("%T, %v", client, err)
	}
}
