#!/bin/bash
# Runs test programs, several at a time, and prints each one's name, time and result in the order given. Goes on after a
# failure; fails at the end if there was one.
#   scripts/test.sh DIRECTORY VARIANT JOBS PROGRAM...
# Leaves "passed failed" of all the Check runs in DIRECTORY/results, and in DIRECTORY/failures each program that failed with
# the last of what it wrote. All that programs wrote is in DIRECTORY/logs.
set -eu

directory=$(realpath "$1") variant=$2 jobs=$3
shift 3
root=$(realpath "$(dirname "$0")/..")
logs=$directory/logs
seconds=${CAIRN_TEST_SECONDS:-1200} # for one program; a hanging one ends there. The longest took 250, under ThreadSanitizer
# For a test that does not say how long it may take: Check's own 4 s are over on a machine that stands for a while.
export CK_DEFAULT_TIMEOUT=${CK_DEFAULT_TIMEOUT:-60}

export CAIRND=$directory/cairnd CAIRN=$directory/cairn CAIRN_EXAMPLES=$directory/examples CAIRN_SIDE=$directory/bench/side
export CAIRN_TEST_DATA=$root/tests/data CAIRN_CORPUS=$root/tests/fuzz/corpus CAIRN_SOURCE=$root
export CAIRN_FAULT=$directory/tests/fault PYTHONDONTWRITEBYTECODE=1
under=()
if [ "$variant" = plain ]; then
    export CAIRN_SANITIZER=
    : "${CAIRN_MODEL_OPERATIONS:=100000}" "${CAIRN_FUZZ_INPUTS:=20000}"
elif [ "$variant" = coverage ]; then
    # All that the plain build does, slower. What a process cannot count, as it may open no file, is no failure.
    export CAIRN_SANITIZER= CAIRN_SLOW=1 CK_TIMEOUT_MULTIPLIER=${CK_TIMEOUT_MULTIPLIER:-3}
    export GCOV_ERROR_FILE=$directory/uncounted
    : "${CAIRN_MODEL_OPERATIONS:=10000}" "${CAIRN_FUZZ_INPUTS:=4000}"
else
    export CAIRN_SANITIZER=$variant CK_TIMEOUT_MULTIPLIER=${CK_TIMEOUT_MULTIPLIER:-3}
    : "${CAIRN_MODEL_OPERATIONS:=10000}" "${CAIRN_FUZZ_INPUTS:=4000}"
fi
export CAIRN_MODEL_OPERATIONS CAIRN_FUZZ_INPUTS
export ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=1:${ASAN_OPTIONS:-}
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:${UBSAN_OPTIONS:-}
# At the end of each process with threads it would wait a second for races; the threads left there are RocksDB's, which it does not see.
export TSAN_OPTIONS=suppressions=$root/tests/tsan.supp:second_deadlock_stack=1:atexit_sleep_ms=0:${TSAN_OPTIONS:-}
# gcc 12's ThreadSanitizer cannot place its shadow where the kernel randomises addresses widely.
if [ "$variant" = tsan ] && setarch -R true 2>/dev/null; then
    under=(setarch -R)
fi

rm -rf "$logs" "$directory/failures"
mkdir -p "$logs"

# Whether a program can start a thread, or a library for it.
has_threads() {
    nm -D --undefined-only "$1" | grep -E ' (pthread_create|uv_|rocksdb_)' >/dev/null
}

# ThreadSanitizer sees nothing in a program with one thread: those run in the other variants. A program without it, which tests
# another process, must have one.
programs=() alone=0
for program in "$@"; do
    if [ "$variant" != tsan ]; then
        programs+=("$program")
    elif nm -D --undefined-only "$program" | grep __tsan_init >/dev/null; then
        if has_threads "$program"; then programs+=("$program"); else alone=$((alone + 1)); fi
    elif has_threads "$program"; then
        echo "$program has threads, and is built without ThreadSanitizer: see DRIVERS in the Makefile"
        exit 1
    else
        programs+=("$program")
    fi
done
[ "$alone" -eq 0 ] || echo "tsan: $alone programs that can start no thread are left out"

# A unit and an integration test may have the same name: "unit-test_model".
name_of() {
    echo "$(basename "$(dirname "$1")")-$(basename "$1")"
}

# Runs one program; leaves its output, its exit code and its time.
run() {
    local name started
    name=$(name_of "$1")
    started=$(date +%s%N)
    local code=0
    (cd "$root" && exec timeout -k 10 "$seconds" ${under[@]+"${under[@]}"} "$1") >"$logs/$name.log" 2>&1 </dev/null || code=$?
    echo "$code $((($(date +%s%N) - started) / 1000000))" >"$logs/$name.tmp"
    mv "$logs/$name.tmp" "$logs/$name.result"
}

# "passed failed" of the Check runs in a log. A program that failed without saying so counts as one that failed.
count() {
    awk -v code="$2" '
        match($0, /^[0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+/) {
            split(substr($0, RSTART, RLENGTH), part, /[:,] */)
            checks += part[3]; failed += part[5] + part[7]
        }
        END {
            if (code != 0 && failed == 0) { failed = 1; if (checks > 0) checks-- ; print checks + 0, failed }
            else print checks - failed, failed
        }' "$1"
}

# Prints one program's line, and what it wrote if it failed; what failed and the seeds once more for the end of the whole run.
report() {
    local name code milliseconds passed failed verdict
    name=$(name_of "$1")
    read -r code milliseconds <"$logs/$name.result"
    read -r passed failed <<<"$(count "$logs/$name.log" "$code")"
    total_passed=$((total_passed + passed))
    total_failed=$((total_failed + failed))
    verdict=ok
    [ "$code" -eq 124 ] && verdict="FAILED, took more than $seconds s"
    [ "$code" -ne 0 ] && [ "$code" -ne 124 ] && verdict="FAILED, exit $code"
    printf '%-5s %-36s %5d passed %7d.%03d s  %s\n' "$variant" "$name" "$passed" \
        $((milliseconds / 1000)) $((milliseconds % 1000)) "$verdict"
    if [ "$code" -ne 0 ]; then
        tail -n 200 "$logs/$name.log" | sed 's/^/    | /'
        {
            echo "$variant $name: $verdict"
            { grep -E '^[^ :]+:[0-9]+:[FE]:|CAIRN_SEED=' "$logs/$name.log" | tail -n 20; tail -n 12 "$logs/$name.log"; } |
                sed 's/^/    | /'
        } >>"$directory/failures"
    fi
}

total_passed=0 total_failed=0
next=0 running=0
for program in "${programs[@]}"; do
    if [ "$running" -ge "$jobs" ]; then
        wait -n
        running=$((running - 1))
    fi
    run "$program" &
    running=$((running + 1))
    while [ "$next" -lt ${#programs[@]} ] && [ -e "$logs/$(name_of "${programs[next]}").result" ]; do
        report "${programs[next]}"
        next=$((next + 1))
    done
done
wait
while [ "$next" -lt ${#programs[@]} ]; do
    report "${programs[next]}"
    next=$((next + 1))
done

# How long the programs of each kind ran; several at a time.
for kind in unit fuzz integration fault; do
    cat "$logs/$kind"-*.result 2>/dev/null | awk -v what="$variant $kind" '{ sum += $2 }
        END { if (NR > 0) printf "%-24s %6.1f minutes of %d programs\n", what, sum / 60000, NR }'
done >"$directory/minutes"
echo "$total_passed $total_failed" >"$directory/results"
[ "$total_failed" -eq 0 ]
