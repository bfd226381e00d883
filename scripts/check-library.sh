#!/bin/bash
# Checks the client library as its users meet it: its symbols, its headers, its ABI, and what is installed of it.
#   scripts/check-library.sh DIRECTORY           a build with libcairn and cairnd in it
#   scripts/check-library.sh DIRECTORY --dump    writes the ABI of this version to tests/data/abi instead: once, for a release
#
# tests/data/abi has the ABI of each release, and this tree must be compatible with the last one: a program that was compiled
# then runs with the library of today. New calls and new enumerators are compatible. A field that takes the place of
# `reserved` words is too, but abidiff reports it: name its struct, and why, as a suppress_type in tests/data/abi/suppressions.
set -euo pipefail

directory=$(realpath "$1")
cd "$(dirname "$0")/.."
stage=$(mktemp -d "${TMPDIR:-/tmp}/cairn-library.XXXXXX")
daemon=
trap '[ -z "$daemon" ] || kill -9 "$daemon" 2>/dev/null || true; rm -rf "$stage"' EXIT
library=$directory/libcairn.so.1
abi_version=2.2 # of abigail-tools in Debian 12: another version describes the same types otherwise

die() {
    echo "check-library: $*" >&2
    exit 1
}

# The ABI that the header in that folder promises: of a library of its calls without bodies, so that neither what is inside of ours nor
# how it was compiled is in it.
dump() {
    echo '#include <cairn.h>' | gcc -std=c11 -I "$1" -E -P - | awk '
        BEGIN { RS = ";" }
        /^\n*__attribute__\(\(visibility/ {
            gsub(/ *__attribute__\(\(warn_unused_result\)\)/, "")
            printf "%s { __builtin_trap(); }", $0
            next
        }
        NF { printf "%s;", $0 }' >"$stage/api.c"
    (cd "$stage" && gcc -g -std=c11 -w -shared -fPIC -Wl,-soname,libcairn.so.1 \
        -Wl,--version-script="$OLDPWD/client/cairn.map" api.c -o api.so)
    abidw --no-show-locs --no-corpus-path --no-comp-dir-path --no-elf-needed "$stage/api.so"
}

check_symbols() {
    diff <(sed -n 's/^ \(cairn_[a-z_]*\)@CAIRN_1 .*/\1/p' client/libcairn.symbols) \
        <(nm -D --defined-only "$library" | sed -n 's/.* T \(.*\)@@CAIRN_1$/\1/p' | sort) ||
        die "client/libcairn.symbols (<) is not what $library exports (>)"
    if nm -D --defined-only "$library" | grep -v ' [TA] \(cairn_[a-z_]*@@\)\?CAIRN_1$'; then
        die "$library exports more than calls"
    fi
    # What the header declares is what is there.
    diff <(sed -n 's/^ \(cairn_[a-z_]*\)@CAIRN_1 .*/\1/p' client/libcairn.symbols) \
        <(grep -A1 '^CAIRN_API' client/cairn.h | grep -o '\bcairn_[a-z_]*(' | tr -d '(' | sort -u) ||
        die "client/libcairn.symbols (<) is not what client/cairn.h declares (>)"
}

check_headers() {
    local warnings=(-Wall -Wextra -pedantic -Wshadow -Werror -fsyntax-only -I client) c=(gcc) cxx=(g++) compiler standard
    ! command -v clang-19 >/dev/null || { c+=(clang-19) cxx+=(clang++-19); }
    # Each type by its bare name, which a function of that name would hide.
    {
        echo '#include <cairn_uv.h>'
        sed -n 's/^\(struct\|enum\) \(cairn_[a-z_]*\) {$/static \2 use_\2() { \2 value = \2(); return value; }/p' client/cairn.h
        sed -n 's/^struct \(cairn_[a-z_]*\);$/static \1 *use_\1() { return 0; }/p' client/cairn.h
        echo 'int main() {'
        sed -n 's/^\(struct\|enum\) \(cairn_[a-z_]*\) {$/(void)use_\2();/p; s/^struct \(cairn_[a-z_]*\);$/(void)use_\1();/p' client/cairn.h
        echo 'return 0; }'
    } >"$stage/bare.cc"
    [ "$(wc -l <"$stage/bare.cc")" -gt 60 ] || die "saw too few types in client/cairn.h"
    for compiler in "${c[@]}"; do
        for standard in c99 c11 c17; do
            echo '#include <cairn.h>' | "$compiler" -std=$standard "${warnings[@]}" -x c -
            echo '#include <cairn_uv.h>' | "$compiler" -std=$standard -D_DEFAULT_SOURCE "${warnings[@]}" -x c -
        done
    done
    for compiler in "${cxx[@]}"; do
        for standard in c++11 c++17 c++20; do
            "$compiler" -std=$standard "${warnings[@]}" "$stage/bare.cc"
        done
    done
}

check_abi() {
    local newest version suppressions=()
    version=$(abidw --version | awk '{print $2}')
    if [ "${version%.*}" != "$abi_version" ]; then
        echo "library: ABI not compared: abidw $version, and the dumps are of $abi_version"
        return
    fi
    newest=$(printf '%s\n' tests/data/abi/*.abi | sort -V | tail -n 1)
    [ ! -e tests/data/abi/suppressions ] || suppressions=(--suppressions tests/data/abi/suppressions)
    abidiff --no-added-syms ${suppressions[@]+"${suppressions[@]}"} "$newest" "$library" >"$stage/said" ||
        die "a program compiled with $newest would not run with this library: $(cat "$stage/said")"
    # The comparison is worth something: it sees a field that is gone.
    mkdir "$stage/less"
    sed '/^    uint64_t limit; /d' client/cairn.h >"$stage/less/cairn.h"
    ! cmp -s client/cairn.h "$stage/less/cairn.h" || die "client/cairn.h has no field 'limit' any more: take another"
    dump "$stage/less" >"$stage/less.abi"
    ! abidiff "$stage/less.abi" "$library" >/dev/null || die "abidiff does not see a field that is gone"
}

# Compiles what is installed, from outside the tree, and runs it.
check_installed() {
    local config name flags link source expected
    ${MAKE:-make} --no-print-directory -s BUILD="$(dirname "$directory")" VARIANT="$(basename "$directory")" install \
        DESTDIR="$stage/root" PREFIX=/usr >/dev/null
    config=$(dirname "$(find "$stage/root" -name cairn.pc)")
    export PKG_CONFIG_PATH=$config PKG_CONFIG_SYSROOT_DIR=$stage/root
    flags=$(pkg-config --cflags cairn)
    mkdir "$stage/out"
    sed -n '/^```c$/,/^```$/{/^```/!p}' README.md | sed "s|/run/cairn/cairnd.sock|$stage/socket|" >"$stage/out/readme.c"
    cp "$(dirname "$(find "$stage/root" -name blocking.c)")"/*.c "$stage/out"
    cd "$stage/out"
    for source in *.c; do
        name=${source%.c}
        local uv=()
        [ "$name" != uv ] || uv=(-luv)
        for link in shared static; do
            case $link in
            shared) expected=$(pkg-config --libs cairn) ;;
            static) expected=$(pkg-config --static --libs cairn | sed 's/-lcairn\>/-l:libcairn.a/') ;;
            esac
            # shellcheck disable=SC2086 # words
            cc -std=c11 -D_DEFAULT_SOURCE -Wall -Wextra -pedantic -Werror -O1 $flags "$source" $expected ${uv[@]+"${uv[@]}"} \
                -o "$name-$link"
        done
    done
    [ "$(ls ./*-shared | wc -l)" -ge 7 ] || die "saw too few examples"
    cd - >/dev/null
    run_installed
}

run_installed() {
    local program libraries
    libraries=$(dirname "$(find "$stage/root" -name 'libcairn.so.1')")
    export LD_LIBRARY_PATH=$libraries
    unset PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
    # It says why it failed, and exits so.
    expect_failure "No such file" 1 "$stage/out/readme-shared"
    expect_failure "socket_path" 2 "$stage/out/blocking-static"
    "$stage/root/usr/bin/cairnd" --data "$stage/data" --socket "$stage/socket" --create 2>"$stage/log" &
    daemon=$!
    CAIRN_SOCKET=$stage/socket wait_for "$stage/root/usr/bin/cairn" ping
    "$stage/out/readme-shared" || die "README's example failed"
    "$stage/root/usr/bin/cairn" --socket "$stage/socket" prune --blocks 1 -y >/dev/null
    expect_failure "prune" 1 "$stage/out/readme-static" # its block is pruned now: refused
    for program in "$stage"/out/*-shared "$stage"/out/*-static; do
        case $program in
        *readme*) ;;
        *) "$program" "$stage/socket" >"$stage/said" 2>&1 || die "$(basename "$program"): $(cat "$stage/said")" ;;
        esac
    done
    kill "$daemon"
    wait "$daemon" || die "the daemon: $(cat "$stage/log")"
    daemon=
}

# A program that fails, with a text and an exit code.
expect_failure() {
    local text=$1 code=$2 got=0
    shift 2
    "$@" >"$stage/said" 2>&1 || got=$?
    [ $got -eq "$code" ] || die "$(basename "$1"): exit $got, not $code: $(cat "$stage/said")"
    grep -qi "$text" "$stage/said" || die "$(basename "$1"): no '$text' in: $(cat "$stage/said")"
}

wait_for() {
    for _ in $(seq 600); do
        ! "$@" >/dev/null 2>&1 || return 0
        sleep 0.1
    done
    die "no daemon: $(cat "$stage/log")"
}

if [ "${2:-}" = --dump ]; then
    mkdir -p tests/data/abi
    dump client >"tests/data/abi/libcairn-$(awk '/define CAIRN_VERSION_(MAJOR|MINOR|PATCH) / {printf "%s%s", dot, $3; dot = "."}' client/cairn.h).abi"
    exit 0
fi
check_symbols
check_headers
check_abi
check_installed
echo "library checked"
