#!/bin/bash
# Builds the Python package, installs it as its users do, and runs its tests against the daemon.
#   scripts/check-python.sh DIRECTORY    a build with cairnd in it
set -euo pipefail

directory=$(realpath "$1")
cd "$(dirname "$0")/.."
stage=$(mktemp -d "${TMPDIR:-/tmp}/cairn-python.XXXXXX")
trap 'rm -rf "$stage"' EXIT
package=$PWD/client/python
python=/usr/bin/python3 # Debian's: it has hatchling, mypy and protobuf
export PYTHONDONTWRITEBYTECODE=1 CAIRND=$directory/cairnd

die() {
    echo "check-python: $*" >&2
    exit 1
}

# Into a virtual environment of its own, without the network.
install() {
    "$python" -m venv --system-site-packages --without-pip "$stage/$1"
    "$python" -m pip --python "$stage/$1/bin/python" install --quiet --no-index --no-deps --no-build-isolation \
        --disable-pip-version-check "$2" || die "$2 cannot be installed"
    (cd "$stage" && [ "$("$stage/$1/bin/python" -c 'import cairn; print(cairn.__file__)')" = \
        "$(find "$stage/$1/lib" -path '*/site-packages/cairn/__init__.py')" ]) || die "$1: another package was imported"
}

header=$(awk '/define CAIRN_VERSION_(MAJOR|MINOR|PATCH) / {printf "%s%s", dot, $3; dot = "."}' client/cairn.h)
grep -qx "__version__ = \"$header\"" "$package/src/cairn/_version.py" || die "_version.py is not the $header of client/cairn.h"
if protoc --version | grep -q ' 3\.21\.'; then # another protoc makes other code
    mkdir "$stage/protoc"
    protoc -I proto --python_out="$stage/protoc" --pyi_out="$stage/protoc" proto/cairn.proto
    for made in cairn_pb2.py cairn_pb2.pyi; do
        cmp "$stage/protoc/$made" "$package/src/cairn/$made" ||
            die "run: protoc -I proto --python_out=client/python/src/cairn --pyi_out=client/python/src/cairn proto/cairn.proto"
    done
fi

cp -r "$package" "$stage/package"
(cd "$stage/package" && "$python" -m hatchling build -d "$stage/dist" >/dev/null 2>&1) || die "hatchling failed"
install wheel "$stage"/dist/*.whl
install sdist "$stage"/dist/*.tar.gz
cd "$stage"
mypy --strict --no-incremental --config-file "$package/pyproject.toml" --python-executable "$stage/wheel/bin/python" -p cairn
# Warnings are errors, but for deprecations: Debian 13's protobuf warns of its own when it is imported.
for tests in "$package"/tests/test_*.py; do
    mypy --strict --no-incremental --config-file "$package/pyproject.toml" --python-executable "$stage/wheel/bin/python" "$tests"
    "$stage/wheel/bin/python" -W error -W ignore::DeprecationWarning "$tests" >>"$stage/said" 2>&1 || {
        cat "$stage/said"
        die "$(basename "$tests") failed"
    }
done
echo "python: $(awk '/^Ran / {count += $2} END {print count}' "$stage/said") tests, wheel and sdist installed"
