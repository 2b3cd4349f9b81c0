package provider

import (
	"context"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/metadata"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// The lines of a call carry the host's trace id, those of the author and our own; a header that isn't one is ignored.
func TestTraceID(t *testing.T) {
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	for header, traced := range map[string]bool{
		"00-" + id + "-00f067aa0ba902b7-01": true,
		id:                                  false,
		"00-" + id + "\n-x":                 false,
		"":                                  false,
	} {
		s := serveConfigured(t, definition(&plain{get: func(ctx context.Context, r credential.Request) (*credential.Credential, error) {
			hclog.FromContext(ctx).Info("the author's line")
			return nil, credential.Errorf(credential.CredentialNotFound, "there is no %q", r.ID)
		}}))
		ctx := t.Context()
		if header != "" && !strings.Contains(header, "\n") {
			ctx = metadata.AppendToOutgoingContext(ctx, "traceparent", header)
		}
		_, err := s.GetCredential(ctx, &credentialv1.GetCredentialRequest{CredentialId: "lab"})
		mustFail(t, err, credential.CredentialNotFound)
		for _, line := range []string{"the author's line", "read failed"} {
			if !strings.Contains(s.log.String(), line) {
				t.Fatalf("no line %q in %s", line, s.log)
			}
		}
		want := 0
		if traced {
			want = 2
		}
		if got := strings.Count(s.log.String(), `"trace_id":"`+id+`"`); got != want {
			t.Errorf("header %q: %d lines carry the id, want %d", header, got, want)
		}
	}
}
