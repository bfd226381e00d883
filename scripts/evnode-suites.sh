#!/bin/bash
# Runs ev-node's own tests on cairn, or go-header's: a copy of its module, outside the tree, whose databases are chains of one daemon.
#   scripts/evnode-suites.sh DIRECTORY database|store|upstream|header [PACKAGE...]    a build with cairnd in it
# With `database` ev-node's own store works on cairnstore's Datastore; with `store` cairnstore's Store takes its place wherever one is made; with
# `upstream` where client/go/UPSTREAM.md proposes it, by the change there. PACKAGE is one of ev-node's, pkg/store if none is named.
# With `header` go-header's tests, those of store, sync and p2p if none is named, have chains by cairnds for the maps that they make.
# Datastores that tests make inside a synctest bubble stay maps. GOFLAGS counts: node needs -tags=integration.
set -euo pipefail

cairnd=$(realpath "$1")/cairnd
kind=$2
shift 2
packages=("$@")
cd "$(dirname "$0")/.."
root=$PWD
go=$root/scripts/go.sh
case $kind in
database | store | upstream)
    module=github.com/evstack/ev-node requires=(cairn cairnds cairnstore) hooks=cairnstore
    [ $# -gt 0 ] || packages=(pkg/store)
    ;;
header)
    module=github.com/celestiaorg/go-header requires=(cairn cairnds) hooks=cairnds
    [ $# -gt 0 ] || packages=(store sync p2p)
    ;;
*) echo "evnode-suites: $kind is none of database, store, upstream, header" >&2 && exit 2 ;;
esac

stage=$(mktemp -d "${TMPDIR:-/tmp}/cairn-evnode.XXXXXX")
daemon=
finish() {
    [ -z "$daemon" ] || { kill "$daemon" && wait "$daemon" || true; }
    chmod -R u+w "$stage" && rm -rf "$stage"
}
trap finish EXIT

source=$(cd client/go/examples && GOWORK=off "$go" list -m -f '{{.Dir}}' "$module")
cp -r "$source" "$stage/suite"
chmod -R u+w "$stage/suite"
for required in "${requires[@]}"; do cp -r "client/go/$required" "$stage"; done
cd "$stage/suite"
for required in "${requires[@]}"; do
    "$go" mod edit -require="cairn.invalid/client/go/$required@v0.0.0" -replace="cairn.invalid/client/go/$required=../$required"
done

[ "$kind" != upstream ] || sed -n '/^```diff$/,/^```$/{/^```/!p}' "$root/client/go/UPSTREAM.md" | patch -s -p1

# The databases and stores that ev-node makes go through two variables, which the tests of each package set.
[ "$hooks" != cairnstore ] || {
    cat >pkg/store/hooks.go <<'END'
package store

import ds "github.com/ipfs/go-datastore"

var (
	KVHook    func(path string) (ds.Batching, error)
	StoreHook func(db ds.Batching) Store
)
END
    sed -i -e 's|^\tpath := filepath.Join(rootify(rootDir, dbPath), dbName)$|&\n\tif KVHook != nil {\n\t\treturn KVHook(path)\n\t}|' \
        -e 's|^func NewTestInMemoryKVStore.*|&\n\tif KVHook != nil {\n\t\treturn KVHook("")\n\t}|' pkg/store/kv.go
    sed -i 's|^func New(ds ds.Batching) Store {$|&\n\tif StoreHook != nil {\n\t\tif s := StoreHook(ds); s != nil {\n\t\t\treturn s\n\t\t}\n\t}|' \
        pkg/store/store.go
    grep -q KVHook pkg/store/kv.go && grep -q StoreHook pkg/store/store.go
}

# hook DIRECTORY PACKAGE: what sets them, beside the tests of the directory.
hook() {
    sed "s/^package .*/package $2/" "$root/client/go/$hooks/testdata/suite_hooks.go" >"$1/zz_cairn_test.go"
}
for package in "${packages[@]}"; do
    while read -r dir; do
        if [ "$dir" = pkg/store ]; then # which cairnstore imports: only its outer tests may import that
            hook "$dir" store_test
            sed -i -e '/^\/\/ cairnMap/d' -e '/^var cairnMap/d' -e '/^\tcairnMap = /,/^\t}$/d' "$dir/zz_cairn_test.go"
            sed -i 's/\.(\*DefaultStore)//' "$dir"/*_test.go # two tests name the type that they do not need
            continue
        fi
        name=$(sed -n 's/^package \([a-z0-9_]*\)$/\1/p' "$dir"/*_test.go | sort | head -1)
        hook "$dir" "$name"
        # Maps become chains, but where a test may be inside a bubble.
        for test in "$dir"/*_test.go; do
            [ "$(sed -n 's/^package //p' "$test" | head -1)" = "$name" ] && ! grep -q synctest "$test" || continue
            sed -i -E 's/\b(ds|datastore)\.NewMapDatastore\(\)/cairnMap(\1.NewMapDatastore())/' "$test"
        done
    done < <(find "$package" -name '*_test.go' -printf '%h\n' | sort -u)
done
export GOFLAGS="-mod=mod ${GOFLAGS:-}" GOWORK=off GONOSUMDB=cairn.invalid CAIRN_SUITE_KIND=$kind CAIRN_SUITE_SOCKET=$stage/socket
"$cairnd" --data "$stage/data" --create --socket "$stage/socket" --chains-max 60000 --connections-max 4000 >"$stage/log" 2>&1 &
daemon=$!
paths=()
for package in "${packages[@]}"; do paths+=("./$package/..."); done
"$go" test -count=1 -p 1 -v -timeout 20m "${paths[@]}" >"$stage/said" 2>&1 || failed=1
grep -E '^\s*--- FAIL|^(FAIL|ok|panic)|^# |\.go:[0-9]+:[0-9]+: ' "$stage/said" || true
for result in PASS FAIL SKIP; do
    printf '%s: %d, of them %d functions\n' "$result" "$(grep -cE "^\s*--- $result" "$stage/said" || true)" "$(grep -cE "^--- $result" "$stage/said" || true)"
done
[ -z "${SUITE_LOG:-}" ] || cp "$stage/said" "$SUITE_LOG"
[ -z "${failed:-}" ]
