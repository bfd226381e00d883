"""The processes that are measured, and the places their data lies in.

A server's life: started in a directory of its own, ready when its socket takes a connection (cairnd: when it answers), ended by its
pid. Whatever still runs when the bench ends, for whatever reason, is killed by its pid, and every directory is removed. A server
whose bench is itself killed dies with it."""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import wire

NICE = -10
TUNABLES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}  # as scripts/systemd/cairnd.service has them
MEMORY_FILE_SYSTEMS = ("tmpfs", "ramfs")


class Unmeasured(Exception):
    """Something could not be measured; the text says what and why."""


def file_system(path):
    return subprocess.run(["stat", "-f", "-c", "%T", str(path)], check=True, capture_output=True, text=True).stdout.strip()


def nice_prefix():
    """What a server's command starts with so that it runs at NICE; empty where that is not permitted."""
    command = ["nice", "-n", str(NICE)]
    found = subprocess.run([*command, "nice"], capture_output=True, text=True, check=False)
    return command if found.stdout.strip() == str(NICE) else []


def held_bytes(directory):
    """What the files of a directory take of the disk, without what a log has set aside and not written yet."""
    held = {}  # by file: some have two names
    for path in pathlib.Path(directory).rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            found = path.lstat()
            held[found.st_ino] = min(found.st_blocks * 512, found.st_size)
    return sum(held.values())


def drop_page_cache(directory):
    for path in pathlib.Path(directory).rglob("*"):
        if path.is_file():
            fd = os.open(path, os.O_RDONLY)
            try:
                os.fsync(fd)  # a dirty page would stay
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(fd)


class Place:
    """Where data lies: `disk` or `tmpfs`."""

    def __init__(self, name, path):
        self.name = name
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="cairn-bench.", dir=path))

    @contextlib.contextmanager
    def directory(self):
        path = pathlib.Path(tempfile.mkdtemp(dir=self.root))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            os.sync()  # its space goes back to the device now, and not while something is measured

    def close(self):
        shutil.rmtree(self.root, ignore_errors=True)


class Host:
    """Starts processes, and knows which of them still run."""

    def __init__(self, logs):
        self.logs = logs
        self.sockets = pathlib.Path(tempfile.mkdtemp(prefix="cairn-bench.", dir="/tmp"))  # a socket's path is 107 bytes at most
        self.nice = nice_prefix()
        self.running = set()
        self.count = 0

    def socket_path(self, name):
        self.count += 1
        return str(self.sockets / f"{name}{self.count}")

    def spawn(self, name, command, is_server=False, **options):
        """A process that dies with us. What measures goes without the servers' nice value and huge pages."""
        with open(self.logs / f"{name}.log", "ab") as log:
            log.write(f"--- {' '.join(map(str, command))}\n".encode())
            log.flush()
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *(self.nice if is_server else []), *map(str, command)],
                stdin=subprocess.DEVNULL, stderr=log, env={**os.environ, **(TUNABLES if is_server else {})},
                **{"stdout": log, **options},
            )  # fmt: skip
        self.running.add(process)
        return process

    def end(self, process, number=signal.SIGTERM, patience=60.0):
        """Ends a process and waits. Returns its exit code."""
        if process.poll() is None:
            process.send_signal(number)
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdout is not None:
            process.stdout.close()
        self.running.discard(process)
        return process.returncode

    def close(self):
        for process in list(self.running):
            self.end(process, signal.SIGKILL)
        shutil.rmtree(self.sockets, ignore_errors=True)


class Server:
    """A process with a socket. Use with `with`."""

    def __init__(self, host, name, command, socket_path):
        self.host, self.name, self.command, self.socket = host, name, command, socket_path
        self.process = None

    def is_ready(self):
        with contextlib.suppress(OSError):
            with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
                probe.connect(self.socket)
                return True
        return False

    def start(self, patience=60.0):
        """Returns the seconds until it was ready."""
        begin = time.perf_counter()
        self.process = self.host.spawn(self.name, self.command, is_server=True)
        while not self.is_ready():
            if self.process.poll() is not None:
                raise Unmeasured(f"{self.name} ended with exit code {self.process.returncode} before it was ready; see its log")
            if time.perf_counter() - begin > patience:
                raise Unmeasured(f"{self.name} was not ready within {patience:.0f} s")
            time.sleep(0.002)
        return time.perf_counter() - begin

    def stop(self, number=signal.SIGTERM):
        return self.host.end(self.process, number)

    def memory(self):
        """VmRSS and VmHWM of the process, in bytes."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            fields = dict(line.split(":", 1) for line in file)
        return tuple(int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


class Daemon(Server):
    def __init__(self, bench, directory, **settings):
        host = bench.host
        path = host.socket_path("cairnd")
        self.directory = pathlib.Path(directory) / "cairnd"
        command = [bench.cairnd, "--data", self.directory, "--socket", path, "--create", "--log-format", "text"]
        for name, value in settings.items():
            command += [f"--{name.replace('_', '-')}", value]
        super().__init__(host, f"{bench.row}-cairnd", command, path)

    def is_ready(self):
        return wire.answers(self.socket)


class Redis(Server):
    def __init__(self, bench, directory, appendfsync):
        path = bench.host.socket_path("redis")
        home = pathlib.Path(directory) / "redis"
        home.mkdir()
        command = [
            "redis-server", "--port", "0", "--unixsocket", path, "--dir", home, "--save", "", "--appendonly", "yes",
            "--appendfsync", appendfsync, "--auto-aof-rewrite-percentage", "0", "--loglevel", "warning",
        ]  # fmt: skip
        super().__init__(bench.host, f"{bench.row}-redis", command, path)


class Echo(Server):
    def __init__(self, bench):
        path = bench.host.socket_path("echo")
        super().__init__(bench.host, f"{bench.row}-echo", [bench.side, "echo-server", path], path)


class ReplayServer(Server):
    def __init__(self, bench, directory):
        path = bench.host.socket_path("replay")
        command = [bench.side, "replay-server", path, pathlib.Path(directory) / "replay"]
        super().__init__(bench.host, f"{bench.row}-replay-server", command, path)
