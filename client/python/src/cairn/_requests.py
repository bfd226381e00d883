"""Requests as frames, and answers as values. Pure; what only the daemon can judge is left to it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from . import cairn_pb2 as pb
from .types import (
    Block, CairnError, Chain, Claim, Delete, DeleteRange, Drained, Guard, Level, Metadata, MetadataParts, Operation, Parts, Raise, Reason,
    Set, State, Status, Written,
)

T = TypeVar("T")

MAGIC = 0xCA
REQUEST_HEADER = struct.Struct("<BBBBIQ")
REPLY_HEADER = struct.Struct("<BBBBIQQQ")
CONTINUED, MORE = 1, 2
FRAME_BYTES_MAX = 256 << 20  # of any daemon's frames
WINDOW_BYTES = 1 << 20
LISTS, DELETES, CLAIMS = int(pb.FEATURE_LISTS), int(pb.FEATURE_DELETES), int(pb.FEATURE_CLAIMS)
FEATURES = int(pb.FEATURE_PRUNE_DRY_RUN) | LISTS | DELETES | CLAIMS  # what the hello asks for

(HELLO, PING, STATUS, CHAINS, CREATE_CHAIN, DROP_CHAIN, DRAIN, CLAIM, PRESENT, RELEASE) = range(1, 11)
(HEIGHT, READ_BLOCK, READ_BLOCKS, READ_STATE, GET, GET_MANY, LIST, CREDIT, CANCEL, USAGE) = range(16, 26)
(WRITE_METADATA, COMMIT, PRUNE, ROLLBACK, BARRIER) = range(32, 37)


@dataclass(frozen=True, slots=True)
class Reply:
    """A frame from the daemon."""

    type: int
    flags: int
    status: Status
    id: int
    written_through: int
    durable_through: int
    body: bytes


@dataclass(slots=True)
class Epoch:
    """What this client knows of its claim of a chain."""

    sequence: int
    random: int
    last: int = 0  # number that is known to be applied under it
    knows_last: bool = True  # False: the chain does not know the epoch
    ended: str = ""  # why


@dataclass(slots=True)
class Numbered:
    """Of a write that is numbered where its chain is claimed: what it was sent under last."""

    epoch: Epoch | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request that is not numbered yet, and how its answer is read. Of a stream `decode` reads one item."""

    type: int
    message: Any  # of cairn_pb2
    decode: Callable[[Reply], T]
    ordered: bool = False  # a write or barrier: waits while metadata is sent again
    is_stream: bool = False
    carries: bool = False  # its success means that all metadata accepted before it is written
    may_be_absent: bool = False  # NOT_FOUND is an answer
    needs: int = 0  # feature bits without which an older daemon would take it for another request
    operations: int = 0  # of a metadata write
    chain: str | None = None  # of a write that a claim lets through, or not
    numbered: Numbered | None = None
    is_alone: bool = False  # it changes the claim: no write goes out until it is answered


def frame(type_: int, id_: int, body: bytes) -> bytes:
    if len(body) > FRAME_BYTES_MAX:
        raise CairnError(Status.TOO_LARGE, f"{len(body)} bytes, more than any frame may have")
    return REQUEST_HEADER.pack(MAGIC, type_, 0, 0, len(body), id_) + body


def status_of(code: int) -> Status:
    return Status(code) if code <= Status.DAMAGED else Status.UNKNOWN


def error_of(reply: Reply) -> CairnError:
    message = pb.Error()
    message.ParseFromString(reply.body)
    code = int(message.reason) if message.HasField("reason") else 0
    reason = Reason(code) if reply.status == Status.CONFLICT and code <= Reason.DROPPED else Reason.NONE
    return CairnError(reply.status, message.text.decode("utf-8", "replace"), reason)


# ---- values ----


def _level(level: Level) -> Any:  # the generated code has an enum of its own
    return level.value


def _chain(message: Any, chain: str) -> None:
    if chain:
        message.chain = chain.encode()


