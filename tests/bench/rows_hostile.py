"""The row `hostile`: what one client's requests take beside hundreds that leave half a frame, streams that nobody reads, or a pipeline of
costly requests, and stay; and beside others that send such a pipeline and die, one after the other."""
import contextlib
import socket
import threading
import time

import wire
from servers import Daemon

CLIENTS = 300  # of each kind that stays; connections_max is 1,024
HALF_BYTES = 1 << 20  # announced, of which nothing comes
PIPELINED = 6000
DYING_SECONDS = 0.02  # between two that die
BLOCKS = 1000  # of 20 kB: what is read lies in memory
# What a slice of work may add to each of the two times that a client waits: contract 7.
SLICE_US = 5000
FACTOR = 1.5
GOOD = (
    ("header", f"header,heights={BLOCKS},clients=1,depth=1"),
    ("set", "metadata,size=64,names=64,clients=1,depth=1"),
    ("durable commit of 1 kB", "commit,size=1000,clients=1,depth=1"),
)
COSTLY = b"".join(
    wire.REQUEST.pack(wire.MAGIC, kind, 0, 0, 0, number + 100)
    for number, kind in enumerate((wire.STATUS, wire.CHAINS) * (PIPELINED // 2))
)  # fmt: skip


def send_at_once(connection, data):
    """What the kernel takes of it."""
    connection.socket.setblocking(False)
    with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
        connection.socket.send(data)


def leave_half(connection):
    send_at_once(connection, wire.REQUEST.pack(wire.MAGIC, wire.COMMIT, 0, 0, HALF_BYTES, 9) + bytes(1000))


def leave_streams(connection):
    for _ in range(4):
        connection.send_read_blocks(1, 1 << 32)


def leave_pipeline(connection):
    send_at_once(connection, COSTLY)


def keep_dying(daemon, stopped):
    while not stopped.is_set():
        with contextlib.suppress(OSError, socket.timeout), contextlib.closing(wire.Connection(daemon.socket)) as connection:
            leave_pipeline(connection)
        time.sleep(DYING_SECONDS)


@contextlib.contextmanager
def hostile_clients(daemon, count):
    with contextlib.ExitStack() as stack:
        for leave in (leave_half, leave_streams, leave_pipeline):
            for _ in range(count):
                connection = wire.Connection(daemon.socket)
                stack.callback(connection.close)
                leave(connection)
        stopped = threading.Event()
        dying = threading.Thread(target=keep_dying, args=(daemon, stopped))
        dying.start()
        stack.callback(dying.join)
        stack.callback(stopped.set)
        yield


def hostile(bench):
    place, seconds, count = bench.tmpfs, bench.seconds(0.5, 0.3), 100 if bench.quick else CLIENTS
    rounds = bench.rounds(5, 2)
    alone, beside = {name: [] for name, _ in GOOD}, {name: [] for name, _ in GOOD}
    for done in range(rounds):
        bench.say(f"round {done + 1} of {rounds}: alone, then beside {3 * count} clients and those that die")
        with place.directory() as directory, Daemon(bench, directory) as daemon:
            bench.load_one(daemon, f"commit,size=20000,level=written,depth=8,count={BLOCKS}")
            for name, workload in GOOD:
                alone[name].append(bench.load_one(daemon, workload, seconds)["p99_us"])
            with hostile_clients(daemon, count):
                time.sleep(0.5)  # until what stands has been met
                for name, workload in GOOD:
                    beside[name].append(bench.load_one(daemon, workload, seconds)["p99_us"])
    for name, _ in GOOD:
        case = bench.case(f"{name}; beside {count} of each kind", place)
        bench.results.compare(case, "p99_us", beside[name], alone[name])
        bench.results.compare(
            case, "p99_us to 1.5 x alone + 5 ms", beside[name], [FACTOR * us + SLICE_US for us in alone[name]], "<= 1"
        )
    return (f"{count} clients announced {HALF_BYTES >> 20} MiB and stopped, {count} left four streams unread each, {count} sent "
            f"{PIPELINED} costly requests and read nothing; one more of those came and died each {DYING_SECONDS * 1000:.0f} ms.")  # fmt: skip
