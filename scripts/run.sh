#!/bin/bash
# What `make run` does: a daemon on a temporary directory, both recordings through it, the report, a clean stop.
#   scripts/run.sh DIRECTORY    with cairnd and cairn in it
set -eu

directory=$(realpath "$1")
root=$(realpath "$(dirname "$0")/..")
home=$(mktemp -d "${TMPDIR:-/tmp}/cairn-run.XXXXXX")
socket=$home/cairnd.sock
daemon=

# Ends our own daemon, if it still runs, and removes its directory.
finish() {
    if [ -n "$daemon" ]; then
        kill -KILL "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
    fi
    rm -rf "$home"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

fail() {
    echo "run: $1" >&2
    sed 's/^/    | /' "$home/log" >&2 || true
    exit 1
}

"$directory/cairnd" --version
"$directory/cairnd" --data "$home/data" --socket "$socket" --create --log-format text 2>"$home/log" &
daemon=$!

tries=0
until [ -S "$socket" ] && "$directory/cairn" --socket "$socket" ping >/dev/null 2>&1; do
    kill -0 "$daemon" 2>/dev/null || { daemon=; fail "the daemon ended before it was ready"; }
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || fail "the daemon was not ready within 30 s"
    sleep 0.1
done

"$directory/cairn" --socket "$socket" replay "$root/tests/data/aggregator.jsonl.zst" \
    "$root/tests/data/follower.jsonl.zst" || fail "the replay failed"

kill -TERM "$daemon"
code=0
wait "$daemon" || code=$?
daemon=
[ "$code" -eq 0 ] || fail "the daemon ended with exit code $code when told to stop"
echo "the daemon stopped cleanly"