def _operations(to: Any, operations: Iterable[Operation]) -> int:
    count = 0
    for each in operations:
        message = to.add()
        if not isinstance(each, DeleteRange):
            message.name = each.name
        match each:
            case Set():
                message.value = each.value
                if each.of_height:
                    message.of_height = each.of_height
            case Delete():
                message.delete = True
            case Raise():
                setattr(message, "raise", each.value)
            case DeleteRange():
                message.delete_range.SetInParent()
                if each.first:
                    setattr(message.delete_range, "from", each.first)
                if each.end:
                    message.delete_range.to = each.end
        count += 1
    return count


def _deadline(message: Any, level: Level | None, timeout: float | None) -> None:
    if level is not None:
        message.level = _level(level)
    if timeout is not None:
        message.deadline_us = max(1, int(timeout * 1e6 * 7 / 8))  # so that BUSY comes before the caller's timeout


def _metadata(message: Any) -> Metadata:
    return Metadata(message.name, message.value, message.of_height, message.size)


def _metadata_parts(message: Any, parts: MetadataParts) -> int:
    """What the request needs of the daemon for it."""
    if parts == MetadataParts.DEFAULT:
        return 0
    message.parts = parts.value
    return LISTS


def _block(message: Any) -> Block:
    return Block(message.height, message.header, message.data, message.signature, message.hash)


def _written(reply: Reply) -> Written:
    message = pb.WriteReply()
    message.ParseFromString(reply.body)
    return Written(
        sequence=message.sequence,
        level=Level(message.level) if message.HasField("level") else None,
        created=message.created,
        blocks=message.blocks,
        states=message.states,
        metadata=message.metadata,
        lowered=message.lowered,
        raises_left_out=message.raises_left_out,
        repeated=message.repeated,
        written_through=reply.written_through,
        durable_through=reply.durable_through,
    )


def _claim(entry: Any) -> Claim:
    writer = entry.claim_name.decode("utf-8", "replace")
    return Claim(entry.claim_sequence, writer, entry.claim_pid, entry.claim_uid, entry.claim_held)


def _parse(message: Any, reply: Reply) -> Any:
    message.ParseFromString(reply.body)
    return message


# ---- requests ----


def hello(name: str, resume_run: int, resume_random: int) -> bytes:
    message = pb.Hello(version_min=1, version_max=1, features=FEATURES)
    if name:
        message.client_name = name.encode()
    if resume_run:
        message.resume_run = resume_run
    if resume_random:
        message.resume_random = resume_random
    return bytes(message.SerializeToString())


def ping() -> Call[None]:
    return Call(PING, pb.Ping(), lambda reply: None)


def status() -> Call[dict[str, int | str]]:
    def decode(reply: Reply) -> dict[str, int | str]:
        entries = _parse(pb.StatusReply(), reply).entries
        return {
            each.name.decode(): each.text.decode("utf-8", "replace") if each.HasField("text") else each.number
            for each in entries
        }

    return Call(STATUS, pb.Status(), decode)


def drain() -> Call[Drained]:
    def decode(reply: Reply) -> Drained:
        message = _parse(pb.DrainReply(), reply)
        return Drained(message.operations, message.connections)

    return Call(DRAIN, pb.Drain(), decode, ordered=True)


def chains() -> Call[list[Chain]]:
    def decode(reply: Reply) -> list[Chain]:
        return [
            Chain(
                each.name.decode(),
                each.height,
                each.blocks_pruned_through if each.HasField("blocks_pruned_through") else None,
                each.states_pruned_through if each.HasField("states_pruned_through") else None,
                _claim(each) if each.HasField("claim_sequence") else None,
            )
            for each in _parse(pb.ChainsReply(), reply).chains
        ]

    return Call(CHAINS, pb.Chains(), decode)


def create_chain(name: str) -> Call[Written]:
    return Call(CREATE_CHAIN, pb.CreateChain(chain=name.encode()), _written, ordered=True)


def drop_chain(name: str) -> Call[Written]:
    message = pb.DropChain(chain=name.encode())
    return Call(DROP_CHAIN, message, _written, ordered=True, carries=True, chain=name, is_alone=True)


def claim(chain: str, writer: str, take_over: bool) -> Call[Epoch]:
    message = pb.Claim(writer_name=writer.encode(), take_over=take_over)
    _chain(message, chain)

    def decode(reply: Reply) -> Epoch:
        epoch = _parse(pb.ClaimReply(), reply).epoch
        return Epoch(epoch.sequence, epoch.random)

    return Call(CLAIM, message, decode, ordered=True, needs=CLAIMS, is_alone=True)


