.DEFAULT_GOAL := help
.PHONY: help build up test generate fmt screenshots setup postgres gcc curl chromium

help: ## list what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/hodei
	CGO_ENABLED=0 go build -trimpath -o bin/hodei ./cmd/hodei

up: postgres build ## build and start everything on this machine: make up ARGS='--workers 2'
	./bin/hodei up $(ARGS)

test: setup ## format check, vet, and every test with the race detector: all that CI does
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt, by way of 'make fmt', would change:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	CGO_ENABLED=1 go test -race -count=1 -timeout 15m ./...

generate: ## write anew what is generated: JSON Schemas, OpenAPI, docs/states.md and the other goldens
	go test -count=1 $$(grep -rl --include='*_test.go' 'flag.Bool("update"' . | xargs -n1 dirname | sort -u) -update

screenshots: chromium postgres ## write the pictures of the console in docs/images anew
	HODEI_SCREENSHOTS=../docs/images go test -count=1 -run TestConsoleScreenshots ./test

fmt: ## format the code
	gofmt -w .

setup: gcc curl postgres chromium ## install what building and testing needs, where it is missing
	@go mod download

# The race detector needs a C compiler; what is built for use does not.
gcc:
	@command -v gcc >/dev/null || { $(call install,gcc libc6-dev); }

# The tests of the documentation type what it says.
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

# $(1) are Debian packages.
install = if command -v apt-get >/dev/null && test "$$(id -u)" = 0; \
  then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(1); \
  else echo "Missing on this machine: $(1). Install it, as with apt-get (as root) or brew, and try again." >&2; exit 1; fi
