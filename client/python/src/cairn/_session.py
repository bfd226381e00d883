"""What a client knows across its connections: requests under way, and accepted metadata that is not known to be written. It does no
input or output and looks at no clock: a blocking or an asynchronous client carries the bytes.

- start() begins a connection: the hello goes first, everything else is held until its answer
- submit() makes a request a frame; its Pending completes once: by its answer, by abandon() or by lost()
- what the daemon accepted is kept until a reply shows that it is written. A hello of a later run of the same store makes what that
  run did not find lost: it is sent again, in order, and new writes and barriers wait until the last of it is answered
- lost() ends a connection: what was sent is unknown, what was not is not applied
- under a claim commits, prunes and rollbacks are numbered, and one at a time: no other write goes out until it is answered. After a
  loss its caller submits the same call again. The next hello presents the claims first, which tells the last number that was applied: by
  that the call was applied, or gets the next number

Ways to fail: a reply that breaks the protocol, or a hello that is refused or of another store, raises CairnError: the connection
cannot go on."""

from __future__ import annotations

import bisect
import enum
from collections import deque
from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError

from . import _requests as requests
from . import cairn_pb2 as pb
from ._requests import CONTINUED, MORE, REPLY_HEADER, Call, Epoch, Reply
from .types import CairnError, Counters, Dropped, Level, Reason, Status, Written

RESENDS_MAX = 256  # sent again and not answered
RESEND_PAUSE = 0.1  # seconds, after a refusal for now
RETRIED = frozenset(
    {Status.BUSY, Status.NO_SPACE, Status.SHUTTING_DOWN, Status.PERMISSION, Status.READ_ONLY, Status.IO_ERROR}
)
REFUSALS = frozenset({Status.BUSY, Status.SHUTTING_DOWN, Status.PERMISSION, Status.UNSUPPORTED})


class _Kept:
    """An accepted metadata write: its body without level and deadline, under the number it was accepted with last."""

    class State(enum.Enum):
        ACCEPTED = 1
        LOST = 2  # with an earlier run, or refused for now: to be sent again
        RESENT = 3  # and not answered

    __slots__ = ("sequence", "body", "operations", "state")

    def __init__(self, sequence: int, body: bytes, operations: int) -> None:
        self.sequence = sequence
        self.body = body
        self.operations = operations
        self.state = _Kept.State.ACCEPTED


class Pending:
    """A request under way."""

    def __init__(self, call: Call[Any], id_: int) -> None:
        self.call = call
        self.id = id_
        self.done = False
        self.value: Any = None
        self.error: CairnError | None = None
        self.items: deque[tuple[Any, int]] = deque()  # of a stream: what came and was not taken, and its bytes
        self.delivered = False  # some item was taken: it cannot begin again
        self.wake: Callable[[], None] | None = None
        self.sent = False  # the kernel has all of it, or may have
        self.abandoned = False  # nobody waits for it; its answer is still recorded
        self.kept: _Kept | None = None  # what it sends again
        self.credit_due = 0
        self.message = b""  # the bodies of continued frames

    @property
    def goes_again(self) -> bool:
        """Whether it may be submitted again when its answer was lost: it does no harm twice, or its number tells."""
        numbered = self.call.numbered
        is_numbered = numbered is not None and numbered.number != 0
        return is_numbered if self.call.ordered else not self.delivered

    @property
    def begins_again(self) -> bool:
        """Whether it failed in a way that it can be submitted again."""
        if self.error is None:
            return False
        return self.error.status == Status.NOT_SENT or (self.error.status == Status.CONNECTION_LOST and self.goes_again)

    @property
    def in_doubt(self) -> CairnError | None:
        """The error of a write that was sent and may have been carried out; None: there is no such doubt."""
        return self.error if self.call.ordered and self.sent else None

    def result(self) -> Any:
        """The value of one that is done; raises its error."""
        if self.error is not None:
            raise self.error
        return self.value

    def complete(self, value: Any, error: CairnError | None) -> None:
        self.done, self.value, self.error = True, value, error
        self.notify()

    def notify(self) -> None:
        if self.wake is not None:
            self.wake()


