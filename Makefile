# Everything a contributor runs; `make` alone lists it.

SHELL := /bin/bash
.DEFAULT_GOAL := help

GO      ?= go
BIN     := $(CURDIR)/bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# The version stands in the binary by -X: stamping by Go itself fails in a
# clone that belongs to another user, as on many build machines.
export GOFLAGS := $(GOFLAGS) -buildvcs=false
LDFLAGS := -s -w -X main.version=$(VERSION)

# The race detector and a shuffled order are always on.
TESTFLAGS ?= -race -shuffle=on -timeout 15m
# What takes longest begins first, and one package more than there are CPUs runs
# at a time: the end-to-end tests mostly wait.
LONGEST   := ./internal/e2e ./internal/laws ./reconcile
WIDE      := $(shell expr $$(nproc) + 1)
FUZZTIME  ?= 30s
SOAK      ?= 10m
# Packages or single tests: `make unit PKG=./desired RUN=TestWatch`.
PKG ?= ./...
RUN ?= .

GOLANGCI_LINT_VERSION := v2.15.0
GOLANGCI_LINT := $(BIN)/golangci-lint-$(GOLANGCI_LINT_VERSION)

# Set-up is a Go program without cgo: it runs before there is a C compiler.
SETUP := CGO_ENABLED=0 $(GO) run ./internal/demo setup

PREFIX  ?= /usr/local
DESTDIR ?=

##@ Every day

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/reconciler
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/reconciler ./cmd/reconciler

.PHONY: demo
demo: ## Show the main job on this machine's dockerd (KEEP=1 leaves it running)
	@$(SETUP)
	@CGO_ENABLED=0 $(GO) run ./internal/demo run

.PHONY: test
test: ## Run every test, end to end too; installs what is missing where it can
	@$(SETUP) -tests
	$(GO) test $(TESTFLAGS) -p $(WIDE) $(LONGEST) ./...

.PHONY: unit
unit: ## Run the tests that need no dockerd (PKG=./desired RUN=TestName)
	$(GO) test $(TESTFLAGS) -short -run '$(RUN)' $(PKG)

.PHONY: e2e
e2e: ## Run the end-to-end tests alone, with their log (RUN=TestName)
	@$(SETUP) -tests
	$(GO) test $(TESTFLAGS) -count=1 -v -run '$(RUN)' ./internal/e2e

.PHONY: soak
soak: ## Random stories of the whole agent for as long as SOAK says (10m)
	SOAK=$(SOAK) $(GO) test ./internal/laws -count=1 -timeout 0 -run '^TestModel$$' -rapid.checks 50 -rapid.nofailfile

##@ Before a commit

.PHONY: fmt
fmt: $(GOLANGCI_LINT) ## Format all Go files (gofumpt, gci)
	$(GOLANGCI_LINT) fmt

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Check format and style
	$(GOLANGCI_LINT) run

.PHONY: vet
vet: ## Run go vet
	$(GO) vet ./...

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (30s)
	@set -euo pipefail; \
	grep -rHoE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' . | sed 's/:func /:/' | sort -u | \
	while IFS=: read -r file target; do \
		echo "== $$target ($$(dirname "$$file"))"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")"; \
	done

.PHONY: cover
cover: ## Write cover.html and print the coverage in all
	$(GO) test -short -coverprofile=cover.out -coverpkg=./... ./...
	$(GO) tool cover -html=cover.out -o cover.html
	@$(GO) tool cover -func=cover.out | tail -n 1

##@ Installing

.PHONY: install
install: build ## Install the binary under PREFIX (/usr/local)
	install -D -m 0755 $(BIN)/reconciler $(DESTDIR)$(PREFIX)/bin/reconciler

.PHONY: clean
clean: ## Remove what was built
	rm -rf $(BIN) cover.out cover.html

# The linter is built from source at a pinned version, about two minutes once.
$(GOLANGCI_LINT):
	GOBIN=$(BIN)/tmp $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	@mv $(BIN)/tmp/golangci-lint $@ && rmdir $(BIN)/tmp
