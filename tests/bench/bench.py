#!/usr/bin/env python3
"""What `make bench` does: measures cairn and what it is compared with, side by side, row by row.

A row (rows_*.py) starts its servers on fresh directories (servers.py), measures its sides in turn, round by round (measure.py), and
adds its figures to OUT/bench.csv at once; a row that fails leaves none of the figures it had not come to, is named, and the next
one goes on. At the end: the table, plots (plots.py). A goal that is missed is stated and nothing more; the exit code is 1 when
something could not be measured."""
import argparse
import os
import pathlib
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import growth
import plots
import rows_core
import rows_hostile
import rows_life
import rows_node
import rows_volume
from measure import Bench, Results, number
from servers import MEMORY_FILE_SYSTEMS, NICE, Host, Place, Unmeasured, file_system

# In the order of their running: what says most comes first.
ROWS = {
    "P1": rows_core.p1,
    "P2abc": rows_core.p2,
    "P3": rows_core.p3,
    "P4": rows_core.p4,
    "P5": rows_core.p5,
    "P7": rows_volume.p7,
    "P11": rows_life.p11,
    "node": rows_node.node,
    "P9": rows_volume.p9,
    "P10": rows_life.p10,
    "P8": rows_life.p8,
    "hostile": rows_hostile.hostile,
    "P6": rows_volume.p6,
    "P2d": rows_volume.p2d,
    "growth": growth.growth,
}


def read_arguments():
    parser = argparse.ArgumentParser(description="Measures cairn beside what it is compared with.")
    parser.add_argument("--build", type=pathlib.Path, default="build/plain", help="where cairnd, cairn and bench/side lie")
    parser.add_argument("--cairnd", type=pathlib.Path, help="default: BUILD/cairnd")
    parser.add_argument("--cairn", type=pathlib.Path, help="default: BUILD/cairn")
    parser.add_argument("--side", type=pathlib.Path, help="default: BUILD/bench/side")
    parser.add_argument("--badger", type=pathlib.Path, help="default: BUILD/bench/badger, built from client/go/bench")
    parser.add_argument("--out", type=pathlib.Path, default="bench-results", help="for bench.csv, plots and logs")
    parser.add_argument("--disk", type=pathlib.Path, help="where data on disk lies; default: OUT, or the temporary directory")
    parser.add_argument("--tmpfs", type=pathlib.Path, default="/dev/shm", help="where data on tmpfs lies")
    parser.add_argument("--quick", action="store_true", help="two minutes: fewer and shorter rounds, less data")
    parser.add_argument("--rows", help=f"only these, of {','.join(ROWS)}")
    parser.add_argument("--rounds", type=int, help="rounds of each row, instead of its own number")
    parser.add_argument("--seconds", type=float, help="length of each measurement, instead of the row's own")
    parser.add_argument("--minutes", type=float, help="when to stop growing; default: 20, quick 2")
    parser.add_argument("--allow-distribution", action="store_true", help="measure the distribution's RocksDB, for a try")
    arguments = parser.parse_args()
    for name in ("cairnd", "cairn"):
        setattr(arguments, name, (getattr(arguments, name) or arguments.build / name).absolute())
    arguments.side = (arguments.side or arguments.build / "bench" / "side").absolute()
    for path in (arguments.cairnd, arguments.cairn, arguments.side):
        if not os.access(path, os.X_OK):
            parser.error(f"{path} is no program; build it first")
    arguments.minutes = arguments.minutes or (2 if arguments.quick else 20)
    arguments.rows = choose_rows(parser, arguments.rows)
    return parser, arguments


def choose_rows(parser, text):
    chosen = set()
    for word in text.split(",") if text else ROWS:
        rows = [row for row in ROWS if row == word or (word == "P2" and row.startswith(word))]
        if not rows:
            parser.error(f"no row {word}; there are {', '.join(ROWS)}")
        chosen.update(rows)
    return [row for row in ROWS if row in chosen]


def choose_disk(parser, arguments):
    for path in [arguments.disk] if arguments.disk else [arguments.out, pathlib.Path(tempfile.gettempdir())]:
        if file_system(path) not in MEMORY_FILE_SYSTEMS:
            return path
    parser.error(f"{path} lies in memory ({file_system(path)}); name a directory on a disk with --disk")


def engine_of(arguments):
    """`release VERSION` or `distribution VERSION`, as the build noted it."""
    try:
        return (arguments.cairnd.parent / "engine").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def sync_cost(place):
    """Median and p99 of fdatasync after 4 KiB, in microseconds: what this hour's disk is like."""
    with place.directory() as directory, open(directory / "file", "wb", buffering=0) as file:
        took = []
        for _ in range(200):
            file.write(bytes(4096))
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - start) * 1e6)
    took.sort()
    return f"{statistics.median(took):.0f} us, p99 {took[198]:.0f} us"


