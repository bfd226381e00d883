#!/usr/bin/env python3
"""Counts what the house rules ask of this tree, and prints each figure beside its goal.

    scripts/figures.py [--rooms] [--list]

--rooms prints the asserts room by room, --list names what falls short. Nothing is built or changed, and nothing fails: what
must hold is checked by scripts/tidy.sh.
"""
import argparse
import collections
import os
import re
import subprocess

# Words of our own where the field has a term; the glossary's right column.
OWN_WORDS = re.compile(
    r"\b(patience|naps?|stays? awake|by heart|now and then|rests?(?= )|let(s|ting)? go|trash|piece by piece|hurried"
    r"|had_time|news|so long|whoever|what is none|that is none|_least|_most|_lowest|_highest|rig|trouble|kept_by)\b"
)


# Modules of client whose logic is that of a call to a daemon, or that another module's unit test covers: what tests them instead.
TESTED_ELSEWHERE = {
    "client/tool/bench/bench.c": "tests/integration/test_bench.c: threads against a daemon",
    "client/tool/bench/bench_prepare.c": "tests/integration/test_bench.c: calls that make what is missing",
    "client/tool/bench/bench_request.c": "tests/integration/test_bench.c: one submit a workload",
    "client/tool/bench/bench_run.c": "tests/integration/test_bench.c: a loop against a daemon",
    "client/tool/replay/replay.c": "tests/integration/test_replay.c, and make run: both recordings",
    "client/tool/replay/replay_run.c": "tests/integration/test_replay.c, and make run: both recordings",
    "client/tool/replay/trace_arguments.c": "tests/unit/test_trace.c: every kind of line",
    "client/tool/replay/trace_read.c": "tests/unit/test_trace.c: whole files",
    "client/connection/wait.c": "tests/unit/test_blocking.c: calls that wait for connections",
    "client/tool/confirm.c": "tests/integration/test_tool_terminal.c: questions on a terminal",
    "client/tool/own_chains.c": "tests/integration/test_replay.c and test_bench.c: chains of a daemon",
    "client/tool/output.c": "tests/unit/test_tool_output.c: what is printed",
    "client/tool/verbs/completion_scripts.c": "tests/unit/test_completion.c: each shell takes its script",
    "client/tool/verbs/temporary_daemon.c": "tests/integration/test_tool_run.c: a process and its directory",
    "client/tool/verbs/verb_help.c": "tests/integration/test_tool.c: only prints",
    "client/tool/verbs/verb_run.c": "tests/integration/test_tool_run.c: processes and signals",
    "client/tool/verbs/verb_daemon.c": "tests/integration/test_tool.c: only calls the library and prints",
    "client/tool/verbs/verb_metadata.c": "tests/integration/test_tool.c: only calls the library and prints",
    "client/tool/verbs/verb_read.c": "tests/integration/test_tool.c: only calls the library and prints",
    "client/tool/verbs/verb_write.c": "tests/integration/test_tool.c: only calls the library and prints",
}


def sources(*folders):
    """The C files that git tracks below those folders."""
    listed = subprocess.run(["git", "ls-files", "--", *folders], capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split() if name.endswith((".c", ".h")) and os.path.exists(name)]


def without_comments(text):
    text = re.sub(r"/\*.*?\*/", lambda comment: "\n" * comment.group().count("\n"), text, flags=re.S)
    return re.sub(r"//[^\n]*", "", text)


class Function:
    def __init__(self, file, name, lines):
        self.file, self.name, self.lines = file, name, [line for line in lines if line.strip()]
        self.asserts = sum(len(re.findall(r"\b(?:assert|mutex_assert_held)\s*\(", line)) for line in lines)


def functions(file):
    """What stands between { and } at a line's beginning."""
    found, title, body = [], "", None
    for line in without_comments(open(file, encoding="utf-8").read()).split("\n"):
        if body is None:
            if re.match(r"[a-zA-Z_].*\(", line):
                title = re.sub(r"\(.*", "", line).split(" ")[-1].lstrip("*")
            if line.startswith("{"):
                body = []
        elif line.startswith("}"):
            found.append(Function(file, title, body))
            body = None
        else:
            body.append(line)
    return found


def comments(text):
    return re.findall(r"/\*.*?\*/", text, flags=re.S)


def row(what, figure, goal):
    print(f"{what:<58} {figure:>12}  {goal}")