class Session:
    def __init__(self, name: str, kept_bytes_max: int, on_dropped: Callable[[Dropped], None] | None) -> None:
        self.name = name
        self.kept_bytes_max = kept_bytes_max
        self.on_dropped = on_dropped
        self.is_ready = False
        self.out: deque[tuple[bytes, Pending | None]] = deque()  # to be sent, by whoever drives the session
        self.written_through = self.durable_through = 0
        self.unsettled_accept = False  # accepted since the last barrier: one would tell of raises that were left out
        self.resend_pause = False  # a refusal for now: call resume() after RESEND_PAUSE
        self._refused = False  # and the answers to the others that were sent again are awaited
        self.in_flight: dict[int, Pending] = {}
        self._held: deque[tuple[bytes, Pending]] = deque()
        self._next_id = 2  # 1 is the hello's
        self._buffer = bytearray()
        self._frame_bytes_max = 64 << 10
        self._features = 0  # of those that the hello asked for, what the daemon can do
        self._store_id = b""
        self._run = self._run_random = 0
        self._kept: list[_Kept] = []
        self._kept_bytes = 0
        self._lost: deque[_Kept] = deque()
        self._claims: dict[str, Epoch] = {}
        self._to_present: list[str] = []  # chains whose claims are not presented on this connection yet
        self._alone: Call[Any] | None = None  # no other write goes out until it is over
        self._resends = 0
        self._resent_operations = self._dropped_operations = 0

    # ---- connections ----

    def start(self) -> None:
        self._buffer.clear()
        self._frame_bytes_max = 64 << 10
        self._next_id = 2
        self.out.append((requests.frame(requests.HELLO, 1, requests.hello(self.name, self._run, self._run_random)), None))

    def lost(self, error: CairnError) -> None:
        """The connection ended: every request completes. Those that cannot have been carried out say so."""
        self.is_ready = False
        self.out.clear()
        self._held.clear()
        self._buffer.clear()
        pending, self.in_flight = list(self.in_flight.values()), {}
        self._to_present = []
        if any(each.call is self._alone and each.abandoned for each in pending):
            self._alone = None
        self._lose_from(next((each for each in self._kept if each.state is _Kept.State.RESENT), None))
        self._resends = 0
        self.resend_pause = self._refused = False
        unsent = error.status if error.status == Status.STORE_CHANGED else Status.NOT_SENT
        for each in pending:
            if not each.abandoned:
                each.complete(None, CairnError(Status.CONNECTION_LOST if each.sent else unsent, error.text))

    def forget(self) -> int:
        """Forgets the store and all that is kept; whether the store has it is unknown. Not while connected."""
        dropped = sum(each.operations for each in self._kept)
        self._dropped_operations += dropped
        self._kept, self._lost, self._kept_bytes = [], deque(), 0
        self._claims = {}
        self._store_id, self._run, self._run_random = b"", 0, 0
        self.written_through = self.durable_through = 0
        return dropped

    def counters(self) -> Counters:
        return Counters(
            kept_operations=sum(each.operations for each in self._kept),
            lost_operations=sum(each.operations for each in self._kept if each.state is not _Kept.State.ACCEPTED),
            resent_operations=self._resent_operations,
            dropped_operations=self._dropped_operations,
            run=self._run,
            store_id=self._store_id,
        )

    @property
    def keeps(self) -> bool:
        return bool(self._kept)

    @property
    def is_full(self) -> bool:
        return self._kept_bytes >= self.kept_bytes_max

    # ---- requests ----

    def submit(self, call: Call[Any]) -> Pending:
        if self.is_ready and call.needs & ~self._features:
            raise CairnError(Status.UNSUPPORTED, "the daemon is of an earlier version, which cannot do this")
        self._check_claim(call)
        body = call.message.SerializeToString()
        pending = Pending(call, self._next_id)
        frame = requests.frame(call.type, pending.id, body)
        if self.is_ready and len(body) > self._frame_bytes_max:
            raise CairnError(Status.TOO_LARGE, f"{len(body)} bytes, more than the daemon's frames may have")
        self._next_id += 1
        self.in_flight[pending.id] = pending
        is_next = not self._held or self._alone is call
        if self.is_ready and (not call.ordered or (is_next and self._may_go(call))):
            self._send(frame, pending)
        else:
            self._held.append((frame, pending))
        return pending

    def over(self, call: Call[Any]) -> None:
        """Nobody submits the call again. If its answer is still to come, that is awaited."""
        if self._alone is not call:
            return
        unanswered = [each for each in self.in_flight.values() if each.call is call]
        for each in unanswered:
            each.abandoned = True
        if not unanswered:
            self._alone = None
            self._pump()

    def _may_go(self, call: Call[Any]) -> bool:
        return not self._is_resending and not self._to_present and self._alone in (None, call)

    def _send(self, frame: bytes, pending: Pending) -> None:
        call = pending.call
        try:
            self._check_claim(call)  # it may have ended while the call was held
        except CairnError as error:
            del self.in_flight[pending.id]
            pending.complete(None, error)
            return
        epoch = self._claims.get(call.chain or "default") if call.numbered is not None else None
        if call.numbered is not None and call.numbered.number:  # it was sent before
            if self._decide(pending, call.numbered):
                return
            epoch = call.numbered.epoch
        if epoch is not None and call.numbered is not None:
            call.numbered.epoch, call.numbered.number = epoch, epoch.last + 1
            call.message.number = epoch.last + 1
            frame = requests.frame(call.type, pending.id, call.message.SerializeToString())
        if epoch is not None or call.is_alone:
            self._alone = call
        self.out.append((frame, pending))

    # ---- claims ----

    def _check_claim(self, call: Call[Any]) -> None:
        """Without a claim anew nothing more is written to a chain whose claim has ended."""
        epoch = self._claims.get(call.chain or "default") if call.chain is not None else None
        if epoch is not None and epoch.ended and not (call.numbered is not None and call.numbered.number):
            raise CairnError(Status.CONFLICT, f"this client's claim of the chain has ended: {epoch.ended}", Reason.CLAIMED)

    def _decide(self, pending: Pending, numbered: requests.Numbered) -> bool:
        """Whether it is known what became of a write that was sent and not answered; it has completed then."""
        epoch = numbered.epoch
        assert epoch is not None
        value: Written | None = None
        error: CairnError | None = None
        if not epoch.knows_last:
            error = CairnError(Status.CONNECTION_LOST, f"it may have been applied; the chain does not know the claim: {epoch.ended}")
        elif numbered.number <= epoch.last:
            value = Written(0, Level.DURABLE, repeated=True)
        elif epoch.ended:
            error = CairnError(Status.CONFLICT, epoch.ended, Reason.CLAIMED)
        else:
            return False
        del self.in_flight[pending.id]
        self._alone = None
        numbered.number = 0
        pending.complete(value, error)
        return True

    def _present(self) -> None:
        """Presents the next claim; writes wait until all are presented."""
        while self._to_present:
            chain = self._to_present[0]
            epoch = self._claims[chain]
            if not self._features & requests.CLAIMS:
                epoch.ended = epoch.ended or "this daemon has no claims"
                epoch.knows_last = False
                self._to_present.pop(0)
                continue
            call: Call[Any] = requests.present(chain, epoch)
            pending = Pending(call, self._next_id)
            self._next_id += 1
            self.in_flight[pending.id] = pending
            self.out.append((requests.frame(call.type, pending.id, call.message.SerializeToString()), pending))
            return

    def _presented(self, reply: Reply, value: Any, error: CairnError | None) -> None:
        epoch = self._claims[self._to_present[0]]
        if error is not None and error.status in RETRIED:
            self.resend_pause = True
            return
        last = value if error is None else requests.last_number(reply)
        epoch.knows_last = last is not None
        epoch.last = last or 0
        if error is not None:
            epoch.ended = epoch.ended or error.text
        self._to_present.pop(0)
        self._present()

    def _note_claim(self, call: Call[Any], value: Any, error: CairnError | None) -> None:
        """What an answer says of a claim."""
        chain = (call.message.chain.decode() if call.chain is None else call.chain) or "default"
        epoch = self._claims.get(chain)
        if call.type == requests.CLAIM and error is None:
            self._claims[chain] = value
        elif epoch is None:
            return
        elif error is not None:
            if error.reason == Reason.CLAIMED and call.type != requests.CLAIM:
                epoch.ended = epoch.ended or error.text
        elif call.type == requests.RELEASE:
            epoch.ended = epoch.ended or "this client released it"
        elif call.type == requests.DROP_CHAIN:
            epoch.ended = epoch.ended or "this client dropped the chain"
        elif call.numbered is not None and call.numbered.epoch is epoch:
            epoch.last = max(epoch.last, call.numbered.number)

    def abandon(self, pending: Pending) -> bool:
        """Nobody waits for it any more. True: it was not sent, and will not be."""
        if pending.done or pending.abandoned:
            return False
        if not pending.sent:
            waiting = len(self._held) + len(self.out)
            self._held = deque(each for each in self._held if each[1] is not pending)
            self.out = deque(each for each in self.out if each[1] is not pending)
            if len(self._held) + len(self.out) < waiting:
                del self.in_flight[pending.id]
                pending.done = True
                return True
        pending.abandoned = True
        pending.items.clear()
        pending.message = b""
        if pending.call.is_stream:
            self.out.append((requests.frame(requests.CANCEL, pending.id, b""), None))
        return False

    def take(self, pending: Pending) -> Any:
        """The next item of a stream, which has one; its bytes go back to the daemon as credit."""
        value, count = pending.items.popleft()
        pending.delivered = True
        self._credit(pending, count)
        return value

    def _credit(self, pending: Pending, count: int) -> None:
        pending.credit_due += count
        if not pending.done and pending.credit_due >= requests.WINDOW_BYTES // 2:
            message = pb.Credit(bytes=pending.credit_due)
            pending.credit_due = 0
            self.out.append((requests.frame(requests.CREDIT, pending.id, message.SerializeToString()), None))

    # ---- replies ----

    def receive(self, data: bytes) -> None:
        self._buffer += data
        at = 0
        while len(self._buffer) - at >= REPLY_HEADER.size:
            magic, type_, flags, code, count, id_, written, durable = REPLY_HEADER.unpack_from(self._buffer, at)
            if magic != requests.MAGIC or type_ < 0x80 or count > self._frame_bytes_max:
                raise self._broken("something that is not a frame of cairn")
            end = at + REPLY_HEADER.size + count
            if len(self._buffer) < end:
                break
            body = bytes(self._buffer[at + REPLY_HEADER.size : end])
            at = end
            reply = Reply(type_ - 0x80, flags, requests.status_of(code), id_, written, durable, body)
            try:
                if self.is_ready:
                    self._take(reply)
                else:
                    self._take_hello(reply)
            except (DecodeError, ValueError) as error:
                raise self._broken(f"a malformed answer: {error}") from error
        del self._buffer[:at]

    def _broken(self, what: str) -> CairnError:
        return CairnError(
            Status.CONNECTION_LOST if self.is_ready else Status.CANNOT_CONNECT, f"the daemon sent {what}"
        )

    def _record_marks(self, reply: Reply) -> None:
        self.durable_through = max(self.durable_through, reply.durable_through)
        if reply.written_through > self.written_through:
            self.written_through = reply.written_through
            self._cover(reply.written_through)

    def _take_hello(self, reply: Reply) -> None:
        if reply.type != requests.HELLO:
            raise self._broken("no answer to the hello first")
        if reply.status != Status.OK:
            text = requests.error_of(reply).text
            status = reply.status if reply.status in REFUSALS else Status.CANNOT_CONNECT
            raise CairnError(status, f"the daemon refused the connection: {text}")
        hello = pb.HelloReply()
        hello.ParseFromString(reply.body)
        if self._store_id and self._is_other_store(hello):
            raise CairnError(
                Status.STORE_CHANGED,
                "the socket leads to another store than before, or to a copy of it that was put back; nothing was sent to it, "
                "and what this client wrote may not be there",
            )
        if self._run and hello.run != self._run:
            self._judge(hello.metadata_on_disk)
        self._store_id, self._run, self._run_random = hello.store_id, hello.run, hello.run_random
        self._frame_bytes_max = hello.frame_bytes_max
        self._features = hello.features
        self.is_ready = True
        self._record_marks(reply)
        waiting = self._alone.numbered if self._alone is not None else None
        self._to_present = [
            chain
            for chain, epoch in self._claims.items()
            if not epoch.ended or (waiting is not None and waiting.epoch is epoch)
        ]
        self._present()
        self._pump()

    def _is_other_store(self, hello: Any) -> bool:
        if hello.store_changed or hello.store_id != self._store_id or hello.run < self._run:
            return True
        same_run = bool(hello.run == self._run)
        return same_run and self._run_random != 0 and hello.run_random not in (0, self._run_random)

    def _take(self, reply: Reply) -> None:
        pending = self.in_flight.get(reply.id)
        if pending is None or pending.call.type != reply.type:
            if reply.type == requests.HELLO and reply.status != Status.OK:
                raise CairnError(Status.CONNECTION_LOST, requests.error_of(reply).text)
            raise self._broken("an answer to no request")
        self._record_marks(reply)
        more, continued = bool(reply.flags & MORE), bool(reply.flags & CONTINUED)
        if more and not pending.call.is_stream:
            raise self._broken("several answers to one request")
        if continued:
            if not pending.abandoned:
                pending.message += reply.body
            if pending.call.is_stream:
                self._credit(pending, len(reply.body))
            return
        if pending.message:
            body, pending.message = pending.message + reply.body, b""
            whole = Reply(reply.type, reply.flags, reply.status, reply.id, reply.written_through, reply.durable_through, body)
        else:
            whole = reply
        if more:
            if not pending.abandoned:
                pending.items.append((pending.call.decode(whole), len(reply.body)))
                pending.notify()
            return
        self._end(pending, whole)

    def _end(self, pending: Pending, reply: Reply) -> None:
        del self.in_flight[pending.id]
        value: Any = None
        error: CairnError | None = None
        if reply.status == Status.OK:
            value = None if pending.call.is_stream else pending.call.decode(reply)
            self._record_success(pending, value)
        elif reply.status != Status.NOT_FOUND or not pending.call.may_be_absent:
            error = requests.error_of(reply)
        if pending.kept is not None:
            self._resend_answered(pending, pending.kept, value, error)
        if pending.call.type == requests.PRESENT:
            self._presented(reply, value, error)
        elif pending.call.chain is not None or pending.call.is_alone:
            self._note_claim(pending.call, value, error)
        if self._alone is pending.call:
            self._alone = None
        if not pending.abandoned:
            pending.complete(value, error)
        self._pump()

    def _record_success(self, pending: Pending, value: Any) -> None:
        call = pending.call
        if call.type == requests.DRAIN:
            self.unsettled_accept = False  # there is nobody left to ask
            return
        if call.carries and value.sequence:
            self._cover(value.sequence)
        if call.type == requests.BARRIER:
            self.unsettled_accept = False
        if call.type != requests.WRITE_METADATA or pending.kept is not None or value.level >= Level.WRITTEN:
            return
        self.unsettled_accept = True
        if value.sequence > self.written_through:
            call.message.ClearField("level")
            call.message.ClearField("deadline_us")
            kept = _Kept(value.sequence, call.message.SerializeToString(), call.operations)
            bisect.insort(self._kept, kept, key=lambda each: each.sequence)
            self._kept_bytes += len(kept.body)

    # ---- what is kept ----

    @property
    def _is_resending(self) -> bool:
        return bool(self._lost) or self._resends > 0

    def _drop(self, count: int) -> None:
        self._kept_bytes -= sum(len(each.body) for each in self._kept[:count])
        del self._kept[:count]

    def _cover(self, through: int) -> None:
        count = 0
        for each in self._kept:
            if each.state is not _Kept.State.ACCEPTED or each.sequence > through:
                break
            count += 1
        if count:
            self._drop(count)

    def _judge(self, on_disk: int) -> None:
        """A later run was met, which found that much on disk of what the run before had accepted."""
        self._kept = [
            each for each in self._kept if each.state is not _Kept.State.ACCEPTED or each.sequence > on_disk
        ]
        self._kept_bytes = sum(len(each.body) for each in self._kept)
        self._lose_from(self._kept[0] if self._kept else None)

    def _lose_from(self, first: _Kept | None) -> None:
        """It and all behind it are to be sent again, in order."""
        if first is None:
            return
        for each in self._kept[self._kept.index(first) :]:
            each.state = _Kept.State.LOST
        self._lost = deque(each for each in self._kept if each.state is _Kept.State.LOST)

    def _pump(self) -> None:
        """Sends again what is lost; then what waited for it."""
        if self._resends == 0:
            self._refused = False
        while self.is_ready and self._lost and self._resends < RESENDS_MAX and not (self.resend_pause or self._refused or self._to_present):
            kept = self._lost.popleft()
            message = pb.WriteMetadata()
            message.ParseFromString(kept.body)
            message.resend_of = kept.sequence
            call: Call[Any] = requests.resend(message, kept.operations)  # at the default level: accepted
            pending = Pending(call, self._next_id)
            pending.kept = kept
            self._next_id += 1
            self.in_flight[pending.id] = pending
            kept.state = _Kept.State.RESENT
            self._resends += 1
            self.out.append((requests.frame(call.type, pending.id, message.SerializeToString()), pending))
        waiting, self._held = self._held, deque()
        blocked = not self.is_ready
        for each in waiting:
            call = each[1].call
            may_go = self._may_go(call) and (not blocked or self._alone is call)
            blocked = blocked or (call.ordered and not may_go)
            if not self.is_ready or (call.ordered and not may_go):
                self._held.append(each)
            elif len(each[0]) - requests.REQUEST_HEADER.size > self._frame_bytes_max:
                del self.in_flight[each[1].id]
                each[1].complete(None, CairnError(Status.TOO_LARGE, "more than the daemon's frames may have"))
            else:
                self._send(*each)

    def resume(self) -> None:
        """The pause after a refusal is over."""
        self.resend_pause = False
        if self._to_present:
            self._present()
        self._pump()

    def _resend_answered(self, pending: Pending, kept: _Kept, value: Any, error: CairnError | None) -> None:
        self._resends -= 1
        if error is None:
            self._resent_operations += kept.operations
            if kept.state is _Kept.State.RESENT:
                kept.state = _Kept.State.ACCEPTED
                kept.sequence = value.sequence
                self._cover(self.written_through)
        elif error.status in RETRIED:
            if kept.state is _Kept.State.RESENT:
                self._lose_from(kept)
            self.resend_pause = self._refused = True
        else:
            self._dropped_operations += kept.operations
            self._kept.remove(kept)
            self._kept_bytes -= len(kept.body)
            self._lost = deque(each for each in self._lost if each is not kept)
            if self.on_dropped is not None:
                self.on_dropped(Dropped(kept.sequence, kept.operations, error))
