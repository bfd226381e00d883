"""The installed package against a real daemon ($CAIRND): every call of both clients, and what happens when things end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import subprocess
import tempfile
import unittest
from collections.abc import AsyncIterator, Iterator
from typing import Any

import cairn
from cairn import (
    Applied, Block, CairnError, Commit, Delete, DeleteRange, Guard, Level, Metadata, MetadataParts, Parts, Raise, Reason, Set, State, Status,
)

LONG = 300.0  # seconds; for a machine that has a lot else to do
SLOW = ("--flush-delay", "10s", "--sync-interval", "10s")  # what is accepted stays in memory


class Daemon:
    def __init__(self, *arguments: str) -> None:
        self.home = tempfile.mkdtemp(prefix="cairn-python-")
        self.socket = os.path.join(self.home, "socket")
        self.process: subprocess.Popen[bytes] | None = None
        self.start(*arguments)

    def start(self, *arguments: str, data: str = "data") -> None:
        create = () if os.path.exists(os.path.join(self.home, data)) else ("--create",)
        with open(os.path.join(self.home, "errors"), "ab") as errors:
            self.process = subprocess.Popen(
                [os.environ["CAIRND"], "--data", os.path.join(self.home, data), "--socket", self.socket, *create, *arguments],
                stderr=errors,
            )

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        if number == signal.SIGSTOP:
            os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self) -> None:
        self.signal(signal.SIGTERM)
        self.wait()

    def wait(self) -> None:
        assert self.process is not None
        self.process.wait(LONG)
        self.process = None

    def end(self) -> None:
        if self.process is not None:
            self.signal(signal.SIGCONT)
            self.kill()
        shutil.rmtree(self.home)


class Awaited:
    """The blocking client with the shape of the other, so that one scenario is for both."""

    def __init__(self, client: cairn.Client) -> None:
        self.client = client

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)

        def call(*arguments: Any, **named: Any) -> Any:
            if name in ("blocks", "blocks_at", "get_many", "list"):
                return self.items(method(*arguments, **named))
            return self.value(method, *arguments, **named)

        return call

    async def value(self, method: Any, *arguments: Any, **named: Any) -> Any:
        return method(*arguments, **named)

    async def items(self, items: Iterator[Any]) -> AsyncIterator[Any]:
        for item in items:
            yield item


async def listed(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


class Case(unittest.IsolatedAsyncioTestCase):
    def daemon(self, *arguments: str) -> Daemon:
        daemon = Daemon(*arguments)
        self.addCleanup(daemon.end)
        return daemon

    @contextlib.contextmanager
    def refused(self, status: Status, reason: Reason) -> Iterator[None]:
        with self.assertRaises(CairnError) as caught:
            yield
        self.assertEqual((caught.exception.status, caught.exception.reason), (status, reason), caught.exception.text)

    def setUp(self) -> None:
        logging.getLogger("asyncio").setLevel(logging.ERROR)  # not how long a step took

    async def every_call(self, client: Any) -> None:
        await client.ping()
        self.assertEqual((await client.status())["health"], "ok")
        self.assertTrue((await client.create_chain("aux")).created)
        self.assertFalse((await client.create_chain("aux")).created)
        self.assertEqual([chain.name for chain in await client.chains()], ["aux", "default"])
        self.assertEqual(await client.height(), 0)
        self.assertGreaterEqual(await client.usage(), 0)

        blocks = [Block(height, b"h%d" % height, b"data", b"signature", b"hash%d" % height) for height in range(1, 11)]
        written = await client.commit(
            Commit(blocks, [State(height, b"s") for height in range(11)], rise_to=10, metadata=[Set(b"bound", b"x", 9)]),
            expected_height=0,
        )
        self.assertEqual(written.level, Level.DURABLE)
        self.assertGreaterEqual(written.durable_through, 0)
        with self.assertRaises(CairnError) as caught:
            await client.commit(Commit(rise_to=11), expected_height=3)
        self.assertEqual((caught.exception.status, caught.exception.applied), (Status.CONFLICT, Applied.NO))
        self.assertEqual(caught.exception.reason, Reason.HEIGHT)
        self.assertEqual(await client.height(), 10)
        self.assertEqual(await client.block(3), blocks[2])
        self.assertEqual(await client.block(b"hash4"), blocks[3])
        self.assertEqual(await client.block(3, Parts.DATA), Block(3, data=b"data"))
        self.assertIsNone(await client.block(11, Parts.NONE))
        self.assertEqual(await listed(client.blocks(2, 9)), blocks[1:9])
        self.assertEqual(await listed(client.blocks_at([9, 99, 1])), [blocks[8], None, blocks[0]])
        self.assertEqual(await client.state(), State(10, b"s"))
        self.assertIsNone(await client.state(12))

        self.assertEqual((await client.set(b"a/1", b"", of_height=7)).level, Level.ACCEPTED)
        await client.write([Set(b"a/2", b"two"), Raise(b"mark", 12), Set(b"gone", b""), Delete(b"gone")], level=Level.WRITTEN)
        self.assertEqual(await client.get(b"a/1"), Metadata(b"a/1", b"", 7))
        self.assertIsNone(await client.get(b"gone"))
        self.assertEqual(
            [found and found.value for found in await listed(client.get_many([b"a/2", b"gone", b"mark"]))],
            [b"two", None, (12).to_bytes(8, "little")],
        )
        self.assertEqual([found.name for found in await listed(client.list(b"a/"))], [b"a/1", b"a/2"])
        self.assertEqual([found.name for found in await listed(client.list(start=b"a/2", limit=1))], [b"a/2"])
        self.assertEqual([found.name for found in await listed(client.list(b"a/", end=b"a/2", reverse=True))], [b"a/1"])
        self.assertEqual([found.size for found in await listed(client.list(b"a/", reverse=True, parts=MetadataParts.SIZE))], [3, 0])
        self.assertEqual(await client.get(b"a/2", MetadataParts.NONE), Metadata(b"a/2", b""))
        self.assertEqual(await listed(client.get_many([b"gone", b"a/1"], MetadataParts.BINDING)), [None, Metadata(b"a/1", b"", 7)])
        await client.commit(Commit([Block(20)], metadata=[Set(b"r/1", b""), Set(b"r/2", b"")]))
        await client.commit(Commit(delete_blocks=[20], metadata=[DeleteRange(b"r/", b"r/2")]))
        self.assertIsNone(await client.block(20))
        self.assertEqual([found.name for found in await listed(client.list(b"r/"))], [b"r/2"])
        self.assertIsNone(await client.get(b"a/1", chain="aux"))
        self.assertEqual((await client.barrier()).level, Level.DURABLE)

        dry = await client.rollback(8, dry_run=True)
        self.assertEqual((dry.blocks, dry.states, dry.metadata), (2, 2, 1))
        with self.assertRaises(CairnError):
            await client.rollback(8, guards=[Guard(b"mark")])
        self.assertEqual((await client.rollback(8, guards=[Guard(b"mark", lower=True)])).lowered, 1)
        dry = await client.prune(blocks_through=3, states_through=2, dry_run=True)
        self.assertEqual((dry.blocks, dry.states), (3, 3))
        await client.prune(blocks_through=3, states_through=2, metadata=[Set(b"pruned", b"3")])
        self.assertEqual((await client.chains())[1], cairn.Chain("default", 8, 3, 2))
        await client.drop_chain("aux")
        self.assertEqual([chain.name for chain in await client.chains()], ["default"])
        with self.assertRaises(CairnError) as caught:
            await client.get(b"gone", chain="aux")
        self.assertEqual(caught.exception.status, Status.INVALID)
        with self.assertRaises(ValueError):
            await client.block(1 << 64)
        await client.ping()  # all of that left the connection as it was
        await client.set(b"last", b"")
        self.assertEqual((await client.drain()).connections, 1)

    async def test_every_call_blocking(self) -> None:
        with cairn.Client(self.daemon().socket, name="test", timeout=LONG) as client:
            await self.every_call(Awaited(client))

    async def test_every_call_asynchronous(self) -> None:
        async with cairn.AsyncClient(self.daemon().socket, name="test", timeout=LONG) as client:
            await self.every_call(client)

    def test_large_values_and_long_streams(self) -> None:
        with cairn.Client(self.daemon().socket, timeout=LONG) as client:
            large = os.urandom(3 << 20)  # above a stream's window: it comes in parts
            client.commit(Commit([Block(height, data=large) for height in range(1, 6)], rise_to=5))
            self.assertEqual([block.data == large for block in client.blocks(1, 5)], [True] * 5)
            for block in client.blocks(1, 5, Parts.DATA):
                self.assertEqual(block.height, 1)
                break  # ends the stream
            client.ping()

    def test_accepted_metadata_outlives_kill_minus_9(self) -> None:
        daemon = self.daemon(*SLOW)
        with cairn.Client(daemon.socket, timeout=LONG) as client:
            for number in range(300):
                client.set(b"%d" % number, b"value %d" % number)
            daemon.kill()
            daemon.start(*SLOW)
            client.set(b"new", b"")  # behind all that is sent again
            self.assertGreater(client.counters().resent_operations, 0)  # the last ones at least
            self.assertEqual([client.get(b"%d" % number) is not None for number in range(300)], [True] * 300)
        self.assertEqual(client.counters().kept_operations, 0)
        daemon.kill()
        daemon.start()
        with cairn.Client(daemon.socket, timeout=LONG) as client:
            self.assertEqual(len(list(client.list())), 301)

    async def test_accepted_metadata_outlives_kill_minus_9_in_a_loop(self) -> None:
        daemon = self.daemon(*SLOW)
        async with cairn.AsyncClient(daemon.socket, timeout=LONG) as client:
            await asyncio.gather(*(client.set(b"%d" % number, b"") for number in range(300)))
            daemon.kill()
            daemon.start(*SLOW)
            await client.set(b"new", b"")
            self.assertGreater(client.counters().resent_operations, 0)
        daemon.kill()
        daemon.start()
        async with cairn.AsyncClient(daemon.socket, timeout=LONG) as client:
            self.assertEqual(len(await listed(client.list())), 301)

    def test_a_rollback_in_between_drops_what_is_sent_again(self) -> None:
        daemon = self.daemon(*SLOW)
        dropped: list[cairn.Dropped] = []
        client = cairn.Client(daemon.socket, timeout=LONG, on_dropped=dropped.append)
        client.commit(Commit([Block(1), Block(2)], rise_to=2))
        client.set(b"late", b"")
        daemon.kill()
        daemon.start(*SLOW)
        with cairn.Client(daemon.socket, timeout=LONG) as other:
            other.rollback(1)
        client.close()
        self.assertEqual([each.error.status for each in dropped], [Status.CONFLICT])
        self.assertEqual(client.counters().dropped_operations, 1)

    def test_reads_and_writes_go_on_after_a_restart(self) -> None:
        daemon = self.daemon()
        with cairn.Client(daemon.socket, timeout=LONG) as client:
            client.commit(Commit([Block(1)], rise_to=1))
            daemon.kill()
            daemon.start()
            self.assertEqual(client.height(), 1)
            daemon.stop()
            daemon.start()
            client.commit(Commit([Block(2)], rise_to=2))  # it found the connection closed: not sent, so it went again
            self.assertEqual(client.height(), 2)

    def test_under_a_claim_commits_happen_once_over_kills(self) -> None:
        daemon = self.daemon()
        with cairn.Client(daemon.socket, timeout=LONG) as client:
            client.claim("node")
            claim = client.chains()[0].claim
            self.assertTrue(claim is not None and claim.writer == "node" and claim.held)
            for height in range(1, 21):
                if height % 5 == 0:
                    daemon.kill()
                    daemon.start()
                client.commit(Commit(blocks=[Block(height, b"header %d" % height)], rise_to=height), expected_height=height - 1)
                client.set(b"tip", b"%d" % height)
            self.assertEqual(client.height(), 20)
            self.assertEqual(client.release().level, Level.DURABLE)
            with self.refused(Status.CONFLICT, Reason.CLAIMED):
                client.commit(Commit(rise_to=21))
            client.claim("node")
            client.rollback(19)
            self.assertEqual(client.prune(blocks_through=3).repeated, False)
            with cairn.Client(daemon.socket, timeout=LONG) as other:
                with self.refused(Status.CONFLICT, Reason.CLAIMED):
                    other.claim("other")
                with self.refused(Status.CONFLICT, Reason.CLAIMED):
                    other.set(b"a", b"b")
                other.claim("other", take_over=True)
                other.commit(Commit(rise_to=20))
            for _ in range(2):
                with self.refused(Status.CONFLICT, Reason.CLAIMED):
                    client.commit(Commit(rise_to=21))
            self.assertEqual(client.height(), 20)

    async def test_tasks_under_a_claim_go_through_kills(self) -> None:
        daemon = self.daemon()
        async with cairn.AsyncClient(daemon.socket, timeout=LONG) as client:
            await client.claim("node")

            async def work(task: int) -> None:
                for i in range(20):
                    await client.commit(Commit(states=[State(100 * task + i, b"state")], metadata=[Raise(b"count %d" % task, i)]))
                    self.assertEqual(await client.height(), 0)

            tasks = [asyncio.create_task(work(task)) for task in range(4)]
            for _ in range(4):
                await asyncio.sleep(0.02)
                daemon.kill()
                daemon.start()
            await asyncio.gather(*tasks)
            for task in range(4):
                found = await client.get(b"count %d" % task)
                self.assertTrue(found is not None and found.value == (19).to_bytes(8, "little"))
            await client.release()

    def test_another_store_is_told(self) -> None:
        daemon = self.daemon()
        with cairn.Client(daemon.socket, timeout=LONG) as client:
            client.ping()
            daemon.stop()
            daemon.start(data="other")
            with self.assertRaises(CairnError) as caught:
                client.ping()
            self.assertEqual(caught.exception.status, Status.STORE_CHANGED)
            client.forget()
            client.ping()

    def test_what_stands_in_the_way_is_told(self) -> None:
        daemon = self.daemon()
        with cairn.Client(daemon.socket, timeout=LONG):
            pass
        daemon.kill()
        for path, text in ((daemon.socket + "no", "No such file"), (daemon.socket, "refused")):
            with self.assertRaises(CairnError) as caught:
                cairn.Client(path).connect(timeout=0.05)
            self.assertEqual(caught.exception.status, Status.CANNOT_CONNECT)
            self.assertIn(path, caught.exception.text)
            self.assertIn(text, caught.exception.text)

    def test_a_stopped_daemon_times_out(self) -> None:
        daemon = self.daemon()
        with cairn.Client(daemon.socket, timeout=LONG) as client:
            daemon.signal(signal.SIGSTOP)
            with self.assertRaises(CairnError) as caught:
                client.commit(Commit([Block(1)], rise_to=1), timeout=0.05)
            self.assertEqual((caught.exception.status, caught.exception.applied), (Status.TIMEOUT, Applied.UNKNOWN))
            daemon.signal(signal.SIGCONT)
            client.barrier()
            self.assertEqual(client.height(), 1)  # the late answer is nobody's

    async def test_a_cancelled_task_leaves_the_others_alone(self) -> None:
        daemon = self.daemon(*SLOW)
        async with cairn.AsyncClient(daemon.socket, timeout=LONG) as client:
            await client.ping()
            daemon.signal(signal.SIGSTOP)
            tasks = [asyncio.create_task(client.set(b"%d" % number, b"")) for number in range(10)]
            await asyncio.sleep(0.05)
            for task in tasks[::2]:
                task.cancel()
            await asyncio.gather(*tasks[::2], return_exceptions=True)
            self.assertTrue(all(task.cancelled() for task in tasks[::2]))
            daemon.signal(signal.SIGCONT)
            await asyncio.gather(*tasks[1::2])
            names = await listed(client.list())
            self.assertGreaterEqual(len(names), 5)
            daemon.kill()
            daemon.start()
            await client.barrier(Level.WRITTEN)
            self.assertEqual(await listed(client.list()), names)  # what was accepted all the same was kept too

    async def test_a_stream_that_is_left_ends(self) -> None:
        async with cairn.AsyncClient(self.daemon().socket, timeout=LONG) as client:
            data = os.urandom(1 << 20)
            await client.commit(Commit([Block(height, data=data) for height in range(1, 21)], rise_to=20))
            for _ in range(200):  # more than a connection may have open
                stream = client.blocks(1, 20, Parts.DATA)
                async for block in stream:
                    self.assertEqual(block.height, 1)
                    break
                await stream.aclose()  # type: ignore[attr-defined]
            await client.ping()

    async def test_many_tasks_share_a_connection(self) -> None:
        async with cairn.AsyncClient(self.daemon().socket, timeout=LONG) as client:
            async def one(number: int) -> bool:
                await client.set(b"%d" % number, b"x" * number)
                found = await client.get(b"%d" % number)
                return found is not None and len(found.value) == number

            self.assertEqual(await asyncio.gather(*(one(number) for number in range(500))), [True] * 500)

    def test_a_child_of_fork_is_told(self) -> None:
        with cairn.Client(self.daemon().socket, timeout=LONG) as client:
            client.ping()
            child = os.fork()
            if child == 0:
                try:
                    client.ping()
                except CairnError as error:
                    os._exit(0 if error.status == Status.USAGE else 1)
                os._exit(2)
            self.assertEqual(os.waitpid(child, 0)[1], 0)
            client.ping()

    def test_the_version_is_the_daemons(self) -> None:
        with cairn.Client(self.daemon().socket, timeout=LONG) as client:
            self.assertEqual(client.status()["version"], cairn.__version__)


if __name__ == "__main__":
    unittest.main(verbosity=2)
