#!/bin/bash
# Fuzzes each entry for a time, from its corpus in tests/fuzz/corpus. What is new goes to a directory beside the binary;
# an input that fails is left there too and named.
#   scripts/fuzz.sh DIRECTORY SECONDS
set -eu

directory=$(realpath "$1") seconds=$2
root=$(realpath "$(dirname "$0")/..")
for program in "$directory"/tests/fuzz/fuzz_*; do
    case $program in *.o | *.d) continue ;; esac
    name=$(basename "$program")
    name=${name#fuzz_}
    found=$directory/corpus/$name
    mkdir -p "$found"
    given=$root/tests/fuzz/corpus/$name
    echo "fuzzing $name for $seconds s"
    "$program" -max_total_time="$seconds" -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="$found/failed-" "$found" $([ -d "$given" ] && echo "$given")
done
