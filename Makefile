# make help lists the targets. Nothing but Go, git and make is needed for build, test and demo.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GO      ?= go
LDFLAGS := -s -w -X main.version=$(VERSION)
BUILD   := CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)'
TOOL    := $(GO) tool -modfile=.tools/go.mod

# The race detector needs cgo and a C compiler, which a user's machine may not have.
RACE := $(shell [ "$$($(GO) env CGO_ENABLED)" = 1 ] && command -v "$$($(GO) env CC | cut -d' ' -f1)" >/dev/null 2>&1 && echo -race)

# Tests and demonstrations never ask for instance metadata.
export AWS_EC2_METADATA_DISABLED := true

PROVIDERS := bin/plugins/tom-credential-aws_secrets_manager bin/plugins/tom-credential-yaml bin/plugins/tom-credential-vault

.DEFAULT_GOAL := help
RUST             := host-example/providers/rust
CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tom-credential-provider/rust

.PHONY: help build rust temporal test soak fuzz mutants bench simulate demo demo-fleet dist vulncheck lint fmt generate image clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/host-example and bin/plugins/*
	@mkdir -p bin/plugins
	$(BUILD) -o bin/host-example ./host-example
	$(BUILD) -o bin/plugins/tom-credential-aws_secrets_manager ./plugin-awssm
	$(BUILD) -o bin/plugins/tom-credential-yaml ./host-example/providers/yaml
	$(BUILD) -o bin/plugins/tom-credential-vault ./host-example/providers/vault
	@# A host refuses providers that group or others may write to, whatever the umask.
	@chmod 0755 bin/host-example $(PROVIDERS)

rust: export CARGO_TARGET_DIR := $(CARGO_TARGET_DIR)
rust: ## check and build the provider in Rust, with cargo (Rust 1.88); what is built stays out of the repository
	cd $(RUST) && cargo fmt --check
	@# clippy as the compiler of this package alone: the others are compiled once.
	cd $(RUST) && RUSTC_WORKSPACE_WRAPPER=clippy-driver cargo build --locked --quiet && cargo build --locked --quiet

test: ## run all tests, with the race detector where there is a C compiler
	@if [ -z '$(RACE)' ]; then echo 'no C compiler: the tests run without the race detector'; fi
	@command -v "$${MOTO_SERVER:-moto_server}" >/dev/null || echo 'no moto_server (pip install "moto[server]"): the comparison with moto is skipped'
	@[ -x "$${SSHD:-/usr/sbin/sshd}" ] || echo 'no sshd (openssh-server): its tests are skipped'
	@command -v "$${AWS_CLI:-aws}" >/dev/null || echo 'no AWS CLI (pip install awscli): its tests are skipped'
	@"$${PYTHON:-python3}" -c 'import botocore' 2>/dev/null || echo 'no Python with boto3 (pip install boto3): the comparison with it is skipped'
	@command -v cargo >/dev/null || echo 'no cargo (https://rustup.rs): the tests of the provider in Rust are skipped'
	@[ -n "$$LOCALSTACK_PYTHON" ] || echo 'LOCALSTACK_PYTHON is not set (a Python with LocalStack): its test is skipped'
	GORACE=atexit_sleep_ms=0 $(GO) test $(RACE) -timeout 25m ./...

JOBS ?= 200
temporal: ## build and test the worker on Temporal, with JOBS jobs; compiles for ten minutes the first time
	@# The linter looks at the worker alone: for the server's tests it takes minutes.
	@lint=$$($(GO) tool -n -modfile=.tools/go.mod golangci-lint) && cd host-example/temporal && "$$lint" run .
	@# Without the race detector: it would compile Temporal's server a second time.
	cd host-example/temporal && $(GO) vet ./... && $(GO) test -count=1 . && $(GO) test -count=1 -v -timeout 40m ./servertest -jobs $(JOBS)

soak: ## kills, stops, floods, upgrades, poison and want of descriptors for ten minutes
	TEST_SOAK_SECONDS=$(or $(SOAK),600) GORACE=atexit_sleep_ms=0 $(GO) test -count=1 -v -timeout 20m -run '^(TestSoak|TestChaos)$$' ./shared/host

# A count: when a time is up, the fuzzer of Go 1.26 sometimes fails with "context deadline exceeded" (go.dev/issue/75804).
FUZZTIME ?= 20000x
fuzz: ## run every fuzz test FUZZTIME times
	@for target in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs grep -Ho '^func Fuzz[A-Za-z0-9_]*' | sed 's/:func /:/'); do \
		file=$${target%%:*}; echo "$$(dirname $$file) $${target##*:}"; \
		$(GO) test -run '^$$' -fuzz "^$${target##*:}$$" -fuzztime $(FUZZTIME) $$(dirname $$file) || exit 1; \
	done

mutants: ## measure the conformance kit with each fault of a table
	@$(GO) run ./shared/conformance/mutants

COUNT ?= 1
BENCH ?= .
BENCHTIME ?= 3s
BENCHMARK := $(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -count $(COUNT) -timeout 60m
bench: ## the benchmarks (or those that match BENCH), COUNT times, as ratios to their peers and budgets
	@cd shared/store/benchmark/cached && $(BENCHMARK) .
	@$(BENCHMARK) ./shared/store/benchmark
	@$(BENCHMARK) ./shared/guard/redisledger
	@$(BENCHMARK) ./host-example ./host-example/worker/device
	@$(BENCHMARK) ./host-example/python

simulate: ## a fleet's logins in all situations, as a table; draws shared/guard/fleet.svg
	@mkdir -p dist
	@$(GO) test -c -o dist/simulate.test ./shared/guard/simulate
	@dist/simulate.test -test.timeout 30m -test.run 'TestSituations|TestChart' -all -chart '$(CURDIR)/dist/fleet.csv'
	@cd .tools/plot && $(GO) run . <'$(CURDIR)/dist/fleet.csv' >'$(CURDIR)/shared/guard/fleet.svg'

demo: build ## see the whole thing at work, with an embedded Secrets Manager
	@$(GO) run ./host-example/demo

demo-fleet: build ## see three of Tom's workers with and without the guard; needs redis-server and PYTHON with saq
	@$(GO) run ./host-example/demo -fleet

TARGETS ?= linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64,windows/arm64
DIST    ?= $(CURDIR)/dist
dist: ## a release: archives for each of TARGETS, and their digests, in DIST
	@$(GO) -C .tools/dist run . -source '$(CURDIR)' -out '$(DIST)' -version '$(VERSION)' -targets '$(TARGETS)'

vulncheck: ## look for known vulnerabilities in what is linked; asks vuln.go.dev
	$(TOOL) govulncheck ./...

lint: ## buf lint and breaking, golangci-lint, gofmt
	$(TOOL) buf lint
	$(TOOL) buf breaking --against proto/released.binpb
	$(TOOL) buf format --diff --exit-code proto
	$(TOOL) buf build --config '{"version":"v2","modules":[{"path":"proto/third_party"}]}' -o /dev/null
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go' | grep -v '\.pb\.go$$')); \
	if [ -n "$$unformatted" ]; then echo "not gofmt-clean:"; echo "$$unformatted"; exit 1; fi
	$(TOOL) golangci-lint run ./...

fmt: ## format the code
	gofmt -w $$(git ls-files '*.go' | grep -v '\.pb\.go$$')
	$(TOOL) buf format -w proto

generate: ## make the Go code of the contract, and the generated parts of the documents
	$(TOOL) buf generate
	$(GO) generate ./...

image: ## at a release: the contract that later ones must stay compatible with
	$(TOOL) buf build -o proto/released.binpb

clean: ## remove what was built
	rm -rf bin dist
