#!/usr/bin/env python3
"""Counts what `go test -json` says on standard input, and prints only what tests that failed or were skipped have said.

    go test -json ./... | scripts/go_tests.py

Its last line is the number of tests that passed, subtests included. Exit code 1 if one failed or was skipped.
"""
import collections
import json
import sys

# What Go says of each test beside what the test says.
FRAME = ("=== RUN", "=== PAUSE", "=== CONT", "=== NAME")


def main():
    said, passed, is_failed = collections.defaultdict(list), 0, False
    for line in sys.stdin:
        try:
            event = json.loads(line)
        except json.JSONDecodeError:  # of the build, by an earlier Go
            print(line, end="")
            continue
        name, action = (event.get("Package"), event.get("Test")), event["Action"]
        if action == "build-output":
            print(event["Output"], end="")
        elif action == "output" and not event["Output"].startswith(FRAME):
            said[name].append(event["Output"])
        elif action == "pass" and name[1]:
            passed += 1
            said.pop(name, None)
        elif action == "pass":  # the package: what is left are benchmarks, whose end is not told
            said = collections.defaultdict(list, {key: lines for key, lines in said.items() if key[0] != name[0]})
        elif action == "fail" or (action == "skip" and name[1]):  # a package without tests is skipped, too
            is_failed = True
            print(*said.pop(name, []), sep="", end="")
    for (package, test), lines in said.items():  # never ended: the process did, by a panic or a timeout
        if test is not None:
            print(f"{package}: {test} did not end:\n", *lines, sep="", end="")
            is_failed = True
    print(passed)
    return is_failed


if __name__ == "__main__":
    sys.exit(main())
