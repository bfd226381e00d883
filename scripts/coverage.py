#!/usr/bin/env python3
"""Prints which lines and branches of proto, daemon and client the tests ran, and judges that by scripts/coverage.txt.

    scripts/coverage.py BUILD               room by room and module by module; `make coverage` does this behind the tests
    scripts/coverage.py BUILD MODULE...     what was not run of these, line by line; judges nothing

gcov reads the counts beside the objects in BUILD. A line of an assert counts for nothing, nor do its branches: that the
failing one is never taken is what it states; nor does a case of a `switch` that asserts that it is none. The branch that
gcc adds to a `switch` without a `default`, for values that none of its cases has, need not be taken: over an enum -Wswitch
sees to it that there are none. The branches of a line with one of uthash's macros are uthash's.

Fails where a module misses its goal and no exception allows that, where an exception is far from needed, and where it saw fewer
modules than git tracks.
"""

import collections
import json
import os
import re
import subprocess
import sys

TREES = ["proto", "daemon", "client"]
LEFT_OUT = "client/examples/"  # programs to read; tests/integration/test_examples runs them as they are installed
GOALS = "scripts/coverage.txt"
ASSERT = re.compile(r"\b(?:assert|static_assert|mutex_assert_held)\s*\(")
SWITCH = re.compile(r"\bswitch\s*\(")
CASE_OF_ASSERT = re.compile(r"(?:\b(?:case\b[^:]*|default\s*):\s*)+\bassert\s*\(")
UTHASH = re.compile(r"\bHASH_[A-Z_]+\s*\(")
OBJECTS_AT_A_TIME = 50
MARGIN = 2  # percent, by which runs differ: an exception stays where its module meets the goal by less


class Module:
    def __init__(self, name):
        self.name = name
        self.counts = collections.Counter()  # of each line
        self.branches = {}  # of each line: the count of each
        text = blank(open(name, encoding="utf-8").read())
        self.asserts = lines_of_calls(text, ASSERT) | lines_of_calls(text, CASE_OF_ASSERT)
        self.of_uthash = lines_of_calls(text, UTHASH)
        self.never_taken = {line_of(text, at.start()): never_taken(text, at.end()) for at in SWITCH.finditer(text)}

    def add(self, line):
        number = line["line_number"]
        if number in self.asserts:
            return
        counts = [] if number in self.of_uthash else [branch["count"] for branch in line["branches"]]
        # A function in a header is counted in each object that has it.
        place = (number, line.get("function_name"))
        known = self.branches.setdefault(place, [0] * len(counts))
        assert len(known) == len(counts), f"{self.name}:{number}: its branches differ from object to object"
        self.branches[place] = [sum(pair) for pair in zip(known, counts)]
        self.counts[number] += line["count"]

    def missed_lines(self):
        return sorted(number for number, count in self.counts.items() if count == 0)

    def missed_branches(self):
        missed = collections.Counter()
        for (number, _), counts in self.branches.items():
            missed[number] += max(0, counts.count(0) - self.never_taken.get(number, 0))
        return +missed

    def figures(self):
        """Lines run, lines, branches taken, branches."""
        branches = sum(len(counts) for counts in self.branches.values())
        return (len(self.counts) - len(self.missed_lines()), len(self.counts),
                branches - sum(self.missed_branches().values()), branches)


# ---- sources ----

def blank(text):
    """The text with blanks for what stands in comments and quotes, so that braces count."""
    kept = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return kept.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)


def closing(text, start, pair):
    """Where what is open at `start` is closed."""
    depth = 1
    for at in range(start, len(text)):
        depth += (text[at] == pair[0]) - (text[at] == pair[1])
        if depth == 0:
            return at
    return len(text)


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def lines_of_calls(text, pattern):
    """The lines of each call from its name to the end of its arguments."""
    found = set()
    for at in pattern.finditer(text):
        found.update(range(line_of(text, at.start()), line_of(text, closing(text, at.end(), "()")) + 1))
    return found


def never_taken(text, condition):
    """How many branches of the switch with that condition need not be taken."""
    start = text.index("{", closing(text, condition, "()"))
    body = text[start:closing(text, start + 1, "{}")]
    return len(CASE_OF_ASSERT.findall(body)) + (re.search(r"\bdefault\s*:", body) is None)


def tracked_modules():
    patterns = [f"{tree}/*.c" for tree in TREES]
    listed = subprocess.run(["git", "ls-files", "--", *patterns], capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split() if not name.startswith(LEFT_OUT) and os.path.exists(name)]


# ---- counts ----

