#!/usr/bin/env bash
# Vets and builds this repository as a pipeline on a Hodei worker of this
# machine. Needs a running `hodei up`; HODEI_SERVER is its address.
set -euo pipefail
repo=$(cd "$(dirname "$0")/../.." && pwd)
hodei=${HODEI:-$repo/bin/hodei}

# Each execution has an empty home: these have Go use what it has downloaded, and what `make` has compiled with the same flags.
caches=(--env "GOMODCACHE=$(go env GOMODCACHE)" --env "GOCACHE=$(go env GOCACHE)"
  --env CGO_ENABLED=0 --env "GOFLAGS=-trimpath -tags=noexprlang,no_antithesis_sdk")

# the id of what was just created
id() { sed -n 's/^{"id":"\([^"]*\)".*/\1/p'; }

pipeline=$("$hodei" pipeline create "hodei builds itself" -o json | id)
vet=$("$hodei" job create --pipeline "$pipeline" --name vet --working-dir "$repo" "${caches[@]}" -o json -- go vet ./... | id)
build=$("$hodei" job create --pipeline "$pipeline" --name build --working-dir "$repo" --timeout 10m "${caches[@]}" -o json \
  -- go build -v -o /dev/null ./cmd/hodei | id)

echo "vet" && "$hodei" run "$vet"
echo "build" && "$hodei" run "$build"
"$hodei" pipeline show "$pipeline"
