#!/usr/bin/env python3
"""Checks that calls between files point one way (scripts/layers.txt), and that they make no circle.

    scripts/calls.py BUILD/plain TREE...     such as: scripts/calls.py build/plain proto client

A file uses another if its object refers to a symbol that the other's object defines: by a call, by a function's address
that it passes on, or by an entry in a table. Objects tell this better than sources, where a call may hide in a macro.
The symbols are those of the machine code: nm would ask the compiler's plugin, and show the ones before optimisation.

Fails if a file of a TREE uses one of a layer above its own, if files use each other in a circle, and if there are fewer
objects than git tracks sources, for then it judged by a part of the truth.
"""

import collections
import os
import subprocess
import sys

ALL_TREES = ["daemon", "client", "proto"]


def lines_of(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()


def object_of(build, source):
    return f"{build}/{source.removesuffix('.c')}.o"


def read_layers(path):
    """The chains of layers: of each the patterns of files, and how high each lies."""
    chains = collections.defaultdict(dict)
    level = 0
    for line in open(path, encoding="utf-8"):
        words = line.split()
        if words[:1] == ["chain"]:
            chain = chains[words[1]]
        elif words[:1] == ["layer"]:
            level += 1
            chain.update((pattern, level) for pattern in words[1:])
    return chains


def layer_of(chain, source):
    """The layer of the longest pattern that fits, as in scripts/tidy.sh; None: the chain has none for it."""
    name = source.removesuffix(".c")
    fits = [p for p in chain if name == p or p.endswith("*") and name.startswith(p[:-1])]
    return chain[max(fits, key=len)] if fits else None


def read_symbols(objects):
    """Of each object the symbols it defines for others, and those it refers to."""
    defined, wanted = collections.defaultdict(set), collections.defaultdict(set)
    current = objects[0]
    for line in lines_of("readelf", "--syms", "--wide", *objects):
        words = line.split()
        if line.startswith("File: "):
            current = line.removeprefix("File: ")
        elif len(words) == 8 and words[4] in ("GLOBAL", "WEAK"):
            (wanted if words[6] == "UND" else defined)[current].add(words[7])
    return defined, wanted


def read_uses(build, sources):
    """Which file uses which other, and by which symbols. A name both programs have is looked for in one's own first."""
    source_of = {object_of(build, source): source for source in sources}
    defined, wanted = read_symbols(list(source_of))
    definers = collections.defaultdict(list)
    for built, symbols in defined.items():
        for symbol in symbols:
            definers[symbol].append(source_of[built])
    uses = collections.defaultdict(lambda: collections.defaultdict(set))
    for built, symbols in wanted.items():
        user = source_of[built]
        for symbol in symbols & definers.keys():
            own = [used for used in definers[symbol] if used.split("/")[0] == user.split("/")[0]]
            uses[user][(own or definers[symbol])[0]].add(symbol)
    return uses


def circles(uses):
    """The sets of files of which each reaches every other."""
    def reach(start):
        reached, ahead = set(), [start]
        while ahead:
            for used in uses.get(ahead.pop(), ()):
                if used not in reached:
                    reached.add(used)
                    ahead.append(used)
        return reached

    reached = {user: reach(user) for user in list(uses)}
    return {frozenset(each for each in reached[user] if user in reached.get(each, ()))
            for user in reached if user in reached[user]}


def show(user, used, symbols):
    return f"{user} -> {used}: {', '.join(sorted(symbols))}"


def main():
    if len(sys.argv) < 3 or not set(sys.argv[2:]).issubset(ALL_TREES):
        sys.exit(f"usage: scripts/calls.py BUILD TREE...   TREE is one of {', '.join(ALL_TREES)}")
    build, trees = os.path.abspath(sys.argv[1]), sys.argv[2:]
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    patterns = [f"{tree}/*.c" for tree in ALL_TREES]
    tracked = set(lines_of("git", "ls-files", "--", *patterns))
    listed = tracked.union(lines_of("git", "ls-files", "--others", "--exclude-standard", "--", *patterns))
    sources = [each for each in sorted(listed) if os.path.exists(object_of(build, each))]
    missing = sorted(tracked.difference(sources))
    if missing or not sources:
        sys.exit(f"calls: of the {len(tracked)} sources that git tracks {len(missing)} have no object in {build}: "
                 + " ".join(missing[:5]))

    uses = read_uses(build, sources)
    complaints = []
    judged = [user for user in sorted(uses) if user.split("/")[0] in trees]
    for name, chain in read_layers("scripts/layers.txt").items():
        for user in judged:
            for used, symbols in sorted(uses[user].items()):
                own, other = layer_of(chain, user), layer_of(chain, used)
                if own and not other:
                    complaints.append(f"in no layer of the {name}: {show(user, used, symbols)}")
                elif own and other > own:
                    complaints.append(f"upwards: {show(user, used, symbols)}")
    for circle in sorted(circles(uses), key=sorted):
        inside = [show(user, used, symbols) for user in sorted(circle) if user in judged
                  for used, symbols in sorted(uses[user].items()) if used in circle]
        if inside:
            complaints.append("\n    ".join([f"a circle of {len(circle)} files:", *inside]))
    for complaint in complaints:
        print(f"calls: {complaint}")
    if complaints:
        sys.exit(1)
    count = sum(len(uses[user]) for user in judged)
    print(f"calls: {len(sources)} objects seen, among them all {len(tracked)} that git tracks sources of; "
          f"{count} uses in {' and '.join(trees)} go one way")


if __name__ == "__main__":
    main()
