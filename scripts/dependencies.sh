#!/bin/bash
# Installs the Debian packages that are missing; does nothing, quickly, when none is.
#   scripts/dependencies.sh [--engine] [--fuzz] [--bench]
# --engine adds what building RocksDB needs, --fuzz what `make fuzz` needs, --bench what `make bench` compares with and plots by.
set -eu

packages=(
    gcc make binutils libc6-dev pkg-config git
    librocksdb-dev libuv1-dev libprotobuf-c-dev protobuf-c-compiler libinih-dev libsystemd-dev libxxhash-dev libssl-dev uthash-dev
    libjansson-dev libzstd-dev
    check libsubunit-dev clang-format-19 systemd procps zstd strace util-linux protobuf-compiler python3 python3-protobuf
)
for argument in "$@"; do
    case $argument in
    --engine) packages+=(g++ cmake dpkg-dev libsnappy-dev libbz2-dev zlib1g-dev liblz4-dev) ;;
    --fuzz) packages+=(clang-14 libclang-rt-14-dev) ;;
    --bench) packages+=(redis-server redis-tools gnuplot-nox) ;;
    *) echo "usage: $0 [--engine] [--fuzz] [--bench]" >&2; exit 2 ;;
    esac
done

# One line "package status" for each that dpkg knows; what it does not know is missing too.
installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null || true)
missing=()
for package in "${packages[@]}"; do
    grep -qx "$package installed" <<<"$installed" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "installing: ${missing[*]}"
if [ "$(id -u)" -ne 0 ]; then
    echo "$0: run as root, or install them first: apt-get install ${missing[*]}" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -qq -o DPkg::Lock::Timeout=300 update
apt-get -qq -y -o DPkg::Lock::Timeout=300 --no-install-recommends install "${missing[@]}"
