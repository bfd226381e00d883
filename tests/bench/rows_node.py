"""The row `node`: what a node has today, Badger in its own process as ev-node uses it (client/go/bench), and cairn in its place.

Its program is built here, from Go's cache when nothing has changed, by scripts/go.sh, which installs a Go where there is none that is
new enough. It takes the modules, from Go's cache, or from where that `go` gets them. Where it does not build the row is not measured."""
import os
import pathlib
import subprocess

from measure import PATIENCE
from servers import Daemon, Unmeasured

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = ROOT / "client/go/bench"
BUILD_SECONDS = 300
BLOCK_BYTES = 20000
SETTERS = 4
COMMIT = f"commit,size={BLOCK_BYTES}"
# A setter of the node waits only while the queue of 8192 is full. So ours do not wait for each answer either: P2b's load.
METADATA = f"metadata,names=64,clients={SETTERS},depth=64"


def program(bench):
    """Where Badger's program is."""
    if bench.arguments.badger:
        return bench.arguments.badger.absolute()
    path = (bench.arguments.build / "bench" / "badger").absolute()
    bench.say("building client/go/bench/cmd/badger")
    command = [ROOT / "scripts/go.sh", "build", "-buildvcs=false", "-o", path, "./cmd/badger"]
    try:
        made = subprocess.run(
            command, cwd=SOURCE, env={**os.environ, "GOWORK": "off"}, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=BUILD_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Unmeasured(f"client/go/bench was not built within {BUILD_SECONDS} s; are its modules out of reach?") from None
    if made.returncode != 0:
        raise Unmeasured(f"client/go/bench cannot be built: {' '.join(made.stderr.split())[-400:]}")
    return path


def node(bench):
    badger, seconds = program(bench), bench.seconds()
    cases = [(bench.tmpfs, "durable")] if bench.quick else [(bench.disk, "written"), (bench.disk, "durable")]

    def theirs(directory, level, setters):
        command = [
            badger, "--level", level, "--size", BLOCK_BYTES, "--threads", setters, "--duration", f"{seconds:.3f}",
            "--warmup", f"{bench.warmup:.3f}", directory / "badger",
        ]  # fmt: skip
        return bench.lines(bench.run(command, PATIENCE + seconds, is_server=True), 2 if setters else 1)

    for place, level in cases:
        bench.say(f"commits, {level}, on {place.name}")
        commit = f"{COMMIT},level={level}"
        with place.directory() as directory, Daemon(bench, directory) as daemon:
            found = bench.alternate(
                bench.rounds(),
                ours_alone=lambda: bench.load(daemon, commit, seconds=seconds),
                badger_alone=lambda: theirs(directory, level, 0),
                ours_beside=lambda: bench.load(daemon, commit, METADATA, seconds=seconds),
                badger_beside=lambda: theirs(directory, level, SETTERS),
            )
        for name, text in (("alone", "alone"), ("beside", f"beside metadata by {SETTERS} at full speed")):
            case = bench.case(f"20 kB, {level}; {text}", place)
            ours, other = found[f"ours_{name}"], found[f"badger_{name}"]
            for metric in ("rate", "p99_us"):
                bench.results.compare(case, metric, *([lines[0][metric] for lines in side] for side in (ours, other)))
        bench.results.compare(case, "metadata_rate", *([lines[1]["rate"] for lines in side] for side in (ours, other)))
    return ("Durable: cairnd syncs its log for each commit, Badger its own for each batch, metadata's too (SyncWrites). Written: neither "
            "does, as a node runs Badger today. Metadata is accepted, in memory, on both sides; Badger's dies with the node, cairnd's "
            "with cairnd. Badger runs in its caller's process, all of it at the servers' nice value; cairnd is asked over its socket, "
            "by clients without.")  # fmt: skip
