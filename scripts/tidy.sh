#!/bin/bash
# Checks the tree: format, include directions (scripts/layers.txt), lengths of files and functions, sections of the README that are named,
# no open ends.
#   scripts/tidy.sh            check all, say how many files were seen
#   scripts/tidy.sh --format   format all instead
#
# It sees what git tracks and what git would: it fails if it saw less than git tracks.
set -eu

cd "$(dirname "$0")/.."
file_lines_max=500 header_lines_max=150 function_lines_max=70
failed=0

complain() {
    echo "tidy: $1"
    failed=1
}

mapfile -d '' -t tracked < <(git ls-files -z -- '*.c' '*.h')
mapfile -d '' -t listed < <(git ls-files -z --cached --others --exclude-standard -- '*.c' '*.h' | sort -zu)
files=()
for file in ${listed[@]+"${listed[@]}"}; do
    [ -f "$file" ] && files+=("$file")
done
seen=0
for file in ${tracked[@]+"${tracked[@]}"}; do
    [ -f "$file" ] && seen=$((seen + 1))
done
if [ ${#files[@]} -eq 0 ] || [ $seen -lt ${#tracked[@]} ]; then
    complain "saw $seen of the ${#tracked[@]} C files that git tracks"
    exit 1
fi

if [ "${1:-}" = --format ]; then
    clang-format-19 -i "${files[@]}"
    echo "tidy: formatted ${#files[@]} files"
    exit 0
fi

clang-format-19 --dry-run -Werror "${files[@]}" || complain "not formatted; run make format"

# Lengths. A function is what stands between { and } at a line's beginning; blank lines and comments do not count.
awk -v file_max=$file_lines_max -v header_max=$header_lines_max -v function_max=$function_lines_max '
    function bad(text) { print "tidy: " text; failed = 1 }
    function end_file() {
        if (name == "") return
        bound = name in long ? long[name] : name ~ /\.h$/ ? header_max : file_max
        if (lines > bound) bad(name ": " lines " lines; at most " bound)
    }
    FILENAME == "scripts/layers.txt" { if ($1 == "long") long[$2] = $3; next }
    FNR == 1 { end_file(); name = FILENAME; inside = 0; comment = 0; lines = 0 }
    { lines++ }
    /^[a-zA-Z_].*\(/ && !inside { title = $0; sub(/\(.*/, "", title); sub(/.*[ *]/, "", title) }
    /^\{/ { inside = 1; code = 0; next }
    /^\}/ { if (inside && code > function_max) bad(name ": " title " has " code " lines; at most " function_max); inside = 0; next }
    inside {
        text = $0
        if (comment) { if (text !~ /\*\//) next; sub(/.*\*\//, "", text); comment = 0 }
        gsub(/\/\*.*\*\//, "", text)
        if (text ~ /\/\*/) { comment = 1; sub(/\/\*.*/, "", text) }
        sub(/\/\/.*/, "", text)
        if (text ~ /[^ \t]/) code++
    }
    END { end_file(); exit failed }
' scripts/layers.txt "${files[@]}" || failed=1

# A comment that names a section of the README names one that is there.
while IFS=: read -r file line section; do
    grep -qx "## $section" README.md || complain "$file:$line: the README has no section \"$section\""
done < <(grep -noE 'README: [A-Z][a-z]+' "${files[@]}" | sed 's/README: //')

# Include directions.
awk '
    function bad(text) { print "tidy: " text; failed = 1 }
    function match_pattern(name, pattern,    n) {
        n = length(pattern)
        if (substr(pattern, n) != "*") return name == pattern
        return substr(name, 1, n - 1) == substr(pattern, 1, n - 1)
    }
    # The layer of a file in a chain: the longest pattern that fits wins. 0: none.
    function layer_of(chain, name,    i, best, length_best) {
        best = 0; length_best = -1
        for (i = 1; i <= patterns; i++)
            if (chain_of[i] == chain && match_pattern(name, pattern[i]) && length(pattern[i]) > length_best) {
                best = layer[i]; length_best = length(pattern[i])
            }
        return best
    }
    FILENAME == "scripts/layers.txt" {
        if ($1 == "chain") { chain = $2; chains[chain] = 1 }
        if ($1 == "layer") { level++; for (i = 2; i <= NF; i++) { patterns++; pattern[patterns] = $i; layer[patterns] = level; chain_of[patterns] = chain } }
        if ($1 == "only") { restricted[$2] = 1; for (i = 3; i <= NF; i++) allowed[$2] = allowed[$2] " " $i }
        next
    }
    FNR == 1 {
        name = FILENAME
        sub(/\.[ch]$/, "", name)
        found = 0
        for (c in chains) { at[c] = layer_of(c, name); if (at[c]) found = 1 }
        if (!found && name !~ /^tests\//) bad(FILENAME ": in no layer of scripts/layers.txt")
    }
    /^[ \t]*#[ \t]*include[ \t]/ {
        header = $0
        own = header ~ /"/
        sub(/^[^<"]*[<"]/, "", header)
        sub(/[>"].*/, "", header)
        includes++
        if (header in restricted) {
            n = split(allowed[header], who, " ")
            good = 0
            for (i = 1; i <= n; i++) if (match_pattern(name, who[i])) good = 1
            if (!good) bad(FILENAME ":" FNR ": may not include " header)
        }
        if (!own || name ~ /^tests\//) next
        target = header
        sub(/\.h$/, "", target)
        for (c in chains) {
            if (!at[c]) continue
            below = layer_of(c, target)
            if (!below) bad(FILENAME ":" FNR ": " header " is in no layer of the " c)
            else if (below > at[c]) bad(FILENAME ":" FNR ": " header " lies above it")
        }
    }
    END { if (!includes) bad("saw no include at all"); exit failed }
' scripts/layers.txt "${files[@]}" || failed=1

# Open ends, in whatever is text of ours.
marks='TO''DO|FIX''ME|XX''X'
found=$(git ls-files -z --cached --others --exclude-standard -- '*.c' '*.h' '*.sh' '*.proto' '*.py' '*.go' '*.map' Makefile |
    xargs -0 grep -nswE "$marks" || true)
[ -z "$found" ] || complain "open ends: $found"

for script in scripts/*.sh .ci/run; do
    bash -n "$script" || complain "$script: does not parse"
    [ -x "$script" ] || complain "$script: not executable"
done

[ $failed -eq 0 ] || exit 1
echo "tidy: ${#files[@]} C files seen, among them all $seen that git tracks"
