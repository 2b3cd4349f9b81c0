package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed faults.yaml
var table []byte

//go:embed tools.go.txt
var tools string

// fault is one row of the table.
type fault struct {
	Name     string `yaml:"name"`
	Breaks   string `yaml:"breaks"`   // the check that finds it
	Survives string `yaml:"survives"` // why none does
	At       string `yaml:"at"`
	Code     string `yaml:"code"`
}

func readTable() ([]fault, error) {
	var all []fault
	if err := yaml.Unmarshal(table, &all); err != nil {
		return nil, fmt.Errorf("faults.yaml: %w", err)
	}
	seen := map[string]bool{}
	for _, f := range all {
		if _, known := places[f.At]; !known {
			return nil, fmt.Errorf("faults.yaml: fault %s is at %q, which is no place", f.Name, f.At)
		}
		if f.Name == "" || seen[f.Name] || (f.Breaks == "") == (f.Survives == "") {
			return nil, fmt.Errorf("faults.yaml: fault %q is there twice, or doesn't have one of breaks and survives", f.Name)
		}
		seen[f.Name] = true
	}
	return all, nil
}

// place is a function of the provider in whose way faults stand.
type place struct {
	file, from, to string // what is replaced in which file
	header, next   string // the function that takes its place, and how it goes on with the right one
}

const scaffold, sdk = "shared/provider/scaffold/", "shared/provider/"

var places = map[string]place{
	"start": {scaffold + "main.go", "func main() { ", "func main() { provider.Fault = rpc; provider.FaultTLS = tlsFault; if lifelineFaulty() { provider.FaultLifeline = lifelineFault }; start(); ", "func start()", ""},
	"newProvider": {scaffold + "main.go", "func newProvider(", "func rightNew(",
		"func newProvider(s settings, log hclog.Logger) (*keyvalue, error)", "return rightNew(s, log)"},
	"Get": {scaffold + "get.go", "func (p *keyvalue) Get(", "func (p *keyvalue) rightGet(",
		"func (p *keyvalue) Get(ctx context.Context, request credential.Request) (found *credential.Credential, err error)", "return p.rightGet(ctx, request)"},
	"GetBatch": {scaffold + "abilities.go", "func (p *keyvalue) GetBatch(", "func (p *keyvalue) rightGetBatch(",
		"func (p *keyvalue) GetBatch(ctx context.Context, requests []credential.Request) (results []credential.Result, err error)", "return p.rightGetBatch(ctx, requests)"},
	"List": {scaffold + "abilities.go", "func (p *keyvalue) List(", "func (p *keyvalue) rightList(",
		"func (p *keyvalue) List(ctx context.Context, pageSize int, pageToken string) (page credential.Page, err error)", "return p.rightList(ctx, pageSize, pageToken)"},
	"Validate": {scaffold + "abilities.go", "func (p *keyvalue) Validate(", "func (p *keyvalue) rightValidate(",
		"func (p *keyvalue) Validate(ctx context.Context, id string) (report credential.Report, err error)", "return p.rightValidate(ctx, id)"},
	"call": {scaffold + "client.go", "func (c *client) call(", "func (c *client) rightCall(",
		"func (c *client) call(ctx context.Context, method, path string, query url.Values, body, result any) (refusal string, err error)", "return c.rightCall(ctx, method, path, query, body, result)"},
	"rpc": {sdk + "main.go", "grpc.UnaryInterceptor(answer(log))", "grpc.ChainUnaryInterceptor(Fault, answer(log))",
		"func rpc(ctx context.Context, in any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (out any, err error)", "return next()"},
	"tls": {sdk + "handshake.go", "return func() (*tls.Config, error) { return config, nil }, cert, nil", "FaultTLS(config)\n\treturn func() (*tls.Config, error) { return config, nil }, cert, nil",
		"func tlsFault(config *tls.Config)", ""},
	"lifeline": {sdk + "lifeline.go", "func watchLifeline(log hclog.Logger) {", "func watchLifeline(log hclog.Logger) {\n\tif FaultLifeline != nil {\n\t\tFaultLifeline()\n\t\treturn\n\t}",
		"func lifelineFault()", ""},
}

const imports = `package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/ascii85"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unicode"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/text/unicode/norm"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	credentialv1 "github.com/tom-worker/credential-provider/proto/tom/credential/v1"
	"github.com/tom-worker/credential-provider/shared/credential"
)

`

const sdkFault = `package provider

import (
	"context"
	"crypto/tls"

	"google.golang.org/grpc"
)

// In the way of every call, of the TLS configuration and of the lifeline.
var (
	Fault grpc.UnaryServerInterceptor = func(ctx context.Context, in any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) { return handler(ctx, in) }
	FaultTLS                          = func(*tls.Config) {}
	FaultLifeline func()
)
`

// compose writes the sources of the scaffold with all faults in them, chosen by a variable, and returns an overlay for the go
// command.
func compose(root, dir string, all []fault) (string, error) {
	sources := map[string]string{}
	code := imports + tools
	for name, at := range places {
		text, read := sources[at.file]
		if !read {
			content, err := os.ReadFile(filepath.Join(root, at.file))
			if err != nil {
				return "", err
			}
			text = string(content)
		}
		if !strings.Contains(text, at.from) {
			return "", fmt.Errorf("%s has no %q any more: correct the place %s", at.file, at.from, name)
		}
		sources[at.file] = strings.Replace(text, at.from, at.to, 1)

		code += "\n" + at.header + " {\n"
		if name == "rpc" {
			code += "\tnext := func() (any, error) { return handler(ctx, in) }\n\tget, _ := in.(*credentialv1.GetCredentialRequest)\n\tconfigure, _ := in.(*credentialv1.ConfigureRequest)\n\t_, _ = get, configure\n"
		}
		code += "\tswitch fault {\n"
		for _, f := range all {
			if f.At == name {
				code += fmt.Sprintf("\tcase %q:\n\t\t%s\n", f.Name, strings.ReplaceAll(strings.TrimSpace(f.Code), "\n", "\n\t\t"))
			}
		}
		code += "\t}\n\t" + at.next + "\n}\n"
	}
	var lifelines []string
	for _, f := range all {
		if f.At == "lifeline" {
			lifelines = append(lifelines, fmt.Sprintf("%q", f.Name))
		}
	}
	code += "\nfunc lifelineFaulty() bool { return slices.Contains([]string{" + strings.Join(lifelines, ", ") + "}, fault) }\n"
	sources[scaffold+"faults.go"], sources[sdk+"fault.go"] = code, sdkFault

	replace := map[string]string{}
	for file, text := range sources {
		path := filepath.Join(dir, strings.ReplaceAll(file, "/", "-"))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(root, file)] = path
	}
	encoded, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, encoded, 0o600)
}

// build builds the faulty provider and its backend into dir.
func build(root, dir string, all []fault) (plugin, backend string, err error) {
	overlay, err := compose(root, dir, all)
	if err != nil {
		return "", "", err
	}
	plugin, backend = filepath.Join(dir, "tom-credential-keyvalue"), filepath.Join(dir, "backend")
	for _, arguments := range [][]string{
		{"build", "-overlay", overlay, "-o", plugin, "./" + scaffold},
		{"build", "-o", backend, "./" + scaffold + "backend"},
	} {
		cmd := exec.Command("go", arguments...) //nolint:gosec // the go command
		cmd.Dir = root
		if output, err := cmd.CombinedOutput(); err != nil {
			return "", "", errors.Join(fmt.Errorf("go %s: %w", strings.Join(arguments, " "), err), errors.New(string(output)))
		}
	}
	return plugin, backend, nil
}
