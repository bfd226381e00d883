"""P8, P10 and P11: memory at its bounds, start and stop, and two recorded nodes' whole lives."""
import contextlib
import json
import pathlib
import resource
import signal
import time

import wire
from servers import Daemon, ReplayServer, Unmeasured

MIB = 1 << 20
IDLE_MIB = 32
CONNECTION_KIB = 6.5
CONNECTIONS = 10_000
# Of the engine: the size of one write buffer, and how many there may be (daemon/engine/rocksdb/rocks.h).
WRITE_BUFFER_BYTES = 64 * MIB
WRITE_BUFFERS = 4
BOUNDS = ("queue_bytes_max", "requests_bytes_max", "replies_bytes_max", "cache_bytes")
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "B": 1}
FILLING = "metadata,size=4000,names=new,clients=4,depth=512"
LARGE = "commit,size=64000000,depth=1,level=written"
LARGE_BLOCKS = 12
INGEST = "commit,size=20000,level=written,depth=16"
STALLED_STREAMS = 40
STALL_SECONDS = 0.15
DEAF_READERS = 40
LOG_BYTES = 256 * MIB
DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
RECORDINGS = ("aggregator", "follower")


# ---- P8 ----


def size_of(text):
    for unit, factor in UNITS.items():
        if text.endswith(unit):
            return int(text.removesuffix(unit)) * factor
    return int(text)


def bounds_of(bench, daemon):
    """The sum of the bounds in force, and how it is made."""
    text = bench.run([*daemon.command, "--print-config"])
    settings = dict(line.lstrip("# ").split(";")[0].split("=", 1) for line in text.splitlines() if "=" in line)
    parts = {name: size_of(settings[f"{name} "].strip()) for name in BOUNDS}
    parts["write buffers of the engine"] = WRITE_BUFFERS * WRITE_BUFFER_BYTES
    parts["idle"] = IDLE_MIB * MIB
    return sum(parts.values()), " + ".join(f"{name} {part // MIB}" for name, part in parts.items())


