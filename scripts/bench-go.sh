#!/bin/bash
# Measures the Go client beside Badger in process and beside a bare Go echo over a Unix socket (client/go/bench), and ev-node's store on
# both (client/go/cairnstore), and compares the sides by benchstat. They take turns, row by row, in each round; a figure is the median of
# the rounds.
#   scripts/bench-go.sh DIRECTORY OUT [--quick] [--rows PATTERN]
#     DIRECTORY  a build with cairnd in it
#     OUT        where rows.txt, ratios.txt, benchstat's table.txt and the data on disk go
#     --quick    a first look, in three minutes: three short rounds, on tmpfs only
#     --rows     those whose name fits, as `go test -bench` takes it: 'Block/', 'PutDurable'
set -euo pipefail

CAIRND=$(realpath "$1")/cairnd
mkdir -p "$2"
out=$(realpath "$2")
shift 2
cd "$(dirname "$0")/.."
go=$PWD/scripts/go.sh
rounds=7 seconds=1s rows=. places=(-disk "$out") tmpfs=/dev/shm
benchstat=golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
export CAIRND GOWORK=off

while [ $# -gt 0 ]; do
    case $1 in
    --quick) rounds=3 seconds=100ms places=() ;;
    --rows) rows=${2:?--rows needs a pattern} && shift ;;
    *)
        echo "bench-go: unknown option $1; --quick and --rows PATTERN are known" >&2
        exit 2
        ;;
    esac
    shift
done

for module in bench cairnstore; do
    (cd client/go/$module && "$go" test -c -o "$out/$module.test" .)
done
measure() {
    "$@" -test.run '^$' -test.bench "$rows" -test.benchtime "$seconds" -test.timeout 60m | tee -a "$out/rows.txt" | grep -E 'FAIL|panic' || true
}
: >"$out/rows.txt"
for ((round = 1; round <= rounds; round++)); do
    echo "round $round of $rounds"
    measure "$out/bench.test" -tmpfs "$tmpfs" "${places[@]}"
    TMPDIR=$tmpfs measure "$out/cairnstore.test"
done
if grep -qE '^--- FAIL|^FAIL' "$out/rows.txt"; then
    echo "bench-go: a row failed; see $out/rows.txt" >&2
    exit 1
fi
rm -f "$out"/*.test
"$go" run "$benchstat" -col /side "$out/rows.txt" >"$out/table.txt"
client/go/bench/ratios.py "$out/rows.txt" | tee "$out/ratios.txt"
echo "benchstat's table is $out/table.txt: with memory, allocations, and how sure each figure is"
