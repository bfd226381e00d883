"""Client of cairn, a storage daemon for blockchain nodes.

    with cairn.Client("/run/cairn/cairnd.sock") as client:
        client.commit(cairn.Commit(blocks=[cairn.Block(1, header=b"header")], rise_to=1))  # durable when it returns
        client.set(b"head", b"1")
        print(client.block(1))

AsyncClient has the same calls in an event loop. What a write survives is promised in cairn's README."""

from ._requests import Commit
from ._version import __version__
from .aio import AsyncClient
from .client import Client
from .types import (
    Applied, Block, CairnError, Chain, Claim, Counters, Delete, DeleteRange, Drained, Dropped, Guard, Level, Metadata, MetadataParts,
    Operation, Parts, Raise, Reason, Set, State, Status, Written,
)

__all__ = [
    "Applied", "AsyncClient", "Block", "CairnError", "Chain", "Claim", "Client", "Commit", "Counters", "Delete", "DeleteRange", "Drained", "Dropped",
    "Guard", "Level", "Metadata", "MetadataParts", "Operation", "Parts", "Raise", "Reason", "Set", "State", "Status", "Written", "__version__",
]
