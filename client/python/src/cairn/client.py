"""The blocking client."""

from __future__ import annotations

import os
import random
import select
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from . import _requests as requests
from ._requests import Call, Commit
from ._session import RESEND_PAUSE, Pending, Session
from ._wire import Wire
from .types import (
    Block, CairnError, Chain, Counters, Drained, Dropped, Guard, Level, Metadata, MetadataParts, Operation, Parts, Set, State, Status, Written,
)

T = TypeVar("T")

PAUSE_MIN, PAUSE_MAX = 0.001, 0.25  # seconds between attempts to connect; doubled, and cut by up to a half
FINAL = frozenset({Status.STORE_CHANGED, Status.PERMISSION, Status.UNSUPPORTED})  # what time does not mend
FORKED = "this is a child of fork(), and the client is its parent's: make a client of its own"


CLOSED = CairnError(Status.CONNECTION_LOST, "the client was closed")


class Pauses:
    """The pauses between attempts."""

    def __init__(self) -> None:
        self._next = 0.0

    def next(self) -> float:
        pause, self._next = self._next, min(max(PAUSE_MIN, 2 * self._next), PAUSE_MAX)
        return pause * (1 - random.random() / 2)


class Client:
    """One connection to a daemon, for one thread at a time. It connects when it is first used, and again when it must.

    Metadata that was accepted is kept until it is known to be written, and sent again to a daemon that was restarted. A read whose
    answer was lost goes again; a write only if it was certainly not sent. Every call takes at most `timeout` seconds, by default the
    client's, and raises CairnError. Chains are named by `chain`; "" is "default"."""

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
        self._session = Session(name, kept_bytes_max, on_dropped)
        self._pid = os.getpid()
        self._wire = Wire(path, self._session)

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._wire.close(CLOSED)

    # ---- connection ----

    def connect(self, timeout: float | None = None) -> None:
        """Connects, unless it is connected; tries for that long. What time does not mend is raised at once."""
        self._connect(self._deadline(timeout))

    def close(self, timeout: float | None = None) -> None:
        """Waits until everything that was accepted is written, then disconnects, whether that succeeds or not."""
        try:
            if self._session.keeps or (self._session.unsettled_accept and self._session.is_ready):
                self.barrier(Level.WRITTEN, timeout=timeout)
        finally:
            self._wire.close(CLOSED)

    def forget(self) -> int:
        """After STORE_CHANGED, if the new store is wanted: forgets the old one and what was kept for it; how many operations."""
        self._wire.close(CLOSED)
        return self._session.forget()

    def counters(self) -> Counters:
        return self._session.counters()

    # ---- reads ----

    def ping(self, *, timeout: float | None = None) -> None:
        self._call(requests.ping(), timeout)

    def status(self, *, timeout: float | None = None) -> dict[str, int | str]:
        """The status page."""
        return self._call(requests.status(), timeout)

    def chains(self, *, timeout: float | None = None) -> list[Chain]:
        return self._call(requests.chains(), timeout)

    def height(self, *, chain: str = "", timeout: float | None = None) -> int:
        """The chain's height; 0: it has none yet."""
        return self._call(requests.height(chain), timeout)

    def usage(self, *, chain: str = "", timeout: float | None = None) -> int:
        """About how many bytes the chain takes on disk."""
        return self._call(requests.usage(chain), timeout)

    def block(
        self, at: int | bytes, parts: Parts = Parts.ALL, *, chain: str = "", timeout: float | None = None
    ) -> Block | None:
        """The block at a height or with a hash; None: there is none."""
        return self._call(requests.block(chain, at, parts), timeout)

    def blocks(
        self, first: int, last: int, parts: Parts = Parts.ALL, *, chain: str = "", timeout: float | None = None
    ) -> Iterator[Block]:
        """The blocks that there are from first to last, both included, of one instant."""
        return self._stream(requests.blocks_from(chain, first, last, parts), timeout)

    def blocks_at(
        self, heights: Sequence[int], parts: Parts = Parts.ALL, *, chain: str = "", timeout: float | None = None
    ) -> Iterator[Block | None]:
        """One for each height, in their order, of one instant; None: there is none."""
        return self._stream(requests.blocks_at(chain, heights, parts), timeout)

    def state(self, at: int | None = None, *, chain: str = "", timeout: float | None = None) -> State | None:
        """The state at a height, or at the chain's."""
        return self._call(requests.state(chain, at), timeout)

    def get(
        self,
        name: bytes,
        parts: MetadataParts = MetadataParts.DEFAULT,
        *,
        chain: str = "",
        timeout: float | None = None,
    ) -> Metadata | None:
        return self._call(requests.get(chain, name, parts), timeout)

    def get_many(
        self,
        names: Sequence[bytes],
        parts: MetadataParts = MetadataParts.DEFAULT,
        *,
        chain: str = "",
        timeout: float | None = None,
    ) -> Iterator[Metadata | None]:
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
    ) -> Iterator[Metadata]:
        """The names with a prefix, from `start` on and below `end`, in byte order or in reverse, of one instant."""
        return self._stream(requests.list_(chain, prefix, start, end, reverse, limit, parts), timeout)

    # ---- writes ----

    def create_chain(self, name: str, *, timeout: float | None = None) -> Written:
        """Durable; no error if it exists."""
        return self._call(requests.create_chain(name), timeout)

    def drop_chain(self, name: str, *, timeout: float | None = None) -> Written:
        """The chain with all that is in it, durably; "default" is made anew in the same step."""
        return self._call(requests.drop_chain(name), timeout)

    def claim(
        self, writer: str, *, take_over: bool = False, chain: str = "", timeout: float | None = None
    ) -> None:
        """Makes this client the chain's one writer. CONFLICT, CLAIMED: another is. From here on a commit, prune or rollback whose answer
        was lost goes again and is applied once. When another takes the chain over, or after release(), writes to it are CONFLICT,
        CLAIMED, until it is claimed anew."""
        self._call(requests.claim(chain, writer, take_over), timeout)

    def release(self, *, any: bool = False, chain: str = "", timeout: float | None = None) -> Written:
        """Ends this client's claim, durably; with `any`, an admin's, whichever there is."""
        return self._call(requests.release(chain, any), timeout)

    def set(
        self,
        name: bytes,
        value: bytes,
        *,
        of_height: int = 0,
        level: Level | None = None,
        chain: str = "",
        timeout: float | None = None,
    ) -> Written:
        return self.write([Set(name, value, of_height)], level=level, chain=chain, timeout=timeout)

    def write(
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
            self.barrier(Level.WRITTEN, timeout=timeout)
        return self._call(call, timeout)

    def commit(
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
        return self._call(call, timeout)

    def prune(
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
        return self._call(call, timeout)

    def rollback(
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
        return self._call(call, timeout)

    def drain(self, *, timeout: float | None = None) -> Drained:
        """Stops the daemon as SIGTERM does, once all that was accepted is durable."""
        return self._call(requests.drain(), timeout)

    def barrier(self, level: Level | None = None, *, timeout: float | None = None) -> Written:
        """Returns once everything that was accepted before has reached the level, by default durable."""
        return self._call(requests.barrier(level), timeout)

    # ---- how ----

    def _time(self, timeout: float | None) -> float:
        return self.timeout if timeout is None else timeout

    def _deadline(self, timeout: float | None) -> float:
        return time.monotonic() + self._time(timeout)

    def _connect(self, deadline: float) -> None:
        pauses = Pauses()
        while not self._session.is_ready:
            try:
                if self._wire.socket is None:
                    self._wire.open()
                while not self._session.is_ready:
                    self._turn(deadline)
                    if time.monotonic() >= deadline and not self._session.is_ready:
                        text = f"{self.path}: connected, but no answer to the hello in time"
                        raise CairnError(Status.CANNOT_CONNECT, text)
            except CairnError as error:
                self._wire.close(error)
                if error.status in FINAL or time.monotonic() >= deadline:
                    raise
                time.sleep(max(0.0, min(pauses.next(), deadline - time.monotonic())))

    def _turn(self, deadline: float) -> None:
        """Sends and receives what can be; waits for it until the deadline at most. A loss is raised, and everything has completed."""
        session, wire = self._session, self._wire
        assert wire.socket is not None
        try:
            wire.send()
            wait = deadline - time.monotonic()
            if session.resend_pause:
                wait = min(wait, RESEND_PAUSE)
            poll = select.poll()
            poll.register(wire.socket, select.POLLIN | (select.POLLOUT if wire.wants_write else 0))
            if poll.poll(max(0.0, wait * 1000)):
                wire.receive()
            elif session.resend_pause:
                session.resume()
        except CairnError as error:
            wire.close(error)
            raise

    def _await(self, pending: Pending, deadline: float) -> None:
        """Until it is done or has an item. After the deadline it is given up."""
        while not pending.done and not pending.items:
            try:
                self._turn(deadline)
            except CairnError:
                continue  # it completed with the loss
            if time.monotonic() >= deadline and not pending.done and not pending.items:
                if self._session.abandon(pending):
                    raise CairnError(Status.NOT_SENT, "it could not be sent in time")
                raise CairnError(Status.TIMEOUT, "no answer in time")

    def _repeats(self, pending: Pending, deadline: float) -> bool:
        return pending.begins_again and time.monotonic() < deadline and not self._session.is_ready

    def _begin(self, call: Call[Any], deadline: float) -> Pending:
        if os.getpid() != self._pid:
            raise CairnError(Status.USAGE, FORKED)
        self._connect(deadline)
        return self._session.submit(call)

    def _call(self, call: Call[T], timeout: float | None) -> T:
        deadline = self._deadline(timeout)
        unknown: CairnError | None = None  # it was sent, and the answer was lost
        try:
            while True:
                try:
                    pending = self._begin(call, deadline)
                    self._await(pending, deadline)
                except CairnError as error:
                    raise unknown or error from None
                if not self._repeats(pending, deadline):
                    value: T = pending.result()
                    return value
                unknown = pending.in_doubt or unknown
        finally:
            self._session.over(call)

    def _stream(self, call: Call[T], timeout: float | None) -> Generator[T, None, None]:
        deadline = self._deadline(timeout)
        pending = self._begin(call, deadline)
        try:
            while True:
                self._await(pending, deadline)
                if pending.items:
                    yield self._session.take(pending)
                    deadline = self._deadline(timeout)  # each item starts it anew
                elif self._repeats(pending, deadline):
                    pending = self._begin(call, deadline)
                elif pending.error is not None:
                    raise pending.error
                else:
                    return
        finally:
            self._session.abandon(pending)  # no more is wanted, if it is not done
