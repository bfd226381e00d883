#!/bin/bash
# Checks the Go modules of client/go: each is formatted and vetted, and passes its tests against the daemon, alone, as those get it who
# require it. The client and the datastore are tested under the race detector, and what is not built under that, without it.
#   scripts/check-go.sh DIRECTORY [MODULE...]    a build with cairnd in it; of all modules, or of those named
set -euo pipefail

CAIRND=$(realpath "$1")/cairnd
shift
cd "$(dirname "$0")/.."
go=$PWD/scripts/go.sh go_tests=$PWD/scripts/go_tests.py
said=$(mktemp "${TMPDIR:-/tmp}/cairn-go.XXXXXX")
trap 'rm -f "$said"' EXIT
export CAIRND GOWORK=off
raced=(cairn cairnds)
minutes_max=20 # of one module's tests; far above what they take on a loaded machine

die() {
    echo "check-go: $*" >&2
    exit 1
}

# tested MODULE ARGUMENT...: vets and tests a module, and adds the tests that passed to count.
tested() {
    local module=$1
    shift
    (cd "client/go/$module" && "$go" vet ./... 2>&1 &&
        "$go" test -json -count=1 -p 2 -timeout "${minutes_max}m" "$@" ./... 2>&1 | "$go_tests") >"$said" || {
        cat "$said"
        die "$module failed"
    }
    count=$((count + $(tail -n 1 "$said")))
}

[ -x "$CAIRND" ] || die "$CAIRND is not there; build it first"
mapfile -t present < <(git ls-files --cached --others --exclude-standard 'client/go/*go.mod' | sed 's|^client/go/||; s|/go.mod$||' | sort)
mapfile -t joined < <(sed -n 's|^\t*\(use \)\?\./||p' client/go/go.work | sort)
[ "${#present[@]}" -gt 0 ] && [ "${present[*]}" = "${joined[*]}" ] ||
    die "client/go/go.work joins ${joined[*]:-none}, and there are ${present[*]:-none}"
modules=("$@")
[ $# -gt 0 ] || modules=("${present[@]}")

root=$("$go" env GOROOT)
unformatted=$("$root/bin/gofmt" -l client/go)
[ -z "$unformatted" ] || die "not formatted, run gofmt -w:"$'\n'"$unformatted"
if grep -rn --include='*.go' '^import "C"' client/go; then die "cgo is not used here"; fi

passed=0
for module in "${modules[@]}"; do
    began=$SECONDS arguments=() count=0
    [ "$module" != bench ] || arguments+=(-bench . -benchtime 1x) # each side of each row does its work once
    if [[ " ${raced[*]} " == *" $module "* ]]; then
        unraced=$(cd "client/go/$module" && grep -l '^//go:build !race' ./*_test.go | xargs sed -n 's/^func \(Test[A-Za-z0-9]*\)(.*/\1/p' | paste -sd '|') ||
            die "$module has no test that is not built under the race detector"
        tested "$module" -run "^($unraced)\$"
        [ "$count" -gt 0 ] || die "$module ran no test that is not built under the race detector"
        arguments+=(-race)
    fi
    tested "$module" "${arguments[@]}"
    [ "$count" -gt 0 ] || [ "$module" = bench ] || die "$module ran no test"
    passed=$((passed + count))
    printf 'go: %-16s %5d tests, %3d s\n' "$module" "$count" $((SECONDS - began))
done
echo "go: $passed tests of ${#modules[@]} modules, with $("$go" env GOVERSION)"
