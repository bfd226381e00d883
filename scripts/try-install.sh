#!/bin/bash
# Shows that what the README says of installing and running cairn under systemd works: boots a copy of this machine's root file system
# in a container, with systemd as its first process, and runs the README's lines in it.
#   scripts/try-install.sh BUILD    the folder with the plain build
# Needs root, systemd-nspawn and overlayfs. Where they are not there it says so and does nothing. The machine stays as it is: the
# container sees its files through an overlay, and what it writes is gone with it.
set -Eeuo pipefail

# ---- inside the container ----

# Each step says what it begins to show. The first one that fails ends the container.
steps() {
    local failed_line
    tree=$1
    trap 'failed_line=$LINENO; trap - ERR; echo "FAILED in line $failed_line: $BASH_COMMAND"; tail -n 5 /run/readme.out; journalctl -q -u "cairnd*" -n 40 --no-pager || true; exit 1' ERR
    cd "$tree"
    # The commands of the README's section, a line each. Every one has to be run, and nothing is run that is not there.
    sed -n '/^## Install and run/,/^## /p' README.md | sed -n 's/^    //p' | sed 's/ *#.*//' | grep -v -e '^$' -e '^make engine' >/run/readme.lines

    step "install"
    readme 'make install PREFIX=/usr'
    check_documents
    systemctl cat cairnd.service >/dev/null

    step "a start without a store fails once, names the command, and uses nothing up"
    for _ in $(seq 12); do
        refused systemctl start cairnd
    done
    exits_with cairnd 78
    journal_says cairnd 'systemctl start cairnd-create'
    [ "$(journalctl -q -p err -u cairnd --no-pager | wc -l)" -gt 0 ]
    refused cairn ping
    [ "$(systemctl show -P NRestarts cairnd)" = 0 ]

    step "first start"
    readme 'systemctl start cairnd-create'
    readme 'systemctl enable --now cairnd.socket cairnd.service'
    cairn ping --wait 10s
    readme 'cairn meta set greeting hello && cairn meta get greeting && cairn status'
    systemctl start cairnd-create # a second time changes nothing
    [ "$(cairn meta get greeting)" = hello ]

    step "a check by root judges as the unit's user, in its sandbox, beside the running daemon"
    check() {
        cairnd --config /etc/cairn/cairnd.conf --data "$1" --check-config 2>&1
    }
    check /var/lib/cairn | grep -F 'judged as user cairn, in the sandbox of cairnd.service'
    install -d -o cairn -g cairn /srv/elsewhere
    local elsewhere code=0
    elsewhere=$(check /srv/elsewhere) || code=$?
    echo "$elsewhere"
    [ "$code" = 78 ] # its own directory, but the sandbox does not let it write there

    step "a typo changes nothing"
    echo 'flush_dely = 3ms' >>/etc/cairn/cairnd.conf
    refused systemctl reload cairnd
    [ "$(cairn meta get greeting)" = hello ]
    refused systemctl restart cairnd
    exits_with cairnd 78
    [ "$(systemctl show -P NRestarts cairnd)" = 0 ]
    for _ in $(seq 10); do
        refused cairn ping --deadline 5s # clients that knock meanwhile are turned away
    done
    [ "$(systemctl show -P ActiveState cairnd.socket)" != failed ]
    sed -i '/flush_dely/d' /etc/cairn/cairnd.conf
    systemctl start cairnd
    [ "$(cairn meta get greeting)" = hello ]
    sed -i 's/^#*log_level.*/log_level = debug/' /etc/cairn/cairnd.conf
    systemctl reload cairnd

    step "a data directory that the unit overrides is said"
    sed -i 's|^data = .*|data = /srv/elsewhere|' /etc/cairn/cairnd.conf
    systemctl restart cairnd
    journal_says cairnd /srv/elsewhere
    [ "$(cairn meta get greeting)" = hello ]
    sed -i 's|^data = .*|data = /var/lib/cairn|' /etc/cairn/cairnd.conf

    step "a kill is survived"
    systemctl kill --signal=KILL --kill-whom=main cairnd
    cairn ping --wait 20s
    [ "$(cairn meta get greeting)" = hello ]

    step "several instances"
    readme 'cp /etc/cairn/cairnd.conf /etc/cairn/NAME.conf'
    readme 'systemctl start cairnd-create@NAME'
    readme 'systemctl enable --now cairnd@NAME.socket cairnd@NAME.service'
    CAIRN_SOCKET=/run/cairn-NAME/cairnd.sock cairn meta set greeting other
    [ "$(cairn -s /run/cairn-NAME/cairnd.sock meta get greeting)" = other ]
    [ "$(cairn meta get greeting)" = hello ]
    [ "$(systemctl is-active cairnd cairnd@NAME | tr '\n' ' ')" = "active active " ]

    step "data on another disk: without the disk no start, and no new store"
    systemctl stop cairnd.socket cairnd
    mkdir /run/disk
    mount -t tmpfs -o size=600m disk /run/disk
    cp -a /var/lib/cairn/. /run/disk
    rm -rf /var/lib/cairn/*
    mount --bind /run/disk /var/lib/cairn
    systemctl start cairnd
    [ "$(cairn meta get greeting)" = hello ]
    systemctl stop cairnd.socket cairnd
    umount /var/lib/cairn
    refused systemctl start cairnd
    exits_with cairnd 78
    [ ! -e /var/lib/cairn/cairn.store ]
    mount --bind /run/disk /var/lib/cairn
    systemctl start cairnd
    [ "$(cairn meta get greeting)" = hello ]

    step "upgrade in place"
    readme 'make install PREFIX=/usr'
    readme 'systemctl restart cairnd'
    [ "$(cairn meta get greeting)" = hello ]

    step "by hand"
    readme 'cairnd --data ./store --socket ./cairnd.sock --create &'
    readme 'cairn --socket ./cairnd.sock ping --wait 10s'
    kill "$!"
    wait "$!"

    step "uninstall leaves the data"
    systemctl disable --now cairnd@NAME.socket cairnd@NAME.service
    readme 'systemctl disable --now cairnd.socket cairnd.service'
    readme 'make uninstall PREFIX=/usr'
    [ -e /var/lib/cairn/cairn.store ] && [ -e /etc/cairn/cairnd.conf ] && [ ! -e /usr/bin/cairnd ]
    [ -z "$(find /usr -name '*cairn*' -not -path "*/man/*cache*")" ]

    step "every line of the README was run"
    [ ! -s /run/readme.lines ]
}

step() {
    echo "try-install: $*"
}

# Runs a line of the README, which has it.
readme() {
    grep -Fxq "$1" /run/readme.lines || grep -Fxq "$1" /run/readme.done || {
        echo "not in the README's section: $1"
        return 1
    }
    grep -Fx "$1" /run/readme.lines >>/run/readme.done || true
    grep -Fxv "$1" /run/readme.lines >/run/readme.left || true
    mv /run/readme.left /run/readme.lines
    eval "$1" >>/run/readme.out 2>&1
}

refused() {
    ! timeout 30 "$@" >/dev/null 2>&1
}

exits_with() {
    [ "$(systemctl show -P ExecMainStatus "$1")" = "$2" ]
}

journal_says() {
    journalctl --sync
    journalctl -q -u "$1" --no-pager | grep -Fq "$2"
}

# The links of the installed documents lead somewhere.
check_documents() {
    local file target
    find /usr/share/doc/cairn -name '*.md' | while read -r file; do
        { grep -oE '\]\([^)#:]+\)' "$file" || true; } | sed 's/^](//; s/)$//' | while read -r target; do
            [ -e "$(dirname "$file")/$target" ] || {
                echo "$file: $target is not installed"
                return 1
            }
        done
    done
}

if [ "${1:-}" = --inside ]; then
    touch /run/readme.done
    steps "$2"
    echo "all steps done"
    exit
fi

# ---- outside ----

skip() {
    echo "try-install: skipped: $1"
    exit 0
}

build=$(realpath "$1")
tree=$(realpath "$(dirname "$0")/..")
[ "$(id -u)" -eq 0 ] || skip "only root can boot a container"
command -v systemd-nspawn >/dev/null || skip "systemd-nspawn is not installed (package systemd-container)"

unshare --mount true 2>/dev/null || skip "this process may not mount"

# Mounts live in a namespace of their own, and go with it.
if [ "${CAIRN_TRY_NAMESPACE:-}" = "" ]; then
    CAIRN_TRY_NAMESPACE=yes exec unshare --mount "$0" "$build"
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/cairn-try.XXXXXX")
trap 'umount -R "$work" 2>/dev/null; rmdir "$work"' EXIT
mount -t tmpfs -o mode=755 try "$work" 2>/dev/null || skip "this process may not mount"
mkdir "$work"/{upper,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" "$work/root" 2>/dev/null ||
    skip "the kernel or the file system of / has no overlayfs"
root=$work/root

# What belongs to this machine alone, and an installation that it may have.
rm -f "$root/etc/machine-id" "$root/etc/hostname"
(cd "$root" && find usr etc -name '*cairn*' -prune -exec rm -rf {} +)
mkdir -p "$root/root/cairn"
git -C "$tree" ls-files -z --cached --others --exclude-standard | tar -C "$tree" --null -T - -c | tar -x -C "$root/root/cairn"
mkdir -p "$root/root/cairn/build"
cp -a "$build" "$root/root/cairn/build/plain"

# Boots as far as basic.target only, then runs the steps: nothing else of this machine starts.
cat >"$root/etc/systemd/system/try.service" <<END
[Unit]
Requires=basic.target
After=basic.target systemd-journald.service
[Service]
Type=oneshot
Environment=HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ExecStart=/bin/bash /root/cairn/scripts/try-install.sh --inside /root/cairn
ExecStopPost=/bin/systemctl --no-block --force poweroff
StandardOutput=append:/try.out
StandardError=append:/try.out
TimeoutStartSec=150
END
printf '[Unit]\nRequires=try.service\n' >"$root/etc/systemd/system/try.target"
code=0
timeout -k 10 240 systemd-nspawn --quiet --boot --directory "$root" --machine "cairn-try-$$" --register=no --keep-unit --private-network \
    --console=pipe systemd.unit=try.target >"$work/console" 2>&1 </dev/null || code=$?
if ! [ -s "$root/try.out" ]; then
    tail -n 5 "$work/console"
    skip "systemd does not boot in a container here, exit $code"
fi
cat "$root/try.out"
grep -qx 'all steps done' "$root/try.out"
