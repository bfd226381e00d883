#!/bin/bash
# What `make check` does: the tree, the units, and all tests in three variants. Goes on to the end, prints one closing line.
#   scripts/check.sh BUILD JOBS
set -u

build=$1 jobs=$2
: "${MAKE:=make}"
cd "$(dirname "$0")/.." || exit 1
passed=0 failed=0 minutes=

# Notes how long a part took, which began at that second.
part() {
    minutes+=$(printf '%-24s %6.1f minutes' "$1" "$((10 * (SECONDS - $2) / 60))e-1")$'\n'
}

# A check of the tree: counts only if it fails.
step() {
    if ! "$@"; then
        echo "FAILED: $*"
        failed=$((failed + 1))
    fi
}

step scripts/tidy.sh
part "the tree" 0
for variant in plain asan tsan; do
    rm -f "$build/$variant/results" "$build/$variant/failures" "$build/$variant/minutes"
    began=$SECONDS
    if ! $MAKE --no-print-directory -s -j"$jobs" BUILD="$build" VARIANT="$variant" tests; then
        echo "FAILED: building the $variant variant"
        failed=$((failed + 1))
        continue
    fi
    part "$variant build" "$began"
    began=$SECONDS
    [ "$variant" = plain ] && step scripts/verify-units.sh "$build/plain"
    [ "$variant" = plain ] && step scripts/check-library.sh "$build/plain"
    [ "$variant" = plain ] && step scripts/check-python.sh "$build/plain"
    [ "$variant" = plain ] && step scripts/try-install.sh "$build/plain"
    [ "$variant" = plain ] && step scripts/calls.py "$build/plain" proto client daemon
    if [ "$variant" = plain ]; then
        part "the plain build's checks" "$began"
        began=$SECONDS
        step scripts/check-go.sh "$build/plain"
        part "Go modules" "$began"
        began=$SECONDS
    fi
    $MAKE --no-print-directory -s BUILD="$build" VARIANT="$variant" JOBS="$jobs" test
    part "$variant tests" "$began"
    [ -e "$build/$variant/minutes" ] && minutes+=$(sed 's/^/  /' "$build/$variant/minutes")$'\n'
    if [ -e "$build/$variant/results" ]; then
        read -r variant_passed variant_failed <"$build/$variant/results"
    else
        variant_passed=0 variant_failed=1
    fi
    passed=$((passed + variant_passed))
    failed=$((failed + variant_failed))
done

printf '%s' "$minutes"
cat "$build"/*/failures 2>/dev/null # once more where they are read: behind thousands of lines nobody finds them
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
