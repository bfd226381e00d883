#!/bin/bash
# What `make soak-NAME` does: runs the sweep tests/fault/test_NAME again and again, each time with the next seed, until the time is over
# or one fails. Adds up what it prints as "points N" in BUILD/soak/NAME, over all calls.
#   scripts/soak-fault.sh DIRECTORY VARIANT NAME MINUTES [SEED]
set -eu

directory=$1 variant=$2 name=$3 minutes=$4 seed=${5:-}
program=$directory/tests/fault/test_$name
totals=$(dirname "$directory")/soak/$name
[ -x "$program" ] || { echo "there is no sweep $name: see tests/fault/README.md" >&2; exit 1; }
[ -n "$seed" ] || seed=$(od -An -N6 -tu8 /dev/urandom | tr -d ' ')
mkdir -p "$(dirname "$totals")"
[ -e "$totals" ] || echo "0 0 0" >"$totals"

end=$((SECONDS + minutes * 60))
export CAIRN_TEST_SECONDS=$((minutes * 60 + 3600))
while [ "$SECONDS" -lt "$end" ]; do
    export CAIRN_SEED=$seed
    began=$SECONDS
    echo "seed $seed"
    "$(dirname "$0")/test.sh" "$directory" "$variant" 1 "$program"
    points=$(awk '$1 == "points" { sum += $2 } END { print sum + 0 }' "$directory/logs/fault-test_$name.log")
    read -r all_rounds all_points all_seconds <"$totals"
    echo "$((all_rounds + 1)) $((all_points + points)) $((all_seconds + SECONDS - began))" >"$totals"
    seed=$((seed + 1))
done
read -r all_rounds all_points all_seconds <"$totals"
echo "$name: $all_rounds rounds, $all_points points, $((all_seconds / 60)) minutes in all"
