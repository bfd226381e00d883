#!/bin/bash
# Builds the distribution's RocksDB, in the version that is installed, from the distribution's source package: for
# release, without asserts, as a static library. Once: does nothing when it is there. An interrupted build leaves nothing
# that a later one would take for whole, as the library gets its name last.
#   scripts/engine.sh CACHE
set -eu

cache=$1
library=$cache/librocksdb.a
version=$(dpkg-query -W -f '${source:Version}' librocksdb-dev) # the package may be a rebuild, such as 9.10.0-1+b1

if [ -e "$library" ]; then
    echo "already there: $library"
    exit 0
fi

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9 # another build may be on its way
rm -rf "$cache"/work.* # of a build that was killed
if [ -e "$library" ]; then
    echo "already there: $library"
    exit 0
fi

work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# The machine's own lists, read again for source packages in a place of our own; they themselves stay as they are.
mkdir -p "$work/apt/sources.list.d" "$work/apt/lists/partial" "$work/source"
shopt -s nullglob
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -e "$list" ] || continue
    sed -n 's/^[[:space:]]*deb\(-src\)\?[[:space:]]/deb-src /p' "$list" | sort -u \
        >"$work/apt/sources.list.d/$(basename "$list" .list).list"
done
for list in /etc/apt/sources.list.d/*.sources; do
    sed 's/^Types:.*/Types: deb-src/' "$list" >"$work/apt/sources.list.d/$(basename "$list")"
done
apt=(-o "Dir::Etc::SourceList=/dev/null" -o "Dir::Etc::SourceParts=$work/apt/sources.list.d"
    -o "Dir::State::Lists=$work/apt/lists" -o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache="
    -o "APT::Sandbox::User=root")

echo "getting the source of rocksdb $version"
apt-get -qq "${apt[@]}" update || echo "some lists could not be read; going on with the others" >&2
(cd "$work/source" && apt-get -qq "${apt[@]}" --only-source source "rocksdb=$version")
source=$(echo "$work"/source/rocksdb-*/)
[ -e "$source/CMakeLists.txt" ] || { echo "engine: the source package has no CMakeLists.txt" >&2; exit 1; }

echo "building it; about 8 minutes on two cores"
# Every 64-bit x86 server has SSE 4.2; without it the log's checksums are computed by table.
processor=()
[ "$(uname -m)" != x86_64 ] || processor=(-DFORCE_SSE42=ON)
cmake -S "$source" -B "$work/build" -DCMAKE_BUILD_TYPE=Release -DPORTABLE=1 ${processor[@]+"${processor[@]}"} \
    -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DROCKSDB_BUILD_SHARED=OFF -DFAIL_ON_WARNINGS=OFF \
    -DWITH_TESTS=OFF -DWITH_TOOLS=OFF -DWITH_CORE_TOOLS=OFF -DWITH_BENCHMARK_TOOLS=OFF -DWITH_GFLAGS=OFF \
    -DWITH_LZ4=ON -DWITH_ZSTD=ON -DWITH_SNAPPY=ON -DWITH_ZLIB=ON -DWITH_BZ2=ON >"$work/log" 2>&1 &&
    cmake --build "$work/build" --target rocksdb --parallel "${JOBS:-$(nproc)}" >>"$work/log" 2>&1 || {
    tail -n 50 "$work/log" >&2
    exit 1
}
mv "$work/build/librocksdb.a" "$library.new"
sync "$library.new"
mv "$library.new" "$library"
echo "built: $library"
