"""P2d, P6, P7 and P9: what many or large blocks cost, being written, read whole, or dropped."""
import json
import shutil
import statistics
import time

import wire
from measure import column
from rows_core import keep_latencies
from servers import Daemon, Unmeasured, allocated, drop_page_cache

BULK = "bulk"  # the chain of the ingest that runs beside commits
INGEST_SECONDS_MAX = 90.0  # for a device that takes longer over it
STORE_BYTES_MAX = 3 << 30  # beyond it both sides of an ingest begin anew
SPACE_SECONDS = 60.0
SPACE_PART = 0.95
LIVE_BLOCK_BYTES = 1700  # a commit of 1 kB as it lies in the log or a table: data, header of 500, signature, hashes, keys


def ask(bench, daemon, *words):
    """What a verb of the tool answers, as JSON."""
    text = bench.run([bench.cairn, "--socket", daemon.socket, "-o", "json", *words])
    return json.loads(text) if text.strip() else None


def height_of(bench, daemon, chain):
    answer = ask(bench, daemon, "height", "--chain", chain)
    return int(answer["height"] if isinstance(answer, dict) else answer)


def barrier(bench, daemon):
    bench.run([bench.cairn, "--socket", daemon.socket, "barrier"])


# ---- P2d ----


class Ingest:
    """Blocks of 20 kB on a chain of their own, by a process of its own, the chain pruned a few times on the way."""

    def __init__(self, bench, daemon, total_bytes):
        self.bench, self.daemon = bench, daemon
        self.count = total_bytes // 20000
        self.pruned = self.prunes = 0
        self.deadline = time.monotonic() + INGEST_SECONDS_MAX
        workload = f"commit,size=20000,level=written,depth=16,count={self.count}"
        self.process = bench.spawn(bench.cairn_command(daemon, [workload], chain=BULK))

    def is_running(self):
        return self.process.poll() is None and time.monotonic() < self.deadline

    def prune_now_and_then(self):
        height = height_of(self.bench, self.daemon, BULK)
        if height - self.pruned > self.count // 5:
            self.pruned = height - 1000 if height > 1000 else 1
            words = ("prune", "--blocks", str(self.pruned), "--yes", "--chain", BULK)
            self.bench.run([self.bench.cairn, "--socket", self.daemon.socket, *words])
            self.prunes += 1

    def end(self):
        """Bytes ingested."""
        if self.process.poll() is None:
            self.bench.host.end(self.process)
        else:
            self.bench.read(self.process, 10)
        return height_of(self.bench, self.daemon, BULK) * 20000


def p2d(bench):
    seconds = bench.seconds(1.0)
    total = 200_000_000 if bench.quick else 5_000_000_000
    commit = "commit,size=1000"
    for place in bench.places:
        bench.say(f"commits beside an ingest of {total / 1e9:g} GB on {place.name}")
        with place.directory() as directory, Daemon(bench, directory) as daemon:
            bench.run([bench.cairn, "--socket", daemon.socket, "chains", "create", BULK])
            idle = [bench.load_one(daemon, commit, seconds) for _ in range(bench.rounds(10, 3))]
            ingest = Ingest(bench, daemon, total)
            beside = []
            while ingest.is_running():
                beside.append(bench.load_one(daemon, commit, seconds))
                ingest.prune_now_and_then()
            ingested = ingest.end()
        if not beside:
            raise Unmeasured("the ingest was over before commits could be measured beside it")
        bench.say(f"{ingested / 1e9:.1f} GB ingested, {ingest.prunes} prunes, {len(beside)} windows")
        keep_latencies(bench, place, {"P2d": beside})
        case = ("P2d", f"{ingested / 1e9:.1f} GB ingested; {ingest.prunes} prunes; {len(beside)} windows", place.name)
        for metric, goal in (("p99_us", "<= 2"), ("p999_us", "-"), ("rate", "-")):
            base = statistics.median(column(idle, metric))
            bench.results.compare(case, metric, column(beside, metric), [base] * len(beside), goal)
    return ("Commits are durable, the ingest on the other chain is written (synced with them). Each window of commits beside it is set "
            "against the median of the idle ones before it.")  # fmt: skip


# ---- P6 ----


class Prunes:
    """Prunes of many heights on one daemon, with what commits cost in the windows before and in those that hold a prune."""

    def __init__(self, bench, daemon, heights, seconds):
        self.bench, self.daemon, self.heights, self.seconds = bench, daemon, heights, seconds
        self.answers, self.before, self.during = [], [], []
        self.empty_bytes = allocated(daemon.directory)

    def windows(self, n):
        return [self.bench.load_one(self.daemon, "commit,size=1000", self.seconds) for _ in range(n)]

    def prepare(self):
        count = f"count={self.heights}"
        self.bench.load_one(self.daemon, f"commit,batch=1000,size=100,level=written,depth=4,{count}")
        barrier(self.bench, self.daemon)

    def prune(self):
        """Returns allocated bytes before, and what is left live."""
        through = height_of(self.bench, self.daemon, "default")
        windows = self.windows(3)
        before_bytes = allocated(self.daemon.directory)
        connection = wire.Connection(self.daemon.socket)
        command = self.bench.cairn_command(self.daemon, ["commit,size=1000"], self.seconds)
        process = self.bench.spawn(command)
        time.sleep(self.bench.warmup + self.seconds * 0.4)
        self.answers.append(connection.prune(through) * 1000)
        connection.close()
        window = self.bench.lines(self.bench.read(process, 60), 1)[0]
        if window["failed"] > 0:
            raise Unmeasured(f"{window['failed']:.0f} commits failed beside the prune")
        self.before.append({name: statistics.median(column(windows, name)) for name in ("p99_us", "rate")})
        self.during.append(window)
        live = (height_of(self.bench, self.daemon, "default") - through) * LIVE_BLOCK_BYTES + self.empty_bytes
        return before_bytes, live

    def space(self, before_bytes, live, patience):
        """The largest part of what was dropped that came back, and after how many seconds it was enough, or None."""
        begin, part = time.monotonic(), 0.0
        while (took := time.monotonic() - begin) < patience:
            part = max(part, (before_bytes - allocated(self.daemon.directory)) / max(before_bytes - live, 1))
            if part >= SPACE_PART:
                return part, took
            time.sleep(0.1)
        return part, None


