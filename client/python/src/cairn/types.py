"""What requests are made of and what answers hold. All of it is immutable; heights and numbers are unsigned 64-bit."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Status(enum.IntEnum):
    """What became of a request. Up to 63 it is the daemon's answer; above, this package found it."""

    OK = 0
    NOT_FOUND = 1
    INVALID = 2
    TOO_LARGE = 3
    CONFLICT = 4
    BUSY = 5
    NO_SPACE = 6
    SHUTTING_DOWN = 7
    PERMISSION = 8
    UNSUPPORTED = 9
    READ_ONLY = 10
    IO_ERROR = 11
    DAMAGED = 12
    UNKNOWN = 63  # of a later version of the daemon
    TIMEOUT = 64  # sent, but not answered in time
    CONNECTION_LOST = 65  # sent, then the connection ended
    NOT_SENT = 66
    CANNOT_CONNECT = 67
    STORE_CHANGED = 68  # the socket leads to another store, or to a copy that was put back
    USAGE = 70


class Reason(enum.IntEnum):
    """Why a write is CONFLICT."""

    NONE = 0  # it is no conflict, or the daemon is of an earlier version, or of a later one with reasons of its own
    HEIGHT = 1
    PRUNED = 2
    GUARD = 3
    NO_STATE = 4
    CLAIMED = 5  # by another writer
    NUMBER = 6
    ROLLED_BACK = 7
    DROPPED = 8


class Applied(enum.Enum):
    """Whether a write with some status was applied. A read changes nothing, whatever its status."""

    YES = "applied"
    NO = "not applied"
    UNKNOWN = "unknown"  # it may be there or not: read back what it should have written


_UNKNOWN = frozenset({Status.IO_ERROR, Status.UNKNOWN, Status.TIMEOUT, Status.CONNECTION_LOST})


class CairnError(Exception):
    """A request failed. `status` says how, `reason` what stands against a write, `text` why, for people; `applied` what became of
    a write."""

    def __init__(self, status: Status, text: str, reason: Reason = Reason.NONE) -> None:
        super().__init__(f"{status.name.lower().replace('_', ' ')}: {text}")
        self.status = status
        self.text = text
        self.reason = reason

    @property
    def applied(self) -> Applied:
        if self.status == Status.OK:
            return Applied.YES
        return Applied.UNKNOWN if self.status in _UNKNOWN else Applied.NO


class Level(enum.IntEnum):
    """What a write survives: the client's death, a kill of the daemon, a power loss."""

    ACCEPTED = 1
    WRITTEN = 2
    DURABLE = 3


class Parts(enum.IntFlag):
    """The parts of a block."""

    NONE = 0
    HEADER = 1
    DATA = 2
    SIGNATURE = 4
    HASH = 8
    ALL = 15


class MetadataParts(enum.IntFlag):
    """What is asked for of a name; NONE: whether it is there."""

    NONE = 0
    VALUE = 1
    BINDING = 2  # of_height
    SIZE = 4
    DEFAULT = 3


@dataclass(frozen=True, slots=True)
class Block:
    """A block. Of one that was read only the parts that were asked for are set. Of one to commit, no hash means the SHA-256 of
    the header."""

    height: int
    header: bytes = b""
    data: bytes = b""
    signature: bytes = b""
    hash: bytes = b""


@dataclass(frozen=True, slots=True)
class State:
    height: int  # from 0, the genesis state
    value: bytes = b""


@dataclass(frozen=True, slots=True)
class Metadata:
    name: bytes
    value: bytes
    of_height: int = 0  # the height it is bound to; 0: not bound
    size: int = 0  # of the value; only where it was asked for


@dataclass(frozen=True, slots=True)
class Set:
    """Sets a name; binds it to `of_height` unless that is 0."""

    name: bytes
    value: bytes
    of_height: int = 0


@dataclass(frozen=True, slots=True)
class Delete:
    """Removes a name; an absent one is no error."""

    name: bytes


@dataclass(frozen=True, slots=True)
class Raise:
    """Sets a name to 8 bytes, little-endian, if the stored number is lower."""

    name: bytes
    value: int


@dataclass(frozen=True, slots=True)
class DeleteRange:
    """Removes the names from `first`, included, to `end`, not included; b"" is no bound. Only in a commit."""

    first: bytes = b""
    end: bytes = b""


Operation = Set | Delete | Raise | DeleteRange


@dataclass(frozen=True, slots=True)
class Guard:
    """Metadata that holds a height, which must not be above the target of a rollback: it refuses, or is lowered to the target."""

    name: bytes
    lower: bool = False
    pass_malformed: bool = False  # a value that is not of 8 bytes passes, and is no error


@dataclass(frozen=True, slots=True)
class Claim:
    """A chain's one writer."""

    sequence: int
    writer: str
    pid: int
    uid: int
    held: bool  # False: the writer is gone, and another may claim


@dataclass(frozen=True, slots=True)
class Chain:
    name: str
    height: int
    blocks_pruned_through: int | None = None  # None: no block has been pruned
    states_pruned_through: int | None = None
    claim: Claim | None = None  # None: it is not claimed


@dataclass(frozen=True, slots=True)
class Written:
    """The answer to a write. The two numbers at the end hold for all writes: each up to them is written, or durable, or was
    refused."""

    sequence: int  # of a barrier the last that it waited for; of a dry run 0
    level: Level | None
    created: bool = False  # create_chain: the chain is new
    blocks: int = 0  # rollback, or a dry run of one or of a prune: how many went, or would go
    states: int = 0
    metadata: int = 0
    lowered: int = 0
    raises_left_out: int = 0  # by the daemon since its start, for all clients
    repeated: bool = False  # under a claim: it was applied, durably, and its first answer was lost; the numbers above are 0
    written_through: int = 0
    durable_through: int = 0


@dataclass(frozen=True, slots=True)
class Drained:
    """What a daemon did before it ended."""

    operations: int  # accepted writes that were not written when it began
    connections: int  # that were open then


@dataclass(frozen=True, slots=True)
class Dropped:
    """Accepted metadata that will not be written: the daemon refused it when it was sent again."""

    sequence: int  # the number under which it was accepted
    operations: int
    error: CairnError


@dataclass(frozen=True, slots=True)
class Counters:
    kept_operations: int  # accepted, and not known to be written
    lost_operations: int  # of these, to be sent again before any new write
    resent_operations: int  # since the start
    dropped_operations: int  # since the start
    run: int  # of the daemon that was met last; 0: none
    store_id: bytes  # b"": none was met
