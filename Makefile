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

PROVIDERS := bin/plugins/tom-credential-aws_secrets_manager bin/plugins/tom-credential-yaml

.DEFAULT_GOAL := help
.PHONY: help build test soak fuzz bench simulate demo dist vulncheck lint fmt generate image clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/host-example and bin/plugins/*
	@mkdir -p bin/plugins
	$(BUILD) -o bin/host-example ./host-example
	$(BUILD) -o bin/plugins/tom-credential-aws_secrets_manager ./plugin-awssm
	$(BUILD) -o bin/plugins/tom-credential-yaml ./host-example/providers/yaml
	@# A host refuses providers that group or others may write to, whatever the umask.
	@chmod 0755 bin/host-example $(PROVIDERS)

test: ## run all tests, with the race detector where there is a C compiler
	@if [ -z '$(RACE)' ]; then echo 'no C compiler: the tests run without the race detector'; fi
	@command -v "$${MOTO_SERVER:-moto_server}" >/dev/null || echo 'no moto_server (pip install "moto[server]"): the comparison with moto is skipped'
	@[ -x "$${SSHD:-/usr/sbin/sshd}" ] || echo 'no sshd (openssh-server): its tests are skipped'
	@command -v "$${AWS_CLI:-aws}" >/dev/null || echo 'no AWS CLI (pip install awscli): its tests are skipped'
	@"$${PYTHON:-python3}" -c 'import botocore' 2>/dev/null || echo 'no Python with boto3 (pip install boto3): the comparison with it is skipped'
	GORACE=atexit_sleep_ms=0 $(GO) test $(RACE) -timeout 10m ./...

soak: ## the chaos test for ten minutes
	TEST_CHAOS_SECONDS=600 GORACE=atexit_sleep_ms=0 $(GO) test $(RACE) -count=1 -v -timeout 20m -run '^TestChaos$$' ./shared/host

FUZZTIME ?= 10s
fuzz: ## run every fuzz test for FUZZTIME
	@for target in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs grep -Ho '^func Fuzz[A-Za-z0-9_]*' | sed 's/:func /:/'); do \
		file=$${target%%:*}; echo "$$(dirname $$file) $${target##*:}"; \
		$(GO) test -run '^$$' -fuzz "^$${target##*:}$$" -fuzztime $(FUZZTIME) $$(dirname $$file) || exit 1; \
	done

COUNT ?= 1
BENCH ?= .
BENCHTIME ?= 3s
BENCHMARK := $(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -count $(COUNT) -timeout 60m
bench: ## the benchmarks (or those that match BENCH), COUNT times, as ratios to their peers and budgets
	@cd shared/store/benchmark/cached && $(BENCHMARK) .
	@$(BENCHMARK) ./shared/store/benchmark

simulate: ## a fleet with and without the store; draws shared/store/fleet.svg
	@mkdir -p dist
	@$(GO) test -count=1 -v -timeout 30m ./shared/store/simulate -args -chart '$(CURDIR)/dist/fleet.csv'
	@cd .tools/plot && $(GO) run . <'$(CURDIR)/dist/fleet.csv' >'$(CURDIR)/shared/store/fleet.svg'

demo: build ## see the whole thing at work, with an embedded Secrets Manager
	@$(GO) run ./host-example/demo

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
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go' | grep -v '\.pb\.go$$')); \
	if [ -n "$$unformatted" ]; then echo "not gofmt-clean:"; echo "$$unformatted"; exit 1; fi
	$(TOOL) golangci-lint run ./...

fmt: ## format the code
	gofmt -w $$(git ls-files '*.go' | grep -v '\.pb\.go$$')
	$(TOOL) buf format -w proto

generate: ## make the Go code of the contract, and the settings reference in README.md
	$(TOOL) buf generate
	$(GO) generate ./...

image: ## at a release: the contract that later ones must stay compatible with
	$(TOOL) buf build -o proto/released.binpb

clean: ## remove what was built
	rm -rf bin dist
