//go:build unix

package provider

import (
	"crypto/ecdsa"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/shared/internal/markdowntest"
)

// TestHandshakeInTheReadme compares proto/README.md with the handshake line of a process.
func TestHandshakeInTheReadme(t *testing.T) {
	readme := markdowntest.Read(t, "../../proto/README.md")
	section := readme.Section("## The handshake line")
	example := strings.Split(strings.TrimSpace(section.Blocks()[0].Text), "|")
	rows := section.Table("Field")
	real := launch(t, "good", "PLUGIN_MULTIPLEX_GRPC=true").fields()
	if len(example) != len(real) || len(rows) != len(real) {
		t.Fatalf("a line has %d fields; in proto/README.md the example has %d, the table %d", len(real), len(example), len(rows))
	}
	for i, row := range rows {
		if row[0] != fmt.Sprint(i+1) {
			t.Errorf("row %d of the table is field %s", i+1, row[0])
		}
		if i == 3 || i == 5 {
			continue // they differ from process to process
		}
		if example[i] != real[i] {
			t.Errorf("field %d is %q in the example and %q in a process", i+1, example[i], real[i])
		}
		if !slices.Contains(markdowntest.Code(row[2]), real[i]) {
			t.Errorf("field %d is %q in a process; the table says %s", i+1, real[i], row[2])
		}
	}
	if len(launch(t, "good").fields()) != 6 {
		t.Error("field 7 is printed for hosts that didn't ask for it")
	}

	properties := map[string]string{}
	for _, row := range readme.Section("## Certificates").Table("Property") {
		properties[row[0]] = row[1]
	}
	for what, line := range map[string][]string{"the example's": example, "a process's": real} {
		for property, value := range describe(t, leafOf(t, line[5])) {
			if properties[property] != value {
				t.Errorf("%s certificate: %s is %s; proto/README.md says %s", what, property, value, properties[property])
			}
		}
	}
}

// describe says of a certificate what the document says of all.
func describe(t *testing.T, c *x509.Certificate) map[string]string {
	t.Helper()
	key, ok := c.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		t.Fatalf("its key is a %T", c.PublicKey)
	}
	described := map[string]string{
		"key":                      "ECDSA on " + key.Curve.Params().Name,
		"subject alternative name": "DNS `" + strings.Join(c.DNSNames, " ") + "`",
		"valid":                    c.NotBefore.Format("2006-01-02") + " to " + c.NotAfter.Format("2006-01-02"),
	}
	if slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth) && slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) {
		described["extended key usage"] = "server and client authentication"
	}
	if c.KeyUsage == x509.KeyUsageDigitalSignature|x509.KeyUsageCertSign && c.IsCA {
		described["key usage, basic constraints"] = "digital signature and certificate signing, CA"
	}
	return described
}