def print_rooms(all_functions):
    rooms = collections.defaultdict(list)
    for function in all_functions:
        rooms[os.path.dirname(function.file)].append(function)
    print(f"\n{'room':<32} functions  asserts  a function  over 20 lines  of them with")
    for room, inside in sorted(rooms.items()):
        long = [f for f in inside if len(f.lines) > 20]
        asserts = sum(f.asserts for f in inside)
        share = 100 * sum(1 for f in long if f.asserts) / len(long) if long else 100
        print(f"{room:<32} {len(inside):>9} {asserts:>8} {asserts / len(inside):>11.2f} {len(long):>14} {share:>12.0f}%")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", action="store_true")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

    ours = sources("daemon", "proto", "client")
    daemon = [name for name in ours if name.startswith("daemon/")]
    client = [name for name in ours if name.startswith("client/") and not name.startswith("client/examples/")]
    inside = [function for name in daemon for function in functions(name)]
    everywhere = [function for name in ours for function in functions(name)]
    long = [function for function in inside if len(function.lines) > 20]
    bare = [function for function in long if not function.asserts]
    client_inside = [function for name in client for function in functions(name)]
    client_long = [function for function in client_inside if len(function.lines) > 20]
    client_bare = [function for function in client_long if not function.asserts]
    modules = [name for name in daemon if name.endswith(".c") and name != "daemon/main.c"]
    assert all(name in client for name in TESTED_ELSEWHERE)
    client_modules = [
        name
        for name in client
        if name.endswith(".c") and name != "client/tool/main.c" and name not in TESTED_ELSEWHERE
    ]
    tests = {re.sub(r"^test_|\.c$", "", os.path.basename(name)) for name in sources("tests/unit")}
    untested = [name for name in modules if os.path.basename(name)[:-2] not in tests]
    client_untested = [name for name in client_modules if os.path.basename(name)[:-2] not in tests]
    lengths = {name: open(name, encoding="utf-8").read().count("\n") for name in ours}
    long_files = [name for name, n in lengths.items() if n > (150 if name.endswith(".h") else 500)]
    long_functions = [function for function in everywhere if len(function.lines) > 70]
    words = [
        (name, word.group())
        for name in ours
        for comment in comments(open(name, encoding="utf-8").read())
        for word in OWN_WORDS.finditer(comment)
    ]
    stories = [name for name in daemon if not open(name, encoding="utf-8").read().startswith("/*") and name.endswith(".c")]
    asserts = sum(function.asserts for function in inside)

    row("C files in daemon, proto and client", len(ours), "")
    row("rooms in daemon", len({os.path.dirname(name) for name in daemon} - {"daemon"}), "")
    row("functions in daemon", len(inside), "")
    row("asserts a function in daemon", f"{asserts / len(inside):.2f}", "at least 0.8")
    row("functions over 20 lines with an assert", f"{100 * (1 - len(bare) / len(long)):.0f} %", "at least 60 %")
    row("functions in client", len(client_inside), "")
    row("asserts a function in client", f"{sum(f.asserts for f in client_inside) / len(client_inside):.2f}", "")
    row("functions over 20 lines in client with an assert", f"{100 * (1 - len(client_bare) / len(client_long)):.0f} %", "")
    row("functions over 40 lines", sum(1 for f in everywhere if len(f.lines) > 40), "few")
    row("functions over 70 lines", len(long_functions), "0")
    row("files over 500 lines, headers over 150", len(long_files), "those that layers.txt allows")
    row("files of daemon without an opening story", len(stories), "0")
    row("modules of daemon with a unit test of their name", f"{len(modules) - len(untested)} of {len(modules)}", "all")
    row(
        "modules of client with a unit test of their name",
        f"{len(client_modules) - len(client_untested)} of {len(client_modules)}",
        f"all but {len(TESTED_ELSEWHERE)}, listed here",
    )
    row("words of our own in comments", len(words), "0")
    if arguments.rooms:
        print_rooms(inside + client_inside)
    if arguments.list:
        for title, names in (
            ("no unit test", untested + client_untested),
            ("no opening story", stories),
            ("too long", long_files + [f"{f.file}: {f.name}" for f in long_functions]),
            ("over 20 lines without an assert", [f"{f.file}: {f.name}" for f in bare + client_bare]),
            ("words of our own", [f"{name}: {word}" for name, word in words]),
        ):
            print(f"\n{title}:")
            for name in names:
                print(f"  {name}")


if __name__ == "__main__":
    main()
