#!/usr/bin/env python3
"""Prints, for each row that `go test -bench` measured, how cairn's rate stands to the other sides': the median of the rounds' ratios.

    client/go/bench/ratios.py ROWS    above 1 cairn is faster; of p99-µs, too, above 1 is better
"""
import collections
import re
import statistics
import sys

LINE = re.compile(r"^Benchmark(?P<row>\S*?)/side=(?P<side>\w+)(?:-\d+)?\s+\d+\s+(?P<figures>.*)$")
UNITS = {"ns/op": "rate", "p99-µs": "p99"}


def main():
    found = collections.defaultdict(list)  # by row, unit and side, round after round
    with open(sys.argv[1], encoding="utf-8") as rows:
        for match in filter(None, map(LINE.match, rows)):
            words = match["figures"].split()
            for figure, unit in zip(words[::2], words[1::2]):
                if unit in UNITS:
                    found[match["row"], unit, match["side"]].append(float(figure))
    print(f"{'row':<44} {'':<5} {'side':<8} {'µs':>10}  ratio to")
    for (row, unit, side), ours in found.items():
        if not side.startswith("cairn"):
            continue
        ratios = [
            f"{other} {statistics.median(their / our for their, our in zip(theirs, ours)):.2f}"
            for other in ("badger", "echo")
            if (theirs := found.get((row, unit, other)))
        ]
        microseconds = statistics.median(ours) / (1000 if unit == "ns/op" else 1)
        print(f"{row:<44} {UNITS[unit]:<5} {side:<8} {microseconds:>10.1f}  {', '.join(ratios)}")


if __name__ == "__main__":
    main()
