// Program backend stands for the service that the provider reads from, with made-up credentials in memory. It belongs to the
// scaffold's tests; throw it away when the provider reads from the real one.
//
//	backend                 serve, and print the URL, until standard input ends
//	backend COMMAND...      serve while the command runs, and end as it ends
//	backend -state STATE    tell the one at SETTING_URL that from now on it is changed, deleted, denied, stalled or as it was
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const token = "canary-token-4710" //nolint:gosec // made up

// versions are the values of each key, oldest first.
var versions = map[string][]string{
	"lab": {
		`{"username": "admin", "password": "canary-4711"}`,
		`{"username": "admin", "password": "canary-4712", "enable_password": "canary-4713", "port": 2222}`,
	},
	"core":    {`{"username": "netops", "password": "canary-4714"}`},
	"blanks":  {`{"username": "admin", "password": " canary-4718 "}`},
	"accents": {`{"username": "admin", "password": "cänary-4719"}`},
	"signs":   {`{"username": "admin", "password": "canary+<&\"%41-4720"}`},
	"long":    {`{"username": "admin", "password": "canary-4721-` + strings.Repeat("x", 80) + `"}`},
	"empty":   {`{"username": "admin", "password": ""}`},
	"keyed":   {`{"username": "git", "private_key": "canary-4715"}`},
	"broken":  {`{"username": "admin", "password": ["canary-4716"]}`},
	"stalled": {`{"username": "admin", "password": "canary-4717"}`},
}

// order is the order of a listing.
var order = []string{"accents", "blanks", "broken", "core", "empty", "keyed", "lab", "long", "signs", "stalled"}

// refusals are the keys that can't be read, with the service's words for it.
var refusals = map[string]string{"secret": "forbidden", "old": "deleted"}

// changed are the values that some keys have in the state "changed".
var changed = map[string]string{
	"lab": `{"username": "admin", "password": "canary-4722"}`,
	"new": `{"username": "new", "password": "canary-4723"}`,
}

// state is what has happened to the service: for the conformance checks, by which a provider with a cache is found.
var state atomic.Value

func main() {
	listen := flag.String("listen", "127.0.0.1:8300", "`address` to listen on")
	become := flag.String("state", "", "tell the one at SETTING_URL what `state` it is in")
	flag.Parse()
	if *become != "" {
		if err := tell(*become); err != nil {
			fmt.Fprintln(os.Stderr, "backend:", err)
			os.Exit(1)
		}
		return
	}
	status, err := run(*listen, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "backend:", err)
	}
	os.Exit(status)
}

// tell puts the service that serves elsewhere into a state.
func tell(state string) error {
	request, err := http.NewRequest(http.MethodPut, os.Getenv("SETTING_URL")+"/v1/state/"+state, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the service answers with %s", response.Status)
	}
	return nil
}

func run(address string, command []string) (int, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return 1, err
	}
	server := &http.Server{Handler: handler(), ReadHeaderTimeout: 10 * time.Second}
	defer func() { _ = server.Close() }()
	go func() { _ = server.Serve(listener) }()
	if len(command) == 0 {
		fmt.Printf("http://%s\n", listener.Addr())
		_, err := io.Copy(io.Discard, os.Stdin)
		return 0, err
	}
	child := exec.Command(command[0], command[1:]...)
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	var ended *exec.ExitError
	if err := child.Run(); errors.As(err, &ended) {
		return ended.ExitCode(), nil
	} else if err != nil {
		return 1, err
	}
	return 0, nil
}

func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/health", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, map[string]string{}) })
	mux.HandleFunc("GET /v1/keys", list)
	mux.HandleFunc("GET /v1/keys/{key}", func(w http.ResponseWriter, r *http.Request) {
		key := r.PathValue("key")
		if key == "stalled" || key == "core" && state.Load() == "stalled" {
			<-r.Context().Done() // until the caller gives up
			return
		}
		found := read(key, r.URL.Query().Get("version"), r.URL.Query().Get("label"))
		status := http.StatusOK
		switch found["error"] {
		case nil:
		case "forbidden":
			status = http.StatusForbidden
		case "deleted":
			status = http.StatusGone
		default:
			status = http.StatusNotFound
		}
		answer(w, status, found)
	})
	mux.HandleFunc("PUT /v1/state/{state}", func(w http.ResponseWriter, r *http.Request) {
		state.Store(r.PathValue("state"))
		answer(w, http.StatusOK, map[string]string{})
	})
	mux.HandleFunc("POST /v1/batch", func(w http.ResponseWriter, r *http.Request) {
		var wanted []struct{ Key, Version, Label string }
		if json.NewDecoder(r.Body).Decode(&wanted) != nil {
			answer(w, http.StatusBadRequest, map[string]string{"error": "no_batch"})
			return
		}
		found := make([]map[string]any, len(wanted))
		for i, one := range wanted {
			found[i] = read(one.Key, one.Version, one.Label)
		}
		answer(w, http.StatusOK, found)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			answer(w, http.StatusUnauthorized, map[string]string{"error": "bad_token"})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// read is what the service says of one key.
func read(key, version, label string) map[string]any {
	refusal := refusals[key]
	switch now := state.Load(); {
	case key == "core" && now == "deleted":
		refusal = "deleted"
	case key == "core" && now == "denied":
		refusal = "forbidden"
	case key == "keyed" && now == "deleted":
		refusal = "no_such_key"
	}
	if refusal != "" {
		return map[string]any{"error": refusal}
	}
	all, ok := versions[key]
	if value := changed[key]; value != "" && state.Load() == "changed" {
		all, ok = append(slices.Clone(all), value), true
	}
	if !ok {
		return map[string]any{"error": "no_such_key"}
	}
	n := len(all)
	switch {
	case version != "":
		if n, _ = strconv.Atoi(version); strconv.Itoa(n) != version {
			n = 0
		}
	case label == "previous":
		n--
	case label != "":
		n = 0
	}
	if n < 1 || n > len(all) {
		return map[string]any{"error": "no_such_version"}
	}
	return map[string]any{
		"key": key, "value": json.RawMessage(all[n-1]), "version": strconv.Itoa(n), "created": time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC),
	}
}

func list(w http.ResponseWriter, r *http.Request) {
	order := order
	switch state.Load() {
	case "changed":
		order = append(slices.Clone(order), "new")
	case "deleted":
		order = slices.DeleteFunc(slices.Clone(order), func(key string) bool { return key == "keyed" || key == "core" })
	}
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	first := 0
	if page := r.URL.Query().Get("page"); page != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(page, "page-"))
		if err != nil || n < 1 || n >= len(order) || page != fmt.Sprintf("page-%d", n) {
			answer(w, http.StatusBadRequest, map[string]string{"error": "no_such_page"})
			return
		}
		first = n
	}
	end := min(first+max(limit, 1), len(order))
	next := ""
	if end < len(order) {
		next = fmt.Sprintf("page-%d", end)
	}
	answer(w, http.StatusOK, map[string]any{"keys": order[first:end], "next": next})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
