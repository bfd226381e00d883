"""The asynchronous client: as many requests under way at a time as there are tasks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from . import _requests as requests
from ._requests import Call, Commit
from ._session import RESEND_PAUSE, Pending, Session
from ._wire import Wire
from .client import CLOSED, FINAL, FORKED, Pauses
from .types import (
    Block, CairnError, Chain, Counters, Drained, Dropped, Guard, Level, Metadata, MetadataParts, Operation, Parts, Set, State, Status, Written,
)

T = TypeVar("T")


class AsyncClient:
    """Like Client, in an event loop. Tasks may share it. Cancelling a task gives its request up: one that was not sent yet is not, a
    stream ends, and metadata that the daemon accepts all the same is kept like any other."""

    def __init__(
        self,
        path: str,
        *,
        name: str = "",
        timeout: float = 30.0,
        kept_bytes_max: int = 64 << 20,
        on_dropped: Callable[[Dropped], None] | None = None,
    ) -> None:
        self.path = path
        self.timeout = timeout
        self._pid = os.getpid()
        self._session = Session(name, kept_bytes_max, on_dropped)
        self._wire = Wire(path, self._session)
        self._connecting = asyncio.Lock()
        self._changed = asyncio.Event()  # the hello was answered, or the connection ended
        self._written = asyncio.Event()  # the kernel has all there was to send, or the connection ended
        self._loss = CLOSED  # why it ended
        self._resumes: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await self.close()
        else:
            self._lose(CLOSED)

    # ---- connection ----

    async def connect(self, timeout: float | None = None) -> None:
        """Connects, unless it is connected; tries for that long. What time does not mend is raised at once."""
        await self._connect(self._deadline(timeout))

    async def close(self, timeout: float | None = None) -> None:
        """Waits until everything that was accepted is written, then disconnects, whether that succeeds or not."""
        try:
            if self._session.keeps or (self._session.unsettled_accept and self._session.is_ready):
                await self.barrier(Level.WRITTEN, timeout=timeout)
        finally:
            self._lose(CLOSED)

    async def forget(self) -> int:
        """After STORE_CHANGED, if the new store is wanted: forgets the old one and what was kept for it; how many operations."""
        self._lose(CLOSED)
        return self._session.forget()

    def counters(self) -> Counters:
        return self._session.counters()

    # ---- reads ----

    async def ping(self, *, timeout: float | None = None) -> None:
        await self._call(requests.ping(), timeout)

    async def status(self, *, timeout: float | None = None) -> dict[str, int | str]:
        """The status page."""
        return await self._call(requests.status(), timeout)

    async def chains(self, *, timeout: float | None = None) -> list[Chain]:
        return await self._call(requests.chains(), timeout)

    async def height(self, *, chain: str = "", timeout: float | None = None) -> int:
        """The chain's height; 0: it has none yet."""
        return await self._call(requests.height(chain), timeout)

    async def usage(self, *, chain: str = "", timeout: float | None = None) -> int:
        """About how many bytes the chain takes on disk."""
        return await self._call(requests.usage(chain), timeout)

    async def block(
        self, at: int | bytes, parts: Parts = Parts.ALL, *, chain: str = "", timeout: float | None = None
    ) -> Block | None:
        """The block at a height or with a hash; None: there is none."""
        return await self._call(requests.block(chain, at, parts), timeout)

    def blocks(
        self, first: int, last: int, parts: Parts = Parts.ALL, *, chain: str = "", timeout: float | None = None
    ) -> AsyncIterator[Block]:
        """The blocks that there are from first to last, both included, of one instant."""
        return self._stream(requests.blocks_from(chain, first, last, parts), timeout)

    def blocks_at(
        self, heights: Sequence[int], parts: Parts = Parts.ALL, *, chain: str = "", timeout: float | None = None
    ) -> AsyncIterator[Block | None]:
        """One for each height, in their order, of one instant; None: there is none."""
        return self._stream(requests.blocks_at(chain, heights, parts), timeout)

    async def state(self, at: int | None = None, *, chain: str = "", timeout: float | None = None) -> State | None:
        """The state at a height, or at the chain's."""
        return await self._call(requests.state(chain, at), timeout)

    async def get(
        self,
        name: bytes,
        parts: MetadataParts = MetadataParts.DEFAULT,
        *,
        chain: str = "",
        timeout: float | None = None,
    ) -> Metadata | None:
        return await self._call(requests.get(chain, name, parts), timeout)

    def get_many(
        self,
        names: Sequence[bytes],
        parts: MetadataParts = MetadataParts.DEFAULT,
        *,
        chain: str = "",
        timeout: float | None = None,
    ) -> AsyncIterator[Metadata | None]:
        """One for each name, in their order, of one instant."""
        return self._stream(requests.get_many(chain, names, parts), timeout)

    def list(
        self,
        prefix: bytes = b"",
        *,
        start: bytes = b"",
        end: bytes = b"",
        reverse: bool = False,
        limit: int = 0,
        parts: MetadataParts = MetadataParts.DEFAULT,
        chain: str = "",
        timeout: float | None = None,
    ) -> AsyncIterator[Metadata]:
        """The names with a prefix, from `start` on and below `end`, in byte order or in reverse, of one instant."""
        return self._stream(requests.list_(chain, prefix, start, end, reverse, limit, parts), timeout)

    # ---- writes ----

    async def create_chain(self, name: str, *, timeout: float | None = None) -> Written:
        """Durable; no error if it exists."""
        return await self._call(requests.create_chain(name), timeout)

    async def drop_chain(self, name: str, *, timeout: float | None = None) -> Written:
        """The chain with all that is in it, durably; "default" is made anew in the same step."""
        return await self._call(requests.drop_chain(name), timeout)

    async def claim(
        self, writer: str, *, take_over: bool = False, chain: str = "", timeout: float | None = None
    ) -> None:
        """Makes this client the chain's one writer. CONFLICT, CLAIMED: another is. From here on a commit, prune or rollback whose answer
        was lost goes again and is applied once. When another takes the chain over, or after release(), writes to it are CONFLICT,
        CLAIMED, until it is claimed anew."""
        await self._call(requests.claim(chain, writer, take_over), timeout)

    async def release(self, *, any: bool = False, chain: str = "", timeout: float | None = None) -> Written:
        """Ends this client's claim, durably; with `any`, an admin's, whichever there is."""
        return await self._call(requests.release(chain, any), timeout)

    async def set(
        self,
        name: bytes,
        value: bytes,
        *,
        of_height: int = 0,
        level: Level | None = None,
        chain: str = "",
        timeout: float | None = None,
    ) -> Written:
        return await self.write([Set(name, value, of_height)], level=level, chain=chain, timeout=timeout)

    async def write(
        self,
        operations: Iterable[Operation],
        *,
        level: Level | None = None,
        chain: str = "",
        timeout: float | None = None,
    ) -> Written:
        """Metadata, all of it or nothing; by default at level accepted."""
        call = requests.write(chain, operations, level, self._time(timeout))
        if self._session.is_full:
            await self.barrier(Level.WRITTEN, timeout=timeout)
        return await self._call(call, timeout)

    async def commit(
        self,
        parts: Commit,
        *,
        level: Level | None = None,
        carry: bool = False,
        expected_height: int | None = None,
        chain: str = "",
        timeout: float | None = None,
    ) -> Written:
        """All parts or none, by default durable. Without a claim it is never sent twice: after an unknown result,
        read the block."""
        call = requests.commit(chain, parts, level, carry, expected_height, self._time(timeout))
        return await self._call(call, timeout)

    async def prune(
        self,
        *,
        blocks_through: int | None = None,
        states_through: int | None = None,
        metadata: Iterable[Operation] = (),
        dry_run: bool = False,
        level: Level | None = None,
        chain: str = "",
        timeout: float | None = None,
    ) -> Written:
        call = requests.prune(chain, blocks_through, states_through, metadata, dry_run, level, self._time(timeout))
        return await self._call(call, timeout)

    async def rollback(
        self,
        to: int,
        *,
        guards: Iterable[Guard] = (),
        metadata: Iterable[Operation] = (),
        dry_run: bool = False,
        level: Level | None = None,
        chain: str = "",
        timeout: float | None = None,
    ) -> Written:
        call = requests.rollback(chain, to, guards, metadata, dry_run, level, self._time(timeout))
        return await self._call(call, timeout)

    async def drain(self, *, timeout: float | None = None) -> Drained:
        """Stops the daemon as SIGTERM does, once all that was accepted is durable."""
        return await self._call(requests.drain(), timeout)

    async def barrier(self, level: Level | None = None, *, timeout: float | None = None) -> Written:
        """Returns once everything that was accepted before has reached the level, by default durable."""
        return await self._call(requests.barrier(level), timeout)

    # ---- how ----

    def _time(self, timeout: float | None) -> float:
        return self.timeout if timeout is None else timeout

    def _deadline(self, timeout: float | None) -> float:
        return asyncio.get_running_loop().time() + self._time(timeout)

    async def _connect(self, deadline: float) -> None:
        loop, pauses = asyncio.get_running_loop(), Pauses()
        async with self._connecting:
            while not self._session.is_ready:
                try:
                    if self._wire.socket is None:
                        self._open()
                    await asyncio.wait_for(self._changed.wait(), max(0.0, deadline - loop.time()))
                    if not self._session.is_ready:
                        raise self._loss
                except TimeoutError:
                    text = f"{self.path}: connected, but no answer to the hello in time"
                    error = CairnError(Status.CANNOT_CONNECT, text)
                    self._lose(error)
                    raise error from None
                except CairnError as error:
                    self._lose(error)
                    if error.status in FINAL or loop.time() >= deadline:
                        raise
                    await asyncio.sleep(max(0.0, min(pauses.next(), deadline - loop.time())))

    def _open(self) -> None:
        self._changed.clear()
        asyncio.get_running_loop().add_reader(self._wire.open(), self._readable)
        self._flush()

    def _lose(self, error: CairnError) -> None:
        """Ends the connection: everything on it completes."""
        self._loss = error
        if self._wire.socket is not None:
            asyncio.get_running_loop().remove_reader(self._wire.socket)
            asyncio.get_running_loop().remove_writer(self._wire.socket)
        self._wire.close(error)
        self._changed.set()
        self._written.set()

    def _readable(self) -> None:
        try:
            self._wire.receive()
        except CairnError as error:
            self._lose(error)
            return
        self._flush()
        if self._session.is_ready:
            self._changed.set()
        if self._session.resend_pause and self._resumes is None:
            self._resumes = asyncio.get_running_loop().call_later(RESEND_PAUSE, self._resume)

    def _resume(self) -> None:
        self._resumes = None
        self._session.resume()
        self._flush()

    def _flush(self) -> None:
        """Sends what the kernel takes, and goes on when it takes more."""
        if self._wire.socket is None:
            return
        loop = asyncio.get_running_loop()
        self._wire.send()
        if self._wire.wants_write:
            self._written.clear()
            loop.add_writer(self._wire.socket, self._flush)
        else:
            self._written.set()
            loop.remove_writer(self._wire.socket)

    async def _await(self, pending: Pending, deadline: float) -> None:
        """Until it is done or has an item. After the deadline it is given up."""
        if pending.done or pending.items:
            return
        event = asyncio.Event()
        pending.wake = event.set
        try:
            await asyncio.wait_for(event.wait(), max(0.0, deadline - asyncio.get_running_loop().time()))
        except TimeoutError:
            if pending.done or pending.items:
                return
            if self._session.abandon(pending):
                raise CairnError(Status.NOT_SENT, "it could not be sent in time") from None
            self._flush()
            raise CairnError(Status.TIMEOUT, "no answer in time") from None
        finally:
            pending.wake = None

    def _repeats(self, pending: Pending, deadline: float) -> bool:
        return pending.begins_again and asyncio.get_running_loop().time() < deadline

    async def _begin(self, call: Call[Any], deadline: float) -> Pending:
        if os.getpid() != self._pid:
            raise CairnError(Status.USAGE, FORKED)
        await self._connect(deadline)
        pending = self._session.submit(call)
        self._flush()
        try:
            await self._written.wait()  # a daemon that does not read holds up its callers
        except asyncio.CancelledError:
            self._session.abandon(pending)
            raise
        return pending

    async def _call(self, call: Call[T], timeout: float | None) -> T:
        deadline = self._deadline(timeout)
        unknown: CairnError | None = None  # it was sent, and the answer was lost
        try:
            while True:
                try:
                    pending = await self._begin(call, deadline)
                    try:
                        await self._await(pending, deadline)
                    finally:
                        self._session.abandon(pending)  # if the task was cancelled
                except CairnError as error:
                    raise unknown or error from None
                if not self._repeats(pending, deadline):
                    value: T = pending.result()
                    return value
                unknown = pending.in_doubt or unknown
        finally:
            self._session.over(call)
            self._flush()

    async def _stream(self, call: Call[T], timeout: float | None) -> AsyncGenerator[T, None]:
        deadline = self._deadline(timeout)
        pending = await self._begin(call, deadline)
        try:
            while True:
                await self._await(pending, deadline)
                if pending.items:
                    item: T = self._session.take(pending)
                    self._flush()
                    yield item
                    deadline = self._deadline(timeout)  # each item starts it anew
                elif self._repeats(pending, deadline):
                    pending = await self._begin(call, deadline)
                elif pending.error is not None:
                    raise pending.error
                else:
                    return
        finally:
            self._session.abandon(pending)  # no more is wanted, if it is not done
            self._flush()
