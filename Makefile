.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help build up check lint test compile processes race vuln chaos bench bench-accept generate fmt screenshots setup tools postgres redis temporal gcc curl chromium npm

# What is left out of the binary (docs/adr/0013-jsm.md). Everything works without the tags, too.
TAGS = -tags noexprlang,no_antithesis_sdk

help: ## list what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Only the race detector needs cgo. One setting for everything else compiles every package once,
# and without the path of the directory once for all clones.
export CGO_ENABLED = 0
export GOFLAGS := $(filter-out -trimpath,$(GOFLAGS)) -trimpath

build: ## build bin/hodei
	go build $(TAGS) -ldflags="-s -w" -o bin/hodei ./cmd/hodei

up: postgres build ## build and start everything on this machine: make up ARGS='--workers 2'
	./bin/hodei up $(ARGS)

# go test starts packages in the order in which they are named: the longest first, so that none of them
# is left alone at the end.
check: lint ## the fast loop: lint, and the tests that start no hodei and no browser (run `make setup` once before)
	go test $(TAGS) -vet=off -ldflags=-s -short -p 4 -parallel 8 ./services/orchestrator ./internal/system ./worker ./services/workermanager ./...

lint: tools ## format, vet, staticcheck, errcheck, and the types of the console
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt, by way of 'make fmt', would change:"; echo "$$unformatted"; exit 1; }
	go vet $(TAGS) ./...
	bin/staticcheck $(TAGS) ./...
	bin/errcheck $(TAGS) -ignoretests -exclude tools/errcheck.txt ./...
	cd bench && go vet $(TAGS) ./... && ../bin/staticcheck $(TAGS) ./... && \
	  ../bin/errcheck $(TAGS) -ignoretests -exclude ../tools/errcheck.txt ./...
	tools/node_modules/.bin/tsc -p tools

# One after the other: beside a compiler, a linter or browsers, tests exceed their time limits.
test: setup lint compile race processes ## lint, and every test with the race detector: all that CI does

compile:
	@CGO_ENABLED=1 go list $(TAGS) -race -export -test -deps ./... >/dev/null

RACE = CGO_ENABLED=1 go test $(TAGS) -race -vet=off -ldflags=-s -count=1 -timeout 45m

# The tests that start processes and browsers. They take as long as all others.
processes:
	$(RACE) -parallel 6 ./test

race:
	$(RACE) -p 2 -parallel 4 ./internal/system ./cmd/hodei ./services/orchestrator ./edge $$(go list ./... | grep -v /test$$)
	cd bench && go test $(TAGS) -count=1 ./...

vuln: tools ## look up known vulnerabilities of what is built in (asks vuln.go.dev)
	bin/govulncheck $(TAGS) ./...

bench: postgres redis $(if $(SHORT),,temporal) build ## measure beside the limit and the peers: make bench SHORT=1 ONLY=throughput,latency
	cd bench && go build $(TAGS) -o ../bin/ . ./limit
	cd bench && ../bin/bench $(if $(SHORT),-short) $(if $(ONLY),-only $(ONLY)) $(BENCH)

bench-accept: ## keep the results of the last bench as those to compare with, and show them in docs/performance.md
	cd bench && ../bin/bench -accept

chaos: postgres ## inject faults for a time and check the history of all work: make chaos FOR=10m HOSTILE=2m SEED=7 CLUSTER=1
	go test $(TAGS) -count=1 -v -timeout 0 -run '^(TestNoMessageBreaksIt|TestChaos$(if $(CLUSTER),Cluster))$$' ./test \
	  -chaos.for $(or $(FOR),10m) -chaos.seed $(or $(SEED),0) -hostile.for $(or $(HOSTILE),2m) -hostile.seed $(or $(SEED),0)

generate: ## regenerate the JSON Schemas, OpenAPI, docs/states.md and the other goldens
	go test $(TAGS) -count=1 $$(grep -rl --include='*_test.go' 'flag.Bool("update"' . | xargs -n1 dirname | sort -u) -update

screenshots: chromium postgres ## write the pictures of the console in docs/images anew
	HODEI_SCREENSHOTS=../docs/images go test $(TAGS) -count=1 -run TestConsoleScreenshots ./test

fmt: ## format the code
	gofmt -w .

setup: gcc curl postgres chromium tools ## install what building and testing needs, where it is missing
	@go mod download
	@cd bench && go mod download

# Checks and tests use these and need no network. Once they are built it takes
# half a second to see that they are those of tools/go.mod.
tools: npm
	@cd tools && GOFLAGS= GOBIN=$(CURDIR)/bin go install tool
	@cmp -s tools/package-lock.json tools/node_modules/.installed || { cd tools && npm ci --no-audit --no-fund && cp package-lock.json node_modules/.installed; }

npm:
	@command -v npm >/dev/null || { $(call install,nodejs npm); }

# The race detector needs a C compiler; what is built for use does not.
gcc:
	@command -v gcc >/dev/null || { $(call install,gcc libc6-dev); }

# The tests of the documentation run the commands in it, such as curl.
curl:
	@command -v curl >/dev/null || { $(call install,curl ca-certificates); }

# The tests of the console run in it.
chromium:
	@test -n "$$HODEI_CHROMIUM" || command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
	  command -v google-chrome >/dev/null || { $(call install,chromium); }

# Not wanted where a database of yours is named.
postgres:
	@test -n "$$HODEI_PG_BIN$$HODEI_TEST_DATABASE_URL$$HODEI_DATABASE_URL$(findstring --database-url,$(ARGS))" || \
	  command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
	  { $(call install,postgresql); }

# asynq, one of the peers of the bench, keeps its tasks there.
redis:
	@command -v redis-server >/dev/null || { $(call install,redis-server); }

# Temporal's development server, another peer: some minutes to compile, once.
temporal:
	@test -x bin/temporal || GOBIN=$(CURDIR)/bin go install github.com/temporalio/cli/cmd/temporal@v1.5.1

# $(1) are Debian packages.
install = if command -v apt-get >/dev/null && test "$$(id -u)" = 0; \
  then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(1); \
  else echo "Missing on this machine: $(1). Install it, as with apt-get (as root) or brew, and try again." >&2; exit 1; fi
