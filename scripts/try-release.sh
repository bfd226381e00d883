#!/bin/bash
# Shows that cairn runs and passes its tests on a bare Debian release: installs the release into a folder, puts a clone of
# the current commit there, and runs the commands inside it. Prints each command's closing line and time, and fails when a
# command failed. Needs root, and a Debian machine whose apt reaches a mirror.
#   scripts/try-release.sh bookworm|trixie              runs `make run` and `make check`
#   scripts/try-release.sh bookworm|trixie COMMAND...   runs this one command instead, for example: make VARIANT=asan test
#
# The mirror, proxies and certificates are those of this machine's apt configuration and environment, the Python index and the Go
# module proxy too. The bare release is
# kept in ${XDG_CACHE_HOME:-~/.cache}/cairn/release for the next time, beside the log of the last run.
# The machine itself stays as it is, except that debootstrap is installed. What runs in the release has process and mount
# namespaces of its own: when this script ends, for whatever reason, the kernel ends all its processes and mounts.
set -eu

fail() {
    echo "try-release: $1" >&2
    exit 1
}

certificates=/etc/ssl/machine.crt # in the release

# Runs a command in namespaces of its own. It is waited for in the background, so that a signal to this script is handled
# at once, and ended with KILL, as unshare blocks the others; the kernel then kills all that runs in the namespace.
child=
apart() {
    local code=0
    unshare --mount --pid --fork --kill-child --mount-proc "$@" 9>&- </dev/null &
    child=$!
    wait "$child" || code=$?
    child=
    return "$code"
}

# What `apart` runs for each command: mounts what a release expects, for this namespace only, and runs the command in it.
inside() { # ROOT COMMAND...
    local root=$1 node variable environment=()
    shift
    mount -t proc proc "$root/proc"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    for node in null zero full random urandom tty; do
        touch "$root/dev/$node"
        mount --bind "/dev/$node" "$root/dev/$node"
    done
    mkdir "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    ln -s fd/0 "$root/dev/stdin"
    ln -s fd/1 "$root/dev/stdout"
    ln -s fd/2 "$root/dev/stderr"
    for variable in http_proxy https_proxy no_proxy PIP_INDEX_URL PIP_DEFAULT_TIMEOUT GOPROXY GOSUMDB GOFLAGS; do
        [ -z "${!variable:-}" ] || environment+=("$variable=${!variable}")
    done
    # What pip and Go trust; the release's own package of certificates knows none of this machine's.
    [ ! -f "$root$certificates" ] || environment+=("SSL_CERT_FILE=$certificates" "PIP_CERT=$certificates")
    # No exec: this shell is the namespace's first process, and reaps what others leave behind.
    chroot "$root" env -i -C /root/cairn HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        ${environment[@]+"${environment[@]}"} "$@"
}

if [ "${1:-}" = --inside ]; then
    shift
    inside "$@"
    exit
fi

release=${1:-}
case $release in
bookworm | trixie) shift ;;
*)
    echo "usage: $0 bookworm|trixie [COMMAND...]" >&2
    exit 2
    ;;
esac
[ "$(id -u)" -eq 0 ] || fail "only root can mount and chroot; run this as root"
script=$(realpath "$0")
repository=$(realpath "$(dirname "$0")/..")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/cairn/release
base=$cache/$release work=$cache/$release.work log=$cache/$release.log

mkdir -p "$cache"
exec 9>"$cache/$release.lock"
flock -n 9 || { echo "waiting for another run with $release"; flock 9; }

