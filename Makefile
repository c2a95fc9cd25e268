# Boundgate. `make help` lists what there is; `make check` goes before every commit; `make test` is what CI runs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build
.DELETE_ON_ERROR:

# How long each fuzz target runs in check and test.
FUZZTIME ?= 2s
# Where the broker must build, without cgo.
BROKER_PLATFORMS ?= linux/amd64 linux/arm64 windows/amd64 darwin/amd64 darwin/arm64
# Debian packages that the tests need and `make test` installs where it may.
DEBIAN_PACKAGES ?= openssl chromium fonts-noto-cjk
# DuckDB is linked into a few test binaries; more of them at once than this exhaust a small machine.
TEST_PARALLEL ?= 2

.PHONY: build
build: ## Build bin/boundgate and bin/boundgate-broker
	@mkdir -p bin
	CGO_ENABLED=1 go build -trimpath -o bin/boundgate ./cmd/boundgate
	CGO_ENABLED=0 go build -trimpath -o bin/boundgate-broker ./cmd/boundgate-broker

.PHONY: run
run: build ## Build, set two example organisations up, and serve
	bin/boundgate run

.PHONY: demo
demo: build ## Build and play the story of a rollout and a theft
	bin/boundgate demo

.PHONY: check
check: static race fuzz vulncheck ## Everything quick: for every commit

.PHONY: test
test: debian-packages browser-packages static ## Everything: what CI runs
	go test -p $(TEST_PARALLEL) -timeout 15m ./...
	$(MAKE) --no-print-directory fuzz vulncheck cross

.PHONY: static
static: format vet staticcheck lint ## Formatting, vet and the linters

.PHONY: format
format: ## Fail when a file is not gofmt's
	@unformatted=$$(gofmt -l cmd internal test); \
	if [ -n "$$unformatted" ]; then echo "Run gofmt -w on:"; echo "$$unformatted"; exit 1; fi

.PHONY: vet
vet: ## go vet
	go vet ./...

.PHONY: staticcheck
staticcheck: ## staticcheck, configured in staticcheck.conf
	go tool staticcheck ./...

# They judge the programs, not the tests; exhaustive looks at the switches that say //exhaustive:enforce.
.PHONY: lint
lint: ## errcheck, errorlint, exhaustive, unparam, bodyclose, sqlclosecheck
	go tool errcheck -ignoretests -exclude .ci/errcheck-excludes ./...
	go tool go-errorlint -test=false ./...
	go tool exhaustive -e ./...
	go tool unparam -tests=false ./...
	.ci/vet-programs bodyclose
	.ci/vet-programs sqlclosecheck

.PHONY: race
race: ## Tests under the race detector, without the packages that link DuckDB
	go test -race -timeout 10m $$(.ci/fast-packages)

.PHONY: fuzz
fuzz: ## Each fuzz target for FUZZTIME
	.ci/fuzz $(FUZZTIME)

.PHONY: vulncheck
vulncheck: ## govulncheck; says so when it cannot reach its database
	.ci/vulncheck

.PHONY: cross
cross: ## Build the broker for every platform it runs on
	@for platform in $(BROKER_PLATFORMS); do \
		echo "build the broker for $$platform"; \
		CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/} go build -o /dev/null ./cmd/boundgate-broker; \
	done

.PHONY: bench
bench: ## Run the benchmarks
	go test -run '^$$' -bench . -benchmem $$(git grep -lE '^func Benchmark' -- '*_test.go' | xargs -r -n1 dirname | sort -u | sed 's|^|./|')

.PHONY: debian-packages
debian-packages:
	@missing=; for package in $(DEBIAN_PACKAGES); do \
		dpkg-query -W -f='$${Status}' "$$package" 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
	done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing; \
	else echo "Not installed, their tests are left out:$$missing"; fi

.PHONY: browser-packages
browser-packages: test/browser/node_modules/.package-lock.json

test/browser/node_modules/.package-lock.json: test/browser/package-lock.json
	cd test/browser && npm ci --ignore-scripts --no-audit --no-fund

.PHONY: clean
clean: ## Remove what build made; data directories stay
	rm -rf bin

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'