def read_counts(build, sources):
    """The modules, headers with code in them included. What has no counts yet was compiled and never run."""
    objects = [f"{build}/{source.removesuffix('.c')}" for source in sources]
    missing = [source for source, built in zip(sources, objects) if not os.path.exists(built + ".gcno")]
    if missing or not objects:
        sys.exit(f"coverage: {len(missing)} of the {len(sources)} modules that git tracks are not in {build}: "
                 + " ".join(missing[:5]))
    modules = {}
    for first in range(0, len(objects), OBJECTS_AT_A_TIME):
        names = [f"{built}.gcno" for built in objects[first:first + OBJECTS_AT_A_TIME]]
        found = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", *names],
                               capture_output=True, text=True, check=True)
        for document in found.stdout.splitlines():
            for file in json.loads(document)["files"]:
                if file["file"].split("/")[0] in TREES:
                    module = modules.setdefault(file["file"], Module(file["file"]))
                    for line in file["lines"]:
                        module.add(line)
    unseen = sorted(set(sources) - set(modules))
    # A table of constants has no code.
    unseen = [source for source in unseen if re.search(r"^\{", open(source, encoding="utf-8").read(), re.M)]
    if unseen:
        sys.exit(f"coverage: gcov says nothing of {' '.join(unseen)}")
    return modules


# ---- goals ----

def read_goals():
    """By pattern the least lines and branches in percent; by module those that hold instead, with the reason."""
    goals, exceptions = {}, {}
    for line in open(GOALS, encoding="utf-8"):
        words = line.split(None, 4)
        if words[:1] == ["goal"]:
            goals[words[1]] = (float(words[2]), float(words[3]))
        elif words[:1] == ["except"]:
            assert len(words) == 5, f"{GOALS}: {line}"
            exceptions[words[1]] = (float(words[2]), float(words[3]), words[4].strip())
    return goals, exceptions


def goal_of(goals, name):
    fits = [each for each in goals if each == name or each.endswith("*") and name.startswith(each[:-1])]
    return goals[max(fits, key=len)]


def percent(part, whole):
    """Rounded down to a tenth, so that 100.0 is all."""
    return 1000 * part // whole / 10 if whole else 100.0


def judge(modules):
    goals, exceptions = read_goals()
    complaints = [f"{name}: an exception for a module that is not there" for name in exceptions if name not in modules]
    for name, module in sorted(modules.items()):
        lines_run, lines, taken, branches = module.figures()
        has = (percent(lines_run, lines), percent(taken, branches))
        goal = goal_of(goals, name)
        is_met = has[0] >= goal[0] and has[1] >= goal[1]
        measured = f"{name}: {has[0]} % of lines and {has[1]} % of branches"
        if name not in exceptions and not is_met:
            complaints.append(f"{measured}; the goal is {goal[0]:g} and {goal[1]:g}")
        elif name in exceptions and all(part >= least + MARGIN for part, least in zip(has, goal)):
            complaints.append(f"{measured}; it needs no exception any more")
        elif name in exceptions and (has[0] < exceptions[name][0] or has[1] < exceptions[name][1]):
            complaints.append(f"{measured}; its exception is for {exceptions[name][0]:g} and {exceptions[name][1]:g}")
    return complaints, exceptions


# ---- what is printed ----

def row(name, figures):
    lines_run, lines, taken, branches = figures
    print(f"{name:<48} {lines_run:>6} of {lines:>6} lines {percent(lines_run, lines):>6.1f} % "
          f"{taken:>6} of {branches:>6} branches {percent(taken, branches):>6.1f} %")


def add_up(modules):
    return tuple(map(sum, zip(*(module.figures() for module in modules))))


def print_all(modules):
    rooms = collections.defaultdict(list)
    for name, module in sorted(modules.items()):
        row(name, module.figures())
        rooms[os.path.dirname(name)].append(module)
    print()
    for room, inside in sorted(rooms.items()):
        row(room + "/", add_up(inside))
    print()
    row("all", add_up(modules.values()))


def print_missed(module):
    row(module.name, module.figures())
    text = open(module.name, encoding="utf-8").read().split("\n")
    lines, branches = set(module.missed_lines()), module.missed_branches()
    for number in sorted(lines | set(branches)):
        what = "line" if number in lines else f"{branches[number]} br."
        print(f"{number:>6} {what:>6} | {text[number - 1]}")


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: scripts/coverage.py BUILD [MODULE...]")
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    build, named = os.path.relpath(sys.argv[1], root), sys.argv[2:]
    os.chdir(root)
    if named:
        has_header = any(name.endswith(".h") for name in named)
        modules = read_counts(build, tracked_modules() if has_header else named)
        for name in named:
            print_missed(modules[name])
        return
    sources = tracked_modules()
    modules = read_counts(build, sources)
    print_all(modules)
    complaints, exceptions = judge(modules)
    for name, (lines, branches, reason) in sorted(exceptions.items()):
        print(f"exception: {name}: {lines:g} % of lines, {branches:g} % of branches: {reason}")
    for complaint in complaints:
        print(f"coverage: {complaint}")
    if complaints:
        sys.exit(1)
    print(f"coverage: {len(modules)} modules seen, among them all {len(sources)} that git tracks; "
          f"{len(exceptions)} by exception")


if __name__ == "__main__":
    main()
