package main

import (
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/plugin-awssm/awssmtest"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// TestBatchFailover: batches go from region to region as single reads do, each secret apart from the others.
func TestBatchFailover(t *testing.T) {
	regional := func(t *testing.T) (*awssmtest.Server, *awsProvider, []string) {
		t.Helper()
		server := awssmtest.StartTest(t, awssmtest.Options{})
		useKeys(t)
		t.Setenv("AWS_MAX_ATTEMPTS", "1")
		s := defaultSettings()
		s.Region, s.FailoverRegions = "us-east-1", []string{"us-west-2"}
		p, _ := openEverywhere(t, server, s)
		ids := fill(server.In("us-east-1"), 30)
		fill(server.In("us-west-2"), 30)
		return server, p, ids
	}
	t.Run("the first fails", func(t *testing.T) {
		server, p, ids := regional(t)
		server.Inject(awssmtest.Fault{Region: "us-east-1", Code: "InternalServiceError"})
		results := batch(t, p, ids...)
		wantAll(t, results, ids)
		for _, result := range results {
			if c := result.Credential; !c.FromReplica || c.MaxCacheAge == nil || *c.MaxCacheAge != replicaAge {
				t.Fatalf("got %+v", c)
			}
		}
		if n := server.Count(); n != 4 {
			t.Errorf("%d calls, want two batches in each region", n)
		}
	})
	t.Run("the first stalls", func(t *testing.T) {
		server, p, ids := regional(t)
		server.Inject(awssmtest.Fault{Region: "us-east-1", Stall: true})
		results, err := p.GetBatch(within(t, 1500*time.Millisecond), []credential.Request{{ID: ids[0]}, {ID: ids[1]}})
		if err != nil || results[0].Err != nil || !results[0].Credential.FromReplica {
			t.Fatalf("got %+v, %v", results, err)
		}
	})
	t.Run("one secret fails in the first", func(t *testing.T) {
		server, p, ids := regional(t)
		server.Inject(awssmtest.Fault{Region: "us-east-1", SecretID: "tom/credentials/" + ids[7], Code: "InternalServiceError"})
		results := batch(t, p, ids...)
		wantAll(t, results, ids)
		for i, result := range results {
			if result.Credential.FromReplica != (i == 7) {
				t.Errorf("%s is from a replica: %t", ids[i], result.Credential.FromReplica)
			}
		}
	})
	t.Run("one is missing in the first", func(t *testing.T) {
		server, p, ids := regional(t)
		server.DeleteSecret("tom/credentials/" + ids[3])
		_ = wantReason(t, batch(t, p, ids...)[3].Err, credential.CredentialNotFound)
		if n := server.Count(); n != 2 {
			t.Errorf("%d calls: a definite answer was asked for again", n)
		}
	})
	t.Run("another says no", func(t *testing.T) {
		server, p, ids := regional(t)
		server.Inject(awssmtest.Fault{Region: "us-east-1", Code: "InternalServiceError"})
		server.In("us-west-2").DeleteSecret("tom/credentials/" + ids[3])
		e := wantReason(t, batch(t, p, ids...)[3].Err, credential.BackendUnavailable)
		wantContains(t, e.Message, "us-east-1", "AWS fails", "us-west-2", "no such secret")
	})
}