def p6(bench):
    heights = 100_000 if bench.quick else 1_000_000
    patience = 15.0 if bench.quick else SPACE_SECONDS
    for place in bench.places:
        with place.directory() as directory, Daemon(bench, directory) as daemon:
            prunes = Prunes(bench, daemon, heights, bench.seconds(1.5, 0.5))
            for i in range(bench.rounds(3, 2)):
                bench.say(f"prune {i + 1} of {heights} heights on {place.name}")
                prunes.prepare()
                before_bytes, live = prunes.prune()
            part, took = prunes.space(before_bytes, live, patience)
        bench.say(f"{part:.3f} of {(before_bytes - live) / 1e6:.0f} MB came back, "
                  f"{'enough after %.1f s' % took if took is not None else 'not enough within %.0f s' % patience}")  # fmt: skip
        case = bench.case(f"{heights} heights; {len(prunes.answers)} prunes", place)
        bench.results.state(case, "answer_ms", prunes.answers, "<= 10")
        for metric, goal in (("p99_us", "<= 1.5"), ("rate", "-")):
            bench.results.compare(case, metric, column(prunes.during, metric), column(prunes.before, metric), goal)
        bench.results.state(case, f"space_back_within_{patience:.0f}s", [part], f">= {SPACE_PART}")
        if took is not None:
            bench.results.state(case, "seconds_to_95_percent", [took])
    return ("Prune and commits are durable. The answer is timed on a connection that is there already. Space is what the files of the "
            "data directory take; dropped is all but a new store's and that of the commits since, and the load has ended by then.")  # fmt: skip


# ---- P7 ----


def p7(bench):
    for place in bench.places:
        for text, size, depth, full in (("20 kB; 16 in flight", 20000, 16, 0.4), ("5 MB; 4 in flight", 5000000, 4, 0.5),
                                        ("64 MB; 2 in flight", 64000000, 2, 1.0)):  # fmt: skip
            bench.say(f"ingest of blocks of {text} on {place.name}")
            found = ingest_rounds(bench, place, size, depth, bench.seconds(full, 0.5 if size > 20000 else 0.25))
            bench.results.compare(
                bench.case(text, place), "rate", column(found["ours"], "rate"), column(found["other"], "rate"), ">= 0.7"
            )
    return "Blocks are written (in the log, handed to the kernel, not synced) on both sides; both begin anew after some 3 GB."


def ingest_rounds(bench, place, size, depth, seconds):
    left, found = bench.rounds(), {"ours": [], "other": []}
    while left > 0:
        with place.directory() as directory, Daemon(bench, directory) as daemon:
            rocksdb = directory / "rocksdb"
            words = ("rocksdb", rocksdb, "commit", "--size", str(size), "--level", "written")
            while left > 0 and allocated(directory) < STORE_BYTES_MAX:
                found["ours"].append(bench.load_one(daemon, f"commit,size={size},level=written,depth={depth}", seconds))
                found["other"].append(bench.other(*words, seconds=seconds))
                left -= 1
    return found


# ---- P9 ----


def p9(bench):
    heights = 20_000 if bench.quick else 100_000
    for place in bench.places:
        bench.say(f"streams of {heights} heights on {place.name}")
        with place.directory() as directory:
            daemon, copy = Daemon(bench, directory), directory / "copy"
            with daemon:
                bench.load_one(daemon, f"commit,batch=100,size=2000,level=written,depth=4,count={heights}")
            with daemon:  # this start brings the log into tables
                pass
            shutil.copytree(daemon.directory / "db", copy)
            found = bench.alternate(
                bench.rounds(5, 2),
                ours=lambda: cold_stream(bench, daemon, heights),
                other=lambda: bench.other("rocksdb", copy, "stream", "--heights", str(heights), "--cold"),
            )
        case = bench.case(f"{heights} heights of 2 kB; one stream", place)
        bench.results.compare(case, "rate", column(found["ours"], "rate"), column(found["other"], "rate"), ">= 0.6")
    return ("Nothing is written. Before each pass cairnd starts anew and the files' pages are dropped from the page cache (on tmpfs there "
            "is none), as for the iterator on a copy of the store.")  # fmt: skip


def cold_stream(bench, daemon, heights):
    with daemon:
        drop_page_cache(daemon.directory)
        return bench.load_one(daemon, f"stream,heights={heights},count={heights}")
