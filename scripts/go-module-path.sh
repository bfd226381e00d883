#!/bin/bash
# Gives the Go modules another path: until the project has a public home it is cairn.invalid/client/go, with replace lines.
#   scripts/go-module-path.sh                 says which it is: what stands before "/cairn" in client/go/cairn/go.mod
#   scripts/go-module-path.sh NEW             for example: example.org/cairn/client/go
set -euo pipefail

cd "$(dirname "$0")/.."
old=$(sed -n 's|^module \(.*\)/cairn$|\1|p' client/go/cairn/go.mod)
if [ $# -eq 0 ]; then
    echo "$old"
    exit 0
fi
[[ $1 =~ ^[a-z0-9.-]+(/[A-Za-z0-9._~-]+)*$ ]] || {
    echo "go-module-path: $1 is no module path, such as example.org/cairn/client/go" >&2
    exit 2
}
mapfile -d '' -t files < <(git grep -lzF "$old/" -- . ':!scripts/go-module-path.sh')
sed -i "s|${old//./\\.}/|$1/|g" "${files[@]}"
mapfile -d '' -t sources < <(git ls-files -z -- 'client/go/*.go')
"$(scripts/go.sh env GOROOT)/bin/gofmt" -w "${sources[@]}" # the order of imports follows their paths
echo "go-module-path: $1 in ${#files[@]} files; the replace lines stay until its modules are published"
