"""P1 to P5: what a block and a piece of metadata cost, alone and beside each other. One function a row; the text it returns says
what each side's durability was."""
import contextlib

from measure import column
from servers import Daemon, Echo, Redis

# Of a commit of one block beside its data: header 500, signature 64, encoding and frame. Its reply has a frame's header and a
# sequence number.
COMMIT_FRAME_BYTES = 600
COMMIT_REPLY_BYTES = 40
# The answer with a header and its hash, and with all parts of a block, by height.
READ_REQUEST_BYTES = 40
HEADER_REPLY_BYTES = 575
BLOCK_REPLY_BYTES = 20645
RECENT = 64  # heights that are read from memory
HOT_NAMES = 64
BATCH_NAMES = 512  # no name twice in a batch of 512; every group then writes as many
OFFERED = "metadata,rate=300000,names=64,clients=1,depth=8192"
CLOSED = "metadata,names=64,clients=4,depth=64"
NEW = "metadata,rate=50000,names=new,clients=1,depth=8192"


def limit(engine, echo):
    """The rate of who writes as fast as the engine in process and talks as fast as a bare echo."""
    return 1 / (1 / engine["rate"] + 1 / echo["rate"])


def ours_anew(bench, place, size, seconds):
    with place.directory() as directory, Daemon(bench, directory) as daemon:
        return bench.load_one(daemon, f"commit,size={size}", seconds)


def engine_anew(bench, place, size, seconds):
    """RocksDB in process on a directory of its own; what it wrote in former rounds it would read back into memory at its start."""
    with place.directory() as directory:
        return bench.other("rocksdb", directory, "commit", "--size", str(size), seconds=seconds)


def p1(bench):
    seconds = bench.seconds()
    for place in bench.places:
        for size in (1000, 20000):
            bench.say(f"commits of {size} bytes on {place.name}")
            with Echo(bench) as echo:
                words = ("--request", str(size + COMMIT_FRAME_BYTES), "--reply", str(COMMIT_REPLY_BYTES))
                found = bench.alternate(
                    bench.rounds(),
                    ours=lambda: ours_anew(bench, place, size, seconds),
                    engine=lambda: engine_anew(bench, place, size, seconds),
                    echo=lambda: bench.other("echo", echo.socket, *words, seconds=seconds),
                )
            case = bench.case(f"{size // 1000} kB", place)
            limits = [limit(engine, line) for engine, line in zip(found["engine"], found["echo"])]
            bench.results.compare(case, "rate", column(found["ours"], "rate"), limits, ">= 0.9")
            for name, metric in (("engine", "rate_to_engine"), ("echo", "rate_to_echo")):
                bench.results.compare(case, metric, column(found["ours"], "rate"), column(found[name], "rate"))
    return ("Each commit is durable: one sync of the log, in cairnd as in RocksDB in process; both begin anew each round. The echo keeps "
            "nothing.")  # fmt: skip


def p2(bench):
    seconds = bench.seconds(1.0, 0.4)
    commit = "commit,size=1000"
    for place in bench.places:
        bench.say(f"commits beside metadata on {place.name}")
        with place.directory() as directory, Daemon(bench, directory) as daemon:
            beside = {"P2a": OFFERED, "P2b": CLOSED, "P2c": NEW}
            sides = {
                name: lambda load=load: bench.load(daemon, commit, load, seconds=seconds, refusals=True)
                for name, load in beside.items()
            }
            found = bench.alternate(bench.rounds(), idle=lambda: [bench.load_one(daemon, commit, seconds)], **sides)
        commits = {name: [lines[0] for lines in rounds] for name, rounds in found.items()}
        keep_latencies(bench, place, commits)
        for name, text, rate, p99, least in (
            ("P2a", "metadata at 300000/s; 64 names", ">= 0.9", "<= 1.5", "-"),
            ("P2b", "metadata in closed loop; 4 x 64 in flight; 64 names", ">= 0.8", "<= 2", ">= 600000"),
            ("P2c", "metadata at 50000/s; new names", ">= 0.85", "<= 2", "-"),
        ):
            case = (name, text, place.name)
            for metric, column_name, goal in (("rate", "rate", rate), ("p99_us", "p99_us", p99), ("p999_us", "p999_us", "-")):
                bench.results.compare(
                    case, metric, column(commits[name], column_name), column(commits["idle"], column_name), goal
                )
            refused = sum(sum(column(lines, "failed")) for lines in found[name])
            bench.results.state(case, "refused", [refused], "<= 0" if name == "P2a" else "-")
            bench.results.state(case, "metadata_rate", [lines[1]["rate"] for lines in found[name]], least)
    return "Commits are durable, metadata is accepted (in the daemon's memory, in the log some 20 ms later); idle is the same daemon."