def connect_many(daemon, n):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < n + 100:
        raise Unmeasured(f"{n} connections need as many open files; the limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, n + 100), hard))
    connections = []
    try:
        for _ in range(n):
            connections.append(wire.Connection(daemon.socket))
        for connection in connections:
            connection.ask(wire.PING)  # each is still there
        return daemon.memory()[0]
    finally:
        for connection in connections:
            connection.close()


def p8(bench):
    place = bench.disk
    with place.directory() as directory, Daemon(bench, directory, connections_max="12000") as daemon:
        bench.say("memory, idle and with many connections")
        time.sleep(2)
        idle, peak = daemon.memory()
        bench.results.state(bench.case("idle", place), "rss_mib", [idle / MIB], f"<= {IDLE_MIB}")
        bench.results.state(bench.case("idle", place), "peak_mib", [peak / MIB])
        grown = connect_many(daemon, CONNECTIONS) - idle
        case = bench.case(f"{CONNECTIONS} connections", place)
        bench.results.state(case, "kib_a_connection", [grown / CONNECTIONS / 1024], f"<= {CONNECTION_KIB}")
    for text, work in (
        ("full queue", fill_queue),
        ("blocks of 64 MB; 8 written and 8 read in flight", write_and_read),
        (f"{STALLED_STREAMS} streams that nobody reads, beside an ingest", stall_streams),
        (f"all at once: full queue, blocks of 64 MB in flight, {DEAF_READERS} clients that read none", load_everything),
    ):
        if bench.quick and work in (stall_streams, load_everything):
            continue
        bench.say(f"memory with {text}")
        with place.directory() as directory, Daemon(bench, directory, flush_delay="10s") as daemon:
            bound, made = bounds_of(bench, daemon)
            text += work(bench, daemon) or ""
            peak = daemon.memory()[1]
        bench.results.compare(bench.case(text, place), "peak_mib", [peak / MIB], [bound / MIB], "<= 1")
    return f"No figure depends on durability. The bound, in MiB: {made} = {bound // MIB}."


def fill_queue(bench, daemon):
    process = bench.spawn(bench.cairn_command(daemon, [f"{FILLING},count={4 * 8192}"]))
    held = most_held(bench, daemon, process)
    bench.lines(bench.read(process, 600), 1)
    return f" of {held} operations"


def write_and_read(bench, daemon):
    first, written, read = (2, 8, 8) if bench.quick else (8, 24, 40)
    bench.load_one(daemon, f"{LARGE},clients=1,count={first}")
    bench.load(daemon, f"{LARGE},clients=8,count={written}", f"block,clients=8,count={read}")


def stall_streams(bench, daemon):
    bench.load_one(daemon, f"{INGEST},count=100")
    with contextlib.ExitStack() as stack:
        ingest = bench.spawn(bench.cairn_command(daemon, [INGEST], seconds=STALLED_STREAMS * STALL_SECONDS))
        stack.callback(bench.host.end, ingest)
        for _ in range(STALLED_STREAMS):  # each of what is in memory at another moment
            reader = wire.Connection(daemon.socket)
            stack.callback(reader.close)
            reader.send_read_blocks(1, 1 << 32)
            time.sleep(STALL_SECONDS)
        bench.lines(bench.read(ingest, 60), 1)


def load_everything(bench, daemon):
    bench.load_one(daemon, f"{LARGE},clients=1,count={LARGE_BLOCKS}")
    with contextlib.ExitStack() as stack:
        for i in range(DEAF_READERS):
            reader = wire.Connection(daemon.socket)
            stack.callback(reader.close)
            if i % 2 == 0:
                reader.send_read_block(1 + i % LARGE_BLOCKS)
            else:
                reader.send_read_blocks(1, 1 << 32)
        filling = bench.spawn(bench.cairn_command(daemon, [FILLING], seconds=60))
        stack.callback(bench.host.end, filling, signal.SIGKILL)
        bench.load_one(daemon, f"{LARGE},clients=8,count={2 * LARGE_BLOCKS}")


def most_held(bench, daemon, process):
    """The most operations that the queue was seen to hold while the process ran."""
    most = 0
    while process.poll() is None:
        most = max(most, queue_operations(bench, daemon))
    return most


def queue_operations(bench, daemon):
    text = bench.run([bench.cairn, "--socket", daemon.socket, "-o", "json", "status", "queue.operations"])
    return int(json.loads(text)["queue.operations"])


# ---- P10 ----


def log_bytes(daemon):
    total = 0
    for path in (daemon.directory / "db").glob("*.log"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def kill_with_log(bench, daemon):
    """Kills the daemon when its log is as large as it gets, LOG_BYTES at most. Returns the log's size."""
    process = bench.spawn(bench.cairn_command(daemon, [INGEST], seconds=60))
    begin, most = time.monotonic(), 0
    learning = 2.0 if bench.quick else 3.0  # to see how large it gets
    while True:
        bytes_now, passed = log_bytes(daemon), time.monotonic() - begin
        most = max(most, bytes_now)
        if bytes_now >= LOG_BYTES or (passed > learning and bytes_now >= 0.95 * most) or passed > 30:
            break
        if process.poll() is not None:
            raise Unmeasured("the ingest ended by itself")
        time.sleep(0.002)
    daemon.stop(signal.SIGKILL)
    bench.host.end(process, signal.SIGKILL)
    return log_bytes(daemon)


def p10(bench):
    for place in bench.places:
        bench.say(f"start after kill -9 on {place.name}")
        starts, logs = [], []
        with place.directory() as directory:
            daemon = Daemon(bench, directory)
            daemon.start()
            for _ in range(bench.rounds(3, 1)):
                logs.append(kill_with_log(bench, daemon))
                starts.append(daemon.start())
            daemon.stop()
        case = bench.case(f"kill -9; log of {min(logs) // MIB} to {max(logs) // MIB} MiB", place)
        bench.results.state(case, "ready_seconds", starts, "<= 1")
        bench.say(f"clean stop with a full queue on {place.name}")
        stops, held = [], []
        for _ in range(bench.rounds(5, 2)):
            with place.directory() as directory:
                stops.append(stop_when_full(bench, directory, held))
        bench.results.state(
            bench.case(f"SIGTERM; {min(held)} to {max(held)} operations queued", place), "exit_ms", stops, "<= 250"
        )
    return ("Before kill -9 blocks of 20 kB are written, not synced, until the log is as large as cairnd lets it be, 256 MiB at "
            "most; ready is from exec to the answer to a ping. SIGTERM comes while 4 connections keep the queue full.")  # fmt: skip


def stop_when_full(bench, directory, held):
    """Milliseconds from SIGTERM until the daemon has ended well."""
    daemon = Daemon(bench, directory, flush_delay="10s")
    daemon.start()
    workload = "metadata,size=64,names=new,batch=512,clients=4,depth=16"
    process = bench.spawn(bench.cairn_command(daemon, [workload], seconds=60))
    time.sleep(0.5)
    held.append(queue_operations(bench, daemon))
    begin = time.perf_counter()
    daemon.process.send_signal(signal.SIGTERM)
    try:
        code = daemon.process.wait(60)
    finally:
        took = time.perf_counter() - begin
        daemon.stop(signal.SIGKILL)
        bench.host.end(process, signal.SIGKILL)
    if code != 0:
        raise Unmeasured(f"the daemon ended with exit code {code} when told to stop")
    return took * 1000


# ---- P11 ----


def replay(bench, daemon, name):
    bench.replays += 1
    words = ("-o", "json", "replay", DATA / f"{name}.jsonl.zst", "--chain-prefix", f"replay{bench.replays}")
    report = json.loads(bench.run([bench.cairn, "--socket", daemon.socket, *words]))
    if report["mismatches"] or report["failed"]:
        raise Unmeasured(f"{name}: {report['mismatches']} answers differ, {report['failed']} calls failed")
    return report["calls"] / report["wall_us"] * 1e6


def p11(bench):
    bench.replays = 0
    for place in bench.places:
        with contextlib.ExitStack() as stack:
            directory = stack.enter_context(place.directory())
            daemon = stack.enter_context(Daemon(bench, directory))
            server = stack.enter_context(ReplayServer(bench, directory))
            for name in RECORDINGS[-1:] if bench.quick else RECORDINGS:
                bench.say(f"replays of {name} on {place.name}")
                found = bench.alternate(
                    bench.rounds(5, 1),
                    ours=lambda: replay(bench, daemon, name),
                    other=lambda: bench.other("replay", server.socket, DATA / f"{name}.jsonl.zst")["rate"],
                )
                bench.results.compare(bench.case(name, place), "calls_rate", found["ours"], found["other"], ">= 0.7")
    return "Commits are as durable as recorded, in cairnd as in the echo, which writes them in process; the echo keeps nothing else."