def present(chain: str, epoch: Epoch) -> Call[int]:
    message = pb.Present(for_numbers=True)
    _chain(message, chain)
    message.epoch.sequence, message.epoch.random = epoch.sequence, epoch.random
    return Call(PRESENT, message, lambda reply: int(_parse(pb.PresentReply(), reply).last_number), chain=chain)


def last_number(reply: Reply) -> int | None:
    """Of a Present that was refused: the last number applied, if the chain knows the epoch."""
    message = _parse(pb.Error(), reply)
    return int(message.last_number) if message.HasField("last_number") else None


def release(chain: str, any_: bool) -> Call[Written]:
    message = pb.Release()
    _chain(message, chain)
    if any_:
        setattr(message, "any", True)
    return Call(RELEASE, message, _written, ordered=True, carries=True, needs=CLAIMS, is_alone=True)


def height(chain: str) -> Call[int]:
    message = pb.Height()
    _chain(message, chain)
    return Call(HEIGHT, message, lambda reply: int(_parse(pb.HeightReply(), reply).height))


def usage(chain: str) -> Call[int]:
    message = pb.Usage()
    _chain(message, chain)
    return Call(USAGE, message, lambda reply: int(_parse(pb.UsageReply(), reply).bytes))


def block(chain: str, at: int | bytes, parts: Parts) -> Call[Block | None]:
    message = pb.ReadBlock(parts=parts.value)
    _chain(message, chain)
    if isinstance(at, bytes):
        message.hash = at
    else:
        message.height = at
    return Call(READ_BLOCK, message, lambda reply: _block(_parse(pb.BlockReply(), reply)), may_be_absent=True)


def blocks_from(chain: str, first: int, last: int, parts: Parts) -> Call[Block]:
    message = pb.ReadBlocks(first=first, last=last, parts=parts.value, window_bytes=WINDOW_BYTES)
    _chain(message, chain)
    return Call(READ_BLOCKS, message, lambda reply: _block(_parse(pb.BlockReply(), reply)), is_stream=True)


def blocks_at(chain: str, heights: Sequence[int], parts: Parts) -> Call[Block | None]:
    message = pb.ReadBlocks(heights=heights, parts=parts.value, window_bytes=WINDOW_BYTES)
    _chain(message, chain)

    def decode(reply: Reply) -> Block | None:
        item = _parse(pb.BlockReply(), reply)
        return None if item.absent else _block(item)

    return Call(READ_BLOCKS, message, decode, is_stream=True)


def state(chain: str, at: int | None) -> Call[State | None]:
    message = pb.ReadState()
    _chain(message, chain)
    if at is not None:
        message.height = at

    def decode(reply: Reply) -> State:
        found = _parse(pb.StateReply(), reply)
        return State(found.height, found.value)

    return Call(READ_STATE, message, decode, may_be_absent=True)


def get(chain: str, name: bytes, parts: MetadataParts) -> Call[Metadata | None]:
    message = pb.GetMetadata(name=name)
    _chain(message, chain)
    needs = _metadata_parts(message, parts)

    def decode(reply: Reply) -> Metadata:
        found = _parse(pb.MetadataReply(), reply)
        return Metadata(name, found.value, found.of_height, found.size)

    return Call(GET, message, decode, may_be_absent=True, needs=needs)


def get_many(chain: str, names: Sequence[bytes], parts: MetadataParts) -> Call[Metadata | None]:
    message = pb.GetMetadataMany(names=names, window_bytes=WINDOW_BYTES)
    _chain(message, chain)
    needs = _metadata_parts(message, parts)

    def decode(reply: Reply) -> Metadata | None:
        item = _parse(pb.MetadataReply(), reply)
        return None if item.absent else _metadata(item)

    return Call(GET_MANY, message, decode, is_stream=True, needs=needs)