def keep_latencies(bench, place, commits):
    """Medians of the rounds' percentiles, for the plot."""
    for name, lines in commits.items():
        shown = bench.results.latencies.setdefault(place.name, {}).setdefault(name, {})
        for percentile in ("p50_us", "p90_us", "p99_us", "p999_us"):
            values = sorted(column(lines, percentile))
            shown[percentile] = values[len(values) // 2]


def p3(bench):
    seconds = bench.seconds()
    bench.say("setting metadata")
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(bench.disk.directory())
        daemon = stack.enter_context(Daemon(bench, directory))
        redis = stack.enter_context(Redis(bench, directory, "everysec"))
        for text, depth, goal in (("one at a time", 1, ">= 1.2"), ("64 in flight", 64, ">= 3")):
            words = ("set", "--size", "64", "--names", "64", "--clients", "1", "--depth", str(depth))
            found = bench.alternate(
                bench.rounds(),
                ours=lambda: bench.load_one(daemon, f"metadata,names=64,clients=1,depth={depth}", seconds),
                other=lambda: bench.other("redis", redis.socket, *words, seconds=seconds),
            )
            case = bench.case(text, bench.disk)
            bench.results.compare(case, "rate", column(found["ours"], "rate"), column(found["other"], "rate"), goal)
        for names, goal in ((HOT_NAMES, ">= 3000000"), (BATCH_NAMES, "-")):
            batches = f"metadata,names={names},batch=512,clients=1,depth=4"
            found = bench.alternate(bench.rounds(), ours=lambda: bench.load_one(daemon, batches, seconds))
            case = bench.case(f"batches of 512; {names} names; 4 in flight", bench.disk)
            bench.results.state(case, "operations_rate", column(found["ours"], "rate"), goal)
    return "Metadata is accepted, in the daemon's memory, and in the log some 20 ms later; Redis appends, appendfsync everysec."


def p4(bench):
    seconds = bench.seconds()
    bench.say("reads from memory")
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(bench.disk.directory())
        daemon = stack.enter_context(Daemon(bench, directory))
        redis = stack.enter_context(Redis(bench, directory, "everysec"))
        echo = stack.enter_context(Echo(bench))
        bench.load_one(daemon, f"commit,size=20000,level=written,depth=8,count={4 * RECENT}")
        for name, reply in (("header", HEADER_REPLY_BYTES), ("block", BLOCK_REPLY_BYTES)):
            words = ("--request", str(READ_REQUEST_BYTES), "--reply", str(reply))
            found = bench.alternate(
                bench.rounds(),
                ours=lambda: bench.load_one(daemon, f"{name},heights={RECENT},clients=1,depth=1", seconds),
                other=lambda: bench.other("echo", echo.socket, *words, seconds=seconds),
            )
            case = bench.case(f"{name}; blocks of 20 kB; {RECENT} heights", bench.disk)
            bench.results.compare(case, "rate", column(found["ours"], "rate"), column(found["other"], "rate"), ">= 0.8")
        for text, depth, goal in (("get; one at a time", 1, ">= 1.2"), ("get; 64 in flight", 64, ">= 2")):
            words = ("get", "--size", "64", "--names", "64", "--clients", "1", "--depth", str(depth))
            found = bench.alternate(
                bench.rounds(),
                ours=lambda: bench.load_one(daemon, f"get,names=64,clients=1,depth={depth}", seconds),
                other=lambda: bench.other("redis", redis.socket, *words, seconds=seconds),
            )
            case = bench.case(text, bench.disk)
            bench.results.compare(case, "rate", column(found["ours"], "rate"), column(found["other"], "rate"), goal)
    return "Nothing is written; what is read lies in memory on every side."


def p5(bench):
    seconds = bench.seconds()
    for place in bench.places:
        bench.say(f"commits of 64 clients on {place.name}")
        with contextlib.ExitStack() as stack:
            directory = stack.enter_context(place.directory())
            daemon = stack.enter_context(Daemon(bench, directory))
            redis = stack.enter_context(Redis(bench, directory, "always"))
            words = ("set", "--size", "1000", "--names", "64", "--clients", "64", "--depth", "1")
            found = bench.alternate(
                bench.rounds(),
                one=lambda: bench.load_one(daemon, "commit,size=1000,clients=1", seconds),
                ours=lambda: bench.load_one(daemon, "commit,size=1000,clients=64", seconds),
                other=lambda: bench.other("redis", redis.socket, *words, seconds=seconds),
            )
        ours = column(found["ours"], "rate")
        bench.results.compare(bench.case("64 clients to one client", place), "rate", ours, column(found["one"], "rate"), ">= 5")
        bench.results.compare(
            bench.case("64 clients to Redis SET of 1000 bytes by 64", place), "rate", ours, column(found["other"], "rate"), ">= 1"
        )
    return "Commits are durable; Redis appends with appendfsync always."
