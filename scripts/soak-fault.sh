#!/bin/bash
# What `make soak-NAME` does: runs the sweep tests/fault/test_NAME (or tests/integration/test_NAME) again and again, each time with the
# next seed, until the time is over or one fails. What it prints as "points N" is added up in BUILD/soak/NAME, over all calls. A call
# with the seed of the one before, or with none, goes on behind the last seed that was done.
#   scripts/soak-fault.sh DIRECTORY VARIANT NAME MINUTES [SEED]
set -eu

directory=$1 variant=$2 name=$3 minutes=$4 seed=${5:-}
totals=$(dirname "$directory")/soak/$name
kind=fault
[ -x "$directory/tests/$kind/test_$name" ] || kind=integration
program=$directory/tests/$kind/test_$name
[ -x "$program" ] || { echo "there is no sweep $name: see tests/fault/README.md" >&2; exit 1; }

# The record: rounds, points, seconds, the first seed of the row that is under way, and the next.
mkdir -p "$(dirname "$totals")"
rounds=0 points=0 seconds=0 first= next=
[ ! -e "$totals" ] || read -r rounds points seconds first next <"$totals"
if [ -z "$next" ] || { [ -n "$seed" ] && [ "$seed" != "$first" ]; }; then
    first=${seed:-$(od -An -N6 -tu8 /dev/urandom | tr -d ' ')}
    next=$first
fi

end=$((SECONDS + minutes * 60))
export CAIRN_TEST_SECONDS=$((minutes * 60 + 3600)) CAIRN_LONG_FORM=1
while [ "$SECONDS" -lt "$end" ]; do
    export CAIRN_SEED=$next
    began=$SECONDS
    echo "seed $next"
    "$(dirname "$0")/test.sh" "$directory" "$variant" 1 "$program"
    points=$((points + $(awk '$1 == "points" { sum += $2 } END { print sum + 0 }' "$directory/logs/$kind-test_$name.log")))
    rounds=$((rounds + 1)) seconds=$((seconds + SECONDS - began)) next=$((next + 1))
    echo "$rounds $points $seconds $first $next" >"$totals.new"
    mv "$totals.new" "$totals"
done
echo "$name: $rounds rounds, $points points, $((seconds / 60)) minutes in all"
