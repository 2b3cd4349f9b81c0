package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// standIn is a Vault that keeps tokens and versions as the real one does, as far as this provider and its tests use it.
type standIn struct {
	mu      sync.Mutex
	tokens  map[string]*issuedToken
	paths   map[string][]*stored
	ttl     time.Duration
	counts  map[string]int // requests by kind: login, renew, lookup
	fail    int            // a status to answer everything with
	stalled map[string]bool
	serial  int

	namespace string // where all is; "": the root
	agent     string // the token that an agent in front adds
}

type issuedToken struct {
	expires time.Time // zero: never
	denied  bool      // may read nothing
}

type stored struct {
	data               map[string]any
	created            time.Time
	deleted, destroyed bool
}

const (
	standInRoot   = "root-token-4710"
	standInRole   = "role-4711"
	standInSecret = "canary-secret-4712"
)

func newStandIn(t *testing.T) (*standIn, backend) {
	t.Helper()
	s := &standIn{tokens: map[string]*issuedToken{standInRoot: {}}, paths: map[string][]*stored{}, counts: map[string]int{}, stalled: map[string]bool{}, ttl: time.Hour}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, backend{url: server.URL, root: standInRoot, roleID: standInRole, secretID: standInSecret}
}

func (s *standIn) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *standIn) count(kind string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[kind]
}

// revokeAll ends every token but the root's.
func (s *standIn) revokeAll() {
	s.set(func() {
		maps.DeleteFunc(s.tokens, func(name string, _ *issuedToken) bool { return name != standInRoot })
	})
}

func answerJSON(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document)
}

func refuse(w http.ResponseWriter, status int, problems ...string) {
	answerJSON(w, status, map[string]any{"errors": append([]string{}, problems...)})
}

func (s *standIn) issue() map[string]any {
	s.serial++
	name := fmt.Sprintf("canary-token-%d", s.serial)
	s.tokens[name] = &issuedToken{expires: time.Now().Add(s.ttl)}
	return map[string]any{"auth": map[string]any{"client_token": name, "lease_duration": int(s.ttl.Seconds()), "renewable": true}}
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := strings.TrimPrefix(r.URL.Path, "/v1/")
	s.mu.Lock()
	stalled := s.stalled[at]
	s.mu.Unlock()
	if stalled {
		<-r.Context().Done()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.fail != 0:
		refuse(w, s.fail, "failing")
		return
	case r.Header.Get("X-Vault-Namespace") != s.namespace:
		refuse(w, http.StatusNotFound, "no handler for route \""+at+"\". route entry not found.")
		return
	case at == "sys/health":
		answerJSON(w, http.StatusOK, map[string]any{"initialized": true, "sealed": false})
		return
	case at == "auth/approle/login":
		s.counts["login"]++
		var given struct {
			RoleID   string `json:"role_id"`
			SecretID string `json:"secret_id"`
		}
		if json.NewDecoder(r.Body).Decode(&given) != nil || given.RoleID != standInRole || given.SecretID != standInSecret {
			refuse(w, http.StatusBadRequest, "invalid role or secret ID")
			return
		}
		answerJSON(w, http.StatusOK, s.issue())
		return
	}
	token := s.tokens[cmp.Or(r.Header.Get("X-Vault-Token"), s.agent)]
	if token == nil || !token.expires.IsZero() && time.Now().After(token.expires) {
		refuse(w, http.StatusForbidden, "permission denied")
		return
	}
	switch at {
	case "auth/token/create":
		answerJSON(w, http.StatusOK, s.issue())
		return
	case "auth/token/lookup-self":
		s.counts["lookup"]++
		ttl := 0
		if !token.expires.IsZero() {
			ttl = int(time.Until(token.expires).Seconds())
		}
		answerJSON(w, http.StatusOK, map[string]any{"data": map[string]any{"ttl": ttl, "renewable": ttl > 0}})
		return
	case "auth/token/renew-self":
		s.counts["renew"]++
		token.expires = time.Now().Add(s.ttl)
		answerJSON(w, http.StatusOK, map[string]any{"auth": map[string]any{"client_token": "", "lease_duration": int(s.ttl.Seconds()), "renewable": true}})
		return
	}
	mount, rest, _ := strings.Cut(at, "/")
	kind, path, _ := strings.Cut(rest, "/")
	switch {
	case mount != "secret":
		refuse(w, http.StatusNotFound, "no handler for route \""+at+"\". route entry not found.")
	case token.denied:
		refuse(w, http.StatusForbidden, "permission denied")
	default:
		s.keyValue(w, r, kind, path)
	}
}

func (s *standIn) keyValue(w http.ResponseWriter, r *http.Request, kind, path string) {
	versions := s.paths[path]
	switch {
	case r.Method == "LIST" && kind == "metadata":
		var keys []string
		for known := range s.paths {
			if below, ok := strings.CutPrefix(known, path+"/"); ok {
				name, _, isDirectory := strings.Cut(below, "/")
				if isDirectory {
					name += "/"
				}
				if !slices.Contains(keys, name) {
					keys = append(keys, name)
				}
			}
		}
		if len(keys) == 0 {
			refuse(w, http.StatusNotFound)
			return
		}
		answerJSON(w, http.StatusOK, map[string]any{"data": map[string]any{"keys": keys}})
	case r.Method == http.MethodPost && kind == "data":
		var given struct {
			Data map[string]any `json:"data"`
		}
		_ = json.NewDecoder(r.Body).Decode(&given)
		s.paths[path] = append(versions, &stored{data: given.Data, created: time.Now()})
		answerJSON(w, http.StatusOK, map[string]any{"data": map[string]any{"version": len(versions) + 1}})
	case r.Method == http.MethodDelete && kind == "data" && len(versions) > 0:
		versions[len(versions)-1].deleted = true
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPut && kind == "destroy":
		var given struct {
			Versions []int `json:"versions"`
		}
		_ = json.NewDecoder(r.Body).Decode(&given)
		for _, n := range given.Versions {
			versions[n-1].destroyed = true
		}
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodGet && kind == "data":
		n, _ := strconv.Atoi(r.URL.Query().Get("version"))
		if n == 0 {
			n = len(versions)
		}
		if n < 1 || n > len(versions) {
			refuse(w, http.StatusNotFound)
			return
		}
		v := versions[n-1]
		document := map[string]any{"data": v.data, "metadata": map[string]any{"version": n, "created_time": v.created, "deletion_time": "", "destroyed": v.destroyed}}
		status := http.StatusOK
		if v.deleted || v.destroyed {
			status = http.StatusNotFound
			document["data"] = nil
			if v.deleted {
				document["metadata"].(map[string]any)["deletion_time"] = v.created.Format(time.RFC3339Nano)
			}
		}
		answerJSON(w, status, map[string]any{"request_id": "r-1", "data": document})
	default:
		refuse(w, http.StatusMethodNotAllowed, "unsupported operation")
	}
}