# The mounts are in a namespace that has ended by now: nothing but our own files is below the folder.
finish() {
    if [ -n "$child" ]; then
        kill -KILL "$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    fi
    rm -rf --one-file-system "$work" "$base.new"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
rm -rf --one-file-system "$work" "$base.new" # of a run that was killed

# ---- what this machine's apt knows ----

# "URI SUITE COMPONENT" of each Debian list of this machine, with the release put in the place of the machine's own.
host=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
sources() {
    apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
        awk -v host="$host" -v release="$release" '
            $2 == host || index($2, host "-") == 1 { print $1, release substr($2, length(host) + 1), $3 }' | sort -u
}

apt=(apt-get -qq -o DPkg::Lock::Timeout=300)
if [ -z "$(sources)" ] || ! command -v debootstrap >/dev/null; then
    "${apt[@]}" update || fail "apt-get update failed as shown above"
fi
mirror=$(sources | awk -v release="$release" '$2 == release && $3 == "main" { print $1; exit }')
[ -n "$mirror" ] || fail "apt on this machine has no list of Debian ${host:-(no VERSION_CODENAME in /etc/os-release)}, component \
main; see apt-get indextargets"
if ! command -v debootstrap >/dev/null; then
    echo "installing: debootstrap"
    DEBIAN_FRONTEND=noninteractive "${apt[@]}" -y --no-install-recommends install debootstrap ||
        fail "debootstrap could not be installed; see above"
fi

# apt's settings of how to reach a mirror, and what debootstrap's wget needs of them.
settings=$(apt-config dump | grep -E '^Acquire::(http|https|Retries|Check-Valid-Until|Check-Date)\b' |
    grep -v 'Proxy-Auto-Detect' || true)
for kind in http https; do
    proxy=${kind}_proxy
    declare -u upper=$proxy
    value=${!proxy:-${!upper:-$(sed -n "s/^Acquire::$kind::Proxy \"\(.*\)\";$/\1/p" <<<"$settings")}}
    [ -z "$value" ] || [ "$value" = DIRECT ] || export "$proxy=$value"
done
[ -z "${NO_PROXY:-}" ] || export no_proxy="${no_proxy:-$NO_PROXY}"

# ---- the bare release ----

include=make
[[ $(sources) != *https://* ]] || include+=,ca-certificates
if [ -e "$base" ]; then
    echo "the bare $release is there since $(date -r "$base" +%F); to have it made anew, remove $base"
else
    echo "installing a bare $release into $base"
    apart debootstrap --variant=minbase --include="$include" "$release" "$base.new" "$mirror" >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        fail "debootstrap failed; all it said is in $log"
    }
    touch "$base.new"
    mv "$base.new" "$base"
fi

cp -a --reflink=auto "$base" "$work"
rm -rf "$work"/etc/apt/sources.list*
mkdir "$work/etc/apt/sources.list.d"
sources | sed 's/^/deb /' >"$work/etc/apt/sources.list"
echo "$settings" >"$work/etc/apt/apt.conf.d/90machine"
for file in $(grep -o '"/[^"]*"' <<<"$settings" | tr -d '"') $([[ $include == make ]] || echo /etc/ssl/certs/ca-certificates.crt); do
    [ ! -f "$file" ] || install -D -m 644 "$file" "$work$file"
done
cp /etc/resolv.conf "$work/etc/resolv.conf"
machine=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
[ ! -f "$machine" ] || install -D -m 644 "$machine" "$work$certificates"
printf '#!/bin/sh\nexit 101\n' >"$work/usr/sbin/policy-rc.d" # packages start no services
chmod 755 "$work/usr/sbin/policy-rc.d"

# ---- the commands ----

git clone -q --no-hardlinks "$repository" "$work/root/cairn"
commit=$(git -C "$repository" rev-parse --short HEAD)
echo "$release, commit $commit; log: $log"
[ -z "$(git -C "$repository" status --porcelain)" ] || echo "what is not committed is left out"

failed=0
: >"$log"
try() {
    local code=0 started=$SECONDS verdict=ok before closing
    echo "==== $*" >>"$log"
    before=$(wc -l <"$log")
    apart "$script" --inside "$work" "$@" >>"$log" 2>&1 || code=$?
    if [ "$code" -ne 0 ]; then
        verdict="FAILED, exit $code" failed=1
        {
            tail -n "+$((before + 1))" "$log" | grep -E 'FAILED|error:' | head -n 20 || true
            echo ...
            tail -n "+$((before + 1))" "$log" | tail -n 20
        } | sed 's/^/    | /'
    fi
    closing=$(tail -n "+$((before + 1))" "$log" | grep -v '^make' | tail -n 1)
    printf '%s: %s: %s in %d s: %s\n' "$release" "$*" "$verdict" $((SECONDS - started)) "$closing"
}
if [ $# -gt 0 ]; then
    try "$@"
else
    try make run
    try make check
fi
exit "$failed"
