"""One measurement by a client, rounds of them, and what becomes of them: figures in bench.csv, written as they come."""
import csv
import dataclasses
import io
import statistics
import subprocess
import sys
import time

from servers import Unmeasured

COLUMNS = ("row", "case", "data_on", "metric", "ours", "other", "ratio", "ratio_min", "ratio_max", "goal", "met")
ROUNDS_MIN = 5  # that are made even when the run takes longer than it may
LONGEST_SECONDS = 5.0  # for the rare window that saw no answer
SETTLE_SECONDS = 5
PATIENCE = 120.0  # seconds that a client may take beyond its duration


def number(value):
    """For the CSV: no exponents, enough digits."""
    if value is None:
        return "-"
    text = f"{value:.4f}" if abs(value) < 100 else f"{value:.1f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclasses.dataclass
class Figure:
    row: str
    case: str
    data_on: str
    metric: str
    ours: float
    other: float = None
    ratio: float = None
    ratio_min: float = None
    ratio_max: float = None
    goal: str = "-"
    spread: tuple = ()  # of ours, where there is no ratio

    @property
    def met(self):
        if self.goal == "-":
            return "-"
        operator, bound = self.goal.split()
        value = self.ours if self.ratio is None else self.ratio
        return "yes" if (value >= float(bound) if operator == ">=" else value <= float(bound)) else "no"

    def cells(self):
        return [
            self.row, self.case, self.data_on, self.metric, number(self.ours), number(self.other), number(self.ratio),
            number(self.ratio_min), number(self.ratio_max), self.goal, self.met,
        ]  # fmt: skip


class Results:
    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-8", newline="")
        self.writer = csv.writer(self.file, lineterminator="\n")
        self.writer.writerow(COLUMNS)
        self.file.flush()
        self.figures = []
        self.latencies = {}  # place: {load: {percentile: us}}

    def add(self, figure):
        self.figures.append(figure)
        self.writer.writerow(figure.cells())
        self.file.flush()

    def compare(self, case, metric, ours, other, goal="-"):
        """A ratio for each round of both; the figure is their median. `case` is (row, text, place)."""
        if len(ours) != len(other) or not ours or min(other) <= 0:
            raise Unmeasured(f"{case[0]} {case[1]}: {metric}: a side has nothing to compare with")
        ratios = [a / b for a, b in zip(ours, other)]
        self.add(
            Figure(*case, metric, statistics.median(ours), statistics.median(other), statistics.median(ratios), min(ratios),
                   max(ratios), goal)
        )  # fmt: skip

    def state(self, case, metric, values, goal="-"):
        """A figure without another side: the median of its values."""
        self.add(Figure(*case, metric, statistics.median(values), goal=goal, spread=(min(values), max(values))))

    def close(self):
        self.file.close()


