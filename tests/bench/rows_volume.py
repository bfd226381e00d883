"""P2d, P6, P7 and P9: what many or large blocks cost, being written, read whole, or dropped."""
import json
import shutil
import statistics
import time

import wire
from measure import ROUNDS_MIN, column
from rows_core import keep_latencies
from servers import Daemon, Unmeasured, drop_page_cache, held_bytes

BULK = "bulk"  # the chain of the ingest that runs beside commits
INGEST_BLOCK_BYTES = 20_000
INGEST_DEPTH = 16
INGEST_SECONDS_MAX = 60.0  # of each of its two parts, for a device that takes longer over it
INGEST_FIRST = 0.85  # of the whole as fast as it goes, the rest at this rate, with commits measured beside it
INGEST_RATE = 2000
INGEST_WINDOW_SECONDS_MAX = 1.0
LARGE_BLOCK_BYTES = 64_000_000  # a round of such takes seconds
SPACE_SECONDS = 60.0
SPACE_PART = 0.95
COMMIT = "commit,size=1000"
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

    def __init__(self, bench, daemon, total_bytes, pace):
        self.bench, self.daemon = bench, daemon
        self.count = int(total_bytes) // INGEST_BLOCK_BYTES
        self.pruned = self.prunes = 0
        self.deadline = time.monotonic() + INGEST_SECONDS_MAX
        workload = f"commit,size={INGEST_BLOCK_BYTES},level=written,{pace},count={self.count}"
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
        return height_of(self.bench, self.daemon, BULK) * INGEST_BLOCK_BYTES


def p2d(bench):
    seconds = bench.seconds(1.0)
    total = 200_000_000 if bench.quick else 5_000_000_000
    for place in bench.places:
        bench.say(f"commits beside an ingest of {total / 1e9:g} GB on {place.name}")
        with place.directory() as directory, Daemon(bench, directory) as daemon:
            bench.run([bench.cairn, "--socket", daemon.socket, "chains", "create", BULK])
            first = Ingest(bench, daemon, INGEST_FIRST * total, f"depth={INGEST_DEPTH}")
            while first.is_running():
                time.sleep(0.1)
            first.end()
            barrier(bench, daemon)
            bench.settle()
            idle = [bench.load_one(daemon, COMMIT, seconds) for _ in range(bench.rounds(15, 3))]
            ingest = Ingest(bench, daemon, (1 - INGEST_FIRST) * total, f"depth=1024,rate={INGEST_RATE}")
            beside = []
            while ingest.is_running():
                beside.append(bench.load_one(daemon, COMMIT, seconds))
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
    return (f"Commits are durable, the ingest on the other chain is written (synced with them): {INGEST_FIRST:.0%} of it before the idle "
            f"windows, as fast as it goes, the rest beside commits, {INGEST_RATE} blocks of 20 kB a second. Each window is set against "
            "the median of the idle ones.")  # fmt: skip


# ---- P6 ----


class Prune:
    """One prune of many heights, and what commits cost in the windows before it and in as many from it on, while its sweep goes on."""

    def __init__(self, bench, daemon, heights):
        self.bench, self.daemon, self.heights = bench, daemon, heights
        self.seconds, self.windows = bench.seconds(0.4, 0.25), bench.rounds(15, 4)
        self.answer_ms = self.pruned_at = self.full_bytes = self.live_bytes = None
        self.before, self.beside = [], []

    def height(self):
        return height_of(self.bench, self.daemon, "default")

    def commits(self):
        return self.bench.load_one(self.daemon, COMMIT, self.seconds)

    def run(self):
        self.bench.load_one(self.daemon, f"commit,batch=1000,size=100,level=written,depth=4,count={self.heights}")
        barrier(self.bench, self.daemon)
        through = self.height()
        prepared = held_bytes(self.daemon.directory)
        self.bench.settle()
        self.before = [self.commits() for _ in range(self.windows)]
        # A compaction under way holds what it reads and what it writes: the lower figure is nearer to what the blocks take.
        self.full_bytes = min(prepared, held_bytes(self.daemon.directory))
        self.beside = [self.window_with_prune(through)]
        self.beside += [self.commits() for _ in range(self.windows - 1)]
        self.live_bytes = (self.height() - through) * LIVE_BLOCK_BYTES

    def window_with_prune(self, through):
        connection = wire.Connection(self.daemon.socket)
        process = self.bench.spawn(self.bench.cairn_command(self.daemon, [COMMIT], self.seconds))
        time.sleep(self.bench.warmup + self.seconds * 0.4)
        self.answer_ms = connection.prune(through) * 1000
        self.pruned_at = time.monotonic()
        connection.close()
        window = self.bench.lines(self.bench.read(process, 60), 1)[0]
        if window["failed"] > 0:
            raise Unmeasured(f"{window['failed']:.0f} commits failed beside the prune")
        return window

    def space(self, patience):
        """What part of what was dropped came back, and how many seconds after the prune it was enough, or None."""
        part = 0.0
        while (passed := time.monotonic() - self.pruned_at) < patience:
            back = self.full_bytes - held_bytes(self.daemon.directory)
            part = max(part, back / max(self.full_bytes - self.live_bytes, 1))
            if part >= SPACE_PART:
                return part, passed
            time.sleep(0.1)
        return part, None


