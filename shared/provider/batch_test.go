package provider

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/internal/wire"
)

func batchOf(ids ...string) *credentialv1.BatchGetCredentialsRequest {
	request := &credentialv1.BatchGetCredentialsRequest{}
	for _, id := range ids {
		request.Requests = append(request.Requests, &credentialv1.GetCredentialRequest{CredentialId: id})
	}
	return request
}

// echo answers a batch: "missing" isn't there, "broken" fails without a reason, all others are.
func echo(_ context.Context, requests []credential.Request) ([]credential.Result, error) {
	results := make([]credential.Result, len(requests))
	for i, r := range requests {
		switch r.ID {
		case "missing":
			results[i].Err = credential.Errorf(credential.CredentialNotFound, "no %s", r.ID).WithHelp("create it").With("a", "b")
		case "broken":
			results[i].Err = fmt.Errorf("%s", canary)
		case "throttled":
			results[i].Err = &credential.Error{Reason: credential.Throttled, Message: "slow down", RetryDelay: time.Minute}
		case "odd":
			results[i].Err = credential.Errorf(credential.AccessDenied, "not UTF-8: \xff")
		case "neither":
		default:
			results[i].Credential = made(r.ID)
		}
	}
	return results, nil
}

func TestBatchFailsInParts(t *testing.T) {
	s := serveConfigured(t, definition(&able{batch: echo}))
	ids := []string{"a", "missing", "", "broken", "a", strings.Repeat("x", 513), "throttled", "neither", "odd", "z\n", "z"}
	want := []credential.Reason{"", credential.CredentialNotFound, credential.CredentialIDInvalid, credential.Internal, "", credential.CredentialIDInvalid,
		credential.Throttled, credential.Internal, credential.AccessDenied, credential.CredentialIDInvalid, ""}
	response, err := s.BatchGetCredentials(t.Context(), batchOf(ids...))
	if err != nil {
		t.Fatal(err)
	}
	if len(response.GetResults()) != len(ids) {
		t.Fatalf("%d results", len(response.GetResults()))
	}
	for i, message := range response.GetResults() {
		got := wire.ResultFromProto(message)
		if credential.ReasonOf(got.Err) != want[i] {
			t.Errorf("%d (%.20q): %v, want %s", i, ids[i], got.Err, want[i])
		}
		if want[i] == "" && (got.Credential.ID != ids[i] || !got.Credential.SameMaterial(made(ids[i]))) {
			t.Errorf("%d: the credential of %q", i, got.Credential.ID)
		}
		if got.Err != nil && strings.Contains(got.Err.Error(), canary[:4]) {
			t.Errorf("%d shows the text of an unknown error: %v", i, got.Err)
		}
	}
	missing, throttled := response.GetResults()[1].GetError(), response.GetResults()[6].GetError()
	if len(missing.GetHelp()) != 1 || missing.GetMetadata()["a"] != "b" || throttled.GetRetryDelay().AsDuration() != time.Minute {
		t.Errorf("%v, %v", missing, throttled)
	}
	if strings.Contains(s.log.String(), canary[:4]) {
		t.Errorf("the log shows the text of an unknown error: %s", s.log)
	}
}

func TestBatchOfBadRequestsAsksNobody(t *testing.T) {
	s := serveConfigured(t, definition(&able{batch: func(context.Context, []credential.Request) ([]credential.Result, error) {
		t.Error("the provider was asked")
		return nil, nil
	}}))
	response, err := s.BatchGetCredentials(t.Context(), batchOf("", "a\x00"))
	if err != nil || len(response.GetResults()) != 2 || response.GetResults()[1].GetError().GetReason() != "CREDENTIAL_ID_INVALID" {
		t.Errorf("%v, %v", response, err)
	}
}

func TestSizeOfABatch(t *testing.T) {
	s := serveConfigured(t, definition(&able{batch: echo}))
	for n, want := range map[int]credential.Reason{0: credential.RequestInvalid, 1: "", 100: "", 101: credential.RequestInvalid, 5000: credential.RequestInvalid} {
		ids := make([]string, n)
		for i := range ids {
			ids[i] = fmt.Sprint("id", i)
		}
		response, err := s.BatchGetCredentials(t.Context(), batchOf(ids...))
		if want != "" {
			mustFail(t, err, want)
			continue
		}
		if err != nil || len(response.GetResults()) != n || response.GetResults()[n-1].GetCredential().GetCredentialId() != ids[n-1] {
			t.Errorf("a batch of %d: %v", n, err)
		}
	}
}

func TestBatchWithAnotherNumberOfAnswers(t *testing.T) {
	for n := range 5 {
		if n == 2 {
			continue
		}
		s := serveConfigured(t, definition(&able{batch: func(context.Context, []credential.Request) ([]credential.Result, error) {
			return make([]credential.Result, n), nil
		}}))
		_, err := s.BatchGetCredentials(t.Context(), batchOf("a", "b"))
		if e := failure(t, err, credential.Internal); !strings.Contains(e.Message, fmt.Sprintf("%d answers to 2 requests", n)) {
			t.Error(e.Message)
		}
	}
}

func TestBatchThatMixesItsAnswersUp(t *testing.T) {
	s := serveConfigured(t, definition(&able{batch: func(context.Context, []credential.Request) ([]credential.Result, error) {
		return []credential.Result{{Credential: made("b")}, {Credential: made("a")}}, nil
	}}))
	response, err := s.BatchGetCredentials(t.Context(), batchOf("a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	for i, result := range response.GetResults() {
		if result.GetCredential() != nil || result.GetError().GetReason() != "INTERNAL" {
			t.Errorf("%d: a password for another id goes out", i)
		}
	}
}

func TestBatchOfVersions(t *testing.T) {
	bare := struct {
		Provider
		BatchGetter
	}{&plain{}, &able{batch: echo}}
	s := serveConfigured(t, definition(bare))
	request := batchOf("a", "b")
	request.Requests[0].Version = &credentialv1.GetCredentialRequest_VersionLabel{VersionLabel: "L"}
	response, err := s.BatchGetCredentials(t.Context(), request)
	if err != nil || response.GetResults()[0].GetError().GetReason() != "UNSUPPORTED" || response.GetResults()[1].GetCredential() == nil {
		t.Errorf("%v", err)
	}
}