class Bench:
    """What every row is given: programs, host, places, results, and how long and often to measure."""

    def __init__(self, arguments, host, places, results):
        self.cairn, self.cairnd, self.side = arguments.cairn, arguments.cairnd, arguments.side
        self.quick, self.arguments = arguments.quick, arguments
        self.host, self.places, self.results = host, places, results
        self.row = "-"
        self.start = time.monotonic()
        self.marked = set()  # servers whose default chain is bench's

    @property
    def disk(self):
        return self.places[0]

    @property
    def tmpfs(self):
        return self.places[-1]

    def say(self, text):
        print(f"[{time.monotonic() - self.start:6.1f} s] {self.row}: {text}", file=sys.stderr, flush=True)

    def left(self):
        """Seconds of what the run may take."""
        return self.start + self.arguments.minutes * 60 - time.monotonic()

    def is_late(self):
        return self.left() < 0

    def rounds(self, full=15, quick=3):
        return self.arguments.rounds or (quick if self.quick else full)

    def seconds(self, full=0.2, quick=0.2):
        return self.arguments.seconds or (quick if self.quick else full)

    @property
    def warmup(self):
        return 0.05 if self.quick else 0.1

    def settle(self):
        """Until what was written in bulk no longer keeps the device busy, and the engine's background less."""
        time.sleep(1 if self.quick else SETTLE_SECONDS)

    def case(self, text, place):
        return (self.row, text, place.name)

    # ---- one measurement ----

    def spawn(self, command, is_server=False):
        """A client in the background; `read` takes what it said."""
        return self.host.spawn(f"{self.row}-clients", command, is_server, stdout=subprocess.PIPE)

    def read(self, process, patience):
        """What a client printed, when it has ended well."""
        what = " ".join(process.args[3:])
        try:
            text = process.communicate(timeout=patience)[0].decode()
        except subprocess.TimeoutExpired:
            raise Unmeasured(f"not done within {patience:.0f} s: {what}") from None
        finally:
            self.host.end(process)
        if process.returncode != 0:
            raise Unmeasured(f"exit code {process.returncode}, see the row's logs: {what}")
        return text

    def run(self, command, patience=PATIENCE, is_server=False):
        return self.read(self.spawn(command, is_server), patience)

    def lines(self, text, count):
        """The lines of a client's CSV, numbers as such."""
        lines = []
        for line in csv.DictReader(io.StringIO(text)):
            lines.append({name: value if name == "workload" else float(value) for name, value in line.items()})
        if len(lines) != count:
            raise Unmeasured(f"{len(lines)} lines where {count} were expected:\n{text}")
        return lines

    def cairn_command(self, server, workloads, seconds=None, chain=None):
        """`cairn bench` in a chain that stays. It writes only where a mark says that the chain is its own."""
        tool = [self.cairn, "--socket", server.socket]
        if chain is None and server not in self.marked:
            self.run([*tool, "meta", "set", ".cairn-bench", ""], PATIENCE)
            self.marked.add(server)
        command = [*tool, "bench", *workloads, "--csv", "--keep", "--chain", chain or "default"]
        if seconds is not None:
            command += ["--duration", f"{round(seconds * 1000)}ms", "--warmup", f"{round(self.warmup * 1000)}ms"]
        return command

    def load(self, server, *workloads, seconds=None, chain=None, refusals=False):
        """Runs workloads side by side; a line each. Without seconds they end by their count. Nothing may fail unless
        `refusals` says that the row counts it."""
        text = self.run(self.cairn_command(server, workloads, seconds, chain), PATIENCE + (seconds or 600))
        lines = self.lines(text, len(workloads))
        for line in lines:
            if line["failed"] > 0 and not refusals:
                raise Unmeasured(f"{line['failed']:.0f} requests failed: {line['workload']}")
            if line["operations"] == 0:
                if seconds is None or seconds >= LONGEST_SECONDS:
                    raise Unmeasured(f"nothing was answered within {line['seconds']} s: {line['workload']}")
                self.say(f"nothing was answered within {seconds:g} s, measuring longer: {line['workload']}")
                return self.load(server, *workloads, seconds=4 * seconds, chain=chain, refusals=refusals)
        return lines

    def load_one(self, server, workload, seconds=None, chain=None):
        return self.load(server, workload, seconds=seconds, chain=chain)[0]

    def other(self, *words, seconds=None):
        """Runs a client of what cairn is compared with. RocksDB in process is its own server and gets the nice value."""
        command = [self.side, *words]
        if seconds is not None:
            command += ["--duration", f"{seconds:.3f}", "--warmup", f"{self.warmup:.3f}"]
        return self.lines(self.run(command, PATIENCE + (seconds or 600), is_server=words[0] == "rocksdb"), 1)[0]

    # ---- rounds ----

    def alternate(self, rounds, **sides):
        """Measures each side once a round, in turn. Returns a list of what each measured."""
        found = {name: [] for name in sides}
        for done in range(rounds):
            if self.is_late() and done >= ROUNDS_MIN:
                self.say(f"only {done} rounds: the run takes too long")
                break
            for name, measure in sides.items():
                found[name].append(measure())
        return found


def column(lines, name):
    return [line[name] for line in lines]