def p6(bench):
    heights = 100_000 if bench.quick else 1_000_000
    patience = 20.0 if bench.quick else SPACE_SECONDS
    for place in bench.places[-1:] if bench.quick else bench.places:
        bench.say(f"prune of {heights} heights on {place.name}")
        with place.directory() as directory, Daemon(bench, directory) as daemon:
            prune = Prune(bench, daemon, heights)
            prune.run()
            part, passed = prune.space(patience)
        bench.say(f"{part:.3f} of {(prune.full_bytes - prune.live_bytes) / 1e6:.0f} MB came back, "
                  f"{'enough after %.1f s' % passed if passed is not None else 'not enough within %.0f s' % patience}")  # fmt: skip
        case = bench.case(f"{heights} heights; {len(prune.beside)} windows", place)
        bench.results.state(case, "answer_ms", [prune.answer_ms], "<= 10")
        for metric, goal in (("p99_us", "<= 1.5"), ("rate", "-")):
            bench.results.compare(case, metric, column(prune.beside, metric), column(prune.before, metric), goal)
        before = statistics.median(column(prune.before, "p99_us"))
        bench.results.compare(case, "p99_us_first_window", column(prune.beside[:1], "p99_us"), [before])
        bench.results.state(case, f"space_back_in_{patience:.0f}s", [part], f">= {SPACE_PART}")
        if passed is not None:
            bench.results.state(case, "seconds_to_95_percent", [passed])
    return ("Prune and commits are durable. One prune: its answer is timed on a connection that is there already. p99 is of the windows "
            "from the prune on, while its sweep goes on, each set against one before it; the first has the prune in it. Space is what the "
            "files of the data directory hold; what the commits since then take is no part of it.")  # fmt: skip


# ---- P7 ----


def p7(bench):
    for place in bench.places:
        for name, size, depth in (("20 kB", 20000, 16), ("5 MB", 5000000, 4), ("64 MB", LARGE_BLOCK_BYTES, 2)):
            if bench.quick and size > 5000000 and place is not bench.tmpfs:
                continue
            text = f"{name}; {depth} in flight"
            bench.say(f"ingest of blocks of {text} on {place.name}")
            rounds = bench.rounds(15, 3 if size == 20000 else 2)
            found = ingest_rounds(bench, place, size, depth, rounds)
            bench.results.compare(
                bench.case(text, place), "rate", column(found["ours"], "rate"), column(found["other"], "rate"), ">= 0.7"
            )
    return "Blocks are written (in the log, handed to the kernel, not synced) on both sides, which begin anew each round."


def ingest_rounds(bench, place, size, depth, rounds):
    workload = f"commit,size={size},level=written,depth={depth}"
    seconds = None
    found = {"ours": [], "other": []}
    for done in range(rounds):
        if bench.is_late() and done >= ROUNDS_MIN:
            bench.say(f"only {done} rounds: the run takes too long")
            break
        with place.directory() as directory, Daemon(bench, directory) as daemon:
            if seconds is None:  # as long as it takes to see a few of the large ones
                probe = bench.load_one(daemon, f"{workload},count={depth if bench.quick else 2 * depth}")
                seconds = min(max(bench.seconds(0.4), 5 / probe["rate"]), INGEST_WINDOW_SECONDS_MAX)
            found["ours"].append(bench.load_one(daemon, workload, seconds))
        with place.directory() as directory:
            words = ("rocksdb", directory, "commit", "--size", str(size), "--level", "written")
            found["other"].append(bench.other(*words, seconds=seconds))
    return found


# ---- P9 ----


def p9(bench):
    heights = 10_000 if bench.quick else 100_000
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
                bench.rounds(15, 2),
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
