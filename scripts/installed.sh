#!/bin/bash
# Tells the running system that files below a prefix came or went: the linker's cache, the daemon's user, the units.
#   scripts/installed.sh PREFIX
# Below another prefix than /usr and /usr/local the system looks for none of these.
set -eu

[ "$1" = /usr ] || [ "$1" = /usr/local ] || exit 0
[ "$(id -u)" -eq 0 ] || {
    echo "not root: ldconfig, systemd-sysusers and systemctl daemon-reload are left to you" >&2
    exit 0
}
ldconfig
[ ! -e "$1/lib/sysusers.d/cairn.conf" ] || systemd-sysusers "$1/lib/sysusers.d/cairn.conf"
[ ! -d /run/systemd/system ] || systemctl daemon-reload
