#!/bin/bash
# Installs into a directory of its own and has systemd judge the units with the paths they are installed with.
#   scripts/verify-units.sh DIRECTORY    a build with cairnd in it
set -euo pipefail

directory=$(realpath "$1")
cd "$(dirname "$0")/.."
stage=$(mktemp -d "${TMPDIR:-/tmp}/cairn-units.XXXXXX")
trap 'rm -rf "$stage"' EXIT
exposure_max=10 # tenths, of 10.0 at worst

${MAKE:-make} --no-print-directory -s BUILD="$(dirname "$directory")" VARIANT="$(basename "$directory")" install \
    PREFIX="$stage" >/dev/null
units=$stage/lib/systemd/system

# It warns on stderr about what it ignores, and exits 0 all the same: say nothing or fail.
said=$(SYSTEMD_UNIT_PATH="$units:" systemd-analyze verify --man=no "$units"/cairnd{,-create}.service "$units/cairnd.socket" "$units/cairnd@one.service" 2>&1) || {
    echo "$said"
    exit 1
}
if grep -F "$stage" <<<"$said"; then
    exit 1
fi
systemd-analyze security --offline=yes --threshold=$exposure_max --no-pager "$units/cairnd.service" |
    tail -n 1
said=$(systemd-sysusers --dry-run "$stage/lib/sysusers.d/cairn.conf" 2>&1) || {
    echo "$said"
    exit 1
}
echo "units verified"