def describe(bench, engine, disk, tmpfs):
    cpu = platform.processor() or platform.machine()
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
    nice = f"at nice {NICE}, as cairnd.service has it," if bench.host.nice else "without a nice value, as more is not permitted"
    return "\n".join((
        f"machine  {os.cpu_count()} x {cpu}, Linux {platform.release()}",
        f"engine   RocksDB, {engine}",
        f"disk     {disk} ({file_system(disk)}); fdatasync of 4 KiB: {sync_cost(bench.disk)}",
        f"tmpfs    {tmpfs} ({file_system(tmpfs)})",
        f"servers  all sides' servers, and RocksDB in process, run {nice} and with malloc's huge pages; clients without",
        f"mode     {'quick: fewer and shorter rounds, less data; for a first look' if bench.quick else 'full'}",
    ))  # fmt: skip


def print_table(results, notes):
    lines = [("row", "case", "data on", "metric", "ours", "other", "ratio", "spread", "goal", "met")]
    for figure in results.figures:
        spread = (figure.ratio_min, figure.ratio_max) if figure.ratio is not None else figure.spread
        lines.append((
            figure.row, figure.case, figure.data_on, figure.metric, number(figure.ours), number(figure.other),
            number(figure.ratio), " .. ".join(map(number, spread)) if spread else "-", figure.goal, figure.met,
        ))  # fmt: skip
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.rjust(width) if 4 <= i <= 6 else cell.ljust(width)
                        for i, (cell, width) in enumerate(zip(line, widths))).rstrip())  # fmt: skip
    print("\nours, other: medians; ratio: median of the rounds' ratios; spread: of the ratios, or of ours\n")
    for row, note in notes.items():
        print(f"{row}: {note}")


def measure(bench, rows):
    """Returns a sentence for each row that was measured, and the rows that were not, with why."""
    notes, failed = {}, {}
    for row in rows:
        bench.row = row
        begin = time.monotonic()
        try:
            notes[row] = ROWS[row](bench)
            bench.say(f"done in {time.monotonic() - begin:.1f} s")
        except (Unmeasured, OSError, KeyError, ValueError) as error:
            failed[row] = f"{type(error).__name__}: {error}" if not isinstance(error, Unmeasured) else str(error)
            bench.say(f"NOT MEASURED: {failed[row]}")
    return notes, failed


def draw(results, out, failed):
    try:
        return plots.plot_all(results, out)
    except (OSError, subprocess.CalledProcessError) as error:
        failed["plots"] = f"{error}: {getattr(error, 'stderr', '')}"
        return []


def stop(number, _):
    signal.signal(number, signal.SIG_IGN)  # what is left is to clean up
    print("bench: stopped; bench.csv has what was measured until now", file=sys.stderr)
    raise SystemExit(128 + number)


def main():
    parser, arguments = read_arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    logs = arguments.out / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir()
    for name in ("growth.csv", *plots.PLOTS):
        (arguments.out / name).unlink(missing_ok=True)
    disk = choose_disk(parser, arguments)
    if file_system(arguments.tmpfs) not in MEMORY_FILE_SYSTEMS:
        parser.error(f"{arguments.tmpfs} is no tmpfs; name one with --tmpfs")
    engine = engine_of(arguments)
    if not engine.startswith("release") and not arguments.allow_distribution:
        print("bench: this build has not the release engine, which is what is to be measured: run `make engine`, once, and then "
              "this again; for a try, --allow-distribution (make bench BENCH=--allow-distribution)", file=sys.stderr)  # fmt: skip
        return 1
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, stop)

    host, places = Host(logs), []
    results = Results(arguments.out / "bench.csv")
    try:
        places.append(Place("disk", disk))
        places.append(Place("tmpfs", arguments.tmpfs))
        bench = Bench(arguments, host, places, results)
        description = describe(bench, engine, disk, arguments.tmpfs)
        print(description, flush=True)
        notes, failed = measure(bench, arguments.rows)
        print()
        print_table(results, notes)
        made = draw(results, arguments.out, failed)
    finally:
        results.close()
        host.close()
        for place in places:
            place.close()
    for row, reason in failed.items():
        print(f"\nNOT MEASURED: {row}: {reason}")
    print(f"\nplots: {', '.join(made) or 'none'}")
    print(f"{arguments.out / 'bench.csv'}: {len(results.figures)} figures, "
          f"{sum(figure.met == 'no' for figure in results.figures)} goals not met; {time.monotonic() - bench.start:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
