#!/bin/bash
# Shows that a commit that only moves files changes no code: compiles every source of both revisions and compares the objects.
#   scripts/same-objects.sh BEFORE [AFTER]      AFTER is HEAD where it is left out
# Debug information, link-time code and __FILE__ hold paths and are left out. Prints each object that differs; fails if one
# does, or if a source of one side has no counterpart in the other.
set -eu

before=$1 after=${2:-HEAD}
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"; git worktree prune' EXIT
flags='-g0 -fno-lto -Wno-builtin-macro-redefined -D__FILE__=\"\"'

compile() { # REVISION NAME
    git worktree add -q --detach "$work/$2" "$1"
    (
        cd "$work/$2"
        mapfile -t sources < <(git ls-files 'daemon/*.c' 'client/*.c' 'proto/*.c')
        objects=("${sources[@]/#/build/plain/}")
        make -s -j"$(nproc)" VARIANT=plain CFLAGS="$flags" WARNINGS=-w LTO_CFLAGS_plain= "${objects[@]/%.c/.o}"
    )
}

compile "$before" before
compile "$after" after

same=0 different=0
while IFS=$'\t' read -r status old new; do
    case $status in
    A | D) echo "no counterpart: $old"; different=$((different + 1)); continue ;;
    R*) ;;
    *) new=$old ;;
    esac
    if cmp -s "$work/before/build/plain/${old%.c}.o" "$work/after/build/plain/${new%.c}.o"; then
        same=$((same + 1))
    else
        echo "differs: $old -> $new"
        different=$((different + 1))
    fi
done < <(
    git diff -M40% --name-status "$before" "$after" -- 'daemon/*.c' 'client/*.c' 'proto/*.c'
    comm -12 <(git ls-tree -r --name-only "$before" -- daemon client proto | sort) \
        <(git ls-tree -r --name-only "$after" -- daemon client proto | sort) | grep '\.c$' | sed 's/^/M\t/'
)
echo "$same objects are the same, $different differ"
[ "$different" -eq 0 ] && [ "$same" -gt 0 ]
