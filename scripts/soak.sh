#!/bin/bash
# What `make soak` does: the model test again and again with a new seed each time, until the time is over or one fails.
#   scripts/soak.sh DIRECTORY VARIANT MINUTES
set -eu

directory=$1 variant=$2 minutes=$3
program=$directory/tests/integration/test_model
[ "$variant" = tsan ] && program=$(dirname "$directory")/plain/tests/integration/test_model # DRIVERS in the Makefile says why
end=$((SECONDS + minutes * 60))
rounds=0
export CAIRN_TEST_SECONDS=$((minutes * 60 + 600))
while [ "$SECONDS" -lt "$end" ]; do
    CAIRN_SEED=$(od -An -N6 -tu8 /dev/urandom | tr -d ' ')
    export CAIRN_SEED
    echo "seed $CAIRN_SEED"
    "$(dirname "$0")/test.sh" "$directory" "$variant" 1 "$program"
    rounds=$((rounds + 1))
done
echo "$rounds rounds passed"