def list_(
    chain: str, prefix: bytes, start: bytes, end: bytes, reverse: bool, limit: int, parts: MetadataParts
) -> Call[Metadata]:
    message = pb.ListMetadata(prefix=prefix, window_bytes=WINDOW_BYTES)
    _chain(message, chain)
    needs = _metadata_parts(message, parts)
    if start:
        message.start = start
    if end:
        message.end = end
        needs = LISTS
    if reverse:
        message.reverse = True
        needs = LISTS
    if limit:
        message.limit = limit
    return Call(LIST, message, lambda reply: _metadata(_parse(pb.MetadataReply(), reply)), is_stream=True, needs=needs)


def write(
    chain: str, operations: Iterable[Operation], level: Level | None, timeout: float | None
) -> Call[Written]:
    message = pb.WriteMetadata()
    _chain(message, chain)
    count = _operations(message.operations, operations)
    _deadline(message, level, timeout)
    return Call(WRITE_METADATA, message, _written, ordered=True, operations=count, chain=chain)


@dataclass(frozen=True, slots=True)
class Commit:
    """The parts of a commit; they take effect in this order, and all or none."""

    blocks: Sequence[Block] = ()
    states: Sequence[State] = ()
    delete_states: Sequence[int] = ()
    rise_to: int = 0  # 0: the height stays
    metadata: Sequence[Operation] = field(default=())
    delete_blocks: Sequence[int] = ()  # behind `blocks`; the height, and what is bound to them, stay


def commit(
    chain: str, parts: Commit, level: Level | None, carry: bool, expected_height: int | None, timeout: float | None
) -> Call[Written]:
    message = pb.Commit()
    _chain(message, chain)
    _deadline(message, level, timeout)
    if carry:
        message.carry = True
    if expected_height is not None:
        message.expected_height = expected_height
    for each in parts.blocks:
        to = message.blocks.add(height=each.height, header=each.header, data=each.data, signature=each.signature)
        if each.hash:
            to.hash = each.hash
    for state_ in parts.states:
        message.states.add(height=state_.height, value=state_.value)
    message.delete_states.extend(parts.delete_states)
    if parts.rise_to:
        message.rise_to = parts.rise_to
    _operations(message.metadata, parts.metadata)
    message.delete_blocks.extend(parts.delete_blocks)
    ranges = any(isinstance(each, DeleteRange) for each in parts.metadata)
    needs = DELETES if ranges or parts.delete_blocks else 0
    return Call(COMMIT, message, _written, ordered=True, carries=carry or ranges, needs=needs, chain=chain, numbered=Numbered())


def prune(
    chain: str,
    blocks_through: int | None,
    states_through: int | None,
    metadata: Iterable[Operation],
    dry_run: bool,
    level: Level | None,
    timeout: float | None,
) -> Call[Written]:
    message = pb.Prune()
    _chain(message, chain)
    _deadline(message, level, timeout)
    if blocks_through is not None:
        message.blocks_through = blocks_through
    if states_through is not None:
        message.states_through = states_through
    _operations(message.metadata, metadata)
    if dry_run:
        message.dry_run = True
    needs = int(pb.FEATURE_PRUNE_DRY_RUN) if dry_run else 0
    if dry_run:
        return Call(PRUNE, message, _written, ordered=True, needs=needs)
    return Call(PRUNE, message, _written, ordered=True, carries=True, chain=chain, numbered=Numbered())


def rollback(
    chain: str,
    to: int,
    guards: Iterable[Guard],
    metadata: Iterable[Operation],
    dry_run: bool,
    level: Level | None,
    timeout: float | None,
) -> Call[Written]:
    message = pb.Rollback(to=to)
    _chain(message, chain)
    _deadline(message, level, timeout)
    for guard in guards:
        message.guards.add(name=guard.name, lower=guard.lower, pass_malformed=guard.pass_malformed)
    _operations(message.metadata, metadata)
    if dry_run:
        message.dry_run = True
        return Call(ROLLBACK, message, _written, ordered=True)
    return Call(ROLLBACK, message, _written, ordered=True, carries=True, chain=chain, numbered=Numbered())


def barrier(level: Level | None) -> Call[Written]:
    message = pb.Barrier()
    if level is not None:
        message.level = _level(level)
    return Call(BARRIER, message, _written, ordered=True, carries=level != Level.ACCEPTED)


def resend(message: Any, operations: int) -> Call[Written]:
    """A metadata write that goes again, with its old number in it."""
    return Call(WRITE_METADATA, message, _written, ordered=True, operations=operations)
